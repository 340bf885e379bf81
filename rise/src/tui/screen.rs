//! Frames on the terminal: only cells that changed are written, in one synchronised piece; where nothing changed, nothing.

use std::io;

use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::app::App;
use super::views;

/// What is on the terminal, and what is to be.
#[derive(Debug)]
pub(crate) struct Screen {
    shown: Buffer,
    next: Buffer,
    /// The terminal holds something else.
    stale: bool,
}

impl Screen {
    pub(crate) fn new(columns: u16, rows: u16) -> Self {
        let area = Rect::new(0, 0, columns, rows);
        Self {
            shown: Buffer::empty(area),
            next: Buffer::empty(area),
            stale: false,
        }
    }

    /// The terminal was cleared or another program wrote on it.
    pub(super) fn forget(&mut self) {
        self.stale = true;
    }

    /// The bytes that bring the terminal up to date; none when it is.
    pub(crate) fn frame(&mut self, app: &App) -> io::Result<Vec<u8>> {
        let area = Rect::new(0, 0, app.size.0, app.size.1);
        if self.shown.area != area {
            self.shown = Buffer::empty(area);
            self.next = Buffer::empty(area);
            self.stale = true;
        }
        views::draw(app, &mut self.next);
        let mut bytes = Vec::new();
        if self.stale {
            self.stale = false;
            self.shown.reset();
            queue!(
                bytes,
                BeginSynchronizedUpdate,
                crossterm::terminal::Clear(crossterm::terminal::ClearType::All)
            )?;
        }
        let changed = self.shown.diff(&self.next);
        if !changed.is_empty() {
            if bytes.is_empty() {
                queue!(bytes, BeginSynchronizedUpdate)?;
            }
            CrosstermBackend::new(&mut bytes).draw(changed.into_iter())?;
        }
        if !bytes.is_empty() {
            queue!(bytes, EndSynchronizedUpdate)?;
        }
        std::mem::swap(&mut self.shown, &mut self.next);
        Ok(bytes)
    }
}
