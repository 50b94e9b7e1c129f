//! What eyes make of the themes: contrast, and what those see that confuse red and green.

use super::*;
use palette::color_difference::{Ciede2000, Wcag21RelativeContrast};
use palette::white_point::D65;
use palette::{FromColor, Lab, LinSrgb, Srgb};

/// Full dichromacy: Machado, Oliveira and Fernandes, "A Physiologically-based Model for
/// Simulation of Color Vision Deficiency" (2009), severity 1.0, on linear RGB.
const EYES: [(&str, [[f32; 3]; 3]); 3] = [
    ("usual eyes", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    (
        "deuteranopia",
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
    ),
    (
        "protanopia",
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
    ),
];

const PALETTES: [&str; 4] = ["gruvbox", "nord", "solarized", "catppuccin"];
const COLOURED: [&str; 8] =
    ["dark", "light", "contrast", "colorblind", "gruvbox", "nord", "solarized", "catppuccin"];

/// Roles side by side on the screen, by their text.
const TEXTS: &[(Role, Role)] = &[
    (Role::Good, Role::Bad),
    (Role::Good, Role::Warn),
    (Role::Warn, Role::Bad),
    (Role::Run, Role::Quiet),
    (Role::Run, Role::Paused),
    (Role::Run, Role::Stopping),
    (Role::Run, Role::Idle),
    (Role::Quiet, Role::Paused),
    (Role::Holder, Role::Waiter),
    (Role::Stderr, Role::Text),
    (Role::BarDone, Role::BarFailed),
    (Role::BarDone, Role::BarRunning),
    (Role::BarDone, Role::BarRest),
    (Role::BarFailed, Role::BarRunning),
    (Role::BarRunning, Role::BarRest),
    (Role::CpuUser, Role::CpuSystem),
    (Role::CpuUser, Role::CpuNice),
    (Role::CpuUser, Role::CpuIowait),
    (Role::CpuSystem, Role::CpuIowait),
    (Role::CoreOurs, Role::CoreOthers),
    (Role::ActivityRun, Role::ActivityCpuWait),
    (Role::ActivityRun, Role::ActivityIoWait),
    (Role::ActivityRun, Role::ActivitySleep),
    (Role::ActivityCpuWait, Role::ActivityIoWait),
    (Role::ActivityIoWait, Role::ActivitySleep),
    (Role::GraphLow, Role::GraphHigh),
    (Role::Border, Role::BorderFocus),
    (Role::ScrollTrack, Role::ScrollThumb),
];

/// Roles that differ by what lies under their text.
const GROUNDS: &[(Role, Role)] = &[
    (Role::BannerGood, Role::BannerBad),
    (Role::AlertInfo, Role::AlertWarn),
    (Role::AlertInfo, Role::AlertCritical),
    (Role::AlertWarn, Role::AlertCritical),
    (Role::SearchMatch, Role::SearchCurrent),
    (Role::Choice, Role::Popup),
    (Role::Select, Role::Screen),
];

/// What is read as text, on the screen or on a ground of its own.
const READ: &[Role] = &[
    Role::Text,
    Role::Strong,
    Role::Heading,
    Role::Tag,
    Role::Title,
    Role::TitleFocus,
    Role::Key,
    Role::KeyText,
    Role::Button,
    Role::Prompt,
    Role::Input,
    Role::SearchMatch,
    Role::SearchCurrent,
    Role::Popup,
    Role::Choice,
    Role::BannerGood,
    Role::BannerBad,
    Role::Good,
    Role::Bad,
    Role::Warn,
    Role::AlertInfo,
    Role::AlertWarn,
    Role::AlertCritical,
    Role::Stderr,
    Role::Run,
    Role::Paused,
    Role::Quiet,
    Role::Stopping,
    Role::Holder,
    Role::Waiter,
    Role::Dim,
];

fn theme(name: &str) -> Theme {
    Theme::named(name, Depth::True)
}

fn rgb(color: Option<Color>) -> [u8; 3] {
    match color {
        Some(Color::Rgb(r, g, b)) => [r, g, b],
        other => panic!("{other:?} is no exact colour"),
    }
}

fn foreground(theme: &Theme, role: Role) -> [u8; 3] {
    rgb(theme.style(role).fg.or(theme.style(Role::Text).fg))
}

fn ground(theme: &Theme, role: Role) -> [u8; 3] {
    rgb(theme.style(role).bg.or(theme.style(Role::Screen).bg))
}

fn seen(eyes: &[[f32; 3]; 3], color: [u8; 3]) -> Lab<D65, f32> {
    let linear: LinSrgb<f32> = Srgb::from(color).into_linear();
    let color = [linear.red, linear.green, linear.blue];
    let row = |r: &[f32; 3]| (0..3).map(|i| r[i] * color[i]).sum::<f32>().clamp(0.0, 1.0);
    Lab::from_color(LinSrgb::new(row(&eyes[0]), row(&eyes[1]), row(&eyes[2])))
}

/// CIEDE2000: about 1 can just be told apart side by side, 10 at a glance.
fn difference(eyes: &[[f32; 3]; 3], a: [u8; 3], b: [u8; 3]) -> f32 {
    seen(eyes, a).difference(seen(eyes, b))
}

fn contrast(a: [u8; 3], b: [u8; 3]) -> f32 {
    let float = |c| Srgb::from(c).into_format::<f32>();
    float(a).relative_contrast(float(b))
}

/// Every pair that must differ: what it is, and its two colours.
fn pairs(theme: &Theme) -> Vec<(String, [u8; 3], [u8; 3])> {
    let mut pairs = Vec::new();
    for (a, b) in TEXTS {
        let name = format!("{} and {}", a.name(), b.name());
        pairs.push((name, foreground(theme, *a), foreground(theme, *b)));
    }
    for (a, b) in GROUNDS {
        let name = format!("the grounds of {} and {}", a.name(), b.name());
        pairs.push((name, ground(theme, *a), ground(theme, *b)));
    }
    for n in 0..TASKS.len() {
        let name = format!("task{} and the next", n + 1);
        pairs.push((name, rgb(theme.task(n).fg), rgb(theme.task(n + 1).fg)));
    }
    pairs
}

#[test]
fn what_must_differ_differs_for_usual_eyes_in_every_theme() {
    for name in COLOURED {
        for (pair, a, b) in pairs(&theme(name)) {
            let d = difference(&EYES[0].1, a, b);
            let least = if pair.contains("select") { 5.0 } else { 9.0 };
            assert!(d >= least, "{name}: {pair} are {d:.1} apart");
        }
    }
}

#[test]
fn what_must_differ_differs_for_eyes_that_confuse_red_and_green() {
    for (name, least) in [("colorblind", 12.0), ("contrast", 8.5)] {
        for (eyes, matrix) in EYES {
            for (pair, a, b) in pairs(&theme(name)) {
                let d = difference(&matrix, a, b);
                assert!(d >= least, "{name}, {eyes}: {pair} are {d:.1} apart");
            }
        }
    }
}

/// A palette that is somebody else's can only be used well, not changed.
#[test]
fn failure_and_the_time_line_can_be_told_apart_by_all_eyes_in_every_theme() {
    for name in COLOURED {
        let theme = theme(name);
        let (failure, tasks) = if PALETTES.contains(&name) { (5.5, 8.5) } else { (10.0, 8.5) };
        for (eyes, matrix) in EYES {
            for (a, b) in [(Role::Good, Role::Bad), (Role::BarFailed, Role::BarRunning)] {
                let d = difference(&matrix, foreground(&theme, a), foreground(&theme, b));
                assert!(d >= failure, "{name}, {eyes}: {} and {}: {d:.1}", a.name(), b.name());
            }
            for n in 0..TASKS.len() {
                let d = difference(&matrix, rgb(theme.task(n).fg), rgb(theme.task(n + 1).fg));
                assert!(d >= tasks, "{name}, {eyes}: task{} and the next: {d:.1}", n + 1);
            }
        }
    }
}

#[test]
fn text_can_be_read() {
    for name in COLOURED {
        let theme = theme(name);
        let least = match name {
            "contrast" => 7.0,
            "colorblind" => 4.5,
            _ => 3.0,
        };
        for role in READ {
            let c = contrast(foreground(&theme, *role), ground(&theme, *role));
            assert!(c >= least, "{name}: {} has a contrast of {c:.1}", role.name());
        }
        for under in [Role::Select, Role::SelectBlur, Role::Stripe, Role::Popup] {
            for role in [Role::Text, Role::Strong, Role::Good, Role::Bad, Role::Run, Role::Warn] {
                // What lies under a row wins over the role, as `Canvas` puts it.
                let over = theme.style(under).fg.filter(|_| under == Role::Select);
                let fg = over.map_or(foreground(&theme, role), |fg| rgb(Some(fg)));
                let c = contrast(fg, ground(&theme, under));
                let least = if PALETTES.contains(&name) { 2.2 } else { 3.0 };
                assert!(c >= least, "{name}: {} on {}: {c:.1}", role.name(), under.name());
            }
        }
    }
}

#[test]
fn what_must_differ_differs_in_sixteen_colours_and_in_none() {
    for (name, _) in THEMES {
        for depth in [Depth::Ansi16, Depth::None] {
            let theme = Theme::named(name, depth);
            let plain = depth == Depth::None || name == MONO;
            // Without colours words and shapes carry the rest.
            let texts: &[(Role, Role)] = match plain {
                true => &[(Role::Good, Role::Bad), (Role::Run, Role::Quiet)],
                false => TEXTS,
            };
            for (a, b) in texts.iter().chain(GROUNDS) {
                let (x, y) = (theme.style(*a), theme.style(*b));
                assert!(x != y, "{name}, {depth:?}: {} and {}: {x:?}", a.name(), b.name());
            }
            for n in 0..TASKS.len() {
                assert!(theme.task(n) != theme.task(n + 1), "{name}, {depth:?}: task{}", n + 1);
            }
        }
    }
}

#[test]
fn in_sixteen_colours_nothing_has_the_colour_of_its_ground() {
    for (name, _) in THEMES {
        let theme = Theme::named(name, Depth::Ansi16);
        for info in ROLES {
            let style = theme.style(info.role);
            let hidden = style.bg.is_some() && style.fg == style.bg;
            assert!(!hidden, "{name}: {} cannot be seen", info.name);
        }
    }
}
