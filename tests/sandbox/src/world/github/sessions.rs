//! What runner processes do: connect with their JIT config, ask for work, report the end, or fall silent.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use serde::Deserialize;

use super::GitHub;
use super::ids::{Due, JobId, RunnerId};
use super::jobs::{Conclusion, JobEvent, JobRunner};
use super::runners::{Runner, RunnerState, Scope};
use crate::world::Time;

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
    pub runs_for: TimeDelta,
    /// How it will end if nothing disturbs it: `success`, `failure`.
    pub conclusion: String,
}

/// What a JIT config says when it is decoded.
#[derive(Deserialize)]
struct JitConfig {
    runner_id: i64,
    secret: String,
}

impl JitConfig {
    fn decode(encoded: &str) -> Option<Self> {
        let bytes = STANDARD.decode(encoded.trim()).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

impl GitHub {
    /// From now on runner processes are told that their version is too old, or no longer.
    pub fn refuse_runner_version(&mut self, refuse: bool) {
        self.refuses_version = refuse;
    }

    /// A runner process starts with this JIT config.
    ///
    /// # Errors
    /// As GitHub refuses it; the process then ends.
    pub fn runner_connect(
        &mut self,
        encoded_jit_config: &str,
        now: Time,
    ) -> Result<RunnerId, ConnectRefused> {
        let config = JitConfig::decode(encoded_jit_config).ok_or(ConnectRefused::NotRegistered)?;
        let id = RunnerId(config.runner_id);
        let known = self
            .runners
            .get_mut(&id)
            .filter(|runner| runner.secret == config.secret);
        let runner = known.ok_or(ConnectRefused::NotRegistered)?;
        if self.refuses_version {
            return Err(ConnectRefused::VersionDeprecated);
        }
        if runner.state != RunnerState::NeverConnected {
            return Err(ConnectRefused::AlreadyUsed);
        }
        runner.state = RunnerState::Idle;
        self.timers.cancel(runner.removal.take());
        let idle_limit = self.rules.idle_runner_after;
        runner.removal =
            idle_limit.map(|limit| self.timers.set(now + limit, Due::UnusedRunner(id)));
        Ok(id)
    }

    /// A connected runner asks for work; the oldest queued job that fits is started.
    pub fn runner_poll(&mut self, runner: RunnerId, now: Time) -> Poll {
        let Some(asking) = self.runners.get(&runner) else {
            return Poll::Removed;
        };
        match asking.state {
            RunnerState::Idle => {}
            RunnerState::Busy(..) => return Poll::Idle,
            RunnerState::NeverConnected | RunnerState::Lost(_) => return Poll::Removed,
        }
        let Some(job_id) = self.oldest_job_for(asking) else {
            return Poll::Idle;
        };
        let group_name = self
            .group_of(asking.scope, asking.group)
            .map(|group| group.name);
        let taken_by = JobRunner {
            id: runner,
            name: asking.name.clone(),
            group: asking.group,
            group_name: group_name.unwrap_or_default(),
        };
        if let Some(asking) = self.runners.get_mut(&runner) {
            asking.state = RunnerState::Busy(job_id, now);
            self.timers.cancel(asking.removal.take());
        }
        self.assignments.insert(runner, job_id);
        self.start_job(job_id, taken_by, now);
        let Some(job) = self.jobs.get(&job_id) else {
            return Poll::Idle;
        };
        Poll::Job(Assigned {
            job_id: job_id.0,
            name: job.name.clone(),
            runs_for: job.runs_for,
            conclusion: job.planned.as_str().to_owned(),
        })
    }

    /// The oldest queued job of the runner's scope whose labels it carries and whose repository its group serves.
    fn oldest_job_for(&self, runner: &Runner) -> Option<JobId> {
        let group = self.group_of(runner.scope, runner.group)?;
        self.queued.iter().copied().find(|id| {
            let Some(job) = self.jobs.get(id) else {
                return false;
            };
            let Some(repository) = self.repositories.get(&job.repository) else {
                return false;
            };
            let in_scope = match runner.scope {
                Scope::Organization(organization) => repository.owner == organization,
                Scope::Repository(only) => repository.id == only,
            };
            in_scope && group.serves(repository.private) && runner.carries(&job.labels)
        })
    }

    /// The runner reports its job's end: the job completes, the ephemeral runner is deregistered. A word that is not a
    /// conclusion counts as a failure.
    pub fn runner_finish(&mut self, runner: RunnerId, conclusion: &str, now: Time) {
        let Some(job) = self.assignments.remove(&runner) else {
            return;
        };
        self.remove_runner(runner);
        self.complete_job(job, conclusion.parse().unwrap_or(Conclusion::Failure), now);
    }

    /// The runner's process ended without a word (killed, board lost): offline; its job fails ten minutes later.
    pub fn runner_lost(&mut self, runner: RunnerId, now: Time) {
        let job = self.assignments.get(&runner).copied();
        if let Some(lost) = self.runners.get_mut(&runner) {
            if matches!(lost.state, RunnerState::Lost(_)) {
                return;
            }
            lost.state = RunnerState::Lost(job);
            self.timers.cancel(lost.removal.take());
            let at = now + self.rules.unused_runner_after;
            lost.removal = Some(self.timers.set(at, Due::UnusedRunner(runner)));
        }
        if let Some(job) = job {
            if let Some(job) = self.jobs.get_mut(&job) {
                job.history.push((now, JobEvent::RunnerLost(runner)));
            }
            self.timers
                .set(now + self.rules.lost_job_after, Due::LostJob(job));
        }
    }

    /// A job whose runner fell silent is given up; its runner's registration stays, offline, until somebody or the day's
    /// end removes it.
    pub(super) fn give_up_lost_job(&mut self, job: JobId, now: Time) {
        let runner = self
            .jobs
            .get(&job)
            .and_then(|job| job.runner.as_ref())
            .map(|it| it.id);
        if let Some(runner) = runner.filter(|runner| self.assignments.get(runner) == Some(&job)) {
            self.assignments.remove(&runner);
            if let Some(lost) = self.runners.get_mut(&runner) {
                lost.state = RunnerState::Lost(None);
            }
        }
        self.complete_job(job, Conclusion::Failure, now);
    }
}
