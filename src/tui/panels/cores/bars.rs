//! The bars of the cores, from two to hundreds of them.

use super::cores;
use crate::model::{CoreInfo, CoreKind, CoreShares};
use crate::tui::canvas::Canvas;
use crate::tui::model::Model;
use crate::tui::theme::Role;
use crate::tui::{format, graph};

/// Least cells of a core with a bar that is worth looking at.
const CORE_CELLS: u16 = 16;
/// The same where there are many: number, bar of three, percent.
const SMALL_CELLS: u16 = 12;
/// From this width on a core shows its clock.
const CLOCK_FROM: u16 = 28;

/// A core as it is drawn.
pub struct Core {
    /// Its number, with P or E before it on machines that have both.
    pub name: String,
    pub node: Option<u32>,
    /// Now, or at the time cursor.
    pub shares: CoreShares,
    order: (Option<u32>, bool, u32),
}

/// Returns the cores by node, then kind, then number.
pub fn in_order(model: &Model) -> Vec<Core> {
    let then = model.axis.cursor.map(|at| model.history.cores_at(at).unwrap_or(&[]));
    let mut list: Vec<Core> = Vec::with_capacity(cores(model).len());
    for (i, core) in cores(model).iter().enumerate() {
        let info = info_of(model, core.core);
        let kind = match info.kind {
            Some(CoreKind::Performance) => "P",
            Some(CoreKind::Efficiency) => "E",
            None => "",
        };
        let shares = match then {
            None => *core,
            Some(then) => {
                let (busy, run) = then.get(i).copied().unwrap_or_default();
                // Which classes it was has not been kept of every core.
                let core = core.core;
                let (user, run) = (f32::from(busy), f32::from(run));
                CoreShares { core, user, run, ..CoreShares::default() }
            }
        };
        list.push(Core {
            name: format!("{kind}{}", core.core),
            node: info.node,
            shares,
            order: (info.node, info.kind == Some(CoreKind::Efficiency), core.core),
        });
    }
    list.sort_by_key(|core| core.order);
    list
}

fn info_of(model: &Model, core: u32) -> CoreInfo {
    let infos = &model.info.cores;
    // Sorted by number, and most often each at its own.
    let at = infos.get(core as usize).filter(|info| info.core == core);
    at.or_else(|| infos.iter().find(|info| info.core == core)).copied().unwrap_or_default()
}

/// How the bars stand in a part of the panel.
pub struct Plan {
    list: Vec<Core>,
    /// Cores in each column; `None` when only one cell each has room.
    columns: Option<u16>,
    /// A heading stands before the cores of each NUMA node.
    nodes: usize,
    pub name_cells: u16,
    /// Rows that it takes.
    pub rows: u16,
}

impl Plan {
    /// Finds the largest form for which there is room.
    pub fn new(model: &Model, width: u16, rows: u16) -> Plan {
        let list = in_order(model);
        let nodes = n_nodes(&list);
        let n = (list.len() + nodes) as u16;
        let names = list.iter().map(|c| c.name.len() as u16).max().unwrap_or(1);
        let mut plan = Plan { list, columns: None, nodes, name_cells: names.max(2), rows };
        for cells in [CORE_CELLS, SMALL_CELLS + plan.name_cells.saturating_sub(2)] {
            let columns = n.div_ceil(rows.max(1)).max(1);
            if columns <= (width / cells).max(1) {
                plan.columns = Some(columns);
                plan.rows = n.div_ceil(columns);
                break;
            }
        }
        if plan.columns == Some(1) {
            plan.name_cells = plan.name_cells.max(3);
        }
        plan
    }
}

/// Headings that the list needs: one for each node when there are several.
fn n_nodes(list: &[Core]) -> usize {
    let changes = list.windows(2).filter(|pair| pair[0].node != pair[1].node).count();
    if changes == 0 { 0 } else { changes + 1 }
}

/// Rows that the bars would like at a width.
pub fn want(model: &Model, width: u16) -> u16 {
    let n = cores(model).len() as u16 + n_nodes(&in_order(model)) as u16;
    let most = (model.size.height / 4).max(4);
    // Few cores: one under the other. Many: as few rows as hold them all.
    match n {
        0..=4 => n,
        _ => {
            let large = n.div_ceil((width / CORE_CELLS).max(1));
            let small = n.div_ceil((width / SMALL_CELLS).max(1));
            let levels = n.div_ceil(width.saturating_sub(5).max(1)) * 2;
            let fits = [large.max(2), small.max(4)].into_iter().find(|rows| *rows <= most);
            fits.unwrap_or(levels.clamp(4, most))
        }
    }
}

/// Draws all cores.
pub fn draw(model: &Model, canvas: &mut Canvas<'_>, plan: &Plan) {
    let Some(columns) = plan.columns else {
        let rows = canvas.height();
        draw_levels(model, canvas, rows);
        return;
    };
    let cells = canvas.width() / columns;
    let mut at = 0u16;
    let mut place = |canvas: &mut Canvas<'_>, draw: &dyn Fn(&mut Canvas<'_>)| {
        let (column, row) = (at / plan.rows.max(1), at % plan.rows.max(1));
        let gap = u16::from(column + 1 < columns);
        draw(&mut canvas.part(column * cells, row, cells.saturating_sub(gap), 1));
        at += 1;
    };
    for (i, core) in plan.list.iter().enumerate() {
        if plan.nodes > 0 && (i == 0 || plan.list[i - 1].node != core.node) {
            place(canvas, &|row| draw_node(row, &plan.list, core.node));
        }
        place(canvas, &|row| draw_core(row, &core.name, plan.name_cells, &core.shares));
    }
}

/// The heading of a NUMA node, with what its cores do on average.
fn draw_node(row: &mut Canvas<'_>, list: &[Core], node: Option<u32>) {
    let name = node.map_or("no node".to_owned(), |n| format!("node {n}"));
    row.put_cut(0, 0, u16::MAX, &name, Role::Heading);
    let of: Vec<f32> = list.iter().filter(|c| c.node == node).map(|c| c.shares.busy()).collect();
    let busy = of.iter().sum::<f32>() / of.len().max(1) as f32;
    row.put_right(row.width(), 0, &format::percent(busy), Role::Heading);
}

/// Name, bar, percent and clock of one core in one row.
pub fn draw_core(canvas: &mut Canvas<'_>, name: &str, name_cells: u16, core: &CoreShares) {
    let width = canvas.width();
    canvas.put_right(name_cells, 0, name, Role::Dim);
    let clock = core.mhz.filter(|_| width >= CLOCK_FROM);
    let end = width.saturating_sub(if clock.is_some() { 5 } else { 0 });
    let bar = end.saturating_sub(name_cells + 1 + 5);
    graph::core_bar(canvas, name_cells + 1, 0, bar, core);
    let busy = core.busy();
    let role = if busy >= 0.5 { Role::Text } else { Role::Dim };
    canvas.put_right(end, 0, &format::percent(busy.min(100.0)), role);
    if let Some(mhz) = clock {
        canvas.put_right(width, 0, &clock_text(mhz), Role::Dim);
    }
}

/// `3.4G`, `800M`: Hertz in at most four cells.
fn clock_text(mhz: u32) -> String {
    match mhz {
        0..1_000 => format!("{mhz}M"),
        1_000..10_000 => format!("{:.1}G", f64::from(mhz.min(9_949)) / 1_000.0),
        _ => format!("{}G", (mhz / 1_000).min(999)),
    }
}

/// More cores than bars have room for: one column of cells each, in bands that start with the
/// number of their first core. What others use is paler.
pub fn draw_levels(model: &Model, canvas: &mut Canvas<'_>, rows: u16) {
    let list = in_order(model);
    let names = list.iter().map(|c| c.name.len() as u16).max().unwrap_or(1).max(3);
    let cells = usize::from(canvas.width().saturating_sub(names + 1).max(1));
    // A node begins a band of its own where there are rows for that.
    let by_node = list.chunk_by(|a, b| a.node == b.node).flat_map(|node| node.chunks(cells));
    let mut bands: Vec<&[Core]> = by_node.collect();
    if bands.len() > usize::from(rows) {
        bands = list.chunks(cells).collect();
    }
    let height = (rows / bands.len().max(1) as u16).clamp(1, 4);
    for (i, band) in bands.into_iter().enumerate() {
        let top = i as u16 * height;
        if let Some(first) = band.first() {
            canvas.put_right(names, top + height - 1, &first.name, Role::Dim);
        }
        for (x, core) in band.iter().enumerate() {
            let x = names + 1 + x as u16;
            draw_level(&mut canvas.part(x, top, 1, height), &core.shares);
        }
    }
}

/// A core as one column of cells.
fn draw_level(canvas: &mut Canvas<'_>, core: &CoreShares) {
    let (busy, height) = (core.busy(), canvas.height());
    let glyphs = canvas.glyphs();
    let level = graph::level_of(busy, 100.0, usize::from(height) * 8);
    let style = match core.run * 2.0 >= busy {
        true => canvas.look.theme.gradient(busy / 100.0),
        false => canvas.look.style(Role::KeyText),
    };
    for row in 0..height {
        let shape = match level.saturating_sub(usize::from(row) * 8).min(8) {
            0 if row == 0 => glyphs.idle,
            part => glyphs.levels[part],
        };
        canvas.put_styled(0, height - 1 - row, shape, style);
    }
}
