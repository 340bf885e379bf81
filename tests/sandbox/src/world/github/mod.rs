//! The pretend GitHub. (Signatures only: to be filled.)

use super::Time;

/// What GitHub holds at the beginning.
#[derive(Debug, Clone)]
pub struct GitHubConfig {}

/// The pretend GitHub.
#[derive(Debug)]
pub struct GitHub {}

/// A runner's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunnerId(pub i64);

/// Why a runner process may not connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectRefused {
    /// No such registration (any more).
    NotRegistered,
    /// The registration is in use, or was used up.
    AlreadyUsed,
    /// The runner's version is no longer accepted.
    VersionDeprecated,
}

/// What a connected, idle runner hears when it asks for work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Poll {
    /// Nothing to do.
    Idle,
    /// A job, which is in progress from now on.
    Job(Assigned),
    /// GitHub no longer knows this runner.
    Removed,
}

/// A job that a runner was handed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// Its id.
    pub job_id: i64,
    /// Its name, for the log.
    pub name: String,
    /// How long its steps run.
    pub runs_for: chrono::TimeDelta,
    /// How it will end if nothing disturbs it: `success`, `failure`.
    pub conclusion: String,
}

impl GitHub {
    /// GitHub at the beginning.
    #[must_use]
    pub fn new(_config: &GitHubConfig, _seed: u64, _now: Time) -> Self {
        Self {}
    }
    /// When something happens by itself.
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        None
    }
    /// Runs what is due.
    pub fn run_due(&mut self, _now: Time) {}
    /// A runner process starts with this JIT config.
    pub fn runner_connect(
        &mut self,
        _encoded_jit_config: &str,
        _now: Time,
    ) -> Result<RunnerId, ConnectRefused> {
        Err(ConnectRefused::NotRegistered)
    }
    /// A connected runner asks for work; the oldest queued job that fits is started.
    pub fn runner_poll(&mut self, _runner: RunnerId, _now: Time) -> Poll {
        Poll::Removed
    }
    /// The runner reports its job's end: the job completes, the ephemeral runner is deregistered.
    pub fn runner_finish(&mut self, _runner: RunnerId, _conclusion: &str, _now: Time) {}
    /// The runner's process ended without a word (killed, board lost): offline; its job fails ten minutes later.
    pub fn runner_lost(&mut self, _runner: RunnerId, _now: Time) {}
}
