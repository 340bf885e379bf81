//! Writing deliveries: one statement each, one transaction, one round trip.
//!
//! What a job's delivery does does not depend on order or repetition. Status moves forward only; times and the runner
//! are recorded when they were not known, also for a job that was given up before. A delivery id has one log row.

use std::time::Duration;

use rise_model::intake::{EventRow, Intake, JobAction, JobRow, Recorded, WebhookOutcome};
use rise_model::{EventId, Status};
use sqlx::PgConnection;

use super::kept::Kept;
use super::{Store, StoreError, events};

/// The connections that intake writes on. The server itself ends a statement that takes too long, so that nothing is
/// written for a delivery long after it was answered 503.
#[derive(Debug, Clone)]
pub struct IntakeStore {
    connections: Kept,
    within: Duration,
}

/// What a delivery came to when it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// What is answered. A delivery that came again gets the answer of the first time.
    pub answer: String,
    /// What the log says.
    pub outcome: WebhookOutcome,
    /// Whether a job's row is another one now.
    pub job_changed: bool,
}

impl Store {
    /// At most so many connections for intake, each statement at most `within`.
    #[must_use]
    pub fn intake(&self, connections: u32, within: Duration) -> IntakeStore {
        let limit = format!("{}ms", within.as_millis().max(1));
        let connect = (*self.pool.connect_options()).clone();
        let options = self.pool.options().clone();
        let pool = options
            .max_connections(connections)
            .acquire_timeout(within)
            // A connection that died is seen when it is used, and another one taken: no round trip to ask before.
            .test_before_acquire(false)
            .connect_lazy_with(connect.options([("statement_timeout", limit)]));
        IntakeStore {
            connections: Kept::of(pool),
            within,
        }
    }

    /// Wakes the scheduler. Never in the transaction of a delivery: NOTIFY makes commits wait for each other.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn wake_scheduler(&self) -> Result<(), StoreError> {
        sqlx::query_scalar!("SELECT pg_notify($1, '')::text", self.queue_channel())
            .fetch_one(&self.pool)
            .await?;
        Ok(())
    }
}

impl IntakeStore {
    /// Writes a delivery. After an error nothing of it is written, unless the answer was lost on its way; to deliver it
    /// again is right in either case.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`] and [`StoreError::Unreachable`] when the database cannot take it now.
    pub async fn record(&self, intake: &Intake) -> Result<Written, StoreError> {
        tokio::time::timeout(self.within, self.record_on_a_live_connection(intake))
            .await
            .unwrap_or(Err(StoreError::TimedOut(self.within)))
    }

    /// Ends the connections.
    pub async fn close(&self) {
        self.connections.close().await;
    }

    /// After a restart of the server every connection in the pool is dead, so one more than these is tried.
    async fn record_on_a_live_connection(&self, intake: &Intake) -> Result<Written, StoreError> {
        let turn = self.connections.turn().await?;
        let mut tries_left = self.connections.most();
        loop {
            let mut connection = turn.connection().await?;
            match write(connection.get()?, intake).await {
                Err(error) if is_lost(&error) && tries_left > 0 => tries_left -= 1,
                Err(error) if is_lost(&error) => return Err(StoreError::Unreachable(error)),
                settled => {
                    connection.give_back();
                    return Ok(settled?);
                }
            }
        }
    }
}

/// Whether the connection, or the server behind it, cannot be used for writing any more.
fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // 25006: read-only after a failover. 57P01 to 57P03: shut down, crashed, starting. 08: connection.
            matches!(code.as_ref(), "25006" | "57P01" | "57P02" | "57P03") || code.starts_with("08")
        }),
        _ => false,
    }
}

impl StoreError {
    /// Whether the tables cannot take this data, now or ever: a date out of range (class 22 of PostgreSQL's error
    /// codes), labels longer than an index entry (class 54).
    #[must_use]
    pub fn is_about_the_data(&self) -> bool {
        let Self::Query(sqlx::Error::Database(error)) = self else {
            return false;
        };
        error
            .code()
            .is_some_and(|code| code.starts_with("22") || code.starts_with("54"))
    }
}

async fn write(connection: &mut PgConnection, intake: &Intake) -> Result<Written, sqlx::Error> {
    match intake {
        Intake::Log {
            row,
            outcome,
            answer,
        } => {
            events::insert(connection, row, *outcome).await?;
            Ok(Written {
                answer: answer.clone(),
                outcome: *outcome,
                job_changed: false,
            })
        }
        Intake::Job { row, action, job } => write_job(connection, row, *action, job).await,
        Intake::Staging { row } => {
            let outcome = WebhookOutcome::ProxyFailed;
            events::insert(connection, row, outcome).await?;
            Ok(Written {
                answer: "not handed to staging".to_owned(),
                outcome,
                job_changed: false,
            })
        }
    }
}

async fn write_job(
    connection: &mut PgConnection,
    row: &EventRow,
    action: JobAction,
    job: &JobRow,
) -> Result<Written, sqlx::Error> {
    let told = record_job(connection, row, action, job).await?;
    let found = match (told.event, told.inserted, told.previous) {
        (None, ..) => events::found_by_first(connection, row, action).await?,
        (Some(_), true, _) => Some(Recorded::New),
        (Some(_), false, Some(status)) => Some(Recorded::Was(status)),
        // Another delivery of this job was written at the same moment, so that the row could not be seen before.
        (Some(event), false, None) => events::found_before(connection, job.id, event).await?,
    };
    let found = found.unwrap_or(match (told.inserted, told.previous) {
        (false, Some(status)) => Recorded::Was(status),
        (true, _) | (false, None) => Recorded::New,
    });
    Ok(Written {
        answer: found.answer(action, job.id),
        outcome: found.outcome(action),
        job_changed: told.changed,
    })
}

/// What `record_job.sql` says of a job.
struct Told {
    previous: Option<Status>,
    inserted: bool,
    changed: bool,
    event: Option<EventId>,
}

async fn record_job(
    connection: &mut PgConnection,
    row: &EventRow,
    action: JobAction,
    job: &JobRow,
) -> Result<Told, sqlx::Error> {
    let words = action.outcomes();
    let told = sqlx::query_file!(
        "src/store/record_job.sql",
        job.id.0,
        action.status().as_str(),
        job.entity.0,
        job.entity_name,
        job.entity_kind.as_str(),
        job.repository_name,
        job.installation.0,
        job.labels.as_slice(),
        job.pool.as_str(),
        job.image.as_str(),
        job.runner.as_ref().map(rise_model::PodName::as_str),
        job.html_url.as_deref(),
        job.run.map(|id| id.0),
        job.run_attempt,
        job.repository.0,
        job.workflow_name.as_deref(),
        job.name.as_deref(),
        job.head_branch.as_deref(),
        job.sender.map(|id| id.0),
        job.sender_login.as_deref(),
        job.private,
        job.queued_at,
        job.started_at,
        job.finished_at,
        job.conclusion.as_deref(),
        row.event,
        words.new.as_str(),
        words.failed.as_str(),
        words.known.as_str(),
        row.app.0,
        row.payload,
        row.delivery,
    )
    .fetch_one(connection)
    .await?;
    Ok(Told {
        previous: told.previous.as_deref().and_then(Status::parse),
        inserted: told.inserted.unwrap_or(false),
        changed: told.inserted.is_some(),
        event: told.event.map(EventId),
    })
}
