//! What the scheduler writes to `jobs` when GitHub was asked: forward only, and only while its lease is the row's.

use rise_model::jobs::JobChange;
use rise_model::{JobId, PodName, Status};
use serde_json::json;

use super::{Lease, Store, StoreError, Write};

impl Store {
    /// Writes what GitHub said of a job, or only that it was asked.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn record_told(
        &self,
        lease: Lease,
        job: JobId,
        change: Option<&JobChange>,
    ) -> Result<Write, StoreError> {
        let told = Told::of(change);
        let row = sqlx::query!(
            r#"WITH l AS (SELECT 1 FROM scheduler_lease WHERE epoch = $1 AND holder = $2 FOR SHARE),
               u AS (UPDATE jobs SET last_checked_at = now(),
                   status = CASE WHEN $4::text::status_enum > status THEN $4::text::status_enum ELSE status END,
                   k8s_pod = coalesce(nullif(k8s_pod, ''), $5), conclusion = coalesce(conclusion, $6),
                   started_at = coalesce(started_at, $7), finished_at = coalesce(finished_at, $8),
                   failure_info = coalesce(failure_info, $9),
                   updated_at = CASE WHEN $4::text::status_enum > status THEN now() ELSE updated_at END
                 WHERE job_id = $3 AND status IN ('pending', 'running') AND EXISTS (SELECT 1 FROM l) RETURNING 1)
               SELECT EXISTS (SELECT 1 FROM l) AS leads, (SELECT count(*) FROM u) AS changed"#,
            lease.epoch.0,
            lease.holder,
            job.0,
            told.status.map(Status::as_str),
            told.pod.map(PodName::as_str),
            told.conclusion,
            told.started_at,
            told.finished_at,
            told.failure.map(|message| json!({ "version": 1, "message": message })),
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Write::of(row.leads, row.changed))
    }
}

/// The columns of a change.
#[derive(Default)]
struct Told<'a> {
    status: Option<Status>,
    pod: Option<&'a PodName>,
    conclusion: Option<&'a str>,
    started_at: Option<rise_model::Time>,
    finished_at: Option<rise_model::Time>,
    failure: Option<&'a str>,
}

impl<'a> Told<'a> {
    fn of(change: Option<&'a JobChange>) -> Self {
        match change {
            None => Self::default(),
            Some(JobChange::Running { pod, started_at }) => Self {
                status: Some(Status::Running),
                pod: pod.as_ref(),
                started_at: *started_at,
                ..Self::default()
            },
            Some(JobChange::Completed {
                pod,
                conclusion,
                started_at,
                finished_at,
            }) => Self {
                status: Some(Status::Completed),
                pod: pod.as_ref(),
                conclusion: conclusion.as_deref(),
                started_at: *started_at,
                finished_at: *finished_at,
                failure: None,
            },
            Some(JobChange::Failed(message)) => Self {
                status: Some(Status::Failed),
                failure: Some(message),
                ..Self::default()
            },
        }
    }
}
