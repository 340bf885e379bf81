//! The terminal's life cycle: taken once, given back whatever happens: an error, a panic in any task, a signal, Ctrl-Z.

use std::io::{self, Write};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};

/// Whether the terminal is ours.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// A panic somewhere in the program gave the terminal back.
static PANICKED: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// The terminal, while it is ours.
#[derive(Debug)]
pub(super) struct Guard {
    mouse: bool,
}

impl Guard {
    /// Takes the terminal.
    pub(super) fn take() -> io::Result<Self> {
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if TAKEN.load(Ordering::SeqCst) {
                    PANICKED.store(true, Ordering::SeqCst);
                    give_back();
                }
                before(info);
            }));
        });
        let mut guard = Self { mouse: false };
        guard.enter()?;
        Ok(guard)
    }

    /// Whether something panicked and the terminal is not ours any more.
    pub(super) fn lost() -> bool {
        PANICKED.load(Ordering::SeqCst)
    }

    /// Columns and rows of the terminal that we draw on, which need not be the one that started us.
    pub(super) fn size() -> io::Result<(u16, u16)> {
        let size = rustix::termios::tcgetwinsize(io::stdout())?;
        Ok(match (size.ws_col, size.ws_row) {
            // It does not know.
            (0, _) | (_, 0) => (80, 24),
            known => known,
        })
    }

    fn enter(&mut self) -> io::Result<()> {
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let mut out = io::stdout();
        let entered = execute!(
            out,
            EnterAlternateScreen,
            EnableBracketedPaste,
            Hide,
            Clear(ClearType::All),
            MoveTo(0, 0)
        );
        if entered.is_err() {
            give_back();
        }
        self.mouse = false;
        entered
    }

    /// Gives the mouse to us or to the terminal.
    pub(super) fn set_mouse(&mut self, ours: bool) -> io::Result<()> {
        if self.mouse == ours {
            return Ok(());
        }
        self.mouse = ours;
        let mut out = io::stdout();
        if ours {
            execute!(out, EnableMouseCapture)
        } else {
            execute!(out, DisableMouseCapture)
        }
    }

    /// Gives the terminal back, stops this process, and takes the terminal again when it goes on.
    pub(super) fn stop_and_go_on(&mut self) -> io::Result<()> {
        give_back();
        // Nobody can handle this one, so that it stops whatever the handlers of the others are.
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)?;
        self.enter()
    }

    /// Writes a frame at once.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        give_back();
    }
}

/// As it was before. Errors do not matter: the terminal may be gone.
fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    let _ = queue!(
        out,
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Show
    );
    let _ = out.flush();
    let _ = disable_raw_mode();
}
