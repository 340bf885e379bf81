//! How boards did lately.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::store::{Store, StoreError};

/// How the workers of the last day ended on a board.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BoardOutcomes {
    /// Those that did what they were for.
    pub completed: i64,
    /// Those that failed.
    pub failed: i64,
    /// Why the last of these did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
}

impl fmt::Display for BoardOutcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} done", self.completed)?;
        if self.failed > 0 {
            write!(f, ", {} failed", self.failed)?;
        }
        match &self.last_failure {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}

impl Store {
    /// How the workers of the last day ended, by board. The index rise_workers_created bounds what is read.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn board_outcomes(&self) -> Result<BTreeMap<String, BoardOutcomes>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT k8s_node AS "board!", count(*) FILTER (WHERE status = 'completed') AS "completed!",
                 count(*) FILTER (WHERE status = 'failed') AS "failed!",
                 (array_agg(coalesce(failure_info ->> 'reason', failure_info ->> 'message', 'unknown')
                    ORDER BY completed_at DESC) FILTER (WHERE status = 'failed'))[1] AS last_failure
               FROM workers WHERE created_at > now() - interval '1 day' AND k8s_node IS NOT NULL
               GROUP BY k8s_node"#
        )
        .fetch_all(&self.pool)
        .await?;
        let outcomes = rows.into_iter().map(|row| {
            let outcomes = BoardOutcomes {
                completed: row.completed,
                failed: row.failed,
                last_failure: row.last_failure,
            };
            (row.board, outcomes)
        });
        Ok(outcomes.collect())
    }
}
