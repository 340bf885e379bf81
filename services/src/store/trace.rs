//! The reads behind `/trace/`: what was logged of an account, an installation, a job.

use chrono::{DateTime, Utc};
use rise_model::{EntityId, EventId, InstallationId, JobId};
use serde::Serialize;

use super::{Store, StoreError};

/// A row of the log without its payload, in the shape of the replaced service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TraceEvent {
    /// The row.
    pub id: i64,
    /// `webhook` or `scheduler`.
    pub source: String,
    /// What happened.
    pub event: String,
    /// What it came to.
    pub outcome: String,
    /// The installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installation_id: Option<i64>,
    /// The App.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<i64>,
    /// The account's kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_type: Option<String>,
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_id: Option<i64>,
    /// Its login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_name: Option<String>,
    /// When it was written, by the database's clock.
    pub received_at: DateTime<Utc>,
    /// The job, as text; of `workflow_job` events only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// Its repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo_full_name: Option<String>,
}

impl Store {
    /// Everything that was logged of an account, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn events_of_entity(&self, entity: EntityId) -> Result<Vec<TraceEvent>, StoreError> {
        let rows = sqlx::query_as!(
            TraceEvent,
            r#"
            SELECT id, source, event, outcome, installation_id, app_id,
                entity_type::text AS entity_type, entity_id, entity_name, received_at,
                CASE WHEN event LIKE 'workflow_job.%'
                     THEN coalesce(job_id::text, payload #>> '{workflow_job,id}') END AS job_id,
                CASE WHEN event LIKE 'workflow_job.%' THEN payload #>> '{repository,full_name}' END AS repo_full_name
            FROM installation_events WHERE entity_id = $1 ORDER BY received_at, id
            "#,
            entity.0
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows)
    }

    /// The account of an installation: what was logged last, else the last job's.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn entity_of_installation(
        &self,
        installation: InstallationId,
    ) -> Result<Option<EntityId>, StoreError> {
        let entity = sqlx::query_scalar!(
            r#"
            SELECT coalesce(
                (SELECT entity_id FROM installation_events WHERE installation_id = $1 AND entity_id IS NOT NULL
                 ORDER BY received_at DESC, id DESC LIMIT 1),
                (SELECT entity_id FROM jobs WHERE installation_id = $1 ORDER BY created_at DESC, job_id DESC LIMIT 1))
            "#,
            installation.0
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(entity.map(EntityId))
    }

    /// The account of a job. The log knows also jobs that were ignored; rows of the replaced service's ancestor may
    /// hold a repository's id where the account's belongs, which the log of the installation puts right.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn entity_of_job(&self, job: JobId) -> Result<Option<EntityId>, StoreError> {
        let entity = sqlx::query_scalar!(
            r#"
            SELECT coalesce(
                (SELECT entity_id FROM jobs WHERE job_id = $1 AND entity_type = 'Organization'),
                (SELECT entity_id FROM installation_events WHERE job_id = $1 AND entity_id IS NOT NULL
                 ORDER BY received_at DESC, id DESC LIMIT 1),
                (SELECT e.entity_id FROM jobs j JOIN installation_events e ON e.installation_id = j.installation_id
                 WHERE j.job_id = $1 AND e.entity_type = 'User' AND e.entity_id IS NOT NULL
                 ORDER BY e.received_at DESC, e.id DESC LIMIT 1),
                (SELECT entity_id FROM jobs WHERE job_id = $1))
            "#,
            job.0
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(entity.map(EntityId))
    }

    /// What was kept of one delivery.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn payload_of_event(
        &self,
        event: EventId,
    ) -> Result<Option<serde_json::Value>, StoreError> {
        let payload = sqlx::query_scalar!(
            "SELECT payload FROM installation_events WHERE id = $1",
            event.0
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(payload)
    }
}
