//! What benchmarks ask of the database: intake's statement as a text, so that it can be run without intake, and how
//! many statements the server was given.

use rise_model::Time;
use rise_model::intake::Intake;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use super::{StoreError, connect_options};

/// The statement that writes a job's delivery, and what is bound to `$1` and on.
#[derive(Debug, Clone)]
pub struct JobStatement {
    /// The text.
    pub text: &'static str,
    /// The values as PostgreSQL reads them; nothing for NULL.
    pub values: Vec<Option<String>>,
}

/// The place of the job's id among the values.
pub const JOB_ID: usize = 0;
/// The place of the delivery's id among the values.
pub const DELIVERY_ID: usize = 31;

/// The statement that writes this delivery; none if it writes no job.
#[must_use]
pub fn job_statement(intake: &Intake) -> Option<JobStatement> {
    let Intake::Job { row, action, job } = intake else {
        return None;
    };
    let words = action.outcomes();
    let time = |time: Option<Time>| time.map(|time| time.to_rfc3339());
    let number = |number: Option<i64>| number.map(|number| number.to_string());
    let text = |text: &str| Some(text.to_owned());
    Some(JobStatement {
        text: include_str!("record_job.sql"),
        values: vec![
            number(Some(job.id.0)),
            text(action.status().as_str()),
            number(Some(job.entity.0)),
            text(&job.entity_name),
            text(job.entity_kind.as_str()),
            text(&job.repository_name),
            number(Some(job.installation.0)),
            Some(array(job.labels.as_slice())),
            text(job.pool.as_str()),
            text(job.image.as_str()),
            job.runner.as_ref().map(ToString::to_string),
            job.html_url.clone(),
            number(job.run.map(|id| id.0)),
            number(job.run_attempt.map(i64::from)),
            number(Some(job.repository.0)),
            job.workflow_name.clone(),
            job.name.clone(),
            job.head_branch.clone(),
            number(job.sender.map(|id| id.0)),
            job.sender_login.clone(),
            job.private.map(|private| private.to_string()),
            time(job.queued_at),
            time(job.started_at),
            time(job.finished_at),
            job.conclusion.clone(),
            text(&row.event),
            text(words.new.as_str()),
            text(words.failed.as_str()),
            text(words.known.as_str()),
            number(Some(row.app.0)),
            Some(row.payload.to_string()),
            row.delivery.map(|id| id.to_string()),
        ],
    })
}

/// The server's own count of statements, from its extension `pg_stat_statements`.
#[derive(Debug)]
pub struct Statements {
    pool: PgPool,
    counted: bool,
}

impl Statements {
    /// Makes the extension in the database of the URL, where the server has it.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn count(url: &str) -> Result<Self, StoreError> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .connect_with(connect_options(url, "public")?)
            .await?;
        // Not every PostgreSQL comes with it; then nothing is counted.
        let made = sqlx::query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            .execute(&pool)
            .await;
        Ok(Self {
            counted: made.is_ok(),
            pool,
        })
    }

    /// How many statements there were in all; none where the server does not count.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn so_far(&self) -> Result<Option<i64>, StoreError> {
        if !self.counted {
            return Ok(None);
        }
        // Not a checked query: the view is there only where the extension is.
        let calls = sqlx::query_scalar("SELECT sum(calls)::int8 FROM pg_stat_statements")
            .fetch_one(&self.pool)
            .await?;
        Ok(calls)
    }

    /// Closes the connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// An array of texts as PostgreSQL reads it.
fn array(texts: &[String]) -> String {
    let quoted: Vec<String> = texts
        .iter()
        .map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
        .collect();
    format!("{{{}}}", quoted.join(","))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rise_model::intake::{EventEntity, EventRow, JobAction, JobRow};
    use rise_model::{
        AppId, EntityId, EntityKind, Image, InstallationId, JobId, PodName, PoolName, RepoId,
        RunId, SentLabels,
    };
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::store::testing::TestDatabase;

    fn delivery(job: i64) -> Intake {
        let at = |second: i64| {
            let time = chrono::DateTime::from_timestamp(1_763_000_000 + second, 0);
            Some(time.unwrap())
        };
        Intake::Job {
            row: EventRow {
                event: "workflow_job.completed".to_owned(),
                app: AppId(11),
                delivery: Some(Uuid::from_u128(job.unsigned_abs().into())),
                installation: Some(InstallationId(3)),
                entity: EventEntity {
                    kind: Some(EntityKind::User),
                    id: Some(EntityId(2)),
                    name: Some("ada".to_owned()),
                },
                job: Some(JobId(job)),
                payload: json!({ "quoted": "it's \"so\"" }),
            },
            action: JobAction::Completed,
            job: Box::new(JobRow {
                id: JobId(job),
                entity: EntityId(2),
                entity_name: "ada".to_owned(),
                entity_kind: EntityKind::User,
                installation: InstallationId(3),
                repository: RepoId(4),
                repository_name: "ada/notes".to_owned(),
                private: Some(true),
                labels: SentLabels::new(vec!["a \"b\" \\, {c}".to_owned(), "d".to_owned()]),
                pool: PoolName::new("pool"),
                image: Image::new("image:1"),
                html_url: Some("https://example.com/7".to_owned()),
                run: Some(RunId(5)),
                run_attempt: Some(6),
                workflow_name: Some("CI".to_owned()),
                name: Some("build".to_owned()),
                head_branch: Some("main".to_owned()),
                sender: Some(EntityId(7)),
                sender_login: Some("bob".to_owned()),
                queued_at: at(0),
                runner: Some(PodName::new("runner-1")),
                started_at: at(1),
                finished_at: at(2),
                conclusion: Some("success".to_owned()),
            }),
        }
    }

    /// What a benchmark runs shall leave the rows that intake leaves, in every column.
    #[tokio::test]
    async fn the_statement_as_a_text_leaves_the_rows_that_intake_leaves() {
        let database = TestDatabase::create().await;
        let intake = database.store().intake(1, Duration::from_secs(5));
        intake.record(&delivery(1)).await.unwrap();
        let statement = job_statement(&delivery(2)).unwrap();
        let values: Vec<String> = statement
            .values
            .iter()
            .map(|value| match value {
                Some(value) => format!("'{}'", value.replace('\'', "''")),
                None => "NULL".to_owned(),
            })
            .collect();
        assert_eq!(values[JOB_ID], "'2'");
        assert_eq!(
            values[DELIVERY_ID],
            format!("'{}'", Uuid::from_u128(2)),
            "the delivery's place"
        );
        let execute = format!(
            "PREPARE s AS {}; EXECUTE s({})",
            statement.text,
            values.join(", ")
        );
        database.execute(&execute).await;
        for query in [
            "SELECT to_jsonb(r) - '{job_id,created_at,updated_at}'::text[] AS row FROM jobs AS r",
            "SELECT to_jsonb(r) - '{id,job_id,delivery_id,received_at}'::text[] AS row \
             FROM installation_events AS r",
        ] {
            let rows = database.rows(query).await;
            assert_eq!(rows.len(), 2, "{rows:?}");
            assert_eq!(rows[0], rows[1]);
        }
    }
}
