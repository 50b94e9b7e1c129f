//! The colours that jobs print, on this terminal.

use super::color::{ANSI, fit};
use super::{Depth, Theme};
use crate::model::{JobColor, JobStyle};
use ratatui::style::{Color, Modifier, Style};

impl Theme {
    /// Returns how a piece of output looks, laid over the style of its line. A terminal without
    /// colours keeps what is bold, underlined and the like.
    pub fn of_job(&self, line: Style, job: &JobStyle) -> Style {
        let mut style = line;
        let color = |color: JobColor| fitted(color, self.depth);
        style.fg = job.fg.and_then(color).or(line.fg);
        style.bg = job.bg.and_then(color).or(line.bg);
        for (is_set, mark) in [
            (job.bold, Modifier::BOLD),
            (job.dim, Modifier::DIM),
            (job.italic, Modifier::ITALIC),
            (job.underline, Modifier::UNDERLINED),
            (job.reverse, Modifier::REVERSED),
            (job.strike, Modifier::CROSSED_OUT),
        ] {
            if is_set {
                style = style.add_modifier(mark);
            }
        }
        style
    }
}

fn fitted(color: JobColor, depth: Depth) -> Option<Color> {
    let color = match color {
        JobColor::Ansi(n) => ANSI.get(usize::from(n)).map(|(_, color, _)| *color)?,
        JobColor::Indexed(n) if depth >= Depth::Ansi256 => Color::Indexed(n),
        JobColor::Indexed(n) => rgb_of(n),
        JobColor::Rgb(r, g, b) => Color::Rgb(r, g, b),
    };
    fit(color, depth)
}

/// The colour cube (16 to 231) and the grey ramp (232 to 255), as xterm has them.
fn rgb_of(n: u8) -> Color {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    if n >= 232 {
        let grey = 8 + (n - 232) * 10;
        return Color::Rgb(grey, grey, grey);
    }
    let n = usize::from(n.saturating_sub(16));
    Color::Rgb(STEPS[n / 36 % 6], STEPS[n / 6 % 6], STEPS[n % 6])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_of_jobs_are_fitted_to_the_terminal() {
        for (asked, depth, shown) in [
            (JobColor::Ansi(1), Depth::Ansi16, Some(Color::Red)),
            (JobColor::Ansi(15), Depth::True, Some(Color::White)),
            (JobColor::Ansi(1), Depth::None, None),
            (JobColor::Indexed(196), Depth::Ansi256, Some(Color::Indexed(196))),
            (JobColor::Indexed(196), Depth::Ansi16, Some(Color::LightRed)),
            (JobColor::Indexed(232), Depth::Ansi16, Some(Color::Black)),
            (JobColor::Rgb(255, 0, 0), Depth::True, Some(Color::Rgb(255, 0, 0))),
            (JobColor::Rgb(255, 0, 0), Depth::Ansi256, Some(Color::Indexed(196))),
            (JobColor::Rgb(255, 0, 0), Depth::None, None),
        ] {
            assert_eq!(fitted(asked, depth), shown, "{asked:?} {depth:?}");
        }
    }

    #[test]
    fn without_colours_the_attributes_stay() {
        let theme = Theme::named("dark", Depth::None);
        let job = JobStyle { fg: Some(JobColor::Ansi(1)), bold: true, ..JobStyle::default() };
        assert_eq!(theme.of_job(Style::new(), &job), Style::new().bold());
    }
}
