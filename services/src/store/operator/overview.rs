//! One screen of everything, read in one snapshot so that its numbers fit each other.

use rise_model::Time;
use serde::Serialize;
use sqlx::PgConnection;

use crate::store::{Store, StoreError};

/// What the tables say at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    /// The database's clock.
    pub now: Time,
    /// What the leading scheduler wrote last; nothing when none ever led.
    pub scheduler: Option<SchedulerRow>,
    /// Jobs and workers that are not over, by pool and state.
    pub live: Vec<LiveCount>,
    /// The job that has waited longest.
    pub oldest_waiting: Option<WaitingJob>,
    /// What failed in the last hour.
    pub failures: Vec<FailureGroup>,
    /// Alerts that are open.
    pub alerts: Vec<Alert>,
}

/// The row of `scheduler_state`.
#[derive(Debug, Clone, Serialize)]
pub struct SchedulerRow {
    /// Whose leadership wrote it.
    pub epoch: i64,
    /// The round that it tells of.
    pub round: i64,
    /// When it was written.
    pub at: Time,
    /// What the leader knows.
    pub state: serde_json::Value,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LiveKind {
    /// Jobs.
    Job,
    /// Workers.
    Worker,
}

/// How many of a kind a pool has in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LiveCount {
    /// Of what.
    pub kind: LiveKind,
    /// The pool.
    pub pool: String,
    /// The state.
    pub status: String,
    /// How many.
    pub count: i64,
}

/// A job that waits.
#[derive(Debug, Clone, Serialize)]
pub struct WaitingJob {
    /// GitHub's id of the job.
    pub job_id: i64,
    /// `owner/name`.
    pub repo_full_name: String,
    /// The pool.
    pub pool: String,
    /// The labels as sent.
    pub labels: serde_json::Value,
    /// Why, as code and subject.
    pub waiting_reason: Option<String>,
    /// Since when it is in the queue.
    pub since: Time,
}

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Jobs.
    Job,
    /// Workers.
    Worker,
}

/// Failures of one kind with one reason in one pool.
#[derive(Debug, Clone, Serialize)]
pub struct FailureGroup {
    /// Of what.
    pub kind: FailureKind,
    /// The pool.
    pub pool: String,
    /// Why.
    pub reason: String,
    /// How many.
    pub count: i64,
    /// The last of them.
    pub last: Time,
}

/// An open alert.
#[derive(Debug, Clone, Serialize)]
pub struct Alert {
    /// Which condition.
    pub name: String,
    /// What it is about.
    pub subject: String,
    /// Since when.
    pub opened_at: Time,
    /// In words.
    pub text: String,
}

impl Store {
    /// Everything for one screen.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn overview(&self) -> Result<Overview, StoreError> {
        let mut transaction = self
            .pool
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?;
        let to = &mut *transaction;
        let now = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
            .fetch_one(&mut *to)
            .await?;
        let mut live = live_jobs(to).await?;
        live.extend(live_workers(to).await?);
        let mut failures = failed_workers(to).await?;
        failures.extend(failed_jobs(to).await?);
        let overview = Overview {
            now,
            scheduler: scheduler(to).await?,
            live,
            oldest_waiting: oldest_waiting(to).await?,
            failures,
            alerts: open_alerts(to).await?,
        };
        transaction.commit().await?;
        Ok(overview)
    }
}

async fn scheduler(to: &mut PgConnection) -> Result<Option<SchedulerRow>, StoreError> {
    let row = sqlx::query_as!(
        SchedulerRow,
        "SELECT epoch, round, at, state FROM scheduler_state"
    )
    .fetch_optional(to)
    .await?;
    Ok(row)
}

/// The index rise_jobs_live holds exactly these rows.
async fn live_jobs(to: &mut PgConnection) -> Result<Vec<LiveCount>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT k8s_pool, status::text AS "status!", count(*) AS "count!"
           FROM jobs WHERE status IN ('pending', 'running')
           GROUP BY k8s_pool, status ORDER BY k8s_pool, status"#
    )
    .fetch_all(to)
    .await?;
    let counts = rows.into_iter().map(|row| LiveCount {
        kind: LiveKind::Job,
        pool: row.k8s_pool,
        status: row.status,
        count: row.count,
    });
    Ok(counts.collect())
}

/// The index rise_workers_live holds exactly these rows.
async fn live_workers(to: &mut PgConnection) -> Result<Vec<LiveCount>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT k8s_pool, status::text AS "status!", count(*) AS "count!"
           FROM workers WHERE status IN ('pending', 'running')
           GROUP BY k8s_pool, status ORDER BY k8s_pool, status"#
    )
    .fetch_all(to)
    .await?;
    let counts = rows.into_iter().map(|row| LiveCount {
        kind: LiveKind::Worker,
        pool: row.k8s_pool,
        status: row.status,
        count: row.count,
    });
    Ok(counts.collect())
}

/// In the queue's order. The first condition is implied by the second and names the index rise_jobs_live.
async fn oldest_waiting(to: &mut PgConnection) -> Result<Option<WaitingJob>, StoreError> {
    let job = sqlx::query_as!(
        WaitingJob,
        r#"SELECT job_id, repo_full_name, k8s_pool AS pool, job_labels AS labels, waiting_reason,
                  coalesce(queued_at, created_at) AS "since!"
           FROM jobs WHERE status IN ('pending', 'running') AND status = 'pending'
           ORDER BY coalesce(queued_at, created_at), job_id LIMIT 1"#
    )
    .fetch_optional(to)
    .await?;
    Ok(job)
}

/// By the index rise_workers_failed.
async fn failed_workers(to: &mut PgConnection) -> Result<Vec<FailureGroup>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT k8s_pool, coalesce(failure_info ->> 'reason', failure_info ->> 'message', 'unknown') AS "reason!",
                  count(*) AS "count!", max(completed_at) AS "last!"
           FROM workers WHERE status = 'failed' AND completed_at > now() - interval '1 hour'
           GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 20"#
    )
    .fetch_all(to)
    .await?;
    let groups = rows.into_iter().map(|row| FailureGroup {
        kind: FailureKind::Worker,
        pool: row.k8s_pool,
        reason: row.reason,
        count: row.count,
        last: row.last,
    });
    Ok(groups.collect())
}

/// A message names one job's ids, so that it does not group: what it is about stands before the first number or colon. The
/// bound on created_at is for the index; no job of GitHub's lives longer.
async fn failed_jobs(to: &mut PgConnection) -> Result<Vec<FailureGroup>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT k8s_pool,
                  coalesce(failure_info ->> 'reason',
                           nullif(rtrim(substring(failure_info ->> 'message' FROM '^[^0-9:=]*')), ''),
                           'unknown') AS "reason!",
                  count(*) AS "count!", max(updated_at) AS "last!"
           FROM jobs
           WHERE status = 'failed' AND updated_at > now() - interval '1 hour' AND created_at > now() - interval '7 days'
           GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 20"#
    )
    .fetch_all(to)
    .await?;
    let groups = rows.into_iter().map(|row| FailureGroup {
        kind: FailureKind::Job,
        pool: row.k8s_pool,
        reason: row.reason,
        count: row.count,
        last: row.last,
    });
    Ok(groups.collect())
}

async fn open_alerts(to: &mut PgConnection) -> Result<Vec<Alert>, StoreError> {
    let alerts = sqlx::query_as!(
        Alert,
        "SELECT name, subject, opened_at, text FROM alerts WHERE closed_at IS NULL ORDER BY opened_at LIMIT 50"
    )
    .fetch_all(to)
    .await?;
    Ok(alerts)
}
