//! Rows made again for pods that have none.

use rise_model::rows::{Demand, WorkerRow};
use rise_model::{EntityId, EntityKind, Image, InstallationId, PodName, PoolName, RepoId};

use super::snapshot::labels;
use super::{Lease, Store, StoreError, Write};

impl Store {
    /// What the job asked for that names a pod; the one that was heard of last, if several do.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn job_of(&self, pod: &PodName) -> Result<Option<Demand>, StoreError> {
        let row = sqlx::query!(
            "SELECT entity_id, entity_name, entity_type, installation_id, repo_full_name, repo_id, job_labels, k8s_pool,
               k8s_image
             FROM jobs WHERE k8s_pod = $1 ORDER BY updated_at DESC LIMIT 1",
            pod.as_str(),
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.and_then(|row| {
            Some(Demand {
                entity: EntityId(row.entity_id),
                entity_name: row.entity_name,
                kind: EntityKind::parse(&row.entity_type)?,
                installation: InstallationId(row.installation_id),
                repo_full_name: Some(row.repo_full_name),
                repo: row.repo_id.map(RepoId),
                labels: labels(row.job_labels),
                pool: PoolName::new(row.k8s_pool),
                image: Image::new(row.k8s_image),
            })
        }))
    }

    /// Inserts the row of a pod that has none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn adopt_worker(
        &self,
        lease: Lease,
        worker: &WorkerRow,
    ) -> Result<Write, StoreError> {
        let demand = &worker.demand;
        let row = sqlx::query!(
            r#"WITH l AS (SELECT 1 FROM scheduler_lease WHERE epoch = $1 AND holder = $2 FOR SHARE),
               u AS (INSERT INTO workers (pod_name, provider, entity_id, entity_name, entity_type, installation_id,
                   repo_full_name, repo_id, job_labels, k8s_pool, k8s_image, k8s_node, created_at, pod_created_at, epoch,
                   condemned_at, condemned_reason)
                 SELECT $3, 'github', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $1,
                   CASE WHEN $16::text IS NOT NULL THEN now() END, $16
                 WHERE EXISTS (SELECT 1 FROM l)
                 ON CONFLICT (pod_name) DO NOTHING RETURNING 1)
               SELECT EXISTS (SELECT 1 FROM l) AS leads, (SELECT count(*) FROM u) AS changed"#,
            lease.epoch.0,
            lease.holder,
            worker.name.as_str(),
            demand.entity.0,
            demand.entity_name,
            demand.kind.as_str(),
            demand.installation.0,
            demand.repo_full_name,
            demand.repo.map(|repo| repo.0),
            serde_json::json!(demand.labels),
            demand.pool.as_str(),
            demand.image.as_str(),
            worker.node.as_ref().map(rise_model::NodeName::as_str),
            worker.created_at,
            worker.pod_created_at,
            worker.condemned.map(rise_model::workers::CondemnReason::as_str),
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Write::of(row.leads, row.changed))
    }
}
