//! `installation_events`: the log of everything that was delivered.

use rise_model::intake::{EventRow, JobAction, Recorded, WebhookOutcome};
use rise_model::{EventId, JobId, Status};
use sqlx::PgConnection;

/// Writes a log row. A delivery that has one already gets no second; if it could not be handed to staging then, the row
/// tells how it went now.
pub(super) async fn insert(
    connection: &mut PgConnection,
    row: &EventRow,
    outcome: WebhookOutcome,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        INSERT INTO installation_events (source, event, outcome, installation_id, app_id, entity_type, entity_id,
            entity_name, payload, delivery_id, job_id)
        VALUES ('webhook', $1, $2, $3, $4, $5::text::entity_type_enum, $6, $7, $8, $9, $10)
        ON CONFLICT (delivery_id) WHERE delivery_id IS NOT NULL
        DO UPDATE SET outcome = EXCLUDED.outcome
        WHERE installation_events.outcome = 'proxy_failed' AND EXCLUDED.outcome <> 'proxy_failed'
        "#,
        row.event,
        outcome.as_str(),
        row.installation.map(|id| id.0),
        row.app.0,
        row.entity.kind.map(rise_model::EntityKind::as_str),
        row.entity.id.map(|id| id.0),
        row.entity.name.as_deref(),
        row.payload,
        row.delivery,
        row.job.map(|id| id.0),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What a delivery that came again had found the first time. Nothing when that row is of another event, so that a
/// sender who repeats ids for everything gets answers all the same.
pub(super) async fn found_by_first(
    connection: &mut PgConnection,
    row: &EventRow,
    action: JobAction,
) -> Result<Option<Recorded>, sqlx::Error> {
    let first = sqlx::query!(
        "SELECT id, outcome FROM installation_events WHERE delivery_id = $1 AND job_id = $2 AND event = $3",
        row.delivery,
        row.job.map(|id| id.0),
        row.event,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let (Some(first), Some(job)) = (first, row.job) else {
        return Ok(None);
    };
    let words = action.outcomes();
    let ambiguous = words.new == words.known;
    if first.outcome == words.failed.as_str() && words.failed != words.known {
        return Ok(Some(Recorded::Was(Status::Failed)));
    }
    if !ambiguous && first.outcome == words.new.as_str() {
        return Ok(Some(Recorded::New));
    }
    let before = found_before(connection, job, EventId(first.id)).await?;
    Ok(Some(before.unwrap_or(Recorded::New)))
}

/// Where the deliveries before this row had brought a job.
pub(super) async fn found_before(
    connection: &mut PgConnection,
    job: JobId,
    event: EventId,
) -> Result<Option<Recorded>, sqlx::Error> {
    let status = sqlx::query_scalar!(
        r#"
        SELECT CASE WHEN bool_or(event = 'workflow_job.completed') THEN 'completed'
                    WHEN bool_or(event = 'workflow_job.in_progress') THEN 'running'
                    WHEN bool_or(event = 'workflow_job.queued') THEN 'pending' END
        FROM installation_events
        WHERE job_id = $1 AND id < $2
          AND outcome IN ('job_stored', 'job_already_exists', 'job_marked_running', 'job_marked_completed')
        "#,
        job.0,
        event.0,
    )
    .fetch_one(connection)
    .await?;
    Ok(status.as_deref().and_then(Status::parse).map(Recorded::Was))
}
