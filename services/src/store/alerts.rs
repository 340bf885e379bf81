//! `alerts`: what a person should look at. The leader writes the set of open ones; they outlive it.

use rise_model::alerts::{Alert, AlertName};

use super::{Lease, Store, StoreError, Write};

impl Store {
    /// The alerts that are open and have a name that the scheduler knows.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open_alerts(&self) -> Result<Vec<Alert>, StoreError> {
        let rows = sqlx::query!(
            "SELECT name, subject, text FROM alerts WHERE closed_at IS NULL ORDER BY opened_at"
        )
        .fetch_all(&self.pool)
        .await?;
        let known = rows.into_iter().filter_map(|row| {
            let name = AlertName::parse(&row.name)?;
            Some(Alert::new(name, row.subject, row.text))
        });
        Ok(known.collect())
    }

    /// Opens the alerts of the set that are not open, and closes every open one of our names that is not in it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_alerts(&self, lease: Lease, alerts: &[Alert]) -> Result<Write, StoreError> {
        let ours: Vec<String> = AlertName::ALL
            .iter()
            .map(|name| name.as_str().to_owned())
            .collect();
        let names: Vec<String> = alerts.iter().map(|a| a.key.name.to_string()).collect();
        let subjects: Vec<String> = alerts.iter().map(|a| a.key.subject.clone()).collect();
        let texts: Vec<String> = alerts
            .iter()
            .map(|a| a.text.replace('\0', "\u{fffd}"))
            .collect();
        let row = sqlx::query!(
            r#"WITH l AS (SELECT 1 FROM scheduler_lease WHERE epoch = $1 AND holder = $2 FOR SHARE),
               wanted AS (SELECT * FROM unnest($4::text[], $5::text[], $6::text[]) AS w(name, subject, text)),
               closed AS (UPDATE alerts a SET closed_at = now()
                 WHERE closed_at IS NULL AND a.name = ANY($3) AND EXISTS (SELECT 1 FROM l)
                   AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.name = a.name AND w.subject = a.subject) RETURNING 1),
               opened AS (INSERT INTO alerts (name, subject, text)
                 SELECT w.name, w.subject, w.text FROM wanted w WHERE EXISTS (SELECT 1 FROM l)
                   AND NOT EXISTS (SELECT 1 FROM alerts a
                     WHERE a.closed_at IS NULL AND a.name = w.name AND a.subject = w.subject)
                 ON CONFLICT DO NOTHING RETURNING 1)
               SELECT EXISTS (SELECT 1 FROM l) AS leads,
                 (SELECT count(*) FROM closed) + (SELECT count(*) FROM opened) AS changed"#,
            lease.epoch.0,
            lease.holder,
            &ours,
            &names,
            &subjects,
            &texts,
        )
        .fetch_one(&self.pool)
        .await?;
        // A set that is in the table already is no trouble.
        Ok(match Write::of(row.leads, row.changed) {
            Write::Written | Write::NotWritten => Write::Written,
            Write::Deposed => Write::Deposed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::TestDatabase;
    use rise_model::span::Span;
    use uuid::Uuid;

    async fn open(database: &TestDatabase) -> Vec<String> {
        let rows = database
            .rows("SELECT name, subject FROM alerts WHERE closed_at IS NULL ORDER BY name, subject")
            .await;
        rows.iter()
            .map(|row| format!("{} {}", row["name"], row["subject"]).replace('"', ""))
            .collect()
    }

    #[tokio::test]
    async fn a_set_opens_and_closes_and_leaves_others_alone() {
        let database = TestDatabase::create().await;
        let store = database.store();
        let lease = store
            .renew_lease(Uuid::new_v4(), Span::seconds(60))
            .await
            .unwrap()
            .lease
            .unwrap();
        database
            .execute("INSERT INTO alerts (name, subject, text) VALUES ('disk_full', '', 'of somebody else')")
            .await;
        let stuck = Alert::new(AlertName::KillStuck, "board-1", "it does not end");
        let vanished = Alert::new(AlertName::PodsVanished, "", "all gone");
        let both = [stuck.clone(), vanished];
        for _ in 0..2 {
            let written = store.set_alerts(lease, &both).await.unwrap();
            assert_eq!(written, Write::Written);
        }
        assert_eq!(
            open(&database).await,
            ["disk_full ", "kill_stuck board-1", "pods_vanished "]
        );
        let one = std::slice::from_ref(&stuck);
        store.set_alerts(lease, one).await.unwrap();
        assert_eq!(open(&database).await, ["disk_full ", "kill_stuck board-1"]);
        assert_eq!(store.open_alerts().await.unwrap(), one);
        store.set_alerts(lease, &[]).await.unwrap();
        let closed = database
            .value("SELECT count(*) FROM alerts WHERE closed_at IS NOT NULL")
            .await;
        assert_eq!(closed, 2, "what was is kept");
        let other = Lease {
            epoch: rise_model::Epoch(lease.epoch.0 + 1),
            ..lease
        };
        let written = store.set_alerts(other, &both).await.unwrap();
        assert_eq!(written, Write::Deposed);
        assert_eq!(open(&database).await, ["disk_full "]);
    }
}
