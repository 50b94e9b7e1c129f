//! Who can go on: a graph in which a node goes on when all of its needs are met, each by any of
//! its wakers.

/// Place of a node.
pub(super) type Idx = usize;

/// Something that can go on, or cannot.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// Goes on by itself, or nobody knows that it does not.
    Live,
    /// Does nothing by itself: stopped or ended.
    Never,
    /// Goes on when all of these are met.
    Waits(Vec<Need>),
}

/// Something that any of the wakers can do.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Need {
    /// Somebody can who is always able to.
    pub(super) free: bool,
    pub(super) wakers: Vec<Idx>,
}

/// Returns for each node whether it can go on: the least set that has all that are live, and
/// whoever these let go on.
pub(super) fn live(nodes: &[Node]) -> Vec<bool> {
    let mut live = vec![false; nodes.len()];
    let mut todo = Vec::new();
    // Needs by number: whose they are, and whether they are met.
    let mut needs: Vec<(Idx, bool)> = Vec::new();
    let mut unmet = vec![0_usize; nodes.len()];
    let mut feeds: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (idx, node) in nodes.iter().enumerate() {
        match node {
            Node::Live => todo.push(idx),
            Node::Never => {}
            Node::Waits(of_node) => {
                for need in of_node.iter().filter(|need| !need.free) {
                    let wakers = need.wakers.iter().filter(|waker| **waker < nodes.len());
                    wakers.for_each(|waker| feeds[*waker].push(needs.len()));
                    needs.push((idx, false));
                    unmet[idx] += 1;
                }
                if unmet[idx] == 0 {
                    todo.push(idx);
                }
            }
        }
    }
    while let Some(idx) = todo.pop() {
        if std::mem::replace(&mut live[idx], true) {
            continue;
        }
        for need in &feeds[idx] {
            let (of, met) = &mut needs[*need];
            if !std::mem::replace(met, true) {
                unmet[*of] -= 1;
                if unmet[*of] == 0 && !matches!(nodes[*of], Node::Never) {
                    todo.push(*of);
                }
            }
        }
    }
    live
}

/// Finds the groups of nodes that are stuck by themselves: all of a group stay stuck even if
/// everybody else went on. What is left of the stuck waits behind them.
///
/// A group is a circle (all reach each other), or one node of which nobody can meet a need.
pub(super) fn knots(nodes: &[Node], stuck: Vec<Idx>) -> Vec<Vec<Idx>> {
    let mut found = Vec::new();
    let mut within = Within::new(nodes);
    let mut todo = vec![stuck];
    while let Some(set) = todo.pop() {
        for circle in within.circles(&set) {
            let rest = within.stuck_alone(&circle);
            if rest.len() == circle.len() {
                found.push(circle);
            } else if !rest.is_empty() {
                todo.push(rest);
            }
        }
    }
    for knot in &mut found {
        knot.sort_unstable();
    }
    found.sort();
    found
}

/// Whether all of a set reach each other over needs that nobody outside of it can meet.
pub(super) fn is_circle(nodes: &[Node], set: &[Idx]) -> bool {
    let mut within = Within::new(nodes);
    let circles = within.circles(set);
    let [one] = circles.as_slice() else { return false };
    let has_edge = |idx: &Idx| within.next(*idx).next().is_some();
    one.iter().all(has_edge)
}

/// Views of a part of the nodes.
pub(super) struct Within<'a> {
    nodes: &'a [Node],
    /// Number of the set that a node was last put in.
    of_set: Vec<u32>,
    set: u32,
}

impl<'a> Within<'a> {
    pub(super) fn new(nodes: &'a [Node]) -> Within<'a> {
        Within { nodes, of_set: vec![0; nodes.len()], set: 0 }
    }

    /// Restricts the view to these.
    pub(super) fn restrict(&mut self, set: &[Idx]) {
        self.set += 1;
        for idx in set {
            self.of_set[*idx] = self.set;
        }
    }

    fn has(&self, idx: Idx) -> bool {
        self.of_set.get(idx) == Some(&self.set)
    }

    /// Whether a need can be met by somebody outside of the set; those who never do are nobody.
    fn is_met_outside(&self, need: &Need) -> bool {
        let outside =
            |waker: &Idx| !self.has(*waker) && !matches!(self.nodes.get(*waker), Some(Node::Never));
        need.free || need.wakers.iter().any(outside)
    }

    fn needs(&self, idx: Idx) -> &'a [Need] {
        match &self.nodes[idx] {
            Node::Waits(needs) => needs,
            _ => &[],
        }
    }

    /// The nodes of the set that a node waits for.
    pub(super) fn next(&self, idx: Idx) -> impl Iterator<Item = Idx> {
        let needs = self.needs(idx).iter().filter(|need| !self.is_met_outside(need));
        needs.flat_map(|need| &need.wakers).copied().filter(|waker| self.has(*waker))
    }

    /// Those of the set that stay stuck when everybody outside of it goes on.
    pub(super) fn stuck_alone(&mut self, set: &[Idx]) -> Vec<Idx> {
        self.restrict(set);
        let place: std::collections::HashMap<Idx, Idx> =
            set.iter().enumerate().map(|(at, idx)| (*idx, at)).collect();
        let part: Vec<Node> = set
            .iter()
            .map(|idx| {
                let needs = self.needs(*idx).iter().map(|need| Need {
                    free: self.is_met_outside(need),
                    wakers: need.wakers.iter().filter_map(|w| place.get(w)).copied().collect(),
                });
                Node::Waits(needs.collect())
            })
            .collect();
        let live = live(&part);
        set.iter().zip(live).filter(|(_, live)| !live).map(|(idx, _)| *idx).collect()
    }

    /// Parts of the set whose members all reach each other (Tarjan's, without recursion).
    fn circles(&mut self, set: &[Idx]) -> Vec<Vec<Idx>> {
        self.restrict(set);
        let mut walk = Walk::new(self.nodes.len());
        for start in set {
            if walk.number[*start] == 0 {
                walk.from(*start, self);
            }
        }
        walk.found
    }
}

struct Walk {
    /// In the order of being reached, from 1; 0: not yet.
    number: Vec<u32>,
    low: Vec<u32>,
    on_path: Vec<bool>,
    path: Vec<Idx>,
    counter: u32,
    found: Vec<Vec<Idx>>,
}

impl Walk {
    fn new(n: usize) -> Walk {
        Walk {
            number: vec![0; n],
            low: vec![0; n],
            on_path: vec![false; n],
            path: Vec::new(),
            counter: 0,
            found: Vec::new(),
        }
    }

    fn reach(&mut self, idx: Idx, within: &Within<'_>) -> (Idx, Vec<Idx>) {
        self.counter += 1;
        self.number[idx] = self.counter;
        self.low[idx] = self.counter;
        self.on_path[idx] = true;
        self.path.push(idx);
        (idx, within.next(idx).collect())
    }

    fn from(&mut self, start: Idx, within: &Within<'_>) {
        let mut open = vec![self.reach(start, within)];
        while let Some((idx, left)) = open.last_mut() {
            let idx = *idx;
            match left.pop() {
                Some(next) if self.number[next] == 0 => {
                    let reached = self.reach(next, within);
                    open.push(reached);
                }
                Some(next) if self.on_path[next] => {
                    self.low[idx] = self.low[idx].min(self.number[next]);
                }
                Some(_) => {}
                None => {
                    open.pop();
                    if let Some((before, _)) = open.last() {
                        self.low[*before] = self.low[*before].min(self.low[idx]);
                    }
                    if self.low[idx] == self.number[idx] {
                        self.close(idx);
                    }
                }
            }
        }
    }

    fn close(&mut self, first: Idx) {
        let mut part = Vec::new();
        while let Some(idx) = self.path.pop() {
            self.on_path[idx] = false;
            part.push(idx);
            if idx == first {
                break;
            }
        }
        self.found.push(part);
    }
}
