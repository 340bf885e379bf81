//! How far GitHub's log of deliveries was read, and what did not arrive.

use rise_model::deliveries::{LogSays, Missed, Retry};
use rise_model::{AppId, DeliveryId, Time};
use uuid::Uuid;

use super::{Lease, Store, StoreError, Write};

/// What became of writing what a look at the log said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// What is missing and not given up.
    Missing(Vec<Retry>),
    /// Another scheduler leads.
    Deposed,
}

impl Store {
    /// How far the log of an App was read, if it ever was.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delivery_cursor(&self, app: AppId) -> Result<Option<Time>, StoreError> {
        let seen = sqlx::query_scalar!(
            "SELECT seen_until FROM delivery_cursor WHERE app_id = $1",
            app.0
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(seen)
    }

    /// Writes what a look at an App's log said and how far it went, both or neither, and answers what is still missing.
    /// What was given up long ago is forgotten.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn record_look(
        &self,
        lease: Lease,
        app: AppId,
        says: &LogSays,
        seen_until: Time,
    ) -> Result<Looked, StoreError> {
        let mut tx = self.pool.begin().await?;
        let leads = sqlx::query_scalar!(
            r#"SELECT true AS "leads!" FROM scheduler_lease WHERE epoch = $1 AND holder = $2 FOR SHARE"#,
            lease.epoch.0,
            lease.holder,
        )
        .fetch_optional(&mut *tx)
        .await?;
        if leads.is_none() {
            return Ok(Looked::Deposed);
        }
        let guids: Vec<Uuid> = says.missed.iter().map(|missed| missed.guid).collect();
        let attempts: Vec<i64> = says.missed.iter().map(|missed| missed.attempt.0).collect();
        let events: Vec<String> = says.missed.iter().map(|m| m.event.clone()).collect();
        sqlx::query!(
            "INSERT INTO delivery_retry AS t (guid, app_id, delivery_id, event)
             SELECT guid, $1, delivery_id, event FROM unnest($2::uuid[], $3::bigint[], $4::text[]) AS m (guid, delivery_id, event)
             ON CONFLICT (guid) DO UPDATE SET delivery_id = EXCLUDED.delivery_id WHERE t.delivery_id < EXCLUDED.delivery_id",
            app.0,
            &guids,
            &attempts,
            &events,
        )
        .execute(&mut *tx)
        .await?;
        let arrived: Vec<Uuid> = says.arrived.iter().copied().collect();
        sqlx::query!(
            "DELETE FROM delivery_retry WHERE guid = ANY ($1) OR given_up_at < now() - interval '30 days'",
            &arrived
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "INSERT INTO delivery_cursor AS c (app_id, seen_until) VALUES ($1, $2)
             ON CONFLICT (app_id) DO UPDATE SET seen_until = greatest(c.seen_until, EXCLUDED.seen_until)",
            app.0,
            seen_until,
        )
        .execute(&mut *tx)
        .await?;
        let rows = sqlx::query!(
            "SELECT guid, delivery_id, event, tries, last_try FROM delivery_retry
             WHERE app_id = $1 AND given_up_at IS NULL ORDER BY delivery_id DESC",
            app.0,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let missing = rows.into_iter().map(|row| Retry {
            missed: Missed {
                guid: row.guid,
                attempt: DeliveryId(row.delivery_id),
                event: row.event,
            },
            tries: u32::try_from(row.tries).unwrap_or_default(),
            last_try: row.last_try,
        });
        Ok(Looked::Missing(missing.collect()))
    }

    /// Counts one more try for a delivery, before it is asked for.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_try(&self, lease: Lease, guid: Uuid) -> Result<Write, StoreError> {
        let row = sqlx::query!(
            r#"WITH l AS (SELECT 1 FROM scheduler_lease WHERE epoch = $1 AND holder = $2 FOR SHARE),
               u AS (UPDATE delivery_retry SET tries = tries + 1, last_try = now()
                 WHERE guid = $3 AND given_up_at IS NULL AND EXISTS (SELECT 1 FROM l) RETURNING 1)
               SELECT EXISTS (SELECT 1 FROM l) AS leads, (SELECT count(*) FROM u) AS changed"#,
            lease.epoch.0,
            lease.holder,
            guid,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Write::of(row.leads, row.changed))
    }

    /// Writes that these deliveries are not asked for any more. The rows stay, to be told.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn give_up_deliveries(
        &self,
        lease: Lease,
        missed: &[Missed],
    ) -> Result<Write, StoreError> {
        let guids: Vec<Uuid> = missed.iter().map(|missed| missed.guid).collect();
        let row = sqlx::query!(
            r#"WITH l AS (SELECT 1 FROM scheduler_lease WHERE epoch = $1 AND holder = $2 FOR SHARE),
               u AS (UPDATE delivery_retry SET given_up_at = coalesce(given_up_at, now())
                 WHERE guid = ANY ($3) AND EXISTS (SELECT 1 FROM l) RETURNING 1)
               SELECT EXISTS (SELECT 1 FROM l) AS leads, (SELECT count(*) FROM u) AS changed"#,
            lease.epoch.0,
            lease.holder,
            &guids,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Write::of(row.leads, row.changed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::TestDatabase;
    use rise_model::span::Span;

    const APP: AppId = AppId(11);

    fn at(seconds: i64) -> Time {
        Time::from_timestamp(1_795_000_000 + seconds, 0).unwrap()
    }

    fn missed(id: i64) -> Missed {
        Missed {
            guid: Uuid::from_u128(id.unsigned_abs().into()),
            attempt: DeliveryId(id),
            event: "workflow_job.queued".to_owned(),
        }
    }

    fn says(missing: &[i64], arrived: &[i64]) -> LogSays {
        LogSays {
            missed: missing.iter().map(|id| missed(*id)).collect(),
            arrived: arrived.iter().map(|id| missed(*id).guid).collect(),
            newest: None,
        }
    }

    async fn lease(store: &Store) -> Lease {
        let answer = store.renew_lease(Uuid::new_v4(), Span::seconds(60)).await;
        answer.unwrap().lease.unwrap()
    }

    fn ids(looked: &Looked) -> Vec<(i64, u32)> {
        let Looked::Missing(missing) = looked else {
            panic!("this scheduler leads");
        };
        let id = |retry: &Retry| (retry.missed.attempt.0, retry.tries);
        missing.iter().map(id).collect()
    }

    #[tokio::test]
    async fn what_is_missing_is_kept_until_it_arrives_or_is_given_up() {
        let database = TestDatabase::create().await;
        let store = database.store();
        let lease = lease(&store).await;
        assert_eq!(store.delivery_cursor(APP).await.unwrap(), None);
        let looked = store
            .record_look(lease, APP, &says(&[5, 3, 2], &[]), at(10))
            .await;
        assert_eq!(ids(&looked.unwrap()), [(5, 0), (3, 0), (2, 0)]);
        let counted = store.count_try(lease, missed(5).guid).await.unwrap();
        assert_eq!(counted, Write::Written);
        let given_up = store.give_up_deliveries(lease, &[missed(2)]).await.unwrap();
        assert_eq!(given_up, Write::Written);
        // What was given up stays so when an overlapping look sees it again; the cursor never goes back.
        let looked = store
            .record_look(lease, APP, &says(&[5, 2], &[3]), at(5))
            .await;
        assert_eq!(ids(&looked.unwrap()), [(5, 1)]);
        assert_eq!(store.delivery_cursor(APP).await.unwrap(), Some(at(10)));
        let again = store.count_try(lease, missed(2).guid).await.unwrap();
        assert_eq!(again, Write::NotWritten);
        let other = store
            .record_look(lease, AppId(12), &says(&[], &[]), at(1))
            .await;
        assert_eq!(ids(&other.unwrap()), [], "another App's");
    }

    #[tokio::test]
    async fn only_the_leader_writes() {
        let database = TestDatabase::create().await;
        let store = database.store();
        let old = lease(&store).await;
        store.release_lease(old).await.unwrap();
        let looked = store.record_look(old, APP, &says(&[5], &[]), at(10)).await;
        assert_eq!(looked.unwrap(), Looked::Deposed);
        let counted = store.count_try(old, missed(5).guid).await.unwrap();
        assert_eq!(counted, Write::Deposed);
        assert_eq!(store.delivery_cursor(APP).await.unwrap(), None);
    }
}
