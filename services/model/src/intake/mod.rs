//! What a webhook delivery means: headers and payload in, the answer and what is written out.
//!
//! The signature was verified before. A delivery is refused (nothing is written), logged, handed to staging, or changes a
//! job; in the last case the database decides whether it was news, so that order and repetition do not matter. The action decides,
//! never the job's own status field: GitHub sends `queued` for a job whose status reads `waiting`.

mod clean;
mod events;
mod job;
mod outcome;
mod read;
mod stored;
#[cfg(test)]
mod tests;

pub use clean::clean;
pub use job::JobRow;
pub use outcome::{JobAction, OutcomeWords, Recorded, WebhookOutcome};

use std::fmt;

use uuid::Uuid;

use crate::config::{Apps, Routing, StagingRepositories};
use crate::settings::InForce;
use crate::{AppId, EntityId, EntityKind, InstallationId, JobId};
use read::Part;

/// What intake decides by.
#[derive(Debug, Clone, Copy)]
pub struct IntakeRules<'a> {
    /// The two Apps whose deliveries are taken.
    pub apps: &'a Apps,
    /// Where jobs run.
    pub routing: &'a Routing,
    /// Replaces `{tag}` in image references.
    pub image_tag: &'a str,
    /// Whether jobs of private repositories are refused.
    pub public_only: bool,
    /// Repositories whose jobs are handed to staging; none outside of production.
    pub staging: &'a StagingRepositories,
    /// What operators set: bans, and more repositories that are staging's.
    pub in_force: &'a InForce,
    /// The largest payload that is stored whole, in bytes.
    pub stored_payload_bytes: usize,
}

/// GitHub's headers that intake reads, as they came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    /// `X-GitHub-Hook-Installation-Target-ID`.
    pub app: Option<&'a str>,
    /// `X-GitHub-Delivery`.
    pub delivery: Option<&'a str>,
}

/// Why a verified delivery is answered 400 and leaves no trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No App id.
    #[error("Missing X-GitHub-Hook-Installation-Target-Id header")]
    NoAppId,
    /// An App id that is no number.
    #[error("Invalid X-GitHub-Hook-Installation-Target-Id header")]
    BadAppId,
    /// Not a JSON object.
    #[error("Invalid JSON payload")]
    NotJson,
    /// A part of the payload that the event needs is not there.
    #[error("Missing {0} in payload")]
    MissingPart(&'static str),
    /// A value that the job needs is not there, in the words of the replaced service.
    #[error("{0} is missing in payload")]
    MissingValue(&'static str),
    /// A value has another type than GitHub gives it.
    #[error("Invalid {0} in payload")]
    Mistyped(String),
    /// The job's owner is neither an organisation nor a user.
    #[error("unsupported entity type: {0:?}")]
    UnsupportedOwner(String),
}

/// The row of `installation_events` that a delivery leaves, without its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// `workflow_job.queued`, `ping`.
    pub event: String,
    /// Which App was told.
    pub app: AppId,
    /// The delivery, unless GitHub's header was missing or malformed.
    pub delivery: Option<Uuid>,
    /// The installation.
    pub installation: Option<InstallationId>,
    /// The account.
    pub entity: EventEntity,
    /// The job, also of a delivery that was ignored.
    pub job: Option<JobId>,
    /// What is kept of the payload.
    pub payload: serde_json::Value,
}

/// The account that an event is about, as far as the payload tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventEntity {
    /// Its kind; nothing for kinds that are none of ours.
    pub kind: Option<EntityKind>,
    /// Its id.
    pub id: Option<EntityId>,
    /// Its login.
    pub name: Option<String>,
}

/// What is to be written for a delivery.
#[derive(Debug, Clone, PartialEq)]
pub enum Intake {
    /// A log row and nothing else.
    Log {
        /// The row.
        row: EventRow,
        /// Its outcome.
        outcome: WebhookOutcome,
        /// The answer's text.
        answer: String,
    },
    /// A job's row and a log row, whose outcome depends on what is there.
    Job {
        /// The log row.
        row: EventRow,
        /// What happened to the job.
        action: JobAction,
        /// The job as this delivery tells it.
        job: Box<JobRow>,
    },
    /// Staging decides, and its answer is the answer. Written as it stands it is a delivery that did not get there.
    Staging {
        /// The log row.
        row: EventRow,
    },
}

impl Intake {
    /// The log row.
    #[must_use]
    pub fn row(&self) -> &EventRow {
        match self {
            Self::Log { row, .. } | Self::Job { row, .. } | Self::Staging { row } => row,
        }
    }
}

/// Decides a delivery. `body` is JSON that went through [`clean`].
///
/// # Errors
/// [`Refusal`] when it cannot be taken; its text is the answer.
pub fn decide(
    rules: &IntakeRules<'_>,
    event: &str,
    headers: Headers<'_>,
    body: &str,
) -> Result<Intake, Refusal> {
    let header = headers.app.ok_or(Refusal::NoAppId)?;
    let app = AppId(header.trim().parse().map_err(|_| Refusal::BadAppId)?);
    let delivery = Delivery {
        event,
        app,
        id: headers
            .delivery
            .and_then(|id| Uuid::try_parse(id.trim()).ok()),
        payload: Part::whole(body)?,
        limit: rules.stored_payload_bytes,
    };
    if !rules.apps.has(app) {
        return events::unknown_app(&delivery);
    }
    match event {
        "ping" => events::ping(&delivery),
        "installation" | "installation_repositories" => events::installation(&delivery),
        "installation_target" => events::installation_target(&delivery),
        "workflow_job" => job::workflow_job(rules, &delivery),
        _ => events::other(&delivery),
    }
}

/// A delivery whose headers and outermost JSON were read.
struct Delivery<'a> {
    event: &'a str,
    app: AppId,
    id: Option<Uuid>,
    payload: Part<'a>,
    limit: usize,
}

impl Delivery<'_> {
    /// A log row that knows nothing of installation, account or job.
    fn row(&self, event: String, payload: serde_json::Value) -> EventRow {
        EventRow {
            event,
            app: self.app,
            delivery: self.id,
            installation: None,
            entity: EventEntity::default(),
            job: None,
            payload,
        }
    }

    /// The event with its action, as the log names it.
    fn named(&self, action: &str) -> String {
        format!("{}.{}", self.event, Short(action))
    }

    /// The same of a delivery that may have no action, or an odd one.
    fn named_if_it_acts(&self) -> String {
        match self.payload.extra::<String>("action") {
            Some(action) => self.named(&action),
            None => Short(self.event).to_string(),
        }
    }
}

/// A text from outside, cut to what a line can bear.
struct Short<'a>(&'a str);

/// GitHub's own words for events and actions have less than half of this.
const SHORT_CHARS: usize = 64;

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(SHORT_CHARS) {
            None => f.write_str(self.0),
            Some((end, _)) => write!(f, "{}…", &self.0[..end]),
        }
    }
}
