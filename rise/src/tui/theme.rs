//! What things look like: the sixteen colours of the user's own palette, and never a meaning that is told by colour alone.

use ratatui::style::{Color, Modifier, Style};

/// How something is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Tone {
    /// As any text.
    #[default]
    Plain,
    /// Beside the point.
    Quiet,
    /// Names and headings.
    Strong,
    /// As it should be.
    Good,
    /// At work.
    Busy,
    /// It waits.
    Waiting,
    /// Trouble.
    Bad,
    /// Where to look; keys.
    Accent,
}

impl Tone {
    /// Its style.
    pub(super) fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Quiet => Style::new().fg(Color::DarkGray),
            Self::Strong => Style::new().add_modifier(Modifier::BOLD),
            Self::Good => Style::new().fg(Color::Green),
            Self::Busy => Style::new().fg(Color::Blue),
            Self::Waiting => Style::new().fg(Color::Yellow),
            Self::Bad => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
            Self::Accent => Style::new().fg(Color::Cyan),
        }
    }

    /// How a job's or a worker's state is meant.
    pub(super) fn of_status(status: &str) -> Self {
        match status {
            "pending" => Self::Waiting,
            "running" => Self::Busy,
            "completed" => Self::Good,
            "failed" => Self::Bad,
            _ => Self::Plain,
        }
    }

    /// How a board's state is meant.
    pub(super) fn of_board(state: &str) -> Self {
        match state {
            "free" => Self::Good,
            "starting" => Self::Waiting,
            "busy" => Self::Busy,
            "idle" => Self::Plain,
            "lost" | "quarantined" => Self::Bad,
            "cordoned" => Self::Quiet,
            _ => Self::Plain,
        }
    }
}

/// The row or button that keys act on.
pub(super) const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);
/// What was searched for.
pub(super) const FOUND: Style = Style::new().fg(Color::Black).bg(Color::Yellow);
/// A line that says that something is wrong.
pub(super) const BANNER: Style = Style::new()
    .fg(Color::Black)
    .bg(Color::Yellow)
    .add_modifier(Modifier::BOLD);
/// The titles of columns.
pub(super) const HEADER: Style = Style::new()
    .add_modifier(Modifier::BOLD)
    .add_modifier(Modifier::UNDERLINED);
