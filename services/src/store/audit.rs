//! What the sandbox and the benchmarks ask at their end: is every job accounted for, was any limit ever passed?

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use rise_model::{EntityId, JobId, PodName, Status, Time};

use super::{Store, StoreError};

/// Where a job's row stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStanding {
    /// Its status.
    pub status: Status,
    /// Why it waits, if that was written.
    pub waiting_reason: Option<String>,
}

/// The life of a worker's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerLife {
    /// The worker.
    pub name: PodName,
    /// For whom.
    pub entity: EntityId,
    /// Where it stands.
    pub status: Status,
    /// When it was reserved.
    pub created_at: Time,
    /// When it was finished.
    pub completed_at: Option<Time>,
    /// Its runner is still to be removed from GitHub.
    pub clean_up_pending: bool,
}

impl Store {
    /// Those of these jobs that have both their row and the log row that says so.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn jobs_stored_of(
        &self,
        ids: RangeInclusive<i64>,
    ) -> Result<BTreeSet<JobId>, StoreError> {
        let rows = sqlx::query_scalar!(
            "SELECT j.job_id FROM jobs AS j WHERE j.job_id BETWEEN $1 AND $2 AND EXISTS (SELECT FROM installation_events AS e WHERE e.job_id = j.job_id AND e.outcome = 'job_stored')",
            *ids.start(),
            *ids.end(),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(JobId).collect())
    }

    /// Every job's standing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn job_standings(&self) -> Result<BTreeMap<JobId, JobStanding>, StoreError> {
        let rows =
            sqlx::query!(r#"SELECT job_id, status::text AS "status!", waiting_reason FROM jobs"#)
                .fetch_all(&self.pool)
                .await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                let status = Status::parse(&row.status)?;
                let waiting_reason = row.waiting_reason;
                Some((
                    JobId(row.job_id),
                    JobStanding {
                        status,
                        waiting_reason,
                    },
                ))
            })
            .collect())
    }

    /// Every worker's life.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn worker_lives(&self) -> Result<Vec<WorkerLife>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT pod_name, entity_id, status::text AS "status!", created_at, completed_at,
                 (status IN ('completed', 'failed') AND deregistered_at IS NULL) AS "clean_up_pending!"
               FROM workers ORDER BY created_at, pod_name"#
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                Some(WorkerLife {
                    name: PodName::new(row.pod_name),
                    entity: EntityId(row.entity_id),
                    status: Status::parse(&row.status)?,
                    created_at: row.created_at,
                    completed_at: row.completed_at,
                    clean_up_pending: row.clean_up_pending,
                })
            })
            .collect())
    }
}
