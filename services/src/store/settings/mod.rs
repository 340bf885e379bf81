//! What operators set: read by the scheduler each round, by webhook intake whenever it changed, written by commands.

mod change;
mod names;

pub use change::{Change, ChangeOutcome, Changed, Until};
pub use names::{NamedAs, Names};

use std::collections::BTreeSet;

use rise_model::config::{Cap, Sharing};
use rise_model::settings::{Setting, read};
use rise_model::{EntityId, Time};

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
    /// The database's clock, and every setting that nobody ended, also those whose time is over.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn read_settings(&self) -> Result<(Time, Vec<Setting>), StoreError> {
        // One row at least, so that the clock always comes along.
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT clock_timestamp() AS "now!", s.scope AS "scope?", s.key AS "key?", s.value AS "value?",
                 s.author AS "author?", s.reason AS "reason?", s.set_at AS "set_at?", s.until AS "until?",
                 s.ended_at AS "ended_at?"
               FROM (VALUES (1)) AS one (row) LEFT JOIN settings AS s ON s.ended_at IS NULL
               ORDER BY s.scope, s.key"#
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(settings(rows))
    }

    /// The same with those that were ended or replaced, the newest first, at most so many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn read_all_settings(&self, limit: u32) -> Result<(Time, Vec<Setting>), StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT clock_timestamp() AS "now!", s.scope AS "scope?", s.key AS "key?", s.value AS "value?",
                 s.author AS "author?", s.reason AS "reason?", s.set_at AS "set_at?", s.until AS "until?",
                 s.ended_at AS "ended_at?"
               FROM (VALUES (1)) AS one (row) LEFT JOIN settings AS s ON true
               ORDER BY s.id DESC LIMIT $1"#,
            i64::from(limit),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(settings(rows))
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

/// A row of `settings`, or of nothing, with the clock.
struct Row {
    now: Time,
    scope: Option<String>,
    key: Option<String>,
    value: Option<serde_json::Value>,
    author: Option<String>,
    reason: Option<String>,
    set_at: Option<Time>,
    until: Option<Time>,
    ended_at: Option<Time>,
}

/// What can be understood; what cannot is told.
fn settings(rows: Vec<Row>) -> (Time, Vec<Setting>) {
    let now = rows.first().map_or(Time::UNIX_EPOCH, |row| row.now);
    let mut settings = Vec::with_capacity(rows.len());
    for row in rows {
        let (Some(scope), Some(key), Some(value), Some(set_at)) =
            (row.scope, row.key, row.value, row.set_at)
        else {
            continue;
        };
        match read(&scope, &key, &value) {
            Ok((scope, value)) => settings.push(Setting {
                scope,
                value,
                author: row.author.unwrap_or_default(),
                reason: row.reason.unwrap_or_default(),
                set_at,
                until: row.until,
                ended_at: row.ended_at,
            }),
            Err(error) => tracing::warn!(
                setting.scope = scope,
                setting.key = key,
                error = %error,
                "a setting cannot be understood and is not in force: {error}"
            ),
        }
    }
    (now, settings)
}
