//! The screen: draws snapshots, sends commands, asks queries, touches nothing else.
//!
//! By hand in the manner of Elm: messages from three threads (keys, signals, the supervisor)
//! meet in one channel, [`update()`] turns each into a new [`model`] and actions without touching
//! anything, [`draw`] paints the model, [`terminal`] owns the terminal.

mod acts;
pub mod axis;
pub mod background;
pub mod canvas;
mod clip;
pub mod config;
pub mod draw;
mod events;
mod footer;
pub mod format;
pub mod glyphs;
pub mod graph;
mod header;
pub mod history;
pub mod input;
pub mod keymap;
pub mod keys;
pub mod layout;
pub mod list;
pub mod lock_history;
pub mod model;
mod mouse;
pub mod notice;
pub mod output;
mod own;
pub mod panels;
pub mod popups;
pub mod proof;
pub mod sample;
pub mod sanitize;
pub mod settings;
pub mod terminal;
pub mod theme;
pub mod then;
pub mod update;
pub mod zones;

use crate::clock;
use crate::control::client::{ClientError, Receiver, Sender};
use crate::control::proto::ToServer;
use crate::model::{Mono, RunInfo};
use canvas::Look;
use config::Config;
use glyphs::Glyphs;
use keymap::Keymap;
use model::{FeedbackKind, Model};
use output::save::SaveJob;
use own::Own;
use std::io;
use std::sync::mpsc;
use std::time::Duration;
use terminal::Screen;
use theme::store::{AUTO, ThemeStore};
use theme::{Depth, Theme};
use update::{Action, Msg, update};

/// What the caller decides.
#[derive(Clone, Debug)]
pub struct TuiOptions {
    /// When the run ends by itself the screen stays until a person leaves it.
    pub hold_at_end: bool,
    /// What the person has chosen, on the command line or in the configuration.
    pub config: Config,
    /// What is wrong in the configuration: the screen shows the first of it.
    pub warnings: Vec<String>,
}

/// How the screen was left.
#[derive(Debug)]
pub enum Ended {
    /// The run has ended with this exit code; `trouble` is what could not be done at its end.
    Run { exit_code: i32, trouble: Option<String> },
    /// The supervisor is gone and the run had not ended: ganger itself failed.
    SupervisorGone(ClientError),
    /// A signal, a terminal that went away, or Ctrl-C too often ended the screen; the run was
    /// told to stop.
    Signal { signal: i32, exit_code: i32 },
}

/// Why there is no screen.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    #[error("cannot use the terminal: {0}")]
    Terminal(io::Error),
    #[error("cannot start the screen: {0}")]
    Start(io::Error),
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Returns what is wrong with the keys and layouts of a configuration.
pub fn wrong_in(config: &Config) -> Vec<String> {
    let (_, mut warnings) = Keymap::of(config);
    warnings.extend(layout::arrange(&mut layout::built_in_views(), config));
    warnings
}

/// Time between looks at the clock while nothing comes.
const TICK: Duration = Duration::from_millis(500);

/// Shows a run until it has ended or the person leaves. Call it on the main thread.
///
/// # Errors
/// When there is no terminal to show it on, or the connection broke at the start.
pub fn run(client: (Sender, Receiver, RunInfo), options: TuiOptions) -> Result<Ended, TuiError> {
    let (mut sender, receiver, info) = client;
    let (to_loop, messages) = mpsc::sync_channel(256);
    let screen = Screen::enter(options.config.mouse).map_err(TuiError::Terminal)?;
    let (look, themes, asked) = look(&options.config);
    let _signals = events::Signals::read_into(to_loop.clone()).map_err(TuiError::Start)?;
    let _keys = events::read_keys_into(to_loop.clone(), asked).map_err(TuiError::Start)?;
    events::receive_into(to_loop.clone(), receiver).map_err(TuiError::Start)?;
    sender.send(&ToServer::Subscribe { snapshots: true, events: false })?;

    let size = screen.size().map_err(TuiError::Terminal)?;
    let mut model = Model::new(info, look, size, clock::now());
    model.hold_at_end = options.hold_at_end;
    model.time_zone = jiff::tz::TimeZone::system();
    // Whoever read the configuration has said all that is wrong in it.
    (model.keymap, _) = Keymap::of(&options.config);
    let _said = layout::arrange(&mut model.views, &options.config);
    if let Some(first) = options.warnings.first() {
        let more = match options.warnings.len() {
            1 => String::new(),
            n => format!(" (the first of {n} warnings: all of them stand above, where you leave)"),
        };
        acts::say(&mut model, FeedbackKind::Refused, format!("{first}{more}"));
    }
    let frame = options.config.refresh;
    let (own, last_frame, dirty, at_once) = (Own::default(), None, true, true);
    Ok(Loop { model, screen, sender, to_loop, themes, own, frame, last_frame, dirty, at_once }
        .run(&messages))
}

/// Makes the look that was chosen. Asks the terminal about its background when that matters, so
/// nobody else may be reading from it yet.
fn look(config: &Config) -> (Look, ThemeStore, background::Asked) {
    let env = |name: &str| std::env::var(name).ok();
    let depth = theme::detect(env);
    let asked = match (config.theme.as_str(), depth) {
        (AUTO, Depth::Ansi16 | Depth::Ansi256 | Depth::True) => background::ask(env),
        _ => background::Asked::nobody(env),
    };
    let mut themes = ThemeStore::new(env, depth, asked.background);
    // Whoever made the choice has said what is wrong with it.
    let theme = themes.choose(&config.theme).or_else(|_| themes.choose(AUTO));
    let theme = theme.unwrap_or_else(|_| Theme::named(AUTO, Depth::None));
    let glyphs = Glyphs::of(config.glyphs.unwrap_or_else(|| glyphs::detect(env)));
    (Look { theme, glyphs }, themes, asked)
}

struct Loop {
    model: Model,
    screen: Screen,
    sender: Sender,
    /// For threads that have something to tell.
    to_loop: mpsc::SyncSender<Msg>,
    themes: ThemeStore,
    /// What this process costs.
    own: Own,
    /// Least time between two frames that no key asked for.
    frame: Duration,
    last_frame: Option<Mono>,
    dirty: bool,
    /// A key was pressed: the next frame does not wait for its turn.
    at_once: bool,
}

impl Loop {
    fn run(mut self, messages: &mpsc::Receiver<Msg>) -> Ended {
        loop {
            if let Err(ended) = self.draw_when_due() {
                return ended;
            }
            let first = match messages.recv_timeout(self.patience()) {
                Ok(message) => message,
                Err(_) => Msg::Tick,
            };
            // All that has come is taken in before the next frame.
            let mut next = Some(first);
            while let Some(message) = next {
                for action in update(&mut self.model, message, clock::now()) {
                    if let Some(ended) = self.perform(action) {
                        return ended;
                    }
                }
                next = messages.try_recv().ok();
            }
            if let Some(theme) = self.themes.poll(clock::mono()) {
                self.put_on(theme);
            }
            if let Some(own) = self.own.look(clock::mono()) {
                self.model.own = own;
            }
        }
    }

    /// Shows a theme, or says what is wrong with it.
    fn put_on(&mut self, theme: Result<Theme, settings::Warning>) {
        update(&mut self.model, Msg::Theme(theme), clock::now());
        (self.dirty, self.at_once) = (true, true);
    }

    /// How long to wait for a message: until the next frame is due, else until the next tick.
    fn patience(&self) -> Duration {
        match (self.dirty, self.last_frame) {
            (true, Some(at)) => self.frame.saturating_sub(clock::mono().since(at)),
            (true, None) => Duration::ZERO,
            (false, _) => TICK,
        }
    }

    fn draw_when_due(&mut self) -> Result<(), Ended> {
        let now = clock::mono();
        let due = self.at_once || self.last_frame.is_none_or(|at| now.since(at) >= self.frame);
        if self.dirty && due { self.draw() } else { Ok(()) }
    }

    fn draw(&mut self) -> Result<(), Ended> {
        self.dirty = false;
        self.at_once = false;
        self.last_frame = Some(clock::mono());
        let size = self.screen.size().unwrap_or(self.model.size);
        if size != self.model.size {
            update(&mut self.model, Msg::Resize(size), clock::now());
        }
        let model = &self.model;
        let mut zones = zones::Zones::default();
        let drawn = self.screen.draw(|buf| zones = draw::draw(model, buf));
        self.model.zones = zones;
        drawn.map_err(|_| self.hang_up())
    }

    fn anew(&mut self, act: impl FnOnce(&mut Screen) -> io::Result<()>) -> Result<(), Ended> {
        act(&mut self.screen).map_err(|_| self.hang_up())?;
        self.draw()
    }

    /// The terminal is gone: the run is stopped properly.
    fn hang_up(&mut self) -> Ended {
        for action in update(&mut self.model, Msg::Hangup, clock::now()) {
            match action {
                Action::Send(message) => drop(self.sender.send(&message)),
                Action::Leave(ended) => return ended,
                _ => {}
            }
        }
        Ended::Signal { signal: libc::SIGHUP, exit_code: 128 + libc::SIGHUP }
    }

    /// Copies output on a thread of its own.
    fn save(&mut self, job: SaveJob) {
        let (to_loop, copied) = (self.to_loop.clone(), job.clone());
        // It fails when the loop has ended: then nobody waits for the word.
        let tell = move |result| drop(to_loop.send(Msg::Saved(copied, result)));
        if let Err(error) = output::save::save(job.clone(), tell) {
            update(&mut self.model, Msg::Saved(job, Err(error)), clock::now());
            (self.dirty, self.at_once) = (true, true);
        }
    }

    /// Copies a text, and says where it is now.
    fn copy(&mut self, what: &str, text: &str) {
        let lines = format::plural(text.lines().count() as u64, "line");
        let clip = clip::osc52(text);
        let sent = clip.is_some_and(|bytes| self.screen.say(&bytes).is_ok());
        let clip = if sent { " to the terminal's clipboard (OSC 52) and" } else { "" };
        let folder = std::path::PathBuf::from(&self.model.info.dir);
        let (text, kind) = match clip::save(&folder, what, text) {
            Ok(path) => {
                (format!("{lines} copied{clip} into {}", path.display()), FeedbackKind::Done)
            }
            Err(e) if sent => {
                let place = "to the terminal's clipboard (OSC 52)";
                (format!("{lines} copied {place}; no file: {e}"), FeedbackKind::Done)
            }
            Err(e) => {
                let folder = folder.display();
                (format!("cannot write a file into {folder}: {e}"), FeedbackKind::Refused)
            }
        };
        acts::say(&mut self.model, kind, text);
        (self.dirty, self.at_once) = (true, true);
    }

    fn perform(&mut self, action: Action) -> Option<Ended> {
        let drawn = match action {
            Action::Send(message) => {
                // A broken connection is reported by the receiver, with more to say about it.
                let _ = self.sender.send(&message);
                Ok(())
            }
            Action::DrawSoon => {
                self.dirty = true;
                Ok(())
            }
            Action::DrawNow => {
                (self.dirty, self.at_once) = (true, true);
                Ok(())
            }
            Action::NextTheme => {
                let theme = self.themes.turn();
                self.put_on(Ok(theme));
                Ok(())
            }
            Action::PutOn(name) => {
                let theme = self.themes.choose(&name);
                self.put_on(theme);
                Ok(())
            }
            Action::Save(job) => {
                self.save(job);
                Ok(())
            }
            Action::Copy { what, text } => {
                self.copy(what, &text);
                Ok(())
            }
            Action::DrawAll => self.anew(Screen::forget),
            Action::Suspend => self.anew(Screen::suspend),
            Action::Leave(ended) => return Some(ended),
        };
        drawn.err()
    }
}
