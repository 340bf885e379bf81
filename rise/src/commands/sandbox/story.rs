//! What happens, line by line, as the services tell it.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::output::{self, Format};

/// Tells what happens, or keeps silent when only the report is wanted.
pub(in crate::commands) struct Story {
    format: Format,
    /// The screen has the terminal.
    silent: AtomicBool,
}

impl Story {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            silent: AtomicBool::new(false),
        }
    }

    /// Says nothing while the screen has the terminal.
    pub(super) fn be_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }

    /// One line from `who`.
    pub(super) fn tell(&self, who: &str, what: &str) {
        if self.silent.load(Ordering::SeqCst) {
            return;
        }
        let now: DateTime<Utc> = std::time::SystemTime::now().into();
        let time = now.format("%H:%M:%S").to_string();
        output::story(self.format, &time, who, what);
    }

    /// A line of a service's log, in few words.
    pub(super) fn follow(&self, who: &str, event: &Value) {
        let Some(message) = event["message"].as_str() else {
            return;
        };
        let level = event["level"].as_str().unwrap_or("INFO");
        match (level, event["error"].as_str()) {
            ("WARN" | "ERROR", Some(error)) => {
                self.tell(
                    who,
                    &format!("{}: {message}: {error}", level.to_lowercase()),
                );
            }
            ("WARN" | "ERROR", None) => {
                self.tell(who, &format!("{}: {message}", level.to_lowercase()));
            }
            _ => self.tell(who, message),
        }
    }
}
