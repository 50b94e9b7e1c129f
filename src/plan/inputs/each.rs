//! `needs` with `each`: which jobs of two tasks have the same values.

use super::{InputAxis, InputSet, InputVar, Table};
use crate::model::each::{Axis, GroupsOfJobs, ProductMap, SharedAxis};
use crate::plan::rules::EachMap;
use std::borrow::Cow;
use std::collections::HashMap;

/// Values that a warning names.
const NAMED: usize = 3;

/// Which jobs of a needed task each job of a task needs, and what a person should know of it.
#[derive(Clone, Debug, PartialEq)]
pub struct EachFor {
    pub map: EachMap,
    /// Jobs without a partner, in words: ``2 of its 5 jobs have no partner there: `x` c, `x` d``.
    pub warning: Option<String>,
}

/// Finds out which jobs of `up` each job of `down` needs: those with the same values of the
/// variables that both have. A job whose values no job of `up` has needs none.
///
/// Lists that are the very same are linked by position; others by their values, which are
/// hashed once.
///
/// # Errors
/// In words for the person: nothing in common, or not one job with a partner.
pub fn each_map(up: &InputSet, down: &InputSet) -> Result<EachFor, String> {
    if up.axes.is_empty() && down.axes.is_empty() {
        return Ok(EachFor { map: EachMap::identity(1), warning: None });
    }
    let shared = shared_columns(up, down)?;
    if let Some(product) = product_map(up, down) {
        return Ok(EachFor { map: EachMap::Product(product), warning: None });
    }
    let (ups, downs) = groups(up, down, &shared);
    let map = EachMap::Groups(GroupsOfJobs { ups, downs }.into());
    let loners = Loners::of(&map, down, &shared);
    if loners.count == down.len() && !up.is_empty() && !down.is_empty() {
        return Err(format!(
            "`each` links jobs with the same inputs, but no job of the two tasks has: {} here, \
             {} there",
            values_at(0, shared.iter().map(|both| both.down)),
            values_at(0, shared.iter().map(|both| both.up)),
        ));
    }
    Ok(EachFor { map, warning: loners.words(down) })
}

/// Something that both tasks have: a variable, or one column of it.
struct Shared<'a> {
    up: Side<'a>,
    down: Side<'a>,
}

/// Where one task has it.
#[derive(Clone, Copy)]
struct Side<'a> {
    axis: &'a InputAxis,
    var: &'a InputVar,
    column: Option<&'a str>,
}

impl<'a> Side<'a> {
    fn value(&self, row: usize) -> Cow<'a, [u8]> {
        match self.column {
            Some(column) => Cow::Borrowed(self.var.table.cell(row, column).unwrap_or_default()),
            None => self.var.table.value(row).unwrap_or_default(),
        }
    }

    /// The row that a job has, by the job's position.
    fn row_of(&self, job: u32) -> usize {
        (job / self.axis.stride % self.axis.len.max(1)) as usize
    }

    fn name(&self) -> String {
        match self.column {
            Some(column) => format!("{}.{column}", self.var.name),
            None => self.var.name.clone(),
        }
    }
}

fn vars(inputs: &InputSet) -> impl Iterator<Item = (&InputAxis, &InputVar)> {
    inputs.axes.iter().flat_map(|axis| axis.vars.iter().map(move |var| (axis, var)))
}

fn shared_columns<'a>(up: &'a InputSet, down: &'a InputSet) -> Result<Vec<Shared<'a>>, String> {
    let mut shared = Vec::new();
    for (up_axis, up_var) in vars(up) {
        let Some((down_axis, down_var)) = vars(down).find(|(_, var)| var.name == up_var.name)
        else {
            continue;
        };
        let before = shared.len();
        let mut add = |column| {
            shared.push(Shared {
                up: Side { axis: up_axis, var: up_var, column },
                down: Side { axis: down_axis, var: down_var, column },
            });
        };
        match (&up_var.table, &down_var.table) {
            (Table::Records { columns, .. }, Table::Records { columns: others, .. }) => {
                columns.iter().filter(|c| others.contains(c)).for_each(|c| add(Some(c)));
            }
            (Table::Records { .. }, _) | (_, Table::Records { .. }) => {}
            _ => add(None),
        }
        if shared.len() == before {
            return Err(format!(
                "`each` links jobs with the same inputs, but `{}` has no column in common in \
                 both tasks",
                up_var.name
            ));
        }
    }
    if shared.is_empty() {
        return Err(format!(
            "`each` links jobs with the same inputs, but the tasks have no variable in common: \
             one has {}, the other {}",
            var_list(up),
            var_list(down)
        ));
    }
    Ok(shared)
}

/// Links by arithmetic, where the shared variables of both tasks have the same values in the
/// same order and change together in the same way.
fn product_map(up: &InputSet, down: &InputSet) -> Option<ProductMap> {
    let mut map = ProductMap { shared: Vec::new(), up_only: Vec::new(), down_only: Vec::new() };
    let mut used = vec![false; down.axes.len()];
    for up_axis in &up.axes {
        let mut partners = (0..down.axes.len()).filter(|i| has_common_var(up_axis, &down.axes[*i]));
        let Some(partner) = partners.next() else {
            map.up_only.push(Axis { len: up_axis.len, stride: up_axis.stride });
            continue;
        };
        let down_axis = &down.axes[partner];
        let taken = std::mem::replace(&mut used[partner], true);
        if taken || partners.next().is_some() || !have_same_values(up_axis, down_axis) {
            return None;
        }
        map.shared.push(SharedAxis {
            len: up_axis.len,
            up_stride: up_axis.stride,
            down_stride: down_axis.stride,
        });
    }
    let free = down.axes.iter().zip(&used).filter(|(_, used)| !**used);
    map.down_only.extend(free.map(|(axis, _)| Axis { len: axis.len, stride: axis.stride }));
    // Without jobs above, those below have no partners: that is for the other way to say.
    (!up.is_empty() || down.is_empty()).then_some(map)
}

fn has_common_var(a: &InputAxis, b: &InputAxis) -> bool {
    a.vars.iter().any(|var| b.vars.iter().any(|other| other.name == var.name))
}

fn have_same_values(up: &InputAxis, down: &InputAxis) -> bool {
    let pairs = up.vars.iter().flat_map(|var| down.vars.iter().map(move |other| (var, other)));
    let mut shared = pairs.filter(|(var, other)| var.name == other.name);
    shared.all(|(var, other)| var.table.same_values(&other.table))
}

/// Gives every job of both tasks the number of its group: the same for the same values.
fn groups(up: &InputSet, down: &InputSet, shared: &[Shared<'_>]) -> (Vec<u32>, Vec<u32>) {
    let mut ups = vec![0; up.len() as usize];
    let mut downs = vec![0; down.len() as usize];
    for (nth, both) in shared.iter().enumerate() {
        let (up_ids, down_ids) = value_ids(both);
        // The first numbers are those of its values; each further variable splits the groups.
        let mut pairs = Numbers::default();
        let sides = [(&mut ups, both.up, &up_ids), (&mut downs, both.down, &down_ids)];
        for (groups, side, ids) in sides {
            for (job, group) in (0..).zip(groups.iter_mut()) {
                let id = ids[side.row_of(job)];
                *group = if nth == 0 { id } else { pairs.number((*group, id)) };
            }
        }
    }
    (ups, downs)
}

/// Numbers the values of both sides: the same number for the same value.
fn value_ids<'a>(both: &Shared<'a>) -> (Vec<u32>, Vec<u32>) {
    let mut numbers = Numbers::default();
    let mut ids = |side: Side<'a>| -> Vec<u32> {
        (0..side.var.table.len()).map(|row| numbers.number(side.value(row))).collect()
    };
    (ids(both.up), ids(both.down))
}

/// Numbers things in the order in which they come, from 0.
struct Numbers<T>(HashMap<T, u32>);

impl<T> Default for Numbers<T> {
    fn default() -> Numbers<T> {
        Numbers(HashMap::new())
    }
}

impl<T: std::hash::Hash + Eq> Numbers<T> {
    fn number(&mut self, thing: T) -> u32 {
        // There are at most as many values as jobs: they fit.
        let next = self.0.len() as u32;
        *self.0.entry(thing).or_insert(next)
    }
}

/// Jobs of the needing task that need no job of the other.
struct Loners {
    count: u32,
    /// The values of the first few, each once.
    named: Vec<String>,
    /// There are other values too.
    more: bool,
}

impl Loners {
    fn of(map: &EachMap, down: &InputSet, shared: &[Shared<'_>]) -> Loners {
        let mut loners = Loners { count: 0, named: Vec::new(), more: false };
        for job in (0..down.len()).filter(|job| map.n_ups_of(*job) == 0) {
            loners.count += 1;
            if loners.more {
                continue;
            }
            let values = values_at(job, shared.iter().map(|both| both.down));
            if !loners.named.contains(&values) {
                loners.more = loners.named.len() == NAMED;
                loners.named.extend((!loners.more).then_some(values));
            }
        }
        loners
    }

    fn words(&self, down: &InputSet) -> Option<String> {
        let have = match (self.count, down.len()) {
            (0, _) => return None,
            (1, 1) => "its only job has".to_owned(),
            (1, all) => format!("1 of its {all} jobs has"),
            (n, all) => format!("{n} of its {all} jobs have"),
        };
        let more = if self.more { ", ..." } else { "" };
        Some(format!("{have} no partner there: {}{more}", self.named.join(", ")))
    }
}

/// The shared values of a job, by its position: of `sides`, all of one task.
fn values_at<'a>(job: u32, sides: impl Iterator<Item = Side<'a>>) -> String {
    let shown = sides.map(|side| {
        format!("`{}` {}", side.name(), super::short_value(&side.value(side.row_of(job))))
    });
    shown.collect::<Vec<_>>().join(" with ")
}

fn var_list(inputs: &InputSet) -> String {
    let names: Vec<String> = vars(inputs).map(|(_, var)| format!("`{}`", var.name)).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
