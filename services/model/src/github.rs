//! What GitHub says of runners, jobs and runs, in its own words.
//!
//! Read from its JSON as it comes: fields that no decision reads are left out, words that are not known are kept as
//! such and never taken for a known one.

use serde::{Deserialize, Serialize};

use crate::{JobId, RunId, RunnerGroupId, RunnerId, Time};

/// Whether a runner has a session with GitHub. `Offline` is at times said of runners that work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunnerStatus {
    /// It has.
    Online,
    /// It has none, or GitHub did not notice yet.
    Offline,
    /// Another word: it tells nothing.
    #[serde(other)]
    Other,
}

/// A registered runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runner {
    /// Its id.
    pub id: RunnerId,
    /// Its name: our pod's, when it is ours.
    pub name: String,
    /// Whether it is connected.
    pub status: RunnerStatus,
    /// Whether it has a job. False for up to a minute and more after a job began.
    pub busy: bool,
    /// Its labels.
    #[serde(with = "label_names", default)]
    pub labels: Vec<String>,
}

/// Labels come as objects and are kept as names.
mod label_names {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Label<'a> {
        name: std::borrow::Cow<'a, str>,
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
        let labels = Vec::<Label<'_>>::deserialize(d)?;
        Ok(labels.into_iter().map(|l| l.name.into_owned()).collect())
    }

    pub(super) fn serialize<S: Serializer>(labels: &[String], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(labels.iter().map(|name| Label {
            name: name.as_str().into(),
        }))
    }
}

/// Which repositories may use a runner group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupVisibility {
    /// All of the organisation.
    All,
    /// Those that were chosen.
    Selected,
    /// Private ones.
    Private,
    /// Another word.
    #[serde(other)]
    Other,
}

/// Which group a runner goes into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupChoice {
    /// The configured one.
    Configured,
    /// The organisation's default: its plan has no others.
    Default,
}

/// The runner group of an organisation's runners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerGroup {
    /// Its id.
    pub id: RunnerGroupId,
    /// Which one it is.
    pub choice: GroupChoice,
    /// Which repositories may use it; unknown for the default group.
    pub visibility: Option<GroupVisibility>,
    /// Whether public repositories may use it; unknown for the default group.
    pub allows_public_repositories: Option<bool>,
}

/// Where GitHub says that a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Waits for a runner.
    Queued,
    /// A runner has it.
    InProgress,
    /// Over.
    Completed,
    /// Waits for an approval.
    Waiting,
    /// Not queued yet.
    Requested,
    /// Waits for other jobs.
    Pending,
    /// Another word.
    #[serde(other)]
    Other,
}

/// A workflow job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its run.
    pub run_id: RunId,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub status: JobStatus,
    /// How it ended: `success`, `failure`, `cancelled`, …
    pub conclusion: Option<String>,
    /// The labels that it asks for, as written.
    #[serde(default)]
    pub labels: Vec<String>,
    /// The runner that has or had it; absent when none ever did.
    #[serde(deserialize_with = "not_empty", default)]
    pub runner_name: Option<String>,
    /// When it was made.
    #[serde(default)]
    pub created_at: Option<Time>,
    /// When a runner began it. GitHub sends a time for queued jobs too: read it with the status.
    #[serde(default)]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(default)]
    pub completed_at: Option<Time>,
    /// Which attempt of the run it belongs to.
    #[serde(default)]
    pub run_attempt: Option<i64>,
    /// The workflow.
    #[serde(default)]
    pub workflow_name: Option<String>,
    /// The branch.
    #[serde(default)]
    pub head_branch: Option<String>,
    /// Its page.
    #[serde(default)]
    pub html_url: Option<String>,
}

impl Job {
    /// Whether it is over: a conclusion says so whatever the status.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.conclusion.is_some() || self.status == JobStatus::Completed
    }
}

fn not_empty<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(d)?.filter(|name| !name.is_empty()))
}

/// A workflow run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// GitHub's word: `queued`, `in_progress`, `completed`, …
    pub status: Option<String>,
    /// How it ended.
    pub conclusion: Option<String>,
    /// Which attempt this is.
    #[serde(default)]
    pub run_attempt: Option<i64>,
    /// When it was made.
    pub created_at: Time,
}

impl Run {
    /// Whether it is over. A job of it may still be said to be queued, for ever.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.status.as_deref() == Some("completed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_conclusion_means_over_whatever_the_status() {
        let job: Job = serde_json::from_value(json!({
            "id": 1, "run_id": 2, "name": "build", "status": "in_progress", "conclusion": "failure",
            "labels": ["ubuntu-24.04-riscv"], "runner_name": "", "started_at": "2026-11-24T10:00:00Z",
            "completed_at": null
        }))
        .unwrap();
        assert!(job.is_over());
        assert_eq!(job.runner_name, None, "an empty name is no name");
    }

    #[test]
    fn words_that_are_not_known_are_not_taken_for_known_ones() {
        let runner: Runner = serde_json::from_value(json!({
            "id": 7, "name": "r", "os": "linux", "status": "paused", "busy": false,
            "labels": [{"id": 1, "name": "self-hosted", "type": "read-only"}]
        }))
        .unwrap();
        assert_eq!(runner.status, RunnerStatus::Other);
        assert_eq!(runner.labels, ["self-hosted"]);
        let job: JobStatus = serde_json::from_value(json!("paused")).unwrap();
        assert_eq!(job, JobStatus::Other);
    }
}
