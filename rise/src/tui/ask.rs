//! What the screen asks for besides what comes by itself, and the answers.

use std::sync::Arc;

use services::kubernetes::Diagnostics;
use services::store::story::{JobStory, WorkerStory};

use super::dialog::Order;
use super::grid::Id;
use super::trace::Traced;

/// What is asked for. A question about a story or a log replaces the one before.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Request {
    /// A job's or a worker's story.
    Story(Id),
    /// Its pod's log, as it grows.
    Log(Id),
    /// No log any more.
    NoLog,
    /// What was logged of an account, an installation or a job.
    Trace(String),
    /// To change something.
    Act(Order),
}

/// A whole story.
#[derive(Debug)]
pub(super) enum Story {
    Job(Box<JobStory>),
    Worker(Box<WorkerStory>),
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Answer {
    Story(Id, Result<Arc<Story>, String>),
    /// How its pod is now.
    Pod(Id, Result<Box<Diagnostics>, String>),
    Log {
        subject: Id,
        lines: Vec<String>,
        /// What is to be said of the log itself.
        state: Option<String>,
    },
    /// What was logged, and to which rows it is narrowed at first.
    Trace(Result<Arc<Traced>, String>),
    Done(String),
}
