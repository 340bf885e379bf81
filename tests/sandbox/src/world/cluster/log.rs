//! A container's log, line by line with the time of each, and the part of it that a reader asks for.

use chrono::SecondsFormat;

use crate::world::Time;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: Time,
    /// What was written, without the line's end.
    pub text: String,
}

impl LogLine {
    /// The line as the kubelet gives it out.
    #[must_use]
    pub fn render(&self, timestamps: bool) -> String {
        if timestamps {
            let at = self.at.to_rfc3339_opts(SecondsFormat::Nanos, true);
            format!("{at} {}\n", self.text)
        } else {
            format!("{}\n", self.text)
        }
    }
}

/// A container's log.
#[derive(Debug, Default)]
pub(super) struct Log {
    lines: Vec<LogLine>,
    /// How many lines rotation took from the beginning.
    rotated: usize,
}

impl Log {
    pub(super) fn write(&mut self, at: Time, text: impl Into<String>) {
        self.lines.push(LogLine {
            at,
            text: text.into(),
        });
    }

    /// The lines from the `from`th on, counted over the container's whole life.
    pub(super) fn from(&self, from: usize) -> &[LogLine] {
        let from = from.saturating_sub(self.rotated).min(self.lines.len());
        &self.lines[from..]
    }

    /// How many lines were ever written.
    pub(super) fn written(&self) -> usize {
        self.rotated + self.lines.len()
    }

    /// Takes all but the last `keep` lines away, as rotation does.
    pub(super) fn rotate(&mut self, keep: usize) {
        let gone = self.lines.len().saturating_sub(keep);
        self.lines.drain(..gone);
        self.rotated += gone;
    }
}
