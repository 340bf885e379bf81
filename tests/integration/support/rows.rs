//! The rows that tests look at.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::PgPool;

/// A row of `workers`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Worker {
    pub(crate) pod_name: String,
    pub(crate) status: String,
    pub(crate) entity_id: i64,
    pub(crate) entity_name: String,
    pub(crate) entity_type: String,
    pub(crate) repo_full_name: Option<String>,
    pub(crate) job_labels: Value,
    pub(crate) k8s_image: String,
    pub(crate) k8s_node: Option<String>,
    pub(crate) runner_id: Option<i64>,
    pub(crate) failure_info: Option<Value>,
    pub(crate) pod_created_at: Option<String>,
    pub(crate) running_at: Option<String>,
    pub(crate) completed_at: Option<String>,
    pub(crate) deregistered_at: Option<String>,
}

impl Worker {
    /// Whether it is pending or running.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.status.as_str(), "pending" | "running")
    }

    /// Why it failed.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.failure_info.as_ref()?["reason"].as_str()
    }
}

/// A row of `jobs`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Job {
    pub(crate) job_id: i64,
    pub(crate) status: String,
    pub(crate) conclusion: Option<String>,
    pub(crate) k8s_pod: Option<String>,
    pub(crate) waiting_reason: Option<String>,
}

/// All workers, oldest first.
pub(super) async fn workers(sql: &PgPool) -> Vec<Worker> {
    let query = "SELECT to_jsonb(w) FROM workers w ORDER BY created_at, pod_name";
    read(sqlx::query_scalar(query).fetch_all(sql).await.unwrap())
}

/// All jobs, oldest first.
pub(super) async fn jobs(sql: &PgPool) -> Vec<Job> {
    let query = "SELECT to_jsonb(j) FROM jobs j ORDER BY job_id";
    read(sqlx::query_scalar(query).fetch_all(sql).await.unwrap())
}

/// What the leader published.
pub(super) async fn state(sql: &PgPool) -> Option<Value> {
    let query = "SELECT state FROM scheduler_state";
    sqlx::query_scalar(query).fetch_optional(sql).await.unwrap()
}

fn read<T: DeserializeOwned>(rows: Vec<Value>) -> Vec<T> {
    let read = |row| serde_json::from_value(row).unwrap();
    rows.into_iter().map(read).collect()
}
