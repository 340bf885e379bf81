//! The scheduler's writes to `workers` and to the waiting reasons of `jobs`. Each applies only while its lease is the
//! row's, and only forward.

use rise_model::effects::PodFacts;
use rise_model::plan::Ask;
use rise_model::rows::WorkerRow;
use rise_model::workers::{CondemnReason, FailureReason, Finish};
use rise_model::{JobId, PodName, RunnerId, Status, Time};
use serde_json::{Value, json};

use super::{Lease, Store, StoreError};

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// It changed its row.
    Written,
    /// The row was not as expected.
    NotWritten,
    /// Another scheduler leads.
    Deposed,
}

impl Write {
    pub(super) fn of(leads: Option<bool>, changed: Option<i64>) -> Self {
        match (leads, changed) {
            (Some(true), Some(1..)) => Self::Written,
            (Some(true), _) => Self::NotWritten,
            (_, _) => Self::Deposed,
        }
    }
}

/// What became of a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// These rows were inserted.
    Rows(Vec<WorkerRow>),
    /// Another scheduler leads.
    Deposed,
    /// Somebody else holds the table, and for longer than we wait.
    Locked,
}

/// Whether a statement gave way to somebody else's lock.
fn met_a_lock(error: &sqlx::Error) -> bool {
    /// `lock_not_available` of PostgreSQL's error codes.
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| code == LOCK_NOT_AVAILABLE)
}

impl Store {
    /// Inserts worker rows, as far as free slots and caps still allow when rows are subtracted that the plan did not know.
    /// `names` are fresh names, one for each ask.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reserve(
        &self,
        lease: Lease,
        asks: &[Ask],
        known: &[PodName],
        names: &[PodName],
    ) -> Result<Reserved, StoreError> {
        let asked: Vec<Value> = asks
            .iter()
            .zip(names)
            .enumerate()
            .map(|(ord, (ask, name))| {
                let demand = &ask.demand;
                json!({
                    "ord": ord, "pod_name": name, "entity_id": demand.entity, "entity_name": demand.entity_name,
                    "entity_type": demand.kind.as_str(), "installation_id": demand.installation,
                    "repo_full_name": demand.repo_full_name, "repo_id": demand.repo, "job_labels": demand.labels,
                    "k8s_pool": demand.pool, "k8s_image": demand.image, "pool_free": ask.pool_free,
                    "cap_left": ask.cap_left,
                })
            })
            .collect();
        let known: Vec<String> = known.iter().map(ToString::to_string).collect();
        let mut tx = self.pool.begin().await?;
        // A leader that is stopped in here must hold neither the table nor the lease for long.
        sqlx::query("SET LOCAL lock_timeout = '2s'")
            .execute(&mut *tx)
            .await?;
        sqlx::query("SET LOCAL idle_in_transaction_session_timeout = '2s'")
            .execute(&mut *tx)
            .await?;
        match sqlx::query("LOCK TABLE workers IN EXCLUSIVE MODE")
            .execute(&mut *tx)
            .await
        {
            Err(error) if met_a_lock(&error) => return Ok(Reserved::Locked),
            other => other?,
        };
        let leads = sqlx::query_scalar!(
            r#"SELECT true AS "leads!" FROM scheduler_lease WHERE epoch = $1 AND holder = $2 FOR SHARE"#,
            lease.epoch.0,
            lease.holder,
        )
        .fetch_optional(&mut *tx)
        .await?;
        if leads.is_none() {
            return Ok(Reserved::Deposed);
        }
        let inserted = sqlx::query!(
            r#"WITH fresh AS (
                 SELECT k8s_pool, entity_id FROM workers WHERE status IN ('pending', 'running') AND NOT pod_name = ANY($1)),
               ask AS (
                 SELECT a.*, row_number() OVER (PARTITION BY k8s_pool ORDER BY ord) AS np,
                   row_number() OVER (PARTITION BY entity_id ORDER BY ord) AS ne
                 FROM jsonb_to_recordset($2) AS a(ord int, pod_name text, entity_id bigint, entity_name text,
                   entity_type text, installation_id bigint, repo_full_name text, repo_id bigint, job_labels jsonb,
                   k8s_pool text, k8s_image text, pool_free bigint, cap_left bigint))
               INSERT INTO workers (pod_name, provider, entity_id, entity_name, entity_type, installation_id,
                 repo_full_name, repo_id, job_labels, k8s_pool, k8s_image, epoch)
               SELECT pod_name, 'github', entity_id, entity_name, entity_type, installation_id, repo_full_name, repo_id,
                 job_labels, k8s_pool, k8s_image, $3 FROM ask
               WHERE np <= pool_free - (SELECT count(*) FROM fresh f WHERE f.k8s_pool = ask.k8s_pool)
                 AND (cap_left IS NULL OR ne <= cap_left - (SELECT count(*) FROM fresh f WHERE f.entity_id = ask.entity_id))
               ORDER BY ord
               ON CONFLICT (pod_name) DO NOTHING
               RETURNING pod_name, created_at"#,
            &known,
            Value::Array(asked),
            lease.epoch.0,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let rows = inserted.into_iter().filter_map(|row| {
            let (_, ask) = names
                .iter()
                .zip(asks)
                .find(|(name, _)| name.as_str() == row.pod_name)?;
            Some(reserved_row(row.pod_name, row.created_at, ask, lease))
        });
        Ok(Reserved::Rows(rows.collect()))
    }

    /// Writes that the runner is registered and the pod is there.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn record_pod(
        &self,
        lease: Lease,
        worker: &PodName,
        runner: Option<RunnerId>,
        pod_created_at: Time,
    ) -> Result<Write, StoreError> {
        let row = sqlx::query!(
            r#"WITH l AS (SELECT 1 FROM scheduler_lease WHERE epoch = $1 AND holder = $2 FOR SHARE),
               u AS (UPDATE workers SET runner_id = coalesce($4, runner_id),
                   pod_created_at = coalesce(pod_created_at, $5), updated_at = now()
                 WHERE pod_name = $3 AND EXISTS (SELECT 1 FROM l) RETURNING 1)
               SELECT EXISTS (SELECT 1 FROM l) AS leads, (SELECT count(*) FROM u) AS changed"#,
            lease.epoch.0,
            lease.holder,
            worker.as_str(),
            runner.map(|runner| runner.0),
            pod_created_at,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Write::of(row.leads, row.changed))
    }

    /// Writes that the pod runs.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mark_worker_running(
        &self,
        lease: Lease,
        worker: &PodName,
        facts: &PodFacts,
    ) -> Result<Write, StoreError> {
        let row = sqlx::query!(
            r#"WITH l AS (SELECT 1 FROM scheduler_lease WHERE epoch = $1 AND holder = $2 FOR SHARE),
               u AS (UPDATE workers SET status = 'running', k8s_node = coalesce($4, k8s_node),
                   running_at = coalesce(running_at, $5, now()), scheduled_at = coalesce(scheduled_at, $6),
                   image_digest = coalesce(image_digest, $7), updated_at = now()
                 WHERE pod_name = $3 AND status = 'pending' AND EXISTS (SELECT 1 FROM l) RETURNING 1)
               SELECT EXISTS (SELECT 1 FROM l) AS leads, (SELECT count(*) FROM u) AS changed"#,
            lease.epoch.0,
            lease.holder,
            worker.as_str(),
            facts.node.as_ref().map(rise_model::NodeName::as_str),
            facts.running_at,
            facts.scheduled_at,
            facts.image_digest,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Write::of(row.leads, row.changed))
    }

    /// Closes a row. A failure_info that stands already is kept: it was written when the trouble was seen.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mark_worker_finished(
        &self,
        lease: Lease,
        worker: &PodName,
        finish: &Finish,
    ) -> Result<Write, StoreError> {
        let status = if finish.failure.is_some() {
            Status::Failed
        } else {
            Status::Completed
        };
        let info = finish
            .failure
            .as_ref()
            .map(|(reason, message)| failure_info(*reason, message));
        let row = sqlx::query!(
            r#"WITH l AS (SELECT 1 FROM scheduler_lease WHERE epoch = $1 AND holder = $2 FOR SHARE),
               u AS (UPDATE workers SET status = $4::text::status_enum, k8s_node = coalesce($5, k8s_node),
                   completed_at = coalesce(completed_at, $6, now()), slot_free_at = coalesce(slot_free_at, now()),
                   failure_info = coalesce(failure_info, $7), updated_at = now()
                 WHERE pod_name = $3 AND status IN ('pending', 'running') AND EXISTS (SELECT 1 FROM l) RETURNING 1)
               SELECT EXISTS (SELECT 1 FROM l) AS leads, (SELECT count(*) FROM u) AS changed"#,
            lease.epoch.0,
            lease.holder,
            worker.as_str(),
            status.as_str(),
            finish.node.as_ref().map(rise_model::NodeName::as_str),
            finish.ended_at,
            info,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Write::of(row.leads, row.changed))
    }

    /// Writes that a worker is to be ended, and why. A row that is closed already keeps what it says.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn condemn_worker(
        &self,
        lease: Lease,
        worker: &PodName,
        reason: CondemnReason,
        message: &str,
    ) -> Result<Write, StoreError> {
        let info = reason
            .failure()
            .map(|failure| failure_info(failure, message));
        let row = sqlx::query!(
            r#"WITH l AS (SELECT 1 FROM scheduler_lease WHERE epoch = $1 AND holder = $2 FOR SHARE),
               u AS (UPDATE workers SET condemned_at = now(), condemned_reason = $4,
                   failure_info = CASE WHEN status IN ('pending', 'running') THEN coalesce(failure_info, $5)
                     ELSE failure_info END, updated_at = now()
                 WHERE pod_name = $3 AND EXISTS (SELECT 1 FROM l) RETURNING 1)
               SELECT EXISTS (SELECT 1 FROM l) AS leads, (SELECT count(*) FROM u) AS changed"#,
            lease.epoch.0,
            lease.holder,
            worker.as_str(),
            reason.as_str(),
            info,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Write::of(row.leads, row.changed))
    }

    /// Writes that a worker is not to be ended after all.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn take_back_worker(
        &self,
        lease: Lease,
        worker: &PodName,
    ) -> Result<Write, StoreError> {
        let row = sqlx::query!(
            r#"WITH l AS (SELECT 1 FROM scheduler_lease WHERE epoch = $1 AND holder = $2 FOR SHARE),
               u AS (UPDATE workers SET condemned_at = NULL, condemned_reason = NULL,
                   failure_info = CASE WHEN status IN ('pending', 'running') THEN NULL ELSE failure_info END,
                   updated_at = now()
                 WHERE pod_name = $3 AND EXISTS (SELECT 1 FROM l) RETURNING 1)
               SELECT EXISTS (SELECT 1 FROM l) AS leads, (SELECT count(*) FROM u) AS changed"#,
            lease.epoch.0,
            lease.holder,
            worker.as_str(),
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Write::of(row.leads, row.changed))
    }

    /// Adds what was read of a pod to its row's failure_info.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn record_diagnostics(
        &self,
        lease: Lease,
        worker: &PodName,
        diagnostics: &Value,
    ) -> Result<Write, StoreError> {
        let row = sqlx::query!(
            r#"WITH l AS (SELECT 1 FROM scheduler_lease WHERE epoch = $1 AND holder = $2 FOR SHARE),
               u AS (UPDATE workers SET failure_info = $4 || failure_info, updated_at = now()
                 WHERE pod_name = $3 AND failure_info IS NOT NULL AND EXISTS (SELECT 1 FROM l) RETURNING 1)
               SELECT EXISTS (SELECT 1 FROM l) AS leads, (SELECT count(*) FROM u) AS changed"#,
            lease.epoch.0,
            lease.holder,
            worker.as_str(),
            without_nul(diagnostics.clone()),
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Write::of(row.leads, row.changed))
    }

    /// Writes that GitHub no longer has the runner.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn record_deregistered(
        &self,
        lease: Lease,
        worker: &PodName,
    ) -> Result<Write, StoreError> {
        let row = sqlx::query!(
            r#"WITH l AS (SELECT 1 FROM scheduler_lease WHERE epoch = $1 AND holder = $2 FOR SHARE),
               u AS (UPDATE workers SET deregistered_at = coalesce(deregistered_at, now())
                 WHERE pod_name = $3 AND EXISTS (SELECT 1 FROM l) RETURNING 1)
               SELECT EXISTS (SELECT 1 FROM l) AS leads, (SELECT count(*) FROM u) AS changed"#,
            lease.epoch.0,
            lease.holder,
            worker.as_str(),
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Write::of(row.leads, row.changed))
    }

    /// Writes why jobs wait; `updated_at` stays, as it tells of the job and not of us.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_waiting(
        &self,
        lease: Lease,
        reasons: &[(JobId, Option<String>)],
    ) -> Result<Write, StoreError> {
        let (jobs, texts): (Vec<i64>, Vec<Option<String>>) = reasons
            .iter()
            .map(|(job, reason)| (job.0, reason.clone()))
            .unzip();
        let row = sqlx::query!(
            r#"WITH l AS (SELECT 1 FROM scheduler_lease WHERE epoch = $1 AND holder = $2 FOR SHARE),
               u AS (UPDATE jobs SET waiting_reason = r.reason, waiting_since = now()
                 FROM unnest($3::bigint[], $4::text[]) AS r(job_id, reason)
                 WHERE jobs.job_id = r.job_id AND jobs.waiting_reason IS DISTINCT FROM r.reason
                   AND EXISTS (SELECT 1 FROM l) RETURNING 1)
               SELECT EXISTS (SELECT 1 FROM l) AS leads, (SELECT count(*) FROM u) AS changed"#,
            lease.epoch.0,
            lease.holder,
            &jobs,
            &texts as &[Option<String>],
        )
        .fetch_one(&self.pool)
        .await?;
        // Jobs that moved on meanwhile are no trouble.
        Ok(match Write::of(row.leads, row.changed) {
            Write::Written | Write::NotWritten => Write::Written,
            Write::Deposed => Write::Deposed,
        })
    }

    /// Publishes what only the leader knows.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn publish_state(
        &self,
        lease: Lease,
        round: u64,
        state: &Value,
    ) -> Result<Write, StoreError> {
        let row = sqlx::query!(
            r#"WITH l AS (SELECT 1 FROM scheduler_lease WHERE epoch = $1 AND holder = $2 FOR SHARE),
               u AS (INSERT INTO scheduler_state (epoch, round, at, state)
                 SELECT $1, $3, now(), $4 WHERE EXISTS (SELECT 1 FROM l)
                 ON CONFLICT (id) DO UPDATE SET epoch = EXCLUDED.epoch, round = EXCLUDED.round, at = EXCLUDED.at,
                   state = EXCLUDED.state
                 RETURNING 1)
               SELECT EXISTS (SELECT 1 FROM l) AS leads, (SELECT count(*) FROM u) AS changed"#,
            lease.epoch.0,
            lease.holder,
            i64::try_from(round).unwrap_or(i64::MAX),
            state,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Write::of(row.leads, row.changed))
    }
}

fn reserved_row(name: String, created_at: Time, ask: &Ask, lease: Lease) -> WorkerRow {
    WorkerRow {
        name: PodName::new(name),
        status: Status::Pending,
        demand: ask.demand.clone(),
        node: None,
        created_at,
        running_at: None,
        completed_at: None,
        runner: None,
        epoch: Some(lease.epoch),
        condemned: None,
        deregistered_at: None,
        pod_created_at: None,
        named_by: Vec::new(),
    }
}

fn failure_info(reason: FailureReason, message: &str) -> Value {
    json!({ "version": 2, "reason": reason.as_str(), "pod_message": message.replace('\0', "\u{fffd}") })
}

/// A log may hold NUL characters, which jsonb refuses.
fn without_nul(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace('\0', "\u{fffd}")),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nul).collect()),
        Value::Object(fields) => {
            let clean =
                |(key, value): (String, Value)| (key.replace('\0', "\u{fffd}"), without_nul(value));
            Value::Object(fields.into_iter().map(clean).collect())
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}
