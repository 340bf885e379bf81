//! Which scopes are gone, by what GitHub delivered: the account deleted or suspended the installation, or took a
//! repository out of it, and nothing later says otherwise.

use rise_model::{EntityId, EntityKind, RepoId, ScopeKey, Time};

use super::{Store, StoreError};

impl Store {
    /// Of the scopes of workers that are pending, running, or among `pods`: those that are gone.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn gone_scopes(&self, pods: &[String]) -> Result<Vec<(ScopeKey, Time)>, StoreError> {
        // Each look into the log goes by rise_events_installation, which holds these few events only.
        let rows = sqlx::query!(
            r#"WITH s AS (SELECT DISTINCT entity_type, entity_id, installation_id, repo_id, repo_full_name FROM workers
                 WHERE status IN ('pending', 'running') OR pod_name = ANY($1))
               SELECT s.entity_type, s.entity_id, s.repo_id, s.repo_full_name,
                 coalesce(repository.received_at, last.received_at) AS "told_at!" FROM s
               LEFT JOIN LATERAL (SELECT e.id, e.event, e.app_id, e.received_at FROM installation_events e
                 WHERE e.installation_id = s.installation_id AND e.event IN ('installation.created',
                   'installation.deleted', 'installation.suspend', 'installation.unsuspend')
                 ORDER BY e.id DESC LIMIT 1) last ON true
               LEFT JOIN LATERAL (SELECT e.event, e.received_at FROM installation_events e
                 WHERE e.installation_id = s.installation_id AND s.entity_type = 'User'
                   AND e.event IN ('installation_repositories.added', 'installation_repositories.removed')
                   AND (e.payload->'repositories_removed' @> jsonb_build_array(jsonb_build_object('id', s.repo_id))
                     OR e.payload->'repositories_added' @> jsonb_build_array(jsonb_build_object('id', s.repo_id)))
                 ORDER BY e.id DESC LIMIT 1) repository ON true
               WHERE repository.event = 'installation_repositories.removed'
                 OR (last.event IN ('installation.deleted', 'installation.suspend')
                   AND NOT EXISTS (SELECT 1 FROM installation_events n WHERE n.entity_id = s.entity_id
                     AND n.app_id = last.app_id AND (n.id > last.id OR n.installation_id > s.installation_id)
                     AND n.event IN ('installation.created', 'installation.unsuspend')))"#,
            pods,
        )
        .fetch_all(&self.pool)
        .await?;
        let scopes = rows.into_iter().filter_map(|row| {
            let kind = EntityKind::parse(&row.entity_type)?;
            let name = row.repo_full_name.unwrap_or_default();
            let repo = row.repo_id.map(RepoId);
            let scope = ScopeKey::of(kind, EntityId(row.entity_id), repo, &name);
            Some((scope, row.told_at))
        });
        Ok(scopes.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::TestDatabase;

    const WORKER: &str =
        "INSERT INTO workers (pod_name, provider, entity_id, entity_name, entity_type,
        installation_id, repo_full_name, repo_id, k8s_pool, k8s_image, status) VALUES";

    fn event(event: &str, installation: i64, payload: &str) -> String {
        format!(
            "INSERT INTO installation_events (source, event, outcome, installation_id, app_id, entity_id, payload)
             VALUES ('webhook', '{event}', 'ok', {installation}, 11, 7, '{payload}')"
        )
    }

    async fn gone(store: &Store, pods: &[&str]) -> Vec<ScopeKey> {
        let pods: Vec<String> = pods.iter().map(ToString::to_string).collect();
        let found = store.gone_scopes(&pods).await.unwrap();
        let mut scopes: Vec<ScopeKey> = found.into_iter().map(|(scope, _)| scope).collect();
        scopes.sort();
        scopes
    }

    #[tokio::test]
    async fn the_last_word_about_an_installation_or_a_repository_counts() {
        let database = TestDatabase::create().await;
        let store = database.store();
        database
            .execute(&format!(
                "{WORKER} ('org', 'github', 7, 'org', 'Organization', 70, NULL, NULL, 'p', 'i', 'running')"
            ))
            .await;
        let org = ScopeKey::Organization(EntityId(7));
        for (told, installation, gone) in [
            ("installation.created", 70, false),
            ("workflow_job.queued", 70, false),
            ("installation.suspend", 70, true),
            ("installation.unsuspend", 70, false),
            ("installation.deleted", 70, true),
            ("installation.deleted", 99, true),
            ("installation.created", 71, false),
        ] {
            database.execute(&event(told, installation, "{}")).await;
            let found = self::gone(&store, &[]).await;
            let expected = if gone { vec![org.clone()] } else { vec![] };
            assert_eq!(found, expected, "{told} of {installation}");
        }
        database
            .execute(&format!(
                "{WORKER} ('a', 'github', 8, 'me', 'User', 80, 'me/a', 1, 'p', 'i', 'running'),
                          ('b', 'github', 8, 'me', 'User', 80, 'me/b', 2, 'p', 'i', 'completed')"
            ))
            .await;
        let both = r#"{"repositories_removed": [{"id": 1}, {"id": 2}]}"#;
        let told = event("installation_repositories.removed", 80, both);
        database.execute(&told).await;
        let (a, b) = (
            ScopeKey::Repository(RepoId(1)),
            ScopeKey::Repository(RepoId(2)),
        );
        let found = gone(&store, &[]).await;
        assert_eq!(found, std::slice::from_ref(&a), "nothing of b is left");
        assert_eq!(gone(&store, &["b"]).await, [a, b]);
        let again = r#"{"repositories_added": [{"id": 1}]}"#;
        let told = event("installation_repositories.added", 80, again);
        database.execute(&told).await;
        assert_eq!(gone(&store, &[]).await, []);
    }

    #[tokio::test]
    async fn a_newer_installation_counts_in_whatever_order_the_deliveries_came() {
        let database = TestDatabase::create().await;
        let store = database.store();
        database
            .execute(&format!(
                "{WORKER} ('org', 'github', 7, 'org', 'Organization', 70, NULL, NULL, 'p', 'i', 'running')"
            ))
            .await;
        for (told, installation) in [("installation.created", 71), ("installation.deleted", 70)] {
            database.execute(&event(told, installation, "{}")).await;
        }
        assert_eq!(gone(&store, &[]).await, []);
    }
}
