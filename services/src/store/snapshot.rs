//! What one round of the scheduler reads: a few queries, however many jobs there are.

use std::collections::BTreeSet;

use rise_model::rows::{Demand, JobRow, NamedBy, WorkerRow};
use rise_model::settings::Setting;
use rise_model::workers::{CondemnReason, FailureReason};
use rise_model::{
    EntityId, EntityKind, Epoch, Image, InstallationId, JobId, NodeName, PodName, PoolName, RepoId,
    RunnerId, SentLabels, Status, Time, span::Span,
};
use serde_json::Value;

use super::{Newcomers, Store, StoreError};

/// Live jobs, and workers with something left to do.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// Jobs that are pending or running.
    pub jobs: Vec<JobRow>,
    /// Workers that are pending or running, whose pod is in the cluster, or whose runner may still be registered.
    pub workers: Vec<WorkerRow>,
    /// What operators set.
    pub settings: Vec<Setting>,
    /// Entities with pending jobs and few finished ones; empty where nobody asked.
    pub newcomers: BTreeSet<EntityId>,
}

impl Store {
    /// Reads settings first, then workers, then jobs: a job that starts in between is then neither demand nor bound, and nothing is made
    /// for it twice. `pods` are the names of the pods that are in the cluster.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn read_rows(
        &self,
        pods: &[String],
        deregister_within: Span,
        newcomers: Newcomers,
    ) -> Result<Rows, StoreError> {
        let (_, settings) = self.read_settings().await?;
        let newcomers = match newcomers {
            Newcomers::DoNotMatter => BTreeSet::new(),
            Newcomers::Below(finished) => self.read_newcomers(finished).await?,
        };
        let workers = self.read_workers(pods, deregister_within).await?;
        let jobs = self.read_jobs().await?;
        Ok(Rows {
            jobs,
            workers,
            settings,
            newcomers,
        })
    }

    async fn read_workers(
        &self,
        pods: &[String],
        deregister_within: Span,
    ) -> Result<Vec<WorkerRow>, StoreError> {
        // UNION, not OR: each part has its own partial index.
        let rows = sqlx::query!(
            r#"SELECT w.pod_name, w.status::text AS "status!", w.entity_id, w.entity_name, w.entity_type,
                 w.installation_id, w.repo_full_name, w.repo_id, w.job_labels, w.k8s_pool, w.k8s_image, w.k8s_node,
                 w.created_at, w.running_at, w.completed_at, w.runner_id, w.epoch, w.condemned_reason,
                 w.deregistered_at, w.pod_created_at,
                 (SELECT jsonb_agg(jsonb_build_array(j.job_id, j.status, CASE WHEN j.conclusion IS NOT NULL
                     OR j.status = 'completed' THEN coalesce(j.finished_at, j.updated_at) END) ORDER BY j.job_id)
                    FROM jobs j WHERE j.k8s_pod = w.pod_name) AS named_by
               FROM workers w WHERE w.pod_name IN (
                 SELECT pod_name FROM workers WHERE status IN ('pending', 'running')
                 UNION SELECT pod_name FROM workers WHERE deregistered_at IS NULL AND epoch IS NOT NULL
                   AND status IN ('completed', 'failed') AND completed_at > now() - $2 * interval '1 millisecond'
                 UNION SELECT unnest($1::text[]))"#,
            pods,
            deregister_within.std().as_millis() as f64,
        )
        .fetch_all(&self.pool)
        .await?;
        let mut workers = Vec::with_capacity(rows.len());
        for row in rows {
            let (Some(status), Some(kind)) = (
                Status::parse(&row.status),
                EntityKind::parse(&row.entity_type),
            ) else {
                unreadable("worker", &row.pod_name, &row.entity_type);
                continue;
            };
            let demand = Demand {
                entity: EntityId(row.entity_id),
                entity_name: row.entity_name,
                kind,
                installation: InstallationId(row.installation_id),
                repo_full_name: row.repo_full_name,
                repo: row.repo_id.map(RepoId),
                labels: labels(row.job_labels),
                pool: PoolName::new(row.k8s_pool),
                image: Image::new(row.k8s_image),
            };
            workers.push(WorkerRow {
                name: PodName::new(row.pod_name),
                status,
                demand,
                node: row.k8s_node.map(NodeName::new),
                created_at: row.created_at,
                running_at: row.running_at,
                completed_at: row.completed_at,
                runner: row.runner_id.map(RunnerId),
                epoch: row.epoch.map(Epoch),
                condemned: row.condemned_reason.as_deref().map(condemned),
                deregistered_at: row.deregistered_at,
                pod_created_at: row.pod_created_at,
                named_by: row.named_by.map(named_by).unwrap_or_default(),
            });
        }
        Ok(workers)
    }

    /// Where there were workers in the last days: the newest demand of each scope.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn recent_scopes(&self) -> Result<Vec<Demand>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT DISTINCT ON (entity_type, entity_id, repo_id, repo_full_name) entity_id, entity_name, entity_type,
                 installation_id, repo_full_name, repo_id, job_labels, k8s_pool, k8s_image
               FROM workers WHERE created_at > now() - interval '2 days' AND installation_id <> 0
               ORDER BY entity_type, entity_id, repo_id, repo_full_name, created_at DESC LIMIT 1000"#
        )
        .fetch_all(&self.pool)
        .await?;
        let demands = rows.into_iter().filter_map(|row| {
            Some(Demand {
                entity: EntityId(row.entity_id),
                entity_name: row.entity_name,
                kind: EntityKind::parse(&row.entity_type)?,
                installation: InstallationId(row.installation_id),
                repo_full_name: row.repo_full_name,
                repo: row.repo_id.map(RepoId),
                labels: labels(row.job_labels),
                pool: PoolName::new(row.k8s_pool),
                image: Image::new(row.k8s_image),
            })
        });
        Ok(demands.collect())
    }

    async fn read_jobs(&self) -> Result<Vec<JobRow>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT job_id, status::text AS "status!", entity_id, entity_name, entity_type, installation_id,
                 repo_full_name, repo_id, job_labels, k8s_pool, k8s_image, nullif(k8s_pod, '') AS pod,
                 coalesce(queued_at, created_at) AS "queued_at!", waiting_reason,
                 updated_at, last_checked_at, sender_id
               FROM jobs WHERE status IN ('pending', 'running')"#
        )
        .fetch_all(&self.pool)
        .await?;
        let mut jobs = Vec::with_capacity(rows.len());
        for row in rows {
            let (Some(status), Some(kind)) = (
                Status::parse(&row.status),
                EntityKind::parse(&row.entity_type),
            ) else {
                unreadable("job", &row.job_id.to_string(), &row.entity_type);
                continue;
            };
            let demand = Demand {
                entity: EntityId(row.entity_id),
                entity_name: row.entity_name,
                kind,
                installation: InstallationId(row.installation_id),
                repo_full_name: Some(row.repo_full_name),
                repo: row.repo_id.map(RepoId),
                labels: labels(row.job_labels),
                pool: PoolName::new(row.k8s_pool),
                image: Image::new(row.k8s_image),
            };
            jobs.push(JobRow {
                id: JobId(row.job_id),
                status,
                demand,
                sender: row.sender_id.map(EntityId),
                pod: row.pod.map(PodName::new),
                queued_at: row.queued_at,
                waiting_reason: row.waiting_reason,
                changed_at: row.updated_at,
                last_checked_at: row.last_checked_at,
            });
        }
        Ok(jobs)
    }
}

fn unreadable(what: &str, name: &str, entity_type: &str) {
    tracing::warn!(
        row.kind = what,
        row.name = name,
        entity.kind = entity_type,
        "the row of {what} {name} is passed over: its entity type is `{entity_type}`"
    );
}

pub(super) fn labels(value: Value) -> SentLabels {
    // A row of the replaced service always holds a list of strings; anything else carries no label.
    SentLabels::new(serde_json::from_value(value).unwrap_or_default())
}

/// A word that is not known was written by a newer program: whatever it means, the worker is being ended.
fn condemned(word: &str) -> CondemnReason {
    CondemnReason::parse(word).unwrap_or(CondemnReason::Failure(FailureReason::PodFailed))
}

fn named_by(value: Value) -> Vec<NamedBy> {
    let rows: Vec<(i64, String, Option<Time>)> = serde_json::from_value(value).unwrap_or_default();
    rows.into_iter()
        .filter_map(|(job, status, concluded_at)| {
            Some(NamedBy {
                job: JobId(job),
                status: Status::parse(&status)?,
                concluded_at,
            })
        })
        .collect()
}
