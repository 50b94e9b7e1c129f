//! A rectangle to draw on that nothing can be drawn outside of.

use super::glyphs::{GlyphSet, Glyphs};
use super::theme::{Role, Theme};
use super::zones::{Hit, Zones};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use std::cell::RefCell;
use unicode_width::UnicodeWidthStr;

/// Theme and shapes together.
#[derive(Clone, Debug)]
pub struct Look {
    pub theme: Theme,
    pub glyphs: &'static Glyphs,
}

impl Look {
    pub fn style(&self, role: Role) -> Style {
        self.theme.style(role)
    }
}

/// A piece of text in one role.
pub type Span = (String, Role);

/// A part of the screen; positions count from its top left.
pub struct Canvas<'a> {
    buf: &'a mut Buffer,
    area: Rect,
    pub look: &'a Look,
    /// Where clicks are noted.
    zones: &'a RefCell<Zones>,
    /// Laid under everything that is put, such as the selection's background.
    under: Style,
}

impl<'a> Canvas<'a> {
    /// Takes the part of `buf` that lies in `area`.
    pub fn new(
        buf: &'a mut Buffer,
        area: Rect,
        look: &'a Look,
        zones: &'a RefCell<Zones>,
    ) -> Canvas<'a> {
        let area = area.intersection(buf.area);
        Canvas { buf, area, look, zones, under: Style::new() }
    }

    /// Notes what a click into a part of this canvas means.
    pub fn zone(&mut self, x: u16, y: u16, width: u16, height: u16, hit: Hit) {
        let area = Rect {
            x: self.area.x.saturating_add(x),
            y: self.area.y.saturating_add(y),
            width,
            height,
        };
        self.zones.borrow_mut().add(area.intersection(self.area), hit);
    }

    /// Notes what a click anywhere on this canvas means.
    pub fn zone_all(&mut self, hit: Hit) {
        self.zones.borrow_mut().add(self.area, hit);
    }

    pub fn width(&self) -> u16 {
        self.area.width
    }

    pub fn height(&self) -> u16 {
        self.area.height
    }

    pub fn glyphs(&self) -> &'static Glyphs {
        self.look.glyphs
    }

    /// Returns a part of this canvas, cut to what there is.
    pub fn part(&mut self, x: u16, y: u16, width: u16, height: u16) -> Canvas<'_> {
        let rect = Rect {
            x: self.area.x.saturating_add(x),
            y: self.area.y.saturating_add(y),
            width,
            height,
        };
        let area = rect.intersection(self.area);
        Canvas { buf: self.buf, area, look: self.look, zones: self.zones, under: self.under }
    }

    /// Turns into a part of itself.
    pub fn into_part(self, x: u16, y: u16, width: u16, height: u16) -> Canvas<'a> {
        let Canvas { buf, area, look, zones, under } = self;
        let rect = Rect { x: area.x.saturating_add(x), y: area.y.saturating_add(y), width, height };
        Canvas { buf, area: rect.intersection(area), look, zones, under }
    }

    /// Sets what lies under everything put from now on.
    pub fn lay_under(&mut self, style: Style) {
        self.under = style;
    }

    /// Puts text and returns the column after it.
    pub fn put(&mut self, x: u16, y: u16, text: &str, role: Role) -> u16 {
        let style = self.look.style(role);
        self.put_styled(x, y, text, style)
    }

    /// Puts text, at most `width` cells of it with `…` for what is cut, and returns the column
    /// after it.
    pub fn put_cut(&mut self, x: u16, y: u16, width: u16, text: &str, role: Role) -> u16 {
        let room = width.min(self.width().saturating_sub(x));
        if text.width() <= usize::from(room) {
            return self.put(x, y, text, role);
        }
        let style = self.look.style(role);
        let ellipsis = self.glyphs().ellipsis;
        let at = self.put_n(x, y, text, room.saturating_sub(1), style);
        if room > 0 { self.put_styled(at, y, ellipsis, style) } else { at }
    }

    /// Puts text of which both ends matter, cut in its middle: `a-long-na…:1320`.
    pub fn put_middle(&mut self, x: u16, y: u16, width: u16, text: &str, role: Role) -> u16 {
        let room = usize::from(width.min(self.width().saturating_sub(x)));
        if text.width() <= room || room < 5 {
            return self.put_cut(x, y, width, text, role);
        }
        let keep = room - 1;
        let tail = tail_of(text, keep / 2);
        let head_cells = (keep - tail.width()) as u16;
        let style = self.look.style(role);
        let ellipsis = self.glyphs().ellipsis;
        let at = self.put_n(x, y, text, head_cells, style);
        let at = self.put_styled(at, y, ellipsis, style);
        self.put(at, y, tail, role)
    }

    /// Puts text so that it ends before column `end`.
    pub fn put_right(&mut self, end: u16, y: u16, text: &str, role: Role) {
        let width = u16::try_from(text.width()).unwrap_or(u16::MAX);
        if width <= end {
            self.put(end - width, y, text, role);
        }
    }

    /// Puts pieces one behind the other while there is room, and returns the column after them.
    pub fn put_spans(&mut self, mut x: u16, y: u16, spans: &[Span]) -> u16 {
        for (text, role) in spans {
            x = self.put(x, y, text, *role);
        }
        x
    }

    /// Puts pieces one behind the other with `…` for what is cut, and returns the column after
    /// them.
    pub fn put_spans_cut(&mut self, mut x: u16, y: u16, spans: &[Span]) -> u16 {
        for (i, (text, role)) in spans.iter().enumerate() {
            let room = self.width().saturating_sub(x);
            let rest = spans_width(&spans[i..]);
            if rest > room && text.width() >= usize::from(room) {
                let cut = format!("{text}{}", " ".repeat(usize::from(rest > text.width() as u16)));
                return self.put_cut(x, y, room, &cut, *role);
            }
            x = self.put(x, y, text, *role);
        }
        x
    }

    /// Puts text in a style of its own and returns the column after it.
    pub fn put_styled(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        self.put_n(x, y, text, u16::MAX, style)
    }

    fn put_n(&mut self, x: u16, y: u16, text: &str, width: u16, style: Style) -> u16 {
        if x >= self.area.width || y >= self.area.height {
            return x;
        }
        let room = usize::from(width.min(self.area.width - x));
        let ascii;
        let text = if self.look.glyphs.set == GlyphSet::Ascii && !text.is_ascii() {
            ascii = to_ascii(text);
            &ascii
        } else {
            text
        };
        let style = style.patch(self.under);
        let (end, _) = self.buf.set_stringn(self.area.x + x, self.area.y + y, text, room, style);
        end.saturating_sub(self.area.x)
    }

    /// Puts `n` copies of one shape.
    pub fn repeat(&mut self, x: u16, y: u16, n: u16, shape: &str, style: Style) -> u16 {
        let n = n.min(self.width().saturating_sub(x));
        self.put_styled(x, y, &shape.repeat(usize::from(n)), style)
    }

    /// Fills everything with blanks in a role.
    pub fn clear(&mut self, role: Role) {
        let style = self.look.style(role);
        for y in self.area.top()..self.area.bottom() {
            for x in self.area.left()..self.area.right() {
                if let Some(cell) = self.buf.cell_mut((x, y)) {
                    cell.reset();
                    cell.set_style(style);
                }
            }
        }
    }

    /// Lays a style over one row.
    pub fn tint_row(&mut self, y: u16, style: Style) {
        if y < self.area.height {
            let row = Rect { y: self.area.y + y, height: 1, ..self.area };
            self.buf.set_style(row, style);
        }
    }

    /// Lays a style over some cells of a row.
    pub fn tint(&mut self, x: u16, y: u16, cells: u16, style: Style) {
        let area = Rect {
            x: self.area.x.saturating_add(x),
            y: self.area.y.saturating_add(y),
            width: cells,
            height: 1,
        };
        self.buf.set_style(area.intersection(self.area), style);
    }

    /// Draws a border and returns what lies inside.
    pub fn frame(&mut self, role: Role) -> Canvas<'_> {
        let (w, h) = (self.width(), self.height());
        if w < 2 || h < 2 {
            return self.part(0, 0, 0, 0);
        }
        let style = self.look.style(role);
        let [top_left, top_right, low_left, low_right, across, down] = self.glyphs().corners;
        for (y, left, right) in [(0, top_left, top_right), (h - 1, low_left, low_right)] {
            self.put_styled(0, y, left, style);
            self.repeat(1, y, w - 2, across, style);
            self.put_styled(w - 1, y, right, style);
        }
        for y in 1..h - 1 {
            self.put_styled(0, y, down, style);
            self.put_styled(w - 1, y, down, style);
        }
        self.part(1, 1, w - 2, h - 2)
    }
}

/// Returns the end of a text, at most `cells` wide.
fn tail_of(text: &str, cells: usize) -> &str {
    let starts = text.char_indices().map(|(at, _)| &text[at..]);
    starts.into_iter().find(|tail| tail.width() <= cells).unwrap_or("")
}

/// Returns the cells that pieces take together.
pub fn spans_width(spans: &[Span]) -> u16 {
    let cells: usize = spans.iter().map(|(text, _)| text.width()).sum();
    u16::try_from(cells).unwrap_or(u16::MAX)
}

/// Stands in for what a terminal of seven bits cannot show, cell for cell.
fn to_ascii(text: &str) -> String {
    use unicode_width::UnicodeWidthChar;
    text.chars()
        .map(|c| match c {
            c if c.is_ascii() => c.to_string(),
            '─' | '−' | '–' => "-".to_owned(),
            '│' => "|".to_owned(),
            '·' => ".".to_owned(),
            '…' => "~".to_owned(),
            '×' => "x".to_owned(),
            '→' => ">".to_owned(),
            '←' => "<".to_owned(),
            '↑' => "^".to_owned(),
            '↓' => "v".to_owned(),
            '⏎' => "$".to_owned(),
            c => "?".repeat(c.width().unwrap_or(0)),
        })
        .collect()
}
