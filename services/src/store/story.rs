//! One job's or one worker's whole story, and the log as it grows. Reads only, each bounded.

use rise_model::{EntityId, JobId, PodName, Time};
use serde::Serialize;

use super::{Store, StoreError};

/// Log rows of one job that are told.
const EVENTS_OF_A_JOB: i64 = 200;
/// Jobs of one worker that are told; a runner takes one.
const JOBS_OF_A_WORKER: i64 = 10;

/// A job, the worker that took it, and what was delivered of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobStory {
    /// The database's clock.
    pub now: Time,
    /// The job.
    pub job: JobDetail,
    /// Jobs of its pool that wait and came before it; nothing when it does not wait.
    pub ahead: Option<i64>,
    /// The worker that took it.
    pub worker: Option<WorkerDetail>,
    /// Deliveries and other log rows, the oldest first.
    pub events: Vec<LogLine>,
}

/// A worker and the jobs that name it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkerStory {
    /// The database's clock.
    pub now: Time,
    /// The worker.
    pub worker: WorkerDetail,
    /// The jobs, the newest first.
    pub jobs: Vec<JobDetail>,
}

/// All of a job's row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobDetail {
    /// GitHub's id of the job.
    pub job_id: i64,
    /// Where it stands.
    pub status: String,
    /// The account's id.
    pub entity_id: i64,
    /// The account's login.
    pub entity_name: String,
    /// The account's kind.
    pub entity_type: String,
    /// `owner/name`.
    pub repo_full_name: String,
    /// The App's installation.
    pub installation_id: i64,
    /// The labels as sent.
    pub job_labels: serde_json::Value,
    /// The pool.
    pub k8s_pool: String,
    /// The image.
    pub k8s_image: String,
    /// The worker that took it.
    pub k8s_pod: Option<String>,
    /// Its page.
    pub html_url: Option<String>,
    /// The run.
    pub run_id: Option<i64>,
    /// Which attempt of the run.
    pub run_attempt: Option<i32>,
    /// The workflow.
    pub workflow_name: Option<String>,
    /// Its name in the workflow.
    pub job_name: Option<String>,
    /// The branch.
    pub head_branch: Option<String>,
    /// Who caused it.
    pub sender_login: Option<String>,
    /// Whether its repository is private.
    pub private: Option<bool>,
    /// Why it waits, as code and subject.
    pub waiting_reason: Option<String>,
    /// Since when for this reason.
    pub waiting_since: Option<Time>,
    /// How GitHub says it ended.
    pub conclusion: Option<String>,
    /// Why it failed.
    pub failure_info: Option<serde_json::Value>,
    /// When the row was made.
    pub created_at: Time,
    /// When GitHub queued it.
    pub queued_at: Option<Time>,
    /// When GitHub says it began.
    pub started_at: Option<Time>,
    /// When GitHub says it ended.
    pub finished_at: Option<Time>,
    /// When GitHub was last asked about it.
    pub last_checked_at: Option<Time>,
    /// When the row changed.
    pub updated_at: Time,
}

/// All of a worker's row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkerDetail {
    /// The pod's name, which is the runner's too.
    pub pod_name: String,
    /// Where it stands.
    pub status: String,
    /// The account's id.
    pub entity_id: i64,
    /// The account's login.
    pub entity_name: String,
    /// The account's kind.
    pub entity_type: String,
    /// The App's installation.
    pub installation_id: i64,
    /// The repository, for a personal account's worker.
    pub repo_full_name: Option<String>,
    /// The labels as sent.
    pub job_labels: serde_json::Value,
    /// The pool.
    pub k8s_pool: String,
    /// The image.
    pub k8s_image: String,
    /// The board.
    pub k8s_node: Option<String>,
    /// Its runner on GitHub.
    pub runner_id: Option<i64>,
    /// Which leader reserved it.
    pub epoch: Option<i64>,
    /// Why it failed, with what was collected of the pod.
    pub failure_info: Option<serde_json::Value>,
    /// Why it was given up before it ended.
    pub condemned_reason: Option<String>,
    /// When it was given up.
    pub condemned_at: Option<Time>,
    /// When it was reserved.
    pub created_at: Time,
    /// When its pod was made.
    pub pod_created_at: Option<Time>,
    /// When its pod got a board.
    pub scheduled_at: Option<Time>,
    /// When its image was there.
    pub pulled_at: Option<Time>,
    /// When its container ran.
    pub running_at: Option<Time>,
    /// When its runner was online.
    pub registered_at: Option<Time>,
    /// When its runner took a job.
    pub busy_at: Option<Time>,
    /// When it ended.
    pub completed_at: Option<Time>,
    /// When its board could take another pod.
    pub slot_free_at: Option<Time>,
    /// When its runner was gone from GitHub.
    pub deregistered_at: Option<Time>,
    /// When the row changed.
    pub updated_at: Time,
}

/// A row of the log without its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// The row.
    pub id: i64,
    /// When it was written.
    pub received_at: Time,
    /// `webhook`, `scheduler`, or who else wrote.
    pub source: String,
    /// What happened.
    pub event: String,
    /// What it came to.
    pub outcome: String,
    /// The installation.
    pub installation_id: Option<i64>,
    /// The account.
    pub entity_id: Option<i64>,
    /// Its login.
    pub entity_name: Option<String>,
    /// The job.
    pub job_id: Option<i64>,
    /// The repository that the payload names.
    pub repo_full_name: Option<String>,
}

/// Which log rows are read. What is not said does not matter.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// Of this account.
    pub entity: Option<super::operator::EntityFilter>,
    /// Of this job.
    pub job: Option<JobId>,
    /// Whose event or outcome has this in it.
    pub word: Option<String>,
}

impl LogFilter {
    fn entity_id(&self) -> Option<i64> {
        match &self.entity {
            Some(super::operator::EntityFilter::Id(id)) => Some(id.0),
            Some(super::operator::EntityFilter::Login(_)) | None => None,
        }
    }

    fn entity_name(&self) -> Option<&str> {
        match &self.entity {
            Some(super::operator::EntityFilter::Login(login)) => Some(login),
            Some(super::operator::EntityFilter::Id(_)) | None => None,
        }
    }
}

impl Store {
    /// A job's whole story; nothing when no row has this id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn job_story(&self, job: JobId) -> Result<Option<JobStory>, StoreError> {
        let events = self.log_of_job(job).await?;
        let Some(detail) = self.job_detail(job).await? else {
            return Ok(None);
        };
        let worker = match &detail.k8s_pod {
            Some(pod) => self.worker_detail(&PodName::new(pod)).await?,
            None => None,
        };
        let ahead = match detail.status.as_str() {
            "pending" => Some(self.jobs_ahead(job).await?),
            _ => None,
        };
        Ok(Some(JobStory {
            now: self.now().await?,
            job: detail,
            ahead,
            worker,
            events,
        }))
    }

    /// A worker's whole story; nothing when no row has this name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn worker_story(&self, name: &PodName) -> Result<Option<WorkerStory>, StoreError> {
        let Some(worker) = self.worker_detail(name).await? else {
            return Ok(None);
        };
        let ids = sqlx::query_scalar!(
            r#"SELECT job_id FROM jobs WHERE k8s_pod = $1 ORDER BY created_at DESC LIMIT $2"#,
            name.as_str(),
            JOBS_OF_A_WORKER,
        )
        .fetch_all(&self.pool)
        .await?;
        let mut jobs = Vec::new();
        for id in ids {
            jobs.extend(self.job_detail(JobId(id)).await?);
        }
        Ok(Some(WorkerStory {
            now: self.now().await?,
            worker,
            jobs,
        }))
    }

    async fn job_detail(&self, job: JobId) -> Result<Option<JobDetail>, StoreError> {
        let row = sqlx::query_as!(
            JobDetail,
            r#"SELECT job_id, status::text AS "status!", entity_id, entity_name, entity_type,
                      repo_full_name, installation_id, job_labels, k8s_pool, k8s_image,
                      nullif(k8s_pod, '') AS k8s_pod, html_url, run_id, run_attempt, workflow_name, job_name,
                      head_branch, sender_login, private, waiting_reason, waiting_since, conclusion, failure_info,
                      created_at, queued_at, started_at, finished_at, last_checked_at, updated_at
               FROM jobs WHERE job_id = $1"#,
            job.0
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row)
    }

    async fn worker_detail(&self, name: &PodName) -> Result<Option<WorkerDetail>, StoreError> {
        let row = sqlx::query_as!(
            WorkerDetail,
            r#"SELECT pod_name, status::text AS "status!", entity_id, entity_name, entity_type,
                      installation_id, repo_full_name, job_labels, k8s_pool, k8s_image, k8s_node, runner_id, epoch,
                      failure_info, condemned_reason, condemned_at, created_at, pod_created_at, scheduled_at, pulled_at,
                      running_at, registered_at, busy_at, completed_at, slot_free_at, deregistered_at, updated_at
               FROM workers WHERE pod_name = $1"#,
            name.as_str()
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row)
    }

    /// Those that come before it in the queue's order. The first condition names the index rise_jobs_live.
    async fn jobs_ahead(&self, job: JobId) -> Result<i64, StoreError> {
        let ahead = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM jobs AS o, jobs AS j
               WHERE j.job_id = $1 AND o.status IN ('pending', 'running') AND o.status = 'pending'
                 AND o.k8s_pool = j.k8s_pool
                 AND (coalesce(o.queued_at, o.created_at), o.job_id) < (coalesce(j.queued_at, j.created_at), j.job_id)"#,
            job.0
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(ahead)
    }

    /// What was logged of a job, the oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn log_of_job(&self, job: JobId) -> Result<Vec<LogLine>, StoreError> {
        let rows = sqlx::query_as!(
            LogLine,
            r#"SELECT id, received_at, source, event, outcome, installation_id, entity_id, entity_name,
                      job_id, payload #>> '{repository,full_name}' AS repo_full_name
               FROM installation_events WHERE job_id = $1 ORDER BY received_at, id LIMIT $2"#,
            job.0,
            EVENTS_OF_A_JOB,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// The newest log rows that fit, the oldest of them first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn last_log(
        &self,
        filter: &LogFilter,
        limit: u32,
    ) -> Result<Vec<LogLine>, StoreError> {
        let mut rows = sqlx::query_as!(
            LogLine,
            r#"SELECT id, received_at, source, event, outcome, installation_id, entity_id, entity_name,
                      job_id, payload #>> '{repository,full_name}' AS repo_full_name
               FROM installation_events
               WHERE ($1::bigint IS NULL OR entity_id = $1)
                 AND ($2::text IS NULL OR lower(entity_name) = lower($2))
                 AND ($3::bigint IS NULL OR job_id = $3)
                 AND ($4::text IS NULL OR strpos(event || ' ' || outcome, $4) > 0)
               ORDER BY received_at DESC, id DESC LIMIT $5"#,
            filter.entity_id(),
            filter.entity_name(),
            filter.job.map(|job| job.0),
            filter.word.as_deref(),
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?;
        rows.reverse();
        Ok(rows)
    }

    /// Log rows that fit and were written after a row, the oldest first. A transaction that takes long shows its row late:
    /// the last minute's are looked at again, those that are known already (`seen`) left out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn log_after(
        &self,
        filter: &LogFilter,
        seen: &[i64],
        limit: u32,
    ) -> Result<Vec<LogLine>, StoreError> {
        let rows = sqlx::query_as!(
            LogLine,
            r#"SELECT id, received_at, source, event, outcome, installation_id, entity_id, entity_name,
                      job_id, payload #>> '{repository,full_name}' AS repo_full_name
               FROM installation_events
               WHERE received_at > now() - interval '1 minute'
                 AND ($1::bigint IS NULL OR entity_id = $1)
                 AND ($2::text IS NULL OR lower(entity_name) = lower($2))
                 AND ($3::bigint IS NULL OR job_id = $3)
                 AND ($4::text IS NULL OR strpos(event || ' ' || outcome, $4) > 0)
                 AND id <> ALL ($5::bigint[])
               ORDER BY received_at, id LIMIT $6"#,
            filter.entity_id(),
            filter.entity_name(),
            filter.job.map(|job| job.0),
            filter.word.as_deref(),
            seen,
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// The account that had this login last, as far as the log of the last ninety days knows.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn entity_of_login(&self, login: &str) -> Result<Option<EntityId>, StoreError> {
        let entity = sqlx::query_scalar!(
            r#"SELECT coalesce(
                 (SELECT entity_id FROM installation_events
                  WHERE received_at > now() - interval '90 days' AND lower(entity_name) = lower($1) AND entity_id IS NOT NULL
                  ORDER BY received_at DESC, id DESC LIMIT 1),
                 (SELECT entity_id FROM jobs
                  WHERE created_at > now() - interval '90 days' AND lower(entity_name) = lower($1)
                  ORDER BY created_at DESC, job_id DESC LIMIT 1))"#,
            login
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(entity.map(EntityId))
    }
}
