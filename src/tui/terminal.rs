//! The terminal: taken over at the start, given back as it was however this ends.

use crossterm::{cursor, event, execute, terminal};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

/// The terminal is ours: the panic hook has something to give back.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// The mouse is ours too; without it the terminal selects text as always.
static MOUSE: AtomicBool = AtomicBool::new(true);
static PANIC_HOOK: Once = Once::new();

/// Synchronised update (DEC mode 2026): the terminal shows a frame in one piece.
const FRAME_BEGIN: &[u8] = b"\x1b[?2026h";
const FRAME_END: &[u8] = b"\x1b[?2026l";
/// Clears the whole screen.
const CLEAR: &[u8] = b"\x1b[0m\x1b[2J";
/// What a frame without any change writes: it is not worth sending.
const NO_CHANGE: [&[u8]; 2] = [b"", b"\x1b[?25l"];

/// A terminal in raw mode on its alternate screen.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<FrameOut>>,
    frame: Rc<RefCell<Vec<u8>>>,
}

/// Collects what one frame writes, so that it leaves in one write or not at all.
pub struct FrameOut(Rc<RefCell<Vec<u8>>>);

impl Write for FrameOut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Screen {
    /// Takes the terminal, and the mouse if it is wanted.
    ///
    /// # Errors
    /// When there is none.
    pub fn enter(mouse: bool) -> io::Result<Screen> {
        PANIC_HOOK.call_once(give_back_on_panic);
        MOUSE.store(mouse, Ordering::SeqCst);
        take()?;
        let frame = Rc::new(RefCell::new(Vec::with_capacity(1 << 16)));
        let out = FrameOut(Rc::clone(&frame));
        let terminal = Terminal::new(CrosstermBackend::new(out)).inspect_err(|_| give_back())?;
        Ok(Screen { terminal, frame })
    }

    /// Returns the terminal's size.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn size(&self) -> io::Result<ratatui::layout::Rect> {
        let size = self.terminal.size()?;
        Ok(ratatui::layout::Rect::new(0, 0, size.width, size.height))
    }

    /// Draws a frame; what did not change is not sent.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Buffer)) -> io::Result<()> {
        self.terminal.draw(|frame| draw(frame.buffer_mut()))?;
        self.send()
    }

    fn send(&mut self) -> io::Result<()> {
        let mut frame = self.frame.borrow_mut();
        if !NO_CHANGE.contains(&frame.as_slice()) {
            let bytes = [FRAME_BEGIN, &frame, FRAME_END].concat();
            let mut out = io::stdout().lock();
            out.write_all(&bytes)?;
            out.flush()?;
        }
        frame.clear();
        Ok(())
    }

    /// Says something to the terminal that draws nothing.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn say(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    /// Forgets what is on the screen: the next frame is drawn whole.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn forget(&mut self) -> io::Result<()> {
        take()?;
        // A terminal anew: ratatui's own `clear` would ask for the cursor's place and wait for an
        // answer that the key reader takes.
        let mut frame = self.frame.borrow_mut();
        frame.clear();
        frame.extend_from_slice(CLEAR);
        drop(frame);
        let out = FrameOut(Rc::clone(&self.frame));
        self.terminal = Terminal::new(CrosstermBackend::new(out))?;
        Ok(())
    }

    /// Gives the terminal back, stops as Ctrl-Z does, and takes it again when continued.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn suspend(&mut self) -> io::Result<()> {
        give_back();
        super::events::stop_this_job();
        self.forget()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    terminal::enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    execute!(
        io::stdout(),
        terminal::EnterAlternateScreen,
        cursor::Hide,
        event::EnableBracketedPaste,
    )?;
    if MOUSE.load(Ordering::SeqCst) {
        execute!(io::stdout(), event::EnableMouseCapture)?;
    }
    Ok(())
}

/// Gives the terminal back; doing so twice does no harm, and failing changes nothing.
fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    let _ = out.write_all(FRAME_END);
    let _ = execute!(
        out,
        event::DisableBracketedPaste,
        event::DisableMouseCapture,
        cursor::Show,
        terminal::LeaveAlternateScreen,
    );
    let _ = terminal::disable_raw_mode();
}

fn give_back_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        give_back();
        before(info);
    }));
}
