//! From lines of output to rows of the screen: wrapped or cut, with colours, marks of what is
//! searched for, time and tag. Pure.

use crate::model::drawn::{DrawnLine, drawn_line};
use crate::model::query::Stream;
use crate::model::{JobStyle, Matcher, Wall};
use std::ops::Range;
use unicode_width::UnicodeWidthChar;

/// Cells of a line that can be reached: more than a line has, unless it is made of tabs.
const LINE_CELLS: usize = 128 << 10;

/// A row of the panel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// By when the line had been written: later than the line by at most the time between two
    /// looks. `None` where it is not known.
    pub time: Option<Wall>,
    /// Whose line it is, when the output of several jobs is shown.
    pub tag: Option<String>,
    pub stream: Stream,
    pub spans: Vec<(String, JobStyle)>,
    /// Cells of this row that match the search.
    pub matches: Vec<Range<usize>>,
    /// The row goes on with the line of the row before.
    pub continued: bool,
    /// Not output but a word of the screen, such as that lines are left out.
    pub notice: bool,
    /// A search stands on this line.
    pub is_hit: bool,
    /// The line goes on behind the right edge.
    pub is_cut: bool,
}

/// Lines that can be walked through.
pub trait Lines {
    /// How many there are.
    fn n_lines(&self) -> usize;
    /// One of them.
    fn line(&self, i: usize) -> Source<'_>;
}

/// A line before it is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    pub bytes: &'a [u8],
    pub stream: Stream,
    pub time: Option<Wall>,
    pub tag: Option<&'a str>,
    pub notice: bool,
    pub is_hit: bool,
}

/// How lines become rows.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    pub width: usize,
    pub wrap: bool,
    /// Cells cut off at the left where lines are not wrapped.
    pub left: usize,
    pub matcher: Option<&'a Matcher>,
}

/// A row of a line, the first shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Top {
    pub line: usize,
    pub row: usize,
}

impl Shape<'_> {
    /// The top with which the last page is shown.
    pub fn last_top(&self, lines: &dyn Lines, height: usize) -> Top {
        let end = Top { line: lines.n_lines(), row: 0 };
        self.moved(lines, end, -isize::try_from(height).unwrap_or(isize::MAX))
    }

    /// A top so many rows further (negative is back), as far as there are lines.
    pub fn moved(&self, lines: &dyn Lines, mut top: Top, by: isize) -> Top {
        let mut left = by.unsigned_abs();
        while left > 0 && by < 0 {
            if top.row >= left {
                top.row -= left;
                break;
            }
            left -= top.row;
            let Some(before) = top.line.checked_sub(1) else { return Top::default() };
            // Its end: one row more than its last.
            top = Top { line: before, row: self.n_rows(lines, before) };
        }
        while left > 0 && by > 0 && top.line < lines.n_lines() {
            let rows = self.n_rows(lines, top.line);
            if top.row + left < rows {
                top.row += left;
                break;
            }
            left -= rows.saturating_sub(top.row);
            top = Top { line: top.line + 1, row: 0 };
        }
        top
    }

    /// The rows of a page.
    pub fn page(&self, lines: &dyn Lines, top: Top, height: usize) -> Vec<Line> {
        let mut page = Vec::with_capacity(height);
        let mut skip = top.row;
        for i in top.line..lines.n_lines() {
            let source = lines.line(i);
            page.extend(self.rows(&source).into_iter().skip(skip));
            skip = 0;
            if page.len() >= height {
                break;
            }
        }
        page.truncate(height);
        page
    }

    fn n_rows(&self, lines: &dyn Lines, i: usize) -> usize {
        if !self.wrap {
            return 1;
        }
        let bytes = lines.line(i).bytes;
        // Plain text is as wide as it is long: most lines need not be drawn to be counted.
        if bytes.len() <= self.width && bytes.iter().all(|b| (0x20..0x7f).contains(b)) {
            return 1;
        }
        self.ranges(&drawn_line(bytes, LINE_CELLS).text).len()
    }

    /// All rows of a line.
    pub fn rows(&self, source: &Source<'_>) -> Vec<Line> {
        let drawn = drawn_line(source.bytes, LINE_CELLS);
        let matcher = self.matcher.filter(|_| !source.notice);
        let found: Vec<Range<usize>> =
            matcher.map_or_else(Vec::new, |m| m.all(&drawn.text).collect());
        let ranges = if self.wrap { self.ranges(&drawn.text) } else { vec![self.cut(&drawn.text)] };
        let rows = ranges.into_iter().enumerate().map(|(i, (range, pad))| Line {
            time: source.time,
            tag: source.tag.map(str::to_owned),
            stream: source.stream,
            matches: cells_of(&drawn.text, &found, &range, pad),
            spans: spans(&drawn, &range, pad),
            continued: i > 0,
            notice: source.notice,
            is_hit: source.is_hit,
            is_cut: !self.wrap && range.end < drawn.text.len(),
        });
        rows.collect()
    }

    /// Bytes of each row of a wrapped line; at least one.
    fn ranges(&self, text: &str) -> Vec<(Range<usize>, usize)> {
        // A wide letter needs two cells: in a narrower place each letter has a row.
        let width = self.width.max(1);
        let mut ranges = Vec::new();
        let (mut start, mut cells) = (0, 0);
        for (at, c) in text.char_indices() {
            let w = c.width().unwrap_or(0);
            if cells + w > width && at > start {
                ranges.push((start..at, 0));
                (start, cells) = (at, 0);
            }
            cells += w;
        }
        ranges.push((start..text.len(), 0));
        ranges
    }

    /// Bytes of a line from `left` on; with the cells of a letter that is cut in the middle.
    fn cut(&self, text: &str) -> (Range<usize>, usize) {
        let (mut start, mut end, mut pad) = (text.len(), text.len(), 0);
        let mut cells = 0;
        for (at, c) in text.char_indices() {
            let w = c.width().unwrap_or(0);
            if start == text.len() && cells >= self.left && (w > 0 || self.left == 0) {
                (start, pad) = (at, cells - self.left);
            }
            if cells + w > self.left + self.width {
                end = at;
                break;
            }
            cells += w;
        }
        (start.min(end)..end, pad)
    }
}

fn cells(text: &str) -> usize {
    text.chars().filter_map(char::width).sum()
}

/// Where matches are in a row, in cells.
fn cells_of(
    text: &str,
    found: &[Range<usize>],
    row: &Range<usize>,
    pad: usize,
) -> Vec<Range<usize>> {
    let inner = found.iter().map(|m| m.start.max(row.start)..m.end.min(row.end));
    inner
        .filter(|m| m.start < m.end)
        .map(|m| {
            let from = pad + cells(&text[row.start..m.start]);
            from..from + cells(&text[m])
        })
        .collect()
}

fn spans(drawn: &DrawnLine, row: &Range<usize>, pad: usize) -> Vec<(String, JobStyle)> {
    let mut spans = Vec::new();
    if pad > 0 {
        spans.push((" ".repeat(pad), JobStyle::default()));
    }
    let ends = drawn.styles.iter().map(|(at, _)| *at).chain([drawn.text.len()]);
    let starts = [(0, JobStyle::default())].into_iter().chain(drawn.styles.iter().copied());
    for ((from, style), to) in starts.zip(ends) {
        let (from, to) = (from.max(row.start), to.min(row.end));
        if from < to {
            spans.push((drawn.text[from..to].to_owned(), style));
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{JobColor, Pattern};

    struct Texts(Vec<Vec<u8>>);

    impl Lines for Texts {
        fn n_lines(&self) -> usize {
            self.0.len()
        }
        fn line(&self, i: usize) -> Source<'_> {
            let stream = Stream::Stdout;
            Source {
                bytes: &self.0[i],
                stream,
                time: None,
                tag: None,
                notice: false,
                is_hit: false,
            }
        }
    }

    fn texts(lines: &[&str]) -> Texts {
        Texts(lines.iter().map(|l| l.as_bytes().to_vec()).collect())
    }

    fn wrapped(width: usize) -> Shape<'static> {
        Shape { width, wrap: true, left: 0, matcher: None }
    }

    fn text(line: &Line) -> String {
        line.spans.iter().map(|(text, _)| text.as_str()).collect()
    }

    fn rows(shape: Shape<'_>, line: &str) -> Vec<String> {
        let lines = texts(&[line]);
        shape.rows(&lines.line(0)).iter().map(text).collect()
    }

    #[test]
    fn lines_wrap_by_cells_and_wide_letters_stay_whole() {
        assert_eq!(rows(wrapped(4), "abcdefgh"), ["abcd", "efgh"]);
        assert_eq!(rows(wrapped(4), "abcdefghi"), ["abcd", "efgh", "i"]);
        assert_eq!(rows(wrapped(3), "日本語"), ["日", "本", "語"]);
        assert_eq!(rows(wrapped(4), "a日本語"), ["a日", "本語"]);
        assert_eq!(rows(wrapped(1), "a日b"), ["a", "日", "b"]);
        assert_eq!(
            rows(wrapped(3), "e\u{301}e\u{301}e\u{301}e\u{301}"),
            ["e\u{301}e\u{301}e\u{301}", "e\u{301}"]
        );
        assert_eq!(rows(wrapped(4), ""), [""]);
        assert_eq!(rows(wrapped(0), "ab"), ["a", "b"]);
    }

    #[test]
    fn lines_that_are_cut_move_to_the_left_by_cells() {
        let cut = |left| Shape { wrap: false, left, ..wrapped(4) };
        for (left, line, shown) in [
            (0, "abcdefgh", "abcd"),
            (3, "abcdefgh", "defg"),
            (7, "abcdefgh", "h"),
            (8, "abcdefgh", ""),
            (99, "ab", ""),
            (0, "abc日", "abc"),
            (1, "日本語", " 本"),
            (2, "日本語", "本語"),
            (1, "e\u{301}xy", "xy"),
        ] {
            assert_eq!(rows(cut(left), line), [shown], "{left} {line}");
        }
    }

    #[test]
    fn colours_and_matches_go_on_in_the_next_row() {
        let matcher = Pattern::typed("cde").matcher().unwrap();
        let shape = Shape { matcher: Some(&matcher), ..wrapped(4) };
        let lines = texts(&["日b\x1b[31mcdef cde"]);
        let rows = shape.rows(&lines.line(0));
        let red = JobStyle { fg: Some(JobColor::Ansi(1)), ..JobStyle::default() };
        let plain = JobStyle::default();
        assert_eq!(rows[0].spans, [("日b".to_owned(), plain), ("c".to_owned(), red)]);
        assert_eq!(rows[1].spans, [("def ".to_owned(), red)]);
        let matches: Vec<_> = rows.iter().map(|row| row.matches.clone()).collect();
        assert_eq!(format!("{matches:?}"), "[[3..4], [0..2], [0..3]]");
        assert_eq!(rows.iter().map(|r| r.continued).collect::<Vec<_>>(), [false, true, true]);
    }

    #[test]
    fn pages_move_by_rows_and_stop_at_the_ends() {
        let lines = texts(&["one", "twotwotwo", "three", ""]);
        let shape = wrapped(4);
        let page = |top| shape.page(&lines, top, 3).iter().map(text).collect::<Vec<_>>();
        let at = |line, row| Top { line, row };
        assert_eq!(page(Top::default()), ["one", "twot", "wotw"]);
        let last = shape.last_top(&lines, 3);
        assert_eq!(
            (last, page(last)),
            (at(2, 0), vec!["thre".to_owned(), "e".into(), String::new()])
        );
        assert_eq!(shape.moved(&lines, last, -1), at(1, 2));
        assert_eq!(shape.moved(&lines, last, -3), at(1, 0));
        assert_eq!(shape.moved(&lines, last, -4), at(0, 0));
        assert_eq!(shape.moved(&lines, last, -100), at(0, 0));
        assert_eq!(shape.moved(&lines, at(0, 0), 1), at(1, 0));
        assert_eq!(shape.moved(&lines, at(0, 0), 3), at(1, 2));
        assert_eq!(shape.moved(&lines, at(1, 1), 2), at(2, 0));
        assert_eq!(shape.moved(&lines, at(0, 0), 100), at(4, 0));
    }

    proptest::proptest! {
        #[test]
        fn rows_fit_and_nothing_is_lost(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
            width in 2_usize..30,
            by in -50_isize..50,
        ) {
            let lines = Texts(bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect());
            let shape = wrapped(width);
            for i in 0..lines.n_lines() {
                let source = lines.line(i);
                let all: String = shape.rows(&source).iter().map(text).collect();
                proptest::prop_assert_eq!(&all, &drawn_line(source.bytes, LINE_CELLS).text);
                for row in shape.rows(&source) {
                    proptest::prop_assert!(cells(&text(&row)) <= width);
                }
                proptest::prop_assert_eq!(shape.n_rows(&lines, i), shape.rows(&source).len());
            }
            let there = shape.moved(&lines, shape.last_top(&lines, 3), by);
            let page = shape.page(&lines, there, 5);
            proptest::prop_assert!(page.len() <= 5);
            proptest::prop_assert!(page.iter().all(|l| text(l).chars().all(|c| !c.is_control())));
        }
    }
}
