//! What the scheduler writes when an account's installation is another one, or gives no token.

use rise_model::effects::AuthAttempt;
use rise_model::{AppId, EntityId, InstallationId};
use serde_json::json;

use super::{Lease, Store, StoreError, Write};

impl Store {
    /// Everything of an account that is not over goes on with its present installation.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn move_installation(
        &self,
        lease: Lease,
        entity: EntityId,
        from: InstallationId,
        to: InstallationId,
    ) -> Result<Write, StoreError> {
        let row = sqlx::query!(
            r#"WITH l AS (SELECT 1 FROM scheduler_lease WHERE epoch = $1 AND holder = $2 FOR SHARE),
               j AS (UPDATE jobs SET installation_id = $5
                 WHERE entity_id = $3 AND installation_id = $4 AND status IN ('pending', 'running')
                   AND EXISTS (SELECT 1 FROM l) RETURNING 1),
               w AS (UPDATE workers SET installation_id = $5
                 WHERE entity_id = $3 AND installation_id = $4
                   AND (status IN ('pending', 'running') OR deregistered_at IS NULL)
                   AND EXISTS (SELECT 1 FROM l) RETURNING 1)
               SELECT EXISTS (SELECT 1 FROM l) AS leads,
                 (SELECT count(*) FROM j) + (SELECT count(*) FROM w) AS changed"#,
            lease.epoch.0,
            lease.holder,
            entity.0,
            from.0,
            to.0,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Write::of(row.leads, row.changed))
    }

    /// Whether GitHub told of the end of an installation.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn installation_deleted(
        &self,
        installation: InstallationId,
    ) -> Result<bool, StoreError> {
        let found = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM installation_events
                 WHERE installation_id = $1 AND event = 'installation.deleted') AS "found!""#,
            installation.0,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(found)
    }

    /// Writes that no token could be had, once an hour for each kind of answer, whoever leads.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn log_auth_attempt(
        &self,
        lease: Lease,
        app: AppId,
        attempt: &AuthAttempt,
    ) -> Result<Write, StoreError> {
        let demand = &attempt.demand;
        let (event, outcome) = if attempt.status == 404 {
            ("auth_attempt.404", "auth_404")
        } else {
            ("auth_attempt.other_error", "auth_other_error")
        };
        let payload = json!({
            "installation_id": demand.installation,
            "app_id": app,
            "entity_type": demand.kind,
            "entity_id": demand.entity,
            "entity_name": demand.entity_name,
            "repository": demand.repo_full_name.as_ref().map(|name| json!({ "full_name": name })),
            "workflow_job": attempt.job.map(|id| json!({ "id": id })),
            "http_status": attempt.status,
            "error_message": attempt.message,
            "count": attempt.count,
        });
        let row = sqlx::query!(
            r#"WITH l AS (SELECT 1 FROM scheduler_lease WHERE epoch = $1 AND holder = $2 FOR SHARE),
               e AS (INSERT INTO installation_events (source, event, outcome, installation_id, app_id, entity_type,
                   entity_id, entity_name, payload, job_id)
                 SELECT 'scheduler', $3, $4, $5, $6, $7::text::entity_type_enum, $8, $9, $10, $11
                 WHERE EXISTS (SELECT 1 FROM l) AND NOT EXISTS (SELECT 1 FROM installation_events
                   WHERE installation_id = $5 AND event = $3 AND received_at > now() - interval '59 minutes')
                 RETURNING 1)
               SELECT EXISTS (SELECT 1 FROM l) AS leads, (SELECT count(*) FROM e) AS changed"#,
            lease.epoch.0,
            lease.holder,
            event,
            outcome,
            demand.installation.0,
            app.0,
            demand.kind.as_str(),
            demand.entity.0,
            demand.entity_name,
            payload,
            attempt.job.map(|id| id.0),
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Write::of(row.leads, row.changed))
    }
}
