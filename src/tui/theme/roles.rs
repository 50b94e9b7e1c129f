//! Every role there is: what something on the screen means.

macro_rules! roles {
    ($($variant:ident $name:literal $(= $like:ident)? : $about:literal),+ $(,)?) => {
        /// What something on the screen means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Role { $(#[doc = $about] $variant),+ }

        /// Every role, in the order of [`Role`].
        pub const ROLES: &[RoleInfo] = &[$(RoleInfo {
            role: Role::$variant,
            name: $name,
            about: $about,
            like: roles!(@like $($like)?),
        }),+];
    };
    (@like) => { None };
    (@like $like:ident) => { Some(Role::$like) };
}

/// A role as theme files and the documentation know it.
#[derive(Clone, Copy, Debug)]
pub struct RoleInfo {
    pub role: Role,
    pub name: &'static str,
    /// What it is for, as a sentence without its full stop.
    pub about: &'static str,
    /// The role it looks like in a theme that does not name it; always an earlier one.
    pub like: Option<Role>,
}

roles! {
    Screen "screen": "what lies under everything",
    Text "text": "ordinary text",
    Strong "strong" = Text: "what is read first: names, numbers that matter",
    Dim "dim": "what is read last: units, explanations, past things",
    Heading "heading" = Dim: "heads of columns",
    Stripe "stripe": "every other row of a long table",
    Select "select": "the selected row in the panel that has the keys",
    SelectBlur "select_blur" = Select: "the selected row in other panels",
    Tag "tag" = Strong: "the mark of a tagged row",

    Title "title": "a panel's title",
    TitleFocus "title_focus" = Strong: "the title of the panel that has the keys",
    Border "border" = Dim: "a panel's border",
    BorderFocus "border_focus": "the border of the panel that has the keys",
    ScrollTrack "scroll_track" = Border: "a scrollbar",
    ScrollThumb "scroll_thumb" = BorderFocus: "the part of a scrollbar that is in view",

    Key "key": "a key that can be pressed",
    KeyText "key_text" = Text: "what such a key does",
    Button "button" = Key: "something to click",
    Prompt "prompt" = Key: "the sign before an input line",
    Input "input" = Text: "what is typed into an input line",
    SearchMatch "search_match": "text that a search has found",
    SearchCurrent "search_current": "the found text that the search stands on",

    Popup "popup": "a window over the panels",
    PopupBorder "popup_border" = BorderFocus: "the border of such a window",
    Choice "choice" = Select: "the chosen line in it",
    BannerGood "banner_good": "the run has ended well",
    BannerBad "banner_bad": "the run has ended, and not well",

    Good "good": "succeeded",
    Bad "bad": "failed",
    Warn "warn": "something to look at",
    AlertInfo "alert_info" = Key: "an alert that only tells",
    AlertWarn "alert_warn" = Warn: "an alert that asks to look",
    AlertCritical "alert_critical" = BannerBad: "an alert that asks to act",
    Stderr "stderr" = Warn: "output on standard error",

    Run "run" = Good: "a worker whose job runs",
    Paused "paused": "paused by a person",
    Quiet "quiet" = Warn: "a job that neither computes, writes nor reads",
    Stopping "stopping" = Bad: "a job that is being stopped",
    Idle "idle" = Dim: "a worker without a job",
    Holder "holder" = Strong: "who holds a lock",
    Waiter "waiter" = Quiet: "who waits for a lock",

    ActivityRun "activity_run" = Run: "in a worker's strip: it computes",
    ActivityCpuWait "activity_cpu_wait" = Warn: "in a worker's strip: it could, but waits for a CPU",
    ActivityIoWait "activity_io_wait" = Paused: "in a worker's strip: it waits for a disk",
    ActivitySleep "activity_sleep" = Idle: "in a worker's strip: it sleeps",

    BarDone "bar_done": "in the progress bar: jobs that succeeded",
    BarFailed "bar_failed" = Bad: "in the progress bar: jobs that failed",
    BarRunning "bar_running" = Run: "in the progress bar: jobs that run",
    BarRest "bar_rest" = Border: "in a bar: what is not filled",

    GraphLow "graph_low" = BarDone: "the foot of a graph; a gradient goes up from here",
    GraphMid "graph_mid" = GraphLow: "the middle of that gradient",
    GraphHigh "graph_high" = GraphMid: "the top of a graph",
    TimeCursor "time_cursor" = Strong: "the moment that is looked at, across all graphs",

    CpuUser "cpu_user": "CPU time of programs",
    CpuNice "cpu_nice": "CPU time of programs with low priority",
    CpuSystem "cpu_system": "CPU time of the kernel",
    CpuIrq "cpu_irq": "CPU time of interrupts",
    CpuSoftirq "cpu_softirq": "CPU time of soft interrupts",
    CpuSteal "cpu_steal": "CPU time that other virtual machines took",
    CpuIowait "cpu_iowait": "CPU time spent waiting for disks",
    CoreOurs "core_ours" = BarDone: "this run's part of a core",
    CoreOthers "core_others" = Dim: "what others use of a core",
    Memory "memory" = BarDone: "memory in use",

    Task1 "task1": "tasks on the time line; neighbours in the list never look alike",
    Task2 "task2": "the second task's colour",
    Task3 "task3": "the third task's colour",
    Task4 "task4": "the fourth task's colour",
    Task5 "task5": "the fifth task's colour",
    Task6 "task6": "the sixth task's colour",
    Task7 "task7": "the seventh task's colour",
    Task8 "task8": "the eighth task's colour; the ninth task has the first again",
}

/// The colours of tasks on the time line, in turn.
pub const TASKS: [Role; 8] = [
    Role::Task1,
    Role::Task2,
    Role::Task3,
    Role::Task4,
    Role::Task5,
    Role::Task6,
    Role::Task7,
    Role::Task8,
];

impl Role {
    /// Returns the role's name in theme files.
    pub fn name(self) -> &'static str {
        ROLES.get(self as usize).map_or("", |info| info.name)
    }

    /// Returns the role of that name.
    pub fn of(name: &str) -> Option<Role> {
        ROLES.iter().find(|info| info.name == name).map(|info| info.role)
    }
}

/// Returns the table for `docs/themes.md`.
pub fn markdown() -> String {
    let mut out = String::from("| role | what it is for | unless named, as |\n|---|---|---|\n");
    for info in ROLES {
        let like = info.like.map_or(String::new(), |like| format!("`{}`", like.name()));
        out.push_str(&format!("| `{}` | {} | {like} |\n", info.name, info.about));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_role_looks_like_an_earlier_one() {
        for (i, info) in ROLES.iter().enumerate() {
            assert_eq!(info.role as usize, i);
            assert_eq!(Role::of(info.name), Some(info.role), "{} stands twice", info.name);
            assert!(info.like.is_none_or(|like| like < info.role), "{}", info.name);
        }
        assert_eq!(Role::of("bogus"), None);
    }
}
