//! Everything that a diagnosis looks at.

use serde::Serialize;
use serde_json::Value;

use super::account::{Account, Installation};
use super::event::Event;
use crate::config::Apps;
use crate::{AppId, InstallationId, JobId, Status, Time};

/// A question with all that is known.
#[derive(Debug, Clone)]
pub struct Case<'a> {
    /// When it is asked.
    pub now: Time,
    /// The two Apps.
    pub apps: Apps,
    /// The rows of the account and of the job, in any order.
    pub events: &'a [Event],
    /// What they come to.
    pub account: &'a Account,
    /// The job that is asked about.
    pub job_id: Option<JobId>,
    /// Its row, if there is one.
    pub job: Option<&'a JobFacts>,
    /// The repository that is asked about, `owner/name`.
    pub repository: Option<&'a str>,
    /// The installation that is asked about.
    pub installation: Option<InstallationId>,
    /// The account's jobs that wait, oldest first; not all of them if there are very many.
    pub waiting: &'a [WaitingJob],
    /// What operators set and what concerns the account, the job's pool, image or sender.
    pub settings: &'a [SettingFact],
    /// Deliveries that GitHub could not bring around the time of the job.
    pub lost: &'a [LostDelivery],
    /// The scheduler's last sign of life.
    pub scheduler: Option<SchedulerFacts>,
}

impl<'a> Case<'a> {
    /// The installation in question: the one asked about, the job's, else the one that counts now.
    #[must_use]
    pub fn installation(&self) -> Option<&'a Installation> {
        let named = self.installation.or(self.job.map(|job| job.installation));
        match named {
            Some(id) => self.account.installations.get(&id),
            None => self.account.current(),
        }
    }

    /// The repository in question: the one asked about, else the job's.
    #[must_use]
    pub fn repository(&self) -> Option<&'a str> {
        let of_job = self.job.map(|job| job.repository.as_str());
        self.repository.or(of_job).or_else(|| {
            let rows = self.rows_of_job();
            rows.last().and_then(|event| event.repository.as_deref())
        })
    }

    /// What the log says of the job, oldest first.
    #[must_use]
    pub fn rows_of_job(&self) -> Vec<&'a Event> {
        let Some(job) = self.job_id else {
            return Vec::new();
        };
        let mut rows: Vec<&Event> = self
            .events
            .iter()
            .filter(|event| event.job == Some(job))
            .collect();
        rows.sort_by_key(|event| (event.at, event.id));
        rows
    }

    /// How the account is called.
    #[must_use]
    pub fn name(&self) -> String {
        match (&self.account.login, self.account.id) {
            (Some(login), _) => login.clone(),
            (None, Some(id)) => format!("account {id}"),
            (None, None) => "the account".to_owned(),
        }
    }
}

/// The row of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobFacts {
    /// Its id.
    pub id: JobId,
    /// Where it stands.
    pub status: Status,
    /// The installation that it came by.
    pub installation: InstallationId,
    /// `owner/name`.
    pub repository: String,
    /// The labels as sent.
    pub labels: Vec<String>,
    /// The pool.
    pub pool: String,
    /// The image.
    pub image: String,
    /// Why it waits, as code and subject.
    pub waiting_reason: Option<String>,
    /// Since when for that reason.
    pub waiting_since: Option<Time>,
    /// When GitHub queued it, else when we heard of it.
    pub queued_at: Time,
    /// When a runner took it.
    pub started_at: Option<Time>,
    /// When it was over.
    pub finished_at: Option<Time>,
    /// GitHub's word for how it ended.
    pub conclusion: Option<String>,
    /// The worker.
    pub worker: Option<String>,
    /// Why it failed.
    pub failure: Option<Value>,
}

/// A job that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaitingJob {
    /// Its id.
    pub id: JobId,
    /// `owner/name`.
    pub repository: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when it is queued.
    pub queued_at: Time,
}

/// Something that an operator set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingFact {
    /// What it is about, for instance `entity:99`.
    pub scope: String,
    /// What is set.
    pub key: String,
    /// To what.
    pub value: Value,
    /// By whom.
    pub author: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub set_at: Time,
    /// Until when.
    pub until: Option<Time>,
}

/// A delivery that did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostDelivery {
    /// GitHub's id of it.
    pub guid: String,
    /// The App.
    pub app: AppId,
    /// Which event.
    pub event: String,
    /// How often it was asked for again.
    pub tries: i32,
    /// When last.
    pub last_try: Option<Time>,
    /// When that was given up.
    pub given_up_at: Option<Time>,
}

/// The scheduler's last sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SchedulerFacts {
    /// When.
    pub at: Time,
}
