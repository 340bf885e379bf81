//! What a scheduler tells about itself while it runs: `/ready` shows it, tests wait for it.
//!
//! The loop publishes it whenever it changes; whoever reads it always sees the latest.

use chrono::{DateTime, Utc};
use rise_model::other::OtherScheduler;
use serde::Serialize;
use uuid::Uuid;

/// Where one scheduler stands. The default is that of a process that has just begun.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SchedulerStatus {
    /// This process holds the lease.
    pub leads: bool,
    /// Who holds the lease, as far as this process knows.
    pub leader: Option<Uuid>,
    /// The number of the latest round that was decided here.
    pub round: u64,
    /// Nothing is left to do until something happens.
    pub quiet: bool,
    /// Effects that were begun and not answered yet.
    pub in_flight: usize,
    /// When the latest round without trouble ended, by this process's clock.
    pub last_good_round_at: Option<DateTime<Utc>>,
    /// A scheduler of another kind is at work on the same tables, as this one sees it while it leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_scheduler: Option<OtherScheduler>,
    /// Whether the cluster answers.
    pub cluster: Reachability,
    /// Whether the database answers.
    pub database: Reachability,
}

/// Whether something that the scheduler depends on answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Reachability {
    /// It was not asked yet.
    #[default]
    Unknown,
    /// It answered when it was last asked.
    Reachable,
    /// It does not answer.
    Unreachable {
        /// When it was first asked in vain.
        since: DateTime<Utc>,
    },
}
