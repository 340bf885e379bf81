//! Workflow runs and their jobs: what they are, where they stand, and what became of each.

use std::str::FromStr;

use chrono::TimeDelta;

use super::GitHub;
use super::ids::{GroupId, JobId, RepositoryId, RunId, RunnerId, TimerKey};
use crate::world::Time;

/// A workflow run.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Where.
    pub repository: RepositoryId,
    /// Its number among the repository's runs.
    pub number: i64,
    /// The workflow's name.
    pub workflow_name: String,
    /// The branch.
    pub head_branch: String,
    /// The commit.
    pub head_sha: String,
    /// When it began.
    pub created_at: Time,
    /// Its jobs, in order.
    pub jobs: Vec<JobId>,
    /// Whether GitHub calls it completed although some job of it is not, which happens.
    pub given_up: bool,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// All steps went well.
    Success,
    /// A step failed, or the runner was lost.
    Failure,
    /// Somebody cancelled it, or it waited too long.
    Cancelled,
}

impl Conclusion {
    /// GitHub's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Not the word for a job's end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of success, failure, cancelled")]
pub struct NoConclusion(String);

impl FromStr for Conclusion {
    type Err = NoConclusion;

    fn from_str(word: &str) -> Result<Self, NoConclusion> {
        match word {
            "success" => Ok(Self::Success),
            "failure" => Ok(Self::Failure),
            "cancelled" => Ok(Self::Cancelled),
            other => Err(NoConclusion(other.to_owned())),
        }
    }
}

/// The runner that a job was handed to, as it was then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRunner {
    /// Its id.
    pub id: RunnerId,
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: GroupId,
    /// Its group's name.
    pub group_name: String,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// No runner took it yet.
    Queued,
    /// It runs.
    InProgress,
    /// It is over.
    Completed(Conclusion),
}

impl JobState {
    /// GitHub's word for the status.
    #[must_use]
    pub fn status(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed(_) => "completed",
        }
    }

    /// How it ended, if it did.
    #[must_use]
    pub fn conclusion(self) -> Option<Conclusion> {
        match self {
            Self::Completed(conclusion) => Some(conclusion),
            Self::Queued | Self::InProgress => None,
        }
    }
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEvent {
    /// It was queued.
    Queued,
    /// A runner took it.
    Started(RunnerId),
    /// Its runner fell silent.
    RunnerLost(RunnerId),
    /// It ended.
    Completed(Conclusion),
}

/// A job.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its run.
    pub run: RunId,
    /// Where.
    pub repository: RepositoryId,
    /// Its name.
    pub name: String,
    /// What a runner must carry.
    pub labels: Vec<String>,
    /// How long its steps run.
    pub runs_for: TimeDelta,
    /// How it ends if nothing disturbs it.
    pub planned: Conclusion,
    /// Where it stands.
    pub state: JobState,
    /// Who took it.
    pub runner: Option<JobRunner>,
    /// When it was queued.
    pub created_at: Time,
    /// When a runner took it.
    pub started_at: Option<Time>,
    /// When it ended.
    pub completed_at: Option<Time>,
    /// All that happened, in order.
    pub history: Vec<(Time, JobEvent)>,
    pub(super) give_up: Option<TimerKey>,
}

/// A job to be queued.
#[derive(Debug, Clone)]
pub struct JobSpec {
    /// Its name.
    pub name: String,
    /// What a runner must carry.
    pub labels: Vec<String>,
    /// How long its steps run.
    pub runs_for: TimeDelta,
    /// How it ends if nothing disturbs it.
    pub conclusion: Conclusion,
}

impl JobSpec {
    /// A job named `build` that will succeed.
    #[must_use]
    pub fn new(labels: &[&str], runs_for: TimeDelta) -> Self {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        Self {
            name: "build".to_owned(),
            labels,
            runs_for,
            conclusion: Conclusion::Success,
        }
    }
}

/// Looking at jobs and runs.
impl GitHub {
    /// All jobs, oldest first.
    pub fn jobs(&self) -> impl DoubleEndedIterator<Item = &Job> {
        self.jobs.values()
    }

    /// A job by its id.
    #[must_use]
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(&id)
    }

    /// All runs, oldest first.
    pub fn runs(&self) -> impl DoubleEndedIterator<Item = &Run> {
        self.runs.values()
    }

    /// A run by its id.
    #[must_use]
    pub fn run(&self, id: RunId) -> Option<&Run> {
        self.runs.get(&id)
    }

    /// Where a run stands: what its jobs are, taken together.
    #[must_use]
    pub fn run_state(&self, run: &Run) -> JobState {
        let states: Vec<_> = run
            .jobs
            .iter()
            .filter_map(|id| self.jobs.get(id))
            .map(|job| job.state)
            .collect();
        let ended = |conclusion| states.contains(&JobState::Completed(conclusion));
        let all_ended = states.iter().all(|state| state.conclusion().is_some());
        if all_ended || run.given_up {
            return JobState::Completed(if ended(Conclusion::Failure) {
                Conclusion::Failure
            } else if ended(Conclusion::Cancelled) || run.given_up {
                Conclusion::Cancelled
            } else {
                Conclusion::Success
            });
        }
        if states.iter().all(|state| *state == JobState::Queued) {
            JobState::Queued
        } else {
            JobState::InProgress
        }
    }
}
