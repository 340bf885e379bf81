//! What the instances of webhook intake counted. Each adds a row a minute with what happened since its last one; rows that
//! are older are summed up into one, so that the total only grows while the table does not.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::pages::PagesStore;
use super::{Store, StoreError};

/// Seconds: upper bounds of a delivery's duration. A row counts `le:BOUND` each for itself, and `le:inf` for beyond.
pub(crate) const LATENCY_BOUNDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Begins the key of an outcome's counter.
pub(crate) const OUTCOME: &str = "outcome:";
/// Begins the key of a bucket's counter.
pub(crate) const BUCKET: &str = "le:";
/// The sum of all durations, in microseconds.
pub(crate) const MICROSECONDS: &str = "sum_us";
/// Under which older rows are summed up.
const OLDER: Uuid = Uuid::nil();

/// The sums over all instances.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tally {
    /// Deliveries by outcome.
    pub(crate) outcomes: BTreeMap<String, u64>,
    /// Deliveries by the place of their bound; none is beyond all.
    pub(crate) buckets: Vec<(Option<usize>, u64)>,
    /// The sum of all durations.
    pub(crate) seconds: f64,
}

impl Store {
    /// Adds what an instance counted since it last did.
    pub(crate) async fn add_ghfe_counters(
        &self,
        instance: Uuid,
        counters: &Value,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            r#"INSERT INTO ghfe_stats AS s (instance, minute, counters) VALUES ($1, date_trunc('minute', now()), $2)
               ON CONFLICT (instance, minute) DO UPDATE SET counters =
                 (SELECT jsonb_object_agg(key, total) FROM
                   (SELECT key, sum(value::numeric) AS total FROM
                     (SELECT * FROM jsonb_each_text(s.counters) UNION ALL SELECT * FROM jsonb_each_text($2)) AS added
                    GROUP BY key) AS sums)"#,
            instance,
            counters
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Sums up rows of more than two hours ago. Several at once are right too: a row is deleted once, and the sum's row
    /// is locked while it is changed.
    pub(crate) async fn sum_up_ghfe_counters(&self) -> Result<(), StoreError> {
        sqlx::query!(
            r#"WITH gone AS (
                 DELETE FROM ghfe_stats WHERE minute < now() - interval '2 hours' AND instance <> $1 RETURNING counters
               ), sums AS (
                 SELECT jsonb_object_agg(key, total) AS counters FROM
                   (SELECT key, sum(value::numeric) AS total FROM gone, jsonb_each_text(gone.counters) GROUP BY key) AS t
                 HAVING count(*) > 0
               )
               INSERT INTO ghfe_stats AS s (instance, minute, counters)
               SELECT $1, '2000-01-01Z', counters FROM sums
               ON CONFLICT (instance, minute) DO UPDATE SET counters =
                 (SELECT jsonb_object_agg(key, total) FROM
                   (SELECT key, sum(value::numeric) AS total FROM
                     (SELECT * FROM jsonb_each_text(s.counters)
                      UNION ALL SELECT * FROM jsonb_each_text(EXCLUDED.counters)) AS added
                    GROUP BY key) AS sums)"#,
            OLDER
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

impl PagesStore {
    /// The sums over all instances and all time.
    pub(crate) async fn ghfe_tally(&self) -> Result<Tally, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT key AS "key!", sum(value::numeric)::bigint AS "total!"
               FROM ghfe_stats, jsonb_each_text(counters) GROUP BY key ORDER BY key"#
        )
        .fetch_all(&self.pool)
        .await?;
        let mut tally = Tally::default();
        for row in rows {
            let total = u64::try_from(row.total).unwrap_or(0);
            if let Some(outcome) = row.key.strip_prefix(OUTCOME) {
                tally.outcomes.insert(outcome.to_owned(), total);
            } else if let Some(bound) = row.key.strip_prefix(BUCKET) {
                let bound = bound.parse::<f64>().unwrap_or(f64::INFINITY);
                let place = LATENCY_BOUNDS.iter().position(|known| bound <= *known);
                tally.buckets.push((place, total));
            } else if row.key == MICROSECONDS {
                tally.seconds = std::time::Duration::from_micros(total).as_secs_f64();
            }
        }
        Ok(tally)
    }
}

#[cfg(test)]
mod tests {
    use rise_model::span::Span;
    use serde_json::json;
    use uuid::Uuid;

    use super::Tally;
    use crate::store::testing::{TestDatabase, page_limits};

    #[tokio::test]
    async fn what_instances_add_is_summed_and_stays_so_when_it_is_old() {
        let database = TestDatabase::create().await;
        let store = database.store();
        let pages = store.pages(&page_limits(Span::seconds(4)));
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for (instance, counters) in [
            (one, json!({"outcome:ok": 1, "le:0.005": 1, "sum_us": 4000})),
            (
                one,
                json!({"outcome:ok": 2, "outcome:job_stored": 1, "le:inf": 3, "sum_us": 1_496_000}),
            ),
            (
                two,
                json!({"outcome:ok": 4, "le:0.005": 4, "sum_us": 500_000}),
            ),
        ] {
            store.add_ghfe_counters(instance, &counters).await.unwrap();
        }
        let expected = Tally {
            outcomes: [("job_stored".to_owned(), 1), ("ok".to_owned(), 7)].into(),
            buckets: vec![(Some(2), 5), (None, 3)],
            seconds: 2.0,
        };
        assert_eq!(pages.ghfe_tally().await.unwrap(), expected);
        for _ in 0..2 {
            database
                .execute("UPDATE ghfe_stats SET minute = minute - interval '3 hours' WHERE instance <> '00000000-0000-0000-0000-000000000000'")
                .await;
            store.sum_up_ghfe_counters().await.unwrap();
            assert_eq!(database.value("SELECT count(*) FROM ghfe_stats").await, 1);
            assert_eq!(pages.ghfe_tally().await.unwrap(), expected);
        }
        store
            .add_ghfe_counters(two, &json!({"outcome:ok": 1}))
            .await
            .unwrap();
        database.execute("UPDATE ghfe_stats SET minute = minute - interval '3 hours' WHERE instance = '00000000-0000-0000-0000-000000000002'").await;
        store.sum_up_ghfe_counters().await.unwrap();
        assert_eq!(database.value("SELECT count(*) FROM ghfe_stats").await, 1);
        assert_eq!(pages.ghfe_tally().await.unwrap().outcomes["ok"], 8);
    }
}
