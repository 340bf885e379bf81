//! The reads behind “why did this job never start?”: what a diagnosis looks at, each read bounded.

use rise_model::trace::{
    Event, Facts, JobFacts, LostDelivery, SchedulerFacts, SettingFact, WaitingJob,
};
use rise_model::{
    AppId, EntityId, EntityKind, EventId, InstallationId, JobId, SentLabels, Status, Time,
};

use super::trace::TraceEvent;
use super::{Store, StoreError};

/// So many rows about installations are looked at, the newest.
const INSTALLATION_ROWS: i64 = 2_000;
/// So many other rows of the account, the newest, for people to see.
const OTHER_ROWS: i64 = 200;
/// So many jobs that wait, the oldest.
const WAITING_JOBS: i64 = 50;
/// So many lost deliveries, the newest.
const LOST_DELIVERIES: i64 = 20;

/// What is asked about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// The account, if it is known.
    pub entity: Option<EntityId>,
    /// The job.
    pub job: Option<JobId>,
}

/// Everything that was read.
#[derive(Debug, Clone)]
pub struct WhyFacts {
    /// The database's clock.
    pub now: Time,
    /// Rows of the log, oldest first.
    pub events: Vec<Event>,
    /// The job's row.
    pub job: Option<JobFacts>,
    /// The account's jobs that wait, oldest first.
    pub waiting: Vec<WaitingJob>,
    /// What is set and concerns what is asked about.
    pub settings: Vec<SettingFact>,
    /// Deliveries that did not arrive.
    pub lost: Vec<LostDelivery>,
    /// The scheduler's last sign of life.
    pub scheduler: Option<SchedulerFacts>,
}

impl Store {
    /// Reads all that a diagnosis looks at.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn why(&self, asked: Asked) -> Result<WhyFacts, StoreError> {
        let now = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
            .fetch_one(&self.pool)
            .await?;
        let (job, sender) = match asked.job {
            Some(job) => self.job_facts(job).await?.unzip(),
            None => (None, None),
        };
        let scopes = scopes(asked.entity, job.as_ref(), sender.flatten());
        Ok(WhyFacts {
            now,
            events: self.why_events(asked).await?,
            waiting: self.waiting_jobs(asked.entity).await?,
            settings: self.settings_of(&scopes).await?,
            lost: self.lost_deliveries().await?,
            scheduler: self.scheduler_facts().await?,
            job,
        })
    }

    async fn why_events(&self, asked: Asked) -> Result<Vec<Event>, StoreError> {
        // Payloads of installations are what tells which repositories are selected; of jobs only labels are looked at.
        let rows = sqlx::query!(
            r#"
            SELECT id, source, event, outcome, installation_id, app_id, entity_type::text AS entity_type, entity_id,
                entity_name, received_at, coalesce(job_id, CASE WHEN payload #>> '{workflow_job,id}' ~ '^[0-9]{1,18}$'
                    THEN (payload #>> '{workflow_job,id}')::bigint END) AS job_id,
                payload #>> '{repository,full_name}' AS repository,
                CASE WHEN event LIKE 'installation%' THEN payload
                     ELSE jsonb_build_object('workflow_job', jsonb_build_object('labels', payload #> '{workflow_job,labels}'))
                END AS "payload!"
            FROM installation_events
            WHERE id IN (
                (SELECT id FROM installation_events WHERE entity_id = $1
                    AND (event LIKE 'installation%' OR event LIKE 'auth_attempt.%')
                 ORDER BY received_at DESC, id DESC LIMIT $3)
                UNION
                (SELECT id FROM installation_events WHERE entity_id = $1 ORDER BY received_at DESC, id DESC LIMIT $4)
                UNION
                (SELECT id FROM installation_events WHERE job_id = $2 ORDER BY received_at DESC, id DESC LIMIT $4))
            ORDER BY received_at, id
            "#,
            asked.entity.map(|id| id.0),
            asked.job.map(|id| id.0),
            INSTALLATION_ROWS,
            OTHER_ROWS,
        )
        .fetch_all(&self.pool)
        .await?;
        let events = rows.into_iter().map(|row| Event {
            id: EventId(row.id),
            at: row.received_at,
            source: row.source,
            event: row.event,
            outcome: row.outcome,
            installation: row.installation_id.map(InstallationId),
            app: row.app_id.map(AppId),
            entity: row.entity_id.map(EntityId),
            kind: row.entity_type.as_deref().and_then(EntityKind::parse),
            login: row.entity_name,
            job: row.job_id.map(JobId),
            repository: row.repository,
            facts: Facts::of(&row.payload),
        });
        Ok(events.collect())
    }

    /// A job's row, and who started it.
    async fn job_facts(&self, job: JobId) -> Result<Option<(JobFacts, Option<i64>)>, StoreError> {
        let row = sqlx::query!(
            r#"
            SELECT job_id, status::text AS "status!", installation_id, repo_full_name, job_labels, k8s_pool, k8s_image,
                nullif(k8s_pod, '') AS worker, waiting_reason, waiting_since,
                coalesce(queued_at, created_at) AS "queued_at!", started_at, finished_at, conclusion, failure_info,
                sender_id
            FROM jobs WHERE job_id = $1
            "#,
            job.0
        )
        .fetch_optional(&self.pool)
        .await?;
        let facts = row.and_then(|row| {
            let labels: SentLabels =
                SentLabels::new(serde_json::from_value(row.job_labels).unwrap_or_default());
            let facts = JobFacts {
                id: JobId(row.job_id),
                status: Status::parse(&row.status)?,
                installation: InstallationId(row.installation_id),
                repository: row.repo_full_name,
                labels: labels.as_slice().to_vec(),
                pool: row.k8s_pool,
                image: row.k8s_image,
                waiting_reason: row.waiting_reason,
                waiting_since: row.waiting_since,
                queued_at: row.queued_at,
                started_at: row.started_at,
                finished_at: row.finished_at,
                conclusion: row.conclusion,
                worker: row.worker,
                failure: row.failure_info,
            };
            Some((facts, row.sender_id))
        });
        Ok(facts)
    }

    async fn waiting_jobs(&self, entity: Option<EntityId>) -> Result<Vec<WaitingJob>, StoreError> {
        let rows = sqlx::query!(
            r#"
            SELECT job_id, repo_full_name, waiting_reason, coalesce(queued_at, created_at) AS "queued_at!"
            FROM jobs WHERE entity_id = $1 AND status = 'pending'
            ORDER BY coalesce(queued_at, created_at), job_id LIMIT $2
            "#,
            entity.map(|id| id.0),
            WAITING_JOBS,
        )
        .fetch_all(&self.pool)
        .await?;
        let jobs = rows.into_iter().map(|row| WaitingJob {
            id: JobId(row.job_id),
            repository: row.repo_full_name,
            reason: row.waiting_reason,
            queued_at: row.queued_at,
        });
        Ok(jobs.collect())
    }

    async fn settings_of(&self, scopes: &[String]) -> Result<Vec<SettingFact>, StoreError> {
        let settings = sqlx::query_as!(
            SettingFact,
            r#"
            SELECT scope, key, value, author, reason, set_at, until FROM settings
            WHERE scope = ANY($1) AND ended_at IS NULL AND (until IS NULL OR until > now())
            ORDER BY set_at DESC
            "#,
            scopes,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(settings)
    }

    async fn lost_deliveries(&self) -> Result<Vec<LostDelivery>, StoreError> {
        let rows = sqlx::query!(
            r#"
            SELECT guid::text AS "guid!", app_id, event, tries, last_try, given_up_at FROM delivery_retry
            ORDER BY coalesce(given_up_at, last_try) DESC NULLS FIRST, delivery_id DESC LIMIT $1
            "#,
            LOST_DELIVERIES,
        )
        .fetch_all(&self.pool)
        .await?;
        let lost = rows.into_iter().map(|row| LostDelivery {
            guid: row.guid,
            app: AppId(row.app_id),
            event: row.event,
            tries: row.tries,
            last_try: row.last_try,
            given_up_at: row.given_up_at,
        });
        Ok(lost.collect())
    }

    async fn scheduler_facts(&self) -> Result<Option<SchedulerFacts>, StoreError> {
        let at = sqlx::query_scalar!("SELECT at FROM scheduler_state")
            .fetch_optional(&self.pool)
            .await?;
        Ok(at.map(|at| SchedulerFacts { at }))
    }
}

/// The scopes under which something may be set that concerns what is asked about.
fn scopes(entity: Option<EntityId>, job: Option<&JobFacts>, sender: Option<i64>) -> Vec<String> {
    let mut scopes = vec!["global".to_owned()];
    scopes.extend(entity.map(|id| format!("entity:{id}")));
    scopes.extend(sender.map(|id| format!("sender:{id}")));
    if let Some(job) = job {
        scopes.push(format!("pool:{}", job.pool));
        scopes.push(format!("image:{}", job.image));
    }
    scopes
}

impl From<&Event> for TraceEvent {
    fn from(event: &Event) -> Self {
        Self {
            id: event.id.0,
            source: event.source.clone(),
            event: event.event.clone(),
            outcome: event.outcome.clone(),
            installation_id: event.installation.map(|id| id.0),
            app_id: event.app.map(|id| id.0),
            entity_type: event.kind.map(|kind| kind.to_string()),
            entity_id: event.entity.map(|id| id.0),
            entity_name: event.login.clone(),
            received_at: event.at,
            job_id: event.job.map(|id| id.to_string()),
            repo_full_name: event.repository.clone(),
        }
    }
}
