//! Both streams of an attempt as one, by the times at which their lines were there.
//!
//! What was written between two looks has one time: then stdout stands before stderr.

use super::Pair;
use super::buffer::StreamBuf;
use super::lines::{Lines, Source};
use crate::model::Wall;
use crate::model::query::Stream;

/// Where a line stands. Lines whose time is not known are the newest.
type Moment = (Wall, Stream);

fn moment(time: Option<Wall>, stream: Stream) -> Moment {
    (time.unwrap_or(Wall(i64::MAX)), stream)
}

fn first(buf: &StreamBuf, stream: Stream) -> Option<Moment> {
    (buf.n_lines() > 0).then(|| moment(buf.time_of(0), stream))
}

fn last(buf: &StreamBuf, stream: Stream) -> Option<Moment> {
    let line = buf.n_lines().checked_sub(1)?;
    Some(moment(buf.time_of(line), stream))
}

/// The lines of a pair in an order.
pub struct Merged<'a> {
    pub pair: &'a Pair,
    pub order: &'a [(Stream, usize)],
    /// The line that a search stands on.
    pub hit: Option<(Stream, u64)>,
}

impl Lines for Merged<'_> {
    fn n_lines(&self) -> usize {
        self.order.len()
    }

    fn line(&self, i: usize) -> Source<'_> {
        let (stream, line) = self.order.get(i).copied().unwrap_or_default();
        let buf = self.pair.of(stream);
        Source {
            bytes: buf.line(line),
            stream,
            time: buf.time_of(line),
            tag: None,
            notice: false,
            is_hit: self.hit.is_some_and(|hit| hit == (stream, buf.offset_of(line))),
        }
    }
}

/// The lines to show, in the order in which they were written.
///
/// Lines of one stream from before the window of the other are left out: what stood between
/// them is not there. Unless the line that one looks at, `anchor`, is one of them.
pub fn order(
    pair: &Pair,
    shown: &[Stream],
    anchor: Option<(Stream, u64)>,
    follows: bool,
) -> Vec<(Stream, usize)> {
    if let [only] = shown {
        return (0..pair.of(*only).n_lines()).map(|i| (*only, i)).collect();
    }
    let all = merged(pair);
    let begin = limit_start(pair, shown);
    let end = if follows { None } else { limit_end(pair, shown) };
    let is_inside = |(stream, line): &(Stream, usize)| {
        let at = moment(pair.of(*stream).time_of(*line), *stream);
        begin.is_none_or(|begin| at >= begin) && end.is_none_or(|end| at <= end)
    };
    let anchor =
        anchor.and_then(|(stream, offset)| Some((stream, pair.of(stream).line_at(offset)?)));
    if anchor.is_some_and(|anchor| !is_inside(&anchor)) {
        return all;
    }
    all.into_iter().filter(is_inside).collect()
}

fn merged(pair: &Pair) -> Vec<(Stream, usize)> {
    let (n_out, n_err) = (pair.out.n_lines(), pair.err.n_lines());
    let mut order = Vec::with_capacity(n_out + n_err);
    let (mut out, mut err) = (0, 0);
    while out < n_out || err < n_err {
        let at_out = (out < n_out).then(|| moment(pair.out.time_of(out), Stream::Stdout));
        let at_err = (err < n_err).then(|| moment(pair.err.time_of(err), Stream::Stderr));
        let is_out = match (at_out, at_err) {
            (Some(out), Some(err)) => out < err,
            (out, _) => out.is_some(),
        };
        if is_out {
            order.push((Stream::Stdout, out));
            out += 1;
        } else {
            order.push((Stream::Stderr, err));
            err += 1;
        }
    }
    order
}

fn limit_start(pair: &Pair, shown: &[Stream]) -> Option<Moment> {
    let cut = shown.iter().filter(|s| pair.of(**s).start > 0);
    cut.filter_map(|s| first(pair.of(*s), *s)).max()
}

fn limit_end(pair: &Pair, shown: &[Stream]) -> Option<Moment> {
    let cut = shown.iter().filter(|s| !pair.of(**s).is_at_end());
    cut.filter_map(|s| last(pair.of(*s), *s)).min()
}

/// The stream of which something from before its window is needed first.
pub fn limits_start(pair: &Pair, shown: &[Stream]) -> Option<Stream> {
    let cut = shown.iter().filter(|s| pair.of(**s).start > 0);
    cut.copied().max_by_key(|s| first(pair.of(*s), *s))
}

/// The stream of which something from behind its window is needed first.
pub fn limits_end(pair: &Pair, shown: &[Stream]) -> Option<Stream> {
    let cut = shown.iter().filter(|s| !pair.of(**s).is_at_end());
    cut.copied().min_by_key(|s| last(pair.of(*s), *s))
}

/// Whether the window of a stream is elsewhere than a moment.
pub fn is_apart(pair: &Pair, stream: Stream, at: (Option<Wall>, Stream)) -> bool {
    let buf = pair.of(stream);
    let at = moment(at.0, at.1);
    let is_later = buf.start > 0 && first(buf, stream).is_some_and(|first| first > at);
    let is_earlier = !buf.is_at_end() && last(buf, stream).is_some_and(|last| last < at);
    is_later || is_earlier
}
