//! What operators set: read by the scheduler each round, by webhook intake whenever it changed, written by commands.

use std::collections::BTreeSet;

use rise_model::EntityId;
use rise_model::config::{Cap, Sharing};
use rise_model::settings::{Setting, read};

use super::{Store, StoreError};

/// Which entities the scheduler takes for new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newcomers {
    /// It makes no difference.
    DoNotMatter,
    /// Those with fewer finished jobs.
    Below(u32),
}

impl Newcomers {
    /// As the configuration says.
    #[must_use]
    pub fn of(sharing: &Sharing) -> Self {
        match sharing.newcomer_cap {
            Cap::Unlimited => Self::DoNotMatter,
            Cap::Workers(_) => Self::Below(sharing.newcomer_until),
        }
    }
}

impl Store {
    /// Every setting that nobody ended, also those whose time is over. One that cannot be understood is told and left out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn read_settings(&self) -> Result<Vec<Setting>, StoreError> {
        let rows = sqlx::query!(
            "SELECT scope, key, value, author, reason, set_at, until FROM settings
             WHERE ended_at IS NULL ORDER BY scope, key"
        )
        .fetch_all(&self.pool)
        .await?;
        let mut settings = Vec::with_capacity(rows.len());
        for row in rows {
            match read(&row.scope, &row.key, &row.value) {
                Ok((scope, value)) => settings.push(Setting {
                    scope,
                    value,
                    author: row.author,
                    reason: row.reason,
                    set_at: row.set_at,
                    until: row.until,
                    ended_at: None,
                }),
                Err(error) => tracing::warn!(
                    setting.scope = row.scope,
                    setting.key = row.key,
                    error = %error,
                    "a setting cannot be understood and is not in force: {error}"
                ),
            }
        }
        Ok(settings)
    }

    /// Entities with pending jobs and fewer finished ones. By the index rise_jobs_completed, no further than the number.
    pub(super) async fn read_newcomers(
        &self,
        finished: u32,
    ) -> Result<BTreeSet<EntityId>, StoreError> {
        let rows = sqlx::query_scalar!(
            "SELECT e.entity_id FROM (SELECT DISTINCT entity_id FROM jobs
                 WHERE status IN ('pending', 'running') AND status = 'pending') AS e
             WHERE (SELECT count(*) FROM (SELECT FROM jobs AS j
                 WHERE j.entity_id = e.entity_id AND j.status = 'completed' LIMIT $1) AS few) < $1",
            i64::from(finished),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(EntityId).collect())
    }
}
