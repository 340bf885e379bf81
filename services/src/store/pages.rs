//! What the scheduler's pages read. Rows serialise to the JSON of the replaced service: its field names in its order,
//! a field without a value left out, times with microseconds.
//!
//! Pages are open to everybody, so they read on a few connections of their own: a flood of requests can take none from
//! the scheduler, and the server itself ends a statement that takes too long.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use sqlx::postgres::PgPool;
use sqlx::types::{Json, JsonRawValue};

use super::{Store, StoreError};
use crate::config::PagesSection;

/// JSON that is passed on as the database has it: nobody here looks into it.
type Stored = Json<Box<JsonRawValue>>;

/// Read-only connections for pages.
#[derive(Debug, Clone)]
pub(crate) struct PagesStore {
    pool: PgPool,
}

/// Rows created in a stretch of time: from the first moment on, before the second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Created {
    pub(crate) from: Option<DateTime<Utc>>,
    pub(crate) before: Option<DateTime<Utc>>,
}

/// A part of a list: how many rows are passed over, how many are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) offset: i64,
    pub(crate) limit: i64,
}

/// A job as the pages show it.
#[derive(Debug, Serialize)]
pub(crate) struct JobEntry {
    job_id: i64,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_info: Option<Stored>,
    provider: String,
    entity_id: i64,
    entity_name: String,
    entity_type: String,
    repo_full_name: String,
    installation_id: i64,
    job_labels: Stored,
    k8s_pool: String,
    k8s_image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    k8s_pod: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    html_url: Option<String>,
    #[serde(serialize_with = "time")]
    created_at: DateTime<Utc>,
    #[serde(serialize_with = "time")]
    updated_at: DateTime<Utc>,
}

/// A worker as the pages show it.
#[derive(Debug, Serialize)]
pub(crate) struct WorkerEntry {
    pod_name: String,
    provider: String,
    entity_id: i64,
    entity_name: String,
    entity_type: String,
    installation_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    repo_full_name: Option<String>,
    job_labels: Stored,
    k8s_pool: String,
    k8s_image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    k8s_node: Option<String>,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_info: Option<Stored>,
    #[serde(serialize_with = "time")]
    created_at: DateTime<Utc>,
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "time_if_any"
    )]
    running_at: Option<DateTime<Utc>>,
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "time_if_any"
    )]
    completed_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "time")]
    updated_at: DateTime<Utc>,
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
    pub(crate) async fn live_jobs(&self) -> Result<Vec<JobEntry>, StoreError> {
        // The partial index rise_jobs_live gives these in order without the finished ones.
        Ok(sqlx::query_as!(
            JobEntry,
            r#"SELECT job_id, status::text AS "status!", failure_info AS "failure_info: Stored",
                 provider::text AS "provider!", entity_id, entity_name, entity_type, repo_full_name, installation_id,
                 job_labels AS "job_labels: Stored", k8s_pool, k8s_image, k8s_pod, html_url, created_at, updated_at
               FROM jobs WHERE status IN ('pending', 'running')
               ORDER BY created_at, job_id"#
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Workers that are pending or running, oldest first.
    pub(crate) async fn live_workers(&self) -> Result<Vec<WorkerEntry>, StoreError> {
        Ok(sqlx::query_as!(
            WorkerEntry,
            r#"SELECT pod_name, provider::text AS "provider!", entity_id, entity_name, entity_type, installation_id,
                 repo_full_name, job_labels AS "job_labels: Stored", k8s_pool, k8s_image, k8s_node,
                 status::text AS "status!", failure_info AS "failure_info: Stored", created_at, running_at,
                 completed_at, updated_at
               FROM workers WHERE status IN ('pending', 'running')
               ORDER BY created_at, pod_name"#
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Jobs created then, newest first.
    pub(crate) async fn jobs_created(
        &self,
        created: Created,
        slice: Slice,
    ) -> Result<Vec<JobEntry>, StoreError> {
        // Coalesced bounds keep idx_jobs_created usable; the id settles who comes first among equals, so that no row
        // is on two pages.
        Ok(sqlx::query_as!(
            JobEntry,
            r#"SELECT job_id, status::text AS "status!", failure_info AS "failure_info: Stored",
                 provider::text AS "provider!", entity_id, entity_name, entity_type, repo_full_name, installation_id,
                 job_labels AS "job_labels: Stored", k8s_pool, k8s_image, k8s_pod, html_url, created_at, updated_at
               FROM jobs
               WHERE created_at >= coalesce($1::timestamptz, '-infinity') AND created_at < coalesce($2::timestamptz, 'infinity')
               ORDER BY created_at DESC, job_id DESC LIMIT $3 OFFSET $4"#,
            created.from,
            created.before,
            slice.limit,
            slice.offset
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// How many jobs were created then.
    pub(crate) async fn count_jobs_created(&self, created: Created) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM jobs
               WHERE created_at >= coalesce($1::timestamptz, '-infinity') AND created_at < coalesce($2::timestamptz, 'infinity')"#,
            created.from,
            created.before
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Workers created then, newest first.
    pub(crate) async fn workers_created(
        &self,
        created: Created,
        slice: Slice,
    ) -> Result<Vec<WorkerEntry>, StoreError> {
        // As for jobs; the index is rise_workers_created.
        Ok(sqlx::query_as!(
            WorkerEntry,
            r#"SELECT pod_name, provider::text AS "provider!", entity_id, entity_name, entity_type, installation_id,
                 repo_full_name, job_labels AS "job_labels: Stored", k8s_pool, k8s_image, k8s_node,
                 status::text AS "status!", failure_info AS "failure_info: Stored", created_at, running_at,
                 completed_at, updated_at
               FROM workers
               WHERE created_at >= coalesce($1::timestamptz, '-infinity') AND created_at < coalesce($2::timestamptz, 'infinity')
               ORDER BY created_at DESC, pod_name DESC LIMIT $3 OFFSET $4"#,
            created.from,
            created.before,
            slice.limit,
            slice.offset
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// How many workers were created then.
    pub(crate) async fn count_workers_created(&self, created: Created) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM workers
               WHERE created_at >= coalesce($1::timestamptz, '-infinity') AND created_at < coalesce($2::timestamptz, 'infinity')"#,
            created.from,
            created.before
        )
        .fetch_one(&self.pool)
        .await?)
    }
}

#[cfg(test)]
mod tests {
    use rise_model::span::Span;

    use crate::store::testing::{TestDatabase, page_limits};

    #[tokio::test]
    async fn a_table_that_somebody_holds_is_given_up_by_the_server() {
        let database = TestDatabase::create().await;
        let pages = database.store().pages(&page_limits(Span::seconds(1)));
        let held = database
            .hold("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE")
            .await;
        let error = pages.live_jobs().await.unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("statement timeout"), "{cause}");
        drop(held);
        pages.live_jobs().await.unwrap();
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
