//! How the program ends: one enum of exit statuses, and the failure that carries one.
//!
//! A failure says in one line what is wrong; what to do next are hints beside it. Causes are joined to that line, so that
//! nobody has to ask for a backtrace.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use services::store::StoreError;
use services::store::migrate::MigrateFailed;

/// The exit statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// It failed, or what was asked for is unhealthy.
    Failed,
    /// Wrong usage or configuration.
    Usage,
    /// Credentials were refused.
    Credentials,
    /// A person cancelled it.
    #[cfg(feature = "sandbox")]
    Cancelled,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Credentials => 3,
            #[cfg(feature = "sandbox")]
            Exit::Cancelled => 4,
        })
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The status that the process ends with.
    pub(crate) exit: Exit,
    /// One line; nothing is printed when there is none.
    pub(crate) message: Option<String>,
    /// Lines below it, each with its own hint.
    pub(crate) details: Vec<Detail>,
    /// What to do next.
    pub(crate) hints: Vec<String>,
}

/// One of several things that are wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Detail {
    /// What is wrong.
    pub(crate) text: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

impl Detail {
    /// One that says by itself what to do.
    fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { text, hint: None }
    }
}

impl Failure {
    /// A failure without a hint.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: Some(message.into()),
            details: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// The same with one more hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// What every command returns.
pub(crate) type Outcome = Result<Exit, Failure>;

impl From<io::Error> for Failure {
    /// Only writing to the terminal or pipe arrives here; a reader that went away has seen enough.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self {
                exit: Exit::Done,
                message: None,
                details: Vec::new(),
                hints: Vec::new(),
            };
        }
        Self::new(
            Exit::Failed,
            format!("the output cannot be written: {error}"),
        )
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        match error.io_error_kind() {
            Some(kind) => Self::from(io::Error::from(kind)),
            None => Self::new(Exit::Failed, format!("the output is no JSON: {error}")),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let exit = match &error {
            StoreError::Url(_) | StoreError::NotMigrated { .. } => Exit::Usage,
            refused if refused.is_refused() => Exit::Credentials,
            StoreError::Unreachable(_) | StoreError::TimedOut(_) | StoreError::Query(_) => {
                Exit::Failed
            }
        };
        Self::new(exit, chain(&error)).hint(error.hint())
    }
}

impl From<MigrateFailed> for Failure {
    fn from(error: MigrateFailed) -> Self {
        match error {
            MigrateFailed::Store(error) => Self::from(error),
            MigrateFailed::Unsuitable {
                ref differences, ..
            } => Self {
                details: differences.iter().map(Detail::new).collect(),
                ..Self::new(Exit::Failed, chain(&error)).hint(error.hint())
            },
            other => Self::new(Exit::Failed, chain(&other)).hint(other.hint()),
        }
    }
}

/// An error and its causes in one line. A cause that its effect already told is left out.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
