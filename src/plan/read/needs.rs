//! `needs`: names to tasks, cycles, and which tasks are wanted.

use super::Reader;
use crate::model::TaskIdx;
use crate::plan::rules::{Need, NeedWhen};
use crate::plan::spec::TaskSpec;
use crate::plan::yaml::short;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// Names of a cycle that a message shows at the most.
const SHOWN_NAMES: usize = 12;

/// A task, read but for its needs.
pub(super) struct ReadTask {
    /// Its place in the file.
    pub idx: TaskIdx,
    pub spec: TaskSpec,
    pub needs: Vec<WrittenNeed>,
    /// The variables of its `foreach`.
    pub inputs: HashSet<String>,
    pub at: Range<usize>,
}

/// A need by name.
pub(super) struct WrittenNeed {
    pub name: String,
    pub at: Range<usize>,
    /// Where `each: true` stands.
    pub each: Option<Range<usize>>,
    pub when: NeedWhen,
}

impl Reader<'_> {
    /// Turns the names of needs into tasks; reports those that cannot be.
    pub(super) fn link_needs(&mut self, mut tasks: Vec<ReadTask>) -> Vec<ReadTask> {
        let mut by_name: HashMap<String, usize> = HashMap::new();
        for (i, task) in tasks.iter().enumerate() {
            by_name.entry(task.spec.rules.name.clone()).or_insert(i);
        }
        let names: Vec<&str> =
            tasks.iter().map(|t| t.spec.rules.name.as_str()).filter(|n| !n.is_empty()).collect();
        let mut linked: Vec<Vec<Need>> = Vec::with_capacity(tasks.len());
        for (i, task) in tasks.iter().enumerate() {
            let mut needs: Vec<Need> = Vec::new();
            let mut needed: HashSet<TaskIdx> = HashSet::new();
            for need in &task.needs {
                let Some(upper) = by_name.get(&need.name).copied() else {
                    let message = format!("unknown task `{}` in `needs`", short(&need.name));
                    let hint = self.name_hint(&need.name, &names);
                    self.problems.error(&need.at, message, hint);
                    continue;
                };
                if upper == i {
                    let message = format!("`{}` needs itself", need.name);
                    let hint = "It could never start: remove the need.";
                    self.problems.error(&need.at, message, Some(hint.to_owned()));
                    continue;
                }
                let idx = TaskIdx(u32::try_from(upper).unwrap_or(u32::MAX));
                if !needed.insert(idx) {
                    let message = format!("`{}` is needed twice", need.name);
                    self.problems.error(&need.at, message, Some("Keep one of the two.".into()));
                    continue;
                }
                if let (Some(at), Some(upper)) = (&need.each, tasks.get(upper)) {
                    self.check_each(task, upper, at);
                }
                needs.push(Need { task: idx, when: need.when, each: need.each.is_some() });
            }
            linked.push(needs);
        }
        self.report_cycles(&tasks, &linked);
        for (task, needs) in tasks.iter_mut().zip(linked) {
            task.spec.rules.needs = needs;
        }
        tasks
    }

    /// `each` needs inputs in common, and both sets of inputs known from the start.
    fn check_each(&mut self, task: &ReadTask, upper: &ReadTask, at: &Range<usize>) {
        let (name, upper_name) = (&task.spec.rules.name, &upper.spec.rules.name);
        if let Some(late) = [task, upper].into_iter().find(|t| t.spec.rules.expand_when_ready) {
            let late = &late.spec.rules.name;
            let message = format!("`each` cannot go with `expand: when_ready` of `{late}`");
            let hint = "Job to job takes both tasks' inputs from the start: remove one of the two.";
            self.problems.error(at, message, Some(hint.to_owned()));
        } else if !task.inputs.iter().any(|v| upper.inputs.contains(v)) {
            let message = format!(
                "`each` links jobs by shared variables; `{name}` and `{upper_name}` have none"
            );
            let hint =
                "Give both tasks a variable of the same name in `foreach`, or remove `each`.";
            self.problems.error(at, message, Some(hint.to_owned()));
        }
    }

    /// Names the cycles in needs: for each group of tasks that wait for each other, one.
    fn report_cycles(&mut self, tasks: &[ReadTask], needs: &[Vec<Need>]) {
        #[derive(Clone, Copy, PartialEq)]
        enum Seen {
            No,
            OnPath,
            Done,
        }
        let mut seen = vec![Seen::No; tasks.len()];
        let mut reported = vec![false; tasks.len()];
        for start in 0..tasks.len() {
            if seen.get(start) != Some(&Seen::No) {
                continue;
            }
            // The path from `start`, each step with the number of the need to look at next.
            let mut path: Vec<(usize, usize)> = vec![(start, 0)];
            mark(&mut seen, start, Seen::OnPath);
            while let Some((at, next)) = path.last_mut() {
                let at = *at;
                let Some(need) = needs.get(at).and_then(|n| n.get(*next)) else {
                    mark(&mut seen, at, Seen::Done);
                    path.pop();
                    continue;
                };
                let nth = *next;
                *next += 1;
                let to = need.task.0 as usize;
                match seen.get(to) {
                    Some(Seen::No) => {
                        mark(&mut seen, to, Seen::OnPath);
                        path.push((to, 0));
                    }
                    Some(Seen::OnPath) if !reported.get(at).copied().unwrap_or(true) => {
                        let from = path.iter().rposition(|(t, _)| *t == to).unwrap_or(0);
                        let cycle: Vec<usize> = path.iter().skip(from).map(|(t, _)| *t).collect();
                        cycle.iter().for_each(|t| mark(&mut reported, *t, true));
                        self.report_cycle(tasks, &cycle, nth);
                    }
                    _ => {}
                }
            }
        }
    }

    /// `cycle`: each task needs the next one and the last one needs the first, by its `nth`
    /// need.
    fn report_cycle(&mut self, tasks: &[ReadTask], cycle: &[usize], nth: usize) {
        let name = |i: usize| tasks.get(i).map_or("", |t| t.spec.rules.name.as_str());
        let mut words: Vec<&str> = cycle.iter().take(SHOWN_NAMES).map(|i| name(*i)).collect();
        if cycle.len() > SHOWN_NAMES {
            words.push("...");
        }
        words.extend(cycle.first().map(|i| name(*i)));
        let Some(last) = cycle.last().and_then(|i| tasks.get(*i)) else { return };
        let first = cycle.first().map_or("", |i| name(*i));
        let need = last.needs.iter().find(|n| n.name == first).or_else(|| last.needs.get(nth));
        let at = need.map_or(&last.at, |n| &n.at);
        let message = format!("a cycle in `needs`: {}", words.join(" -> "));
        let hint = "None of these could ever start: remove one of the needs.";
        self.problems.error(at, message, Some(hint.to_owned()));
    }

    /// Keeps the tasks that the user named and what they need, and the sites of those.
    pub(super) fn select(&mut self, tasks: Vec<ReadTask>) -> Vec<TaskSpec> {
        if self.options.only.is_empty() || tasks.is_empty() {
            return tasks.into_iter().map(|t| t.spec).collect();
        }
        let mut wanted: Vec<usize> = Vec::new();
        for name in &self.options.only {
            match tasks.iter().position(|t| t.spec.rules.name == *name) {
                Some(i) => wanted.push(i),
                None => {
                    let known: Vec<&str> =
                        tasks.iter().map(|t| t.spec.rules.name.as_str()).collect();
                    let hint = self.name_hint(name, &known);
                    let message = format!("the task file has no task `{}`", short(name));
                    self.problems.error_nowhere(message, hint);
                }
            }
        }
        let mut keep = vec![false; tasks.len()];
        while let Some(i) = wanted.pop() {
            if keep.get(i) == Some(&false) {
                mark(&mut keep, i, true);
                let needs = tasks.get(i).map(|t| t.spec.rules.needs.as_slice());
                wanted.extend(needs.unwrap_or_default().iter().map(|n| n.task.0 as usize));
            }
        }
        // Tasks are known by their place; what is left moves up.
        let mut places: HashMap<TaskIdx, TaskIdx> = HashMap::new();
        let mut in_file: HashMap<TaskIdx, TaskIdx> = HashMap::new();
        let kept: Vec<(usize, ReadTask)> =
            tasks.into_iter().enumerate().filter(|(i, _)| keep.get(*i) == Some(&true)).collect();
        for (new, (old, task)) in kept.iter().enumerate() {
            let idx = |n: usize| TaskIdx(u32::try_from(n).unwrap_or(u32::MAX));
            places.insert(idx(*old), idx(new));
            in_file.insert(task.idx, idx(new));
        }
        self.sites.retain_mut(|site| match &mut site.task {
            None => true,
            Some(task) => in_file.get(task).map(|new| *task = *new).is_some(),
        });
        let specs = kept.into_iter().map(|(_, mut task)| {
            for need in &mut task.spec.rules.needs {
                need.task = places.get(&need.task).copied().unwrap_or(need.task);
            }
            task.spec
        });
        specs.collect()
    }
}

fn mark<T>(of: &mut [T], at: usize, value: T) {
    if let Some(place) = of.get_mut(at) {
        *place = value;
    }
}
