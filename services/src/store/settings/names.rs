//! Names of what the tables know by id, and ids of what people name. Rows carry the names of their time: the latest counts.

use std::collections::BTreeMap;

use rise_model::settings::{Scope, ScopeKind};
use rise_model::{EntityId, RepoId, Time};

use crate::store::{Store, StoreError};

/// An id that goes by a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedAs {
    /// The id.
    pub id: i64,
    /// When it was last seen under that name.
    pub last_seen: Time,
}

/// Names for people, by scope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<Scope, String>);

impl Names {
    /// The name of a scope that has an id, where it is known.
    #[must_use]
    pub fn of(&self, scope: &Scope) -> Option<&str> {
        self.0.get(scope).map(String::as_str)
    }
}

impl Store {
    /// Accounts that jobs, workers or deliveries named so, in any case of letters; the one seen last first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn entities_named(&self, login: &str) -> Result<Vec<NamedAs>, StoreError> {
        let named = sqlx::query_as!(
            NamedAs,
            r#"SELECT entity_id AS "id!", max(seen) AS "last_seen!" FROM (
                 SELECT entity_id, created_at AS seen FROM jobs WHERE lower(entity_name) = lower($1)
                 UNION ALL SELECT entity_id, received_at FROM installation_events WHERE lower(entity_name) = lower($1)
               ) AS named WHERE entity_id IS NOT NULL GROUP BY entity_id ORDER BY 2 DESC"#,
            login,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(named)
    }

    /// Accounts that caused jobs under this name; the one seen last first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn senders_named(&self, login: &str) -> Result<Vec<NamedAs>, StoreError> {
        let named = sqlx::query_as!(
            NamedAs,
            r#"SELECT sender_id AS "id!", max(created_at) AS "last_seen!" FROM jobs
               WHERE lower(sender_login) = lower($1) AND sender_id IS NOT NULL GROUP BY sender_id ORDER BY 2 DESC"#,
            login,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(named)
    }

    /// Repositories of this name, `owner/name`, of jobs or of deliveries that were kept; the one seen last first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn repositories_named(&self, full_name: &str) -> Result<Vec<NamedAs>, StoreError> {
        // The payload is read of the owner's deliveries only.
        let owner = full_name
            .split_once('/')
            .map_or(full_name, |(owner, _)| owner);
        let named = sqlx::query_as!(
            NamedAs,
            r#"SELECT repo_id AS "id!", max(seen) AS "last_seen!" FROM (
                 SELECT repo_id, created_at AS seen FROM jobs WHERE lower(repo_full_name) = lower($1)
                 UNION ALL SELECT CASE WHEN payload #>> '{repository,id}' ~ '^[0-9]{1,18}$'
                     THEN (payload #>> '{repository,id}')::bigint END, received_at FROM installation_events
                   WHERE lower(entity_name) = lower($2) AND event LIKE 'workflow\_job.%'
                     AND lower(payload -> 'repository' ->> 'full_name') = lower($1)
               ) AS named WHERE repo_id IS NOT NULL GROUP BY repo_id ORDER BY 2 DESC"#,
            full_name,
            owner,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(named)
    }

    /// The latest names of these scopes, as far as they have ids and rows tell.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn names_of(&self, scopes: &[&Scope]) -> Result<Names, StoreError> {
        let ids = |kind: ScopeKind| -> Vec<i64> {
            let of_kind = scopes.iter().filter(|scope| scope.kind() == kind);
            of_kind.filter_map(|scope| id(scope)).collect()
        };
        let mut names = Names::default();
        let entities = ids(ScopeKind::Entity);
        if !entities.is_empty() {
            // By the index idx_install_events_entity.
            let rows = sqlx::query!(
                r#"SELECT id AS "id!", (SELECT entity_name FROM installation_events AS e WHERE e.entity_id = ids.id
                     AND entity_name IS NOT NULL ORDER BY received_at DESC LIMIT 1) AS name
                   FROM unnest($1::bigint[]) AS ids (id)"#,
                &entities,
            )
            .fetch_all(&self.pool)
            .await?;
            let named = rows.into_iter().map(|row| (row.id, row.name));
            names.take(named, |id| Scope::Entity(EntityId(id)));
        }
        let senders = ids(ScopeKind::Sender);
        if !senders.is_empty() {
            let rows = sqlx::query!(
                r#"SELECT DISTINCT ON (sender_id) sender_id AS "id!", sender_login AS name FROM jobs
                   WHERE sender_id = ANY($1) AND sender_login IS NOT NULL ORDER BY sender_id, created_at DESC"#,
                &senders,
            )
            .fetch_all(&self.pool)
            .await?;
            let named = rows.into_iter().map(|row| (row.id, row.name));
            names.take(named, |id| Scope::Sender(EntityId(id)));
        }
        let repositories = ids(ScopeKind::Repo);
        if !repositories.is_empty() {
            let rows = sqlx::query!(
                r#"SELECT DISTINCT ON (repo_id) repo_id AS "id!", repo_full_name AS "name?" FROM jobs
                   WHERE repo_id = ANY($1) ORDER BY repo_id, created_at DESC"#,
                &repositories,
            )
            .fetch_all(&self.pool)
            .await?;
            let named = rows.into_iter().map(|row| (row.id, row.name));
            names.take(named, |id| Scope::Repo(RepoId(id)));
        }
        Ok(names)
    }
}

impl Names {
    fn take(
        &mut self,
        named: impl Iterator<Item = (i64, Option<String>)>,
        scope: impl Fn(i64) -> Scope,
    ) {
        let known = named.filter_map(|(id, name)| Some((scope(id), name?)));
        self.0.extend(known);
    }
}

fn id(scope: &Scope) -> Option<i64> {
    match scope {
        Scope::Entity(id) | Scope::Sender(id) => Some(id.0),
        Scope::Repo(id) => Some(id.0),
        Scope::Global | Scope::Pool(_) | Scope::Image(_) | Scope::Board(_) => None,
    }
}
