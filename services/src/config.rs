//! The sections of the configuration file that the runtime owns. Every key has its default in
//! `assets/config/default.toml` and nowhere else.

use rise_model::span::Span;
use serde::{Deserialize, Serialize};

/// `[ghfe]`: the limits of webhook intake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GhfeSection {
    /// The largest body that is read, in bytes.
    pub max_body_bytes: usize,
    /// Bodies held in memory at once, in bytes.
    pub max_bytes_in_flight: usize,
    /// The largest payload that is stored whole, in bytes.
    pub stored_payload_bytes: usize,
    /// Connections on which deliveries are written, at most. Deliveries whose statements run at once share a wait for the
    /// database's disk.
    pub intake_connections: u32,
    /// A statement that takes longer is given up and the delivery is answered 503.
    pub database_timeout: Span,
    /// A body that does not arrive in this time is given up.
    pub read_timeout: Span,
    /// At most one wake-up of the scheduler is sent in this time.
    pub wake_up_every: Span,
    /// At shutdown, requests in flight have this long.
    pub drain_within: Span,
    /// Whether jobs of private repositories are refused.
    pub public_only: bool,
    /// What operators set is read anew after this long, also when nobody said that it changed.
    pub settings_every: Span,
    /// Staging answers a delivery that is handed to it in this time, or it is answered 502.
    pub staging_timeout: Span,
}

/// `[setup]`: the pages that GitHub sends people to after they installed an App.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupSection {
    /// Where the App for organisations is installed.
    pub organization_install_url: String,
    /// Where the App for personal accounts is installed.
    pub personal_install_url: String,
    /// The pages are open to everybody: GitHub is asked at most this often.
    pub lookups_per_minute: u32,
}

/// `[scheduler]`: its rhythm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchedulerSection {
    /// A round is begun after this long without any wake-up.
    pub round_at_least_every: Span,
    /// Rounds in a second, at most.
    pub rounds_per_second: u32,
    /// Pods and nodes are listed this often, besides being watched.
    pub list_every: Span,
    /// The lease is renewed this often.
    pub lease_renew_every: Span,
    /// A lease that is not renewed ends after this long.
    pub lease_lasts: Span,
    /// A leader that could not renew for this long begins nothing any more.
    pub lease_stop_after: Span,
    /// `scheduler_state` is written at least this often.
    pub state_every: Span,
    /// At shutdown, actions in flight have this long to reach a safe point.
    pub stop_actions_within: Span,
    /// At shutdown, everything is over after this long.
    pub drain_within: Span,
    /// Limits of its pages.
    pub pages: PagesSection,
}

/// `[scheduler.pages]`: the limits of what is open to everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PagesSection {
    /// A request is answered in this time, one way or the other.
    pub answer_within: Span,
    /// A connection, and a statement, may take this long each.
    pub database_within: Span,
    /// Connections of their own, at most: a flood of requests can take none from the scheduler.
    pub connections: u32,
    /// `/ready` asks the database for a sign of life in this time.
    pub ready_within: Span,
    /// A leader whose last good round is older is not ready.
    pub round_may_be_old: Span,
}

/// `[github]`: how GitHub is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitHubSection {
    /// One call, at most.
    pub call_timeout: Span,
    /// An installation token is renewed when it has less than this left.
    pub token_reuse_until: Span,
}

/// `[kubernetes]`: how the cluster is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubernetesSection {
    /// One call, at most.
    pub call_timeout: Span,
    /// A watch is taken up anew after this time; one that is silent for a call's time longer is dead.
    pub watch_timeout: Span,
    /// A pod's whole log is read in this time, or counts as unread.
    pub log_timeout: Span,
    /// What tells why a pod failed is collected in this time.
    pub diagnostics_timeout: Span,
}

/// `[database]`: the pool of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseSection {
    /// Connections a process, at most.
    pub connections: u32,
    /// A connection that is not there after this long is an error.
    pub connect_timeout: Span,
}
