//! What the scheduler's pages read. Rows serialise to the JSON of the replaced service: its field names in its order,
//! a field without a value left out, times with microseconds.
//!
//! Pages are open to everybody, so they read on a few connections of their own: a flood of requests can take none from
//! the scheduler, and the server itself ends a statement that takes too long.

mod filter;
pub(crate) mod usage;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use sqlx::postgres::PgPool;
use sqlx::types::{Json, JsonRawValue};

use super::{Store, StoreError};
use crate::config::PagesSection;

pub(crate) use filter::{Created, Filter, Slice, Viewer};

/// JSON that is passed on as the database has it: nobody here looks into it.
pub(crate) type Stored = Json<Box<JsonRawValue>>;

/// JSON that was made here, in the shape of what the database has.
pub(crate) fn as_stored(value: &serde_json::Value) -> Stored {
    let raw = serde_json::value::to_raw_value(value);
    Json(raw.unwrap_or_else(|_| JsonRawValue::NULL.to_owned()))
}

/// Read-only connections for pages.
#[derive(Debug, Clone)]
pub(crate) struct PagesStore {
    pub(super) pool: PgPool,
}

/// A job as the pages show it.
#[derive(Debug, Serialize)]
pub(crate) struct JobEntry {
    pub(crate) job_id: i64,
    pub(crate) status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure_info: Option<Stored>,
    provider: String,
    pub(crate) entity_id: i64,
    pub(crate) entity_name: String,
    entity_type: String,
    pub(crate) repo_full_name: String,
    installation_id: i64,
    pub(crate) job_labels: Stored,
    pub(crate) k8s_pool: String,
    k8s_image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) k8s_pod: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) html_url: Option<String>,
    #[serde(serialize_with = "time")]
    pub(crate) created_at: DateTime<Utc>,
    #[serde(serialize_with = "time")]
    pub(crate) updated_at: DateTime<Utc>,
    // What the HTML pages show besides; the JSON stays what its clients know.
    #[serde(skip)]
    pub(crate) job_name: Option<String>,
    #[serde(skip)]
    pub(crate) sender_login: Option<String>,
    #[serde(skip)]
    pub(crate) waiting_reason: Option<String>,
    #[serde(skip)]
    pub(crate) queued_at: Option<DateTime<Utc>>,
    #[serde(skip)]
    pub(crate) started_at: Option<DateTime<Utc>>,
    #[serde(skip)]
    pub(crate) finished_at: Option<DateTime<Utc>>,
    #[serde(skip)]
    pub(crate) conclusion: Option<String>,
}

/// A worker as the pages show it.
#[derive(Debug, Serialize)]
pub(crate) struct WorkerEntry {
    pub(crate) pod_name: String,
    provider: String,
    pub(crate) entity_id: i64,
    pub(crate) entity_name: String,
    entity_type: String,
    installation_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repo_full_name: Option<String>,
    pub(crate) job_labels: Stored,
    pub(crate) k8s_pool: String,
    pub(crate) k8s_image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) k8s_node: Option<String>,
    pub(crate) status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure_info: Option<Stored>,
    #[serde(serialize_with = "time")]
    pub(crate) created_at: DateTime<Utc>,
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "time_if_any"
    )]
    pub(crate) running_at: Option<DateTime<Utc>>,
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "time_if_any"
    )]
    pub(crate) completed_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "time")]
    pub(crate) updated_at: DateTime<Utc>,
    // What the HTML pages show besides; the JSON stays what its clients know.
    #[serde(skip)]
    pub(crate) condemned_reason: Option<String>,
    /// The jobs that name it, as far as whoever looks may see them.
    #[serde(skip)]
    pub(crate) jobs: Vec<i64>,
}

/// RFC 3339 with the database's six digits, also when they are zeros: every time has the same shape.
fn time<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&time.format("%Y-%m-%dT%H:%M:%S%.6fZ"))
}

fn time_if_any<S: Serializer>(
    moment: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match moment {
        Some(moment) => time(moment, serializer),
        None => serializer.serialize_none(),
    }
}

impl Store {
    /// Connections for pages.
    pub(crate) fn pages(&self, limits: &PagesSection) -> PagesStore {
        let within = limits.database_within.std();
        let limit = format!("{}ms", within.as_millis().max(1));
        let connect = (*self.pool.connect_options()).clone().options([
            ("statement_timeout", limit.as_str()),
            ("default_transaction_read_only", "on"),
        ]);
        let pool = self
            .pool
            .options()
            .clone()
            .max_connections(limits.connections)
            .acquire_timeout(within)
            .connect_lazy_with(connect);
        PagesStore { pool }
    }
}

impl PagesStore {
    /// Asks the server for a sign of life.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query!(r#"SELECT 1 AS "one!""#)
            .fetch_one(&self.pool)
            .await?;
        Ok(())
    }

    /// Jobs that wait or run, oldest first. As many as there are: the queue is what this page is for.
    pub(crate) async fn live_jobs(&self, viewer: Viewer) -> Result<Vec<JobEntry>, StoreError> {
        // The partial index rise_jobs_live gives these in order without the finished ones.
        Ok(sqlx::query_as!(
            JobEntry,
            r#"SELECT job_id, status::text AS "status!", failure_info AS "failure_info: Stored",
                 provider::text AS "provider!", entity_id, entity_name, entity_type, repo_full_name, installation_id,
                 job_labels AS "job_labels: Stored", k8s_pool, k8s_image, k8s_pod, html_url, created_at, updated_at,
                 job_name, sender_login, waiting_reason, queued_at, started_at, finished_at, conclusion
               FROM jobs WHERE status IN ('pending', 'running') AND ($1 OR private IS FALSE)
               ORDER BY created_at, job_id"#,
            viewer.sees_all()
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Workers that are pending or running, oldest first. One of a personal account names a repository: that is shown to
    /// everybody once a job of a public repository names the worker.
    pub(crate) async fn live_workers(
        &self,
        viewer: Viewer,
    ) -> Result<Vec<WorkerEntry>, StoreError> {
        Ok(sqlx::query_as!(
            WorkerEntry,
            r#"SELECT pod_name, provider::text AS "provider!", entity_id, entity_name, entity_type, installation_id,
                 repo_full_name, job_labels AS "job_labels: Stored", k8s_pool, k8s_image, k8s_node,
                 status::text AS "status!", failure_info AS "failure_info: Stored", created_at, running_at,
                 completed_at, updated_at, condemned_reason,
                 ARRAY(SELECT j.job_id FROM jobs j WHERE j.k8s_pod = w.pod_name AND ($1 OR j.private IS FALSE)
                       ORDER BY j.job_id LIMIT 5) AS "jobs!"
               FROM workers w WHERE status IN ('pending', 'running') AND ($1 OR w.repo_full_name IS NULL OR EXISTS
                   (SELECT FROM jobs j WHERE j.k8s_pod = w.pod_name AND j.private IS FALSE))
               ORDER BY created_at, pod_name"#,
            viewer.sees_all()
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// A part of the jobs that fit, newest first.
    pub(crate) async fn jobs(
        &self,
        viewer: Viewer,
        filter: &Filter,
        slice: Slice,
    ) -> Result<Vec<JobEntry>, StoreError> {
        // Coalesced bounds keep idx_jobs_created usable; the id settles who comes first among equals, so that no row
        // is on two pages.
        Ok(sqlx::query_as!(
            JobEntry,
            r#"SELECT job_id, status::text AS "status!", failure_info AS "failure_info: Stored",
                 provider::text AS "provider!", entity_id, entity_name, entity_type, repo_full_name, installation_id,
                 job_labels AS "job_labels: Stored", k8s_pool, k8s_image, k8s_pod, html_url, created_at, updated_at,
                 job_name, sender_login, waiting_reason, queued_at, started_at, finished_at, conclusion
               FROM jobs
               WHERE ($1 OR private IS FALSE)
                 AND created_at >= coalesce($2::timestamptz, '-infinity')
                 AND created_at < coalesce($3::timestamptz, 'infinity')
                 AND (cardinality($4::text[]) = 0 OR status::text = ANY ($4))
                 AND ($5::bigint IS NULL OR entity_id = $5)
                 AND ($6::text IS NULL OR lower(entity_name) = lower($6))
                 AND ($7::text IS NULL OR lower(repo_full_name) = lower($7))
                 AND ($8::text IS NULL OR k8s_pool = $8)
                 AND ($9::text IS NULL OR k8s_pod = $9)
                 AND ($10::bigint IS NULL OR job_id = $10)
               ORDER BY created_at DESC, job_id DESC LIMIT $11 OFFSET $12"#,
            viewer.sees_all(),
            filter.created.from,
            filter.created.before,
            &filter.status_words(),
            filter.entity_id(),
            filter.entity_login(),
            filter.repository,
            filter.pool,
            filter.worker,
            filter.job,
            slice.limit,
            slice.offset
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// How many jobs fit.
    pub(crate) async fn count_jobs(
        &self,
        viewer: Viewer,
        filter: &Filter,
    ) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM jobs
               WHERE ($1 OR private IS FALSE)
                 AND created_at >= coalesce($2::timestamptz, '-infinity')
                 AND created_at < coalesce($3::timestamptz, 'infinity')
                 AND (cardinality($4::text[]) = 0 OR status::text = ANY ($4))
                 AND ($5::bigint IS NULL OR entity_id = $5)
                 AND ($6::text IS NULL OR lower(entity_name) = lower($6))
                 AND ($7::text IS NULL OR lower(repo_full_name) = lower($7))
                 AND ($8::text IS NULL OR k8s_pool = $8)
                 AND ($9::text IS NULL OR k8s_pod = $9)
                 AND ($10::bigint IS NULL OR job_id = $10)"#,
            viewer.sees_all(),
            filter.created.from,
            filter.created.before,
            &filter.status_words(),
            filter.entity_id(),
            filter.entity_login(),
            filter.repository,
            filter.pool,
            filter.worker,
            filter.job
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// A part of the workers that fit, newest first.
    pub(crate) async fn workers(
        &self,
        viewer: Viewer,
        filter: &Filter,
        slice: Slice,
    ) -> Result<Vec<WorkerEntry>, StoreError> {
        // As for jobs; the index is rise_workers_created.
        Ok(sqlx::query_as!(
            WorkerEntry,
            r#"SELECT pod_name, provider::text AS "provider!", entity_id, entity_name, entity_type, installation_id,
                 repo_full_name, job_labels AS "job_labels: Stored", k8s_pool, k8s_image, k8s_node,
                 status::text AS "status!", failure_info AS "failure_info: Stored", created_at, running_at,
                 completed_at, updated_at, condemned_reason,
                 ARRAY(SELECT j.job_id FROM jobs j WHERE j.k8s_pod = w.pod_name AND ($1 OR j.private IS FALSE)
                       ORDER BY j.job_id LIMIT 5) AS "jobs!"
               FROM workers w
               WHERE ($1 OR w.repo_full_name IS NULL OR EXISTS
                   (SELECT FROM jobs j WHERE j.k8s_pod = w.pod_name AND j.private IS FALSE))
                 AND created_at >= coalesce($2::timestamptz, '-infinity')
                 AND created_at < coalesce($3::timestamptz, 'infinity')
                 AND (cardinality($4::text[]) = 0 OR status::text = ANY ($4))
                 AND ($5::bigint IS NULL OR entity_id = $5)
                 AND ($6::text IS NULL OR lower(entity_name) = lower($6))
                 AND ($7::text IS NULL OR lower(repo_full_name) = lower($7))
                 AND ($8::text IS NULL OR k8s_pool = $8)
                 AND ($9::text IS NULL OR pod_name = $9)
               ORDER BY created_at DESC, pod_name DESC LIMIT $10 OFFSET $11"#,
            viewer.sees_all(),
            filter.created.from,
            filter.created.before,
            &filter.status_words(),
            filter.entity_id(),
            filter.entity_login(),
            filter.repository,
            filter.pool,
            filter.worker,
            slice.limit,
            slice.offset
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// How many workers fit.
    pub(crate) async fn count_workers(
        &self,
        viewer: Viewer,
        filter: &Filter,
    ) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM workers w
               WHERE ($1 OR w.repo_full_name IS NULL OR EXISTS
                   (SELECT FROM jobs j WHERE j.k8s_pod = w.pod_name AND j.private IS FALSE))
                 AND created_at >= coalesce($2::timestamptz, '-infinity')
                 AND created_at < coalesce($3::timestamptz, 'infinity')
                 AND (cardinality($4::text[]) = 0 OR status::text = ANY ($4))
                 AND ($5::bigint IS NULL OR entity_id = $5)
                 AND ($6::text IS NULL OR lower(entity_name) = lower($6))
                 AND ($7::text IS NULL OR lower(repo_full_name) = lower($7))
                 AND ($8::text IS NULL OR k8s_pool = $8)
                 AND ($9::text IS NULL OR pod_name = $9)"#,
            viewer.sees_all(),
            filter.created.from,
            filter.created.before,
            &filter.status_words(),
            filter.entity_id(),
            filter.entity_login(),
            filter.repository,
            filter.pool,
            filter.worker,
        )
        .fetch_one(&self.pool)
        .await?)
    }
}

#[cfg(test)]
mod tests {
    use rise_model::span::Span;

    use super::Viewer;
    use crate::store::testing::{TestDatabase, page_limits};

    #[tokio::test]
    async fn a_table_that_somebody_holds_is_given_up_by_the_server() {
        let database = TestDatabase::create().await;
        let pages = database.store().pages(&page_limits(Span::seconds(1)));
        let held = database
            .hold("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
            .await;
        let error = pages.live_jobs(Viewer::Trusted).await.unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("statement timeout"), "{cause}");
        drop(held);
        pages.live_jobs(Viewer::Trusted).await.unwrap();
    }

    #[tokio::test]
    async fn pages_cannot_write() {
        let database = TestDatabase::create().await;
        let pages = database.store().pages(&page_limits(Span::seconds(5)));
        let error = sqlx::query("DELETE FROM jobs")
            .execute(&pages.pool)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("read-only"), "{error}");
    }
}
