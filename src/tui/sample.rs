//! What a theme looks like, without a run: a line for a list of themes, a page for one theme.

use super::canvas::{Canvas, Look};
use super::theme::{ROLES, Role};
use super::{format, graph};
use crate::model::CoreShares;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use std::cell::RefCell;

/// Cells of a line and of a page.
const WIDTH: u16 = 78;
/// Lines of the picture at the top of a page.
const PICTURE: u16 = 21;
/// Columns of the list of roles below it.
const COLUMNS: usize = 4;

/// Returns one line.
pub fn line(look: &Look) -> Buffer {
    let zones = RefCell::default();
    let mut buf = Buffer::empty(Rect::new(0, 0, WIDTH, 1));
    let mut canvas = Canvas::new(&mut buf, Rect::new(0, 0, WIDTH, 1), look, &zones);
    canvas.clear(Role::Screen);
    let g = canvas.glyphs();
    let x = canvas.put_spans(
        1,
        0,
        &[
            ("job ".into(), Role::Strong),
            (format!("{} run ", g.running), Role::Run),
            ("QUIET ".into(), Role::Quiet),
            (format!("{} 312 ", g.done), Role::Good),
            (format!("{} 9 ", g.failed), Role::Bad),
            ("0:41 ".into(), Role::Dim),
        ],
    );
    let x = canvas.repeat(x, 0, 7, g.bar_full, look.style(Role::BarDone));
    let x = canvas.repeat(x, 0, 2, g.bar_full, look.style(Role::BarRunning));
    let x = canvas.repeat(x, 0, 1, g.bar_full, look.style(Role::BarFailed));
    let x = canvas.repeat(x, 0, 3, g.bar_rest, look.style(Role::BarRest)) + 1;
    gradient(&mut canvas.part(x, 0, 8, 1));
    let mut x = x + 9;
    for n in 0..8 {
        x = canvas.repeat(x, 0, 1, g.bar_full, look.theme.task(n));
    }
    let x =
        canvas.put_spans(x + 1, 0, &[("K ".into(), Role::Key), ("kill ".into(), Role::KeyText)]);
    canvas.put(x, 0, " pick ", Role::Choice);
    buf
}

/// Returns a small screen, and below it every role with its name.
pub fn page(look: &Look) -> Buffer {
    let rows = u16::try_from(ROLES.len().div_ceil(COLUMNS)).unwrap_or(u16::MAX);
    let area = Rect::new(0, 0, WIDTH, PICTURE + rows + 1);
    let zones = RefCell::default();
    let mut buf = Buffer::empty(area);
    let mut canvas = Canvas::new(&mut buf, area, look, &zones);
    canvas.clear(Role::Screen);
    header(&mut canvas.part(1, 0, WIDTH - 2, 2));
    cores(&mut canvas.part(0, 3, 39, 6));
    time_line(&mut canvas.part(39, 3, 39, 6));
    workers(&mut canvas.part(0, 9, WIDTH, 8));
    bottom(&mut canvas.part(1, 17, WIDTH - 2, 3));
    popup(&mut canvas.part(46, 11, 28, 5));
    let column = (WIDTH - 2) / COLUMNS as u16;
    for (i, info) in ROLES.iter().enumerate() {
        let (x, y) = (i as u16 / rows * column, i as u16 % rows);
        let mut cell = canvas.part(1 + x, PICTURE + y, column - 1, 1);
        cell.put(0, 0, info.name, info.role);
    }
    buf
}

fn header(canvas: &mut Canvas<'_>) {
    let g = canvas.glyphs();
    let name = canvas.look.theme.name.clone();
    let x = canvas.put(0, 0, &name, Role::Strong);
    canvas.put(x + 2, 0, "brave-otter", Role::Dim);
    let x = canvas.put(28, 0, &format!("{} running", g.running), Role::Run);
    let x = canvas.put(x + 2, 0, &format::long_clock(252_000), Role::Text);
    canvas.put(x + 2, 0, "8 workers: 8 cores", Role::Dim);
    let x = canvas.repeat(0, 1, 20, g.bar_full, canvas.look.style(Role::BarDone));
    let x = canvas.repeat(x, 1, 1, g.bar_full, canvas.look.style(Role::BarFailed));
    let x = canvas.repeat(x, 1, 4, g.bar_full, canvas.look.style(Role::BarRunning));
    let x = canvas.repeat(x, 1, 15, g.bar_rest, canvas.look.style(Role::BarRest)) + 2;
    let counts = [
        (format!("{} 1301  ", g.done), Role::Good),
        (format!("{} 9  ", g.failed), Role::Bad),
        (format!("{} 3  ", g.warning), Role::Warn),
        (format!("{} 770", g.queued), Role::Text),
    ];
    canvas.put_spans(x, 1, &counts);
}

fn titled<'a>(
    canvas: &'a mut Canvas<'_>,
    number: usize,
    title: &str,
    [border, text]: [Role; 2],
) -> Canvas<'a> {
    let digit = canvas.glyphs().digits[number % 10];
    canvas.frame(border);
    // A superscript leans on its word, a digit stands for itself.
    let gap = if digit.is_ascii() { " " } else { "" };
    let x = canvas.put(2, 0, &format!(" {digit}{gap}"), Role::Key);
    canvas.put(x, 0, &format!("{title} "), text);
    let (width, height) = (canvas.width(), canvas.height());
    canvas.part(1, 1, width.saturating_sub(2), height.saturating_sub(2))
}

const FOCUS: [Role; 2] = [Role::BorderFocus, Role::TitleFocus];
const BLUR: [Role; 2] = [Role::Border, Role::Title];

fn cores(canvas: &mut Canvas<'_>) {
    let mut inner = titled(canvas, 1, "cores", BLUR);
    for (y, user) in [58.0f32, 34.0, 17.0].into_iter().enumerate() {
        let y = y as u16;
        inner.put_right(2, y, &y.to_string(), Role::Dim);
        let core = CoreShares {
            user,
            nice: 9.0,
            system: 11.0,
            irq: 5.0,
            softirq: 5.0,
            steal: 5.0,
            iowait: 7.0,
            ..CoreShares::default()
        };
        graph::core_bar(&mut inner, 3, y, 20, &core);
    }
    let (ours, others) = (inner.look.style(Role::CoreOurs), inner.look.style(Role::CoreOthers));
    let full = inner.glyphs().bar_full;
    let x = inner.repeat(3, 3, 12, full, ours);
    inner.repeat(x, 3, 4, full, others);
    gradient(&mut inner.part(24, 0, 13, 4));
    let cursor = inner.glyphs().cursor;
    for y in 0..4 {
        inner.put(32, y, cursor, Role::TimeCursor);
    }
}

/// A hill, so that every height is seen.
fn gradient(canvas: &mut Canvas<'_>) {
    let n = canvas.width() * 2;
    let hill: Vec<_> = (0..n).map(|i| Some(f32::from(i) / f32::from(n))).collect();
    if canvas.height() == 1 {
        for x in 0..canvas.width() {
            let height = f32::from(x) / f32::from(canvas.width() - 1);
            let level = canvas.glyphs().levels[1 + (height * 7.0) as usize];
            canvas.put_styled(x, 0, level, canvas.look.theme.gradient(height));
        }
    } else {
        graph::history(canvas, &hill, 1.0);
    }
}

fn time_line(canvas: &mut Canvas<'_>) {
    const JOBS: [&[(usize, u16)]; 4] = [
        &[(0, 6), (1, 4), (0, 5), (2, 9), (3, 6), (4, 6)],
        &[(4, 3), (5, 8), (6, 4), (7, 7), (0, 5), (1, 8)],
        &[(2, 10), (3, 3), (4, 7), (5, 6), (6, 4), (7, 5)],
        &[(6, 5), (7, 5), (0, 9), (1, 3), (2, 6), (3, 7)],
    ];
    let mut inner = titled(canvas, 2, "time line", BLUR);
    let full = inner.glyphs().bar_full;
    for (y, jobs) in JOBS.iter().enumerate() {
        let mut x = 1;
        for (task, width) in *jobs {
            x = inner.repeat(x, y as u16, *width, full, inner.look.theme.task(*task));
        }
    }
}

fn workers(canvas: &mut Canvas<'_>) {
    let rows = [
        ("1", "thumb cat.png", "run", Role::Run, "000000000000"),
        ("2", "index :17", "WAIT", Role::Waiter, "000022222333"),
        ("3", "thumb huge.png", "QUIET", Role::Quiet, "001133333333"),
        ("4", "update :3", "paused", Role::Paused, "000003333333"),
        ("5", "upload a.tar", "stop 3s", Role::Stopping, "222220011100"),
    ];
    let mut inner = titled(canvas, 3, "workers", FOCUS);
    inner.put(1, 0, "#  job", Role::Heading);
    inner.put(21, 0, "state", Role::Heading);
    inner.put(30, 0, "last minute", Role::Heading);
    let g = inner.glyphs();
    for (i, (n, job, state, role, strip)) in rows.into_iter().enumerate() {
        let y = i as u16 + 1;
        let under = match i {
            1 => inner.look.style(Role::Select),
            i if i % 2 == 0 => inner.look.style(Role::Stripe),
            _ => Style::new(),
        };
        inner.tint_row(y, under);
        let mut row = inner.part(0, y, 74, 1);
        row.lay_under(under);
        let mark = if i == 1 { g.marker } else { " " };
        row.put(0, 0, mark, Role::Strong);
        row.put(1, 0, n, Role::Dim);
        row.put(3, 0, if i == 2 { g.tag } else { " " }, Role::Tag);
        row.put(4, 0, job, Role::Text);
        row.put(21, 0, state, role);
        for (x, digit) in strip.chars().enumerate() {
            let what = digit.to_digit(10).unwrap_or(0) as usize;
            let role = ACTIVITIES[what % ACTIVITIES.len()];
            row.put(30 + x as u16, 0, g.activity[what % ACTIVITIES.len()], role);
        }
    }
    for y in 1..6 {
        let thumb = (2..4).contains(&y);
        let (at, role) = if thumb { (1, Role::ScrollThumb) } else { (0, Role::ScrollTrack) };
        inner.put(75, y, g.scroll[at], role);
    }
}

const ACTIVITIES: [Role; 4] =
    [Role::ActivityRun, Role::ActivityCpuWait, Role::ActivityIoWait, Role::ActivitySleep];

fn popup(canvas: &mut Canvas<'_>) {
    canvas.clear(Role::Popup);
    let mut inner = canvas.frame(Role::PopupBorder);
    inner.put(1, 0, "ask it to end: TERM", Role::Popup);
    inner.tint_row(1, inner.look.style(Role::Choice));
    inner.put(1, 1, "end it now: KILL", Role::Choice);
    inner.put(1, 2, "Esc", Role::Key);
    inner.put(5, 2, "leaves it alone", Role::Dim);
}

fn bottom(canvas: &mut Canvas<'_>) {
    let g = canvas.glyphs();
    let alerts = [
        (Role::AlertInfo, " pool grew to 8 "),
        (Role::AlertWarn, " worker 3 is quiet "),
        (Role::AlertCritical, " worker 2 waits for 5 "),
    ];
    let mut x = 0;
    for (role, text) in alerts {
        x = canvas.put(x, 0, text, role) + 1;
    }
    let found = [
        (format!("{} ", g.prompt), Role::Prompt),
        (" 404    ".to_owned(), Role::Input),
        ("   GET /a ".to_owned(), Role::Text),
        ("404".to_owned(), Role::SearchCurrent),
        ("  GET /b ".to_owned(), Role::Text),
        ("404".to_owned(), Role::SearchMatch),
        (format!("  {} no such file", g.edge), Role::Stderr),
    ];
    canvas.put_spans(0, 1, &found);
    let mut x = 0;
    for (key, text) in [("+ -", "scale"), ("p", "pause"), ("K", "kill"), ("?", "help")] {
        x = canvas.put(x, 2, key, Role::Key) + 1;
        x = canvas.put(x, 2, text, Role::KeyText) + 2;
    }
    let x = canvas.put(x, 2, " scale ", Role::Button) + 2;
    let x = canvas.put(x, 2, " all done ", Role::BannerGood) + 1;
    canvas.put(x, 2, " 9 failed ", Role::BannerBad);
}

/// Returns what is drawn as text with escape sequences, one line after the other; without them
/// when `styled` is not set.
pub fn print(buf: &Buffer, styled: bool) -> String {
    let mut out = String::new();
    for y in buf.area.top()..buf.area.bottom() {
        let (mut line, mut before) = (String::new(), String::new());
        for x in buf.area.left()..buf.area.right() {
            let Some(cell) = buf.cell((x, y)) else { continue };
            let style = sgr(cell.fg, cell.bg, cell.modifier);
            if styled && style != before {
                line.push_str(&style);
                before = style;
            }
            line.push_str(cell.symbol());
        }
        let line = if styled { &line } else { line.trim_end() };
        out.push_str(line);
        out.push_str(if styled { "\x1b[0m\n" } else { "\n" });
    }
    out
}

/// Select Graphic Rendition, ECMA-48 8.3.117; colours as xterm has them.
fn sgr(fg: Color, bg: Color, modifier: Modifier) -> String {
    let mut codes = vec!["0".to_owned()];
    for (code, flag) in [
        (1, Modifier::BOLD),
        (2, Modifier::DIM),
        (3, Modifier::ITALIC),
        (4, Modifier::UNDERLINED),
        (7, Modifier::REVERSED),
    ] {
        if modifier.contains(flag) {
            codes.push(code.to_string());
        }
    }
    for (color, base) in [(fg, 30), (bg, 40)] {
        match color {
            Color::Rgb(r, g, b) => codes.push(format!("{};2;{r};{g};{b}", base + 8)),
            Color::Indexed(n) => codes.push(format!("{};5;{n}", base + 8)),
            named => {
                let at = super::theme::color::ANSI.iter().position(|(_, c, _)| *c == named);
                codes
                    .extend(at.map(|n| (if n < 8 { base + n } else { base + 52 + n }).to_string()));
            }
        }
    }
    format!("\x1b[{}m", codes.join(";"))
}
