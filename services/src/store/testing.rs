//! A migrated database of its own for each test; the sandbox finds or starts the server.

use std::str::FromStr;
use std::time::Duration;

use rise_model::span::Span;
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgPool};

use super::{Store, connect_options, migrate};
use crate::config::{DatabaseSection, PagesSection};

const SCHEMA: &str = "staging";

/// A migrated database with a random name; dropped with this value.
pub(crate) struct TestDatabase {
    pool: PgPool,
    database: sandbox::pg::TestDatabase,
}

impl TestDatabase {
    /// Creates and migrates one.
    pub(crate) async fn create() -> Self {
        let database = sandbox::pg::TestDatabase::create().await.unwrap();
        migrate::migrate(database.url(), SCHEMA).await.unwrap();
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .connect_lazy_with(connect_options(database.url(), SCHEMA).unwrap());
        Self { pool, database }
    }

    /// A store as a service has it.
    pub(crate) fn store(&self) -> Store {
        store_at(self.database.url())
    }

    /// The rows of a query, as JSON.
    pub(crate) async fn rows(&self, query: &str) -> Vec<Value> {
        let text = format!("SELECT to_jsonb(q) FROM ({query}) AS q");
        sqlx::query_scalar(AssertSqlSafe(text))
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    /// The only value of the only row.
    pub(crate) async fn value(&self, query: &str) -> Value {
        let rows = self.rows(&format!("SELECT ({query}) AS value")).await;
        rows[0]["value"].clone()
    }

    /// Runs statements.
    pub(crate) async fn execute(&self, statements: &str) {
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))
            .execute(&self.pool)
            .await
            .unwrap();
    }

    /// Holds what these statements lock, until the value is dropped.
    pub(crate) async fn hold(&self, statements: &str) -> Held {
        let mut transaction = self.pool.begin().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))
            .execute(&mut *transaction)
            .await
            .unwrap();
        Held(transaction)
    }

    /// Ends every session of the services, as a restart of the server would.
    pub(crate) async fn end_sessions(&self) {
        self.as_administrator(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
    }

    /// Makes new sessions read-only, as those of a standby are, or not any more.
    pub(crate) async fn set_read_only(&self, read_only: bool) {
        self.as_administrator(&format!(
            "ALTER DATABASE {} SET default_transaction_read_only = {read_only}",
            self.database.name()
        ))
        .await;
    }

    /// On a session of its own, which may write whatever is set for the database.
    async fn as_administrator(&self, statement: &str) {
        let options = PgConnectOptions::from_str(self.database.url()).unwrap();
        let mut session = options
            .options([("default_transaction_read_only", "off")])
            .connect()
            .await
            .unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
            .execute(&mut session)
            .await
            .unwrap();
        session.close().await.unwrap();
    }

    /// Listens to a channel.
    pub(crate) async fn listen(&self, channel: &str) -> Listening {
        let mut listener = PgListener::connect(self.database.url()).await.unwrap();
        listener.listen(channel).await.unwrap();
        Listening(listener)
    }
}

/// A store at that URL, whether or not somebody is there.
pub(crate) fn store_at(url: &str) -> Store {
    let section = DatabaseSection {
        connections: 4,
        connect_timeout: Span::seconds(5),
    };
    Store::new(url, SCHEMA, &section).unwrap()
}

/// Limits of pages, as in the default configuration but for the database's time.
pub(crate) fn page_limits(database_within: Span) -> PagesSection {
    PagesSection {
        answer_within: Span::seconds(10),
        database_within,
        connections: 3,
        ready_within: Span::seconds(2),
        round_may_be_old: Span::seconds(60),
    }
}

/// Locks that are held.
pub(crate) struct Held(sqlx::Transaction<'static, sqlx::Postgres>);

impl Held {
    /// Lets go, and makes what was done stay.
    pub(crate) async fn commit(self) {
        self.0.commit().await.unwrap();
    }
}

/// A channel that is listened to.
pub(crate) struct Listening(PgListener);

impl Listening {
    /// Waits for a notification.
    pub(crate) async fn next(&mut self) {
        tokio::time::timeout(Duration::from_secs(20), self.0.recv())
            .await
            .expect("no notification came")
            .unwrap();
    }

    /// Notifications that have come by now.
    pub(crate) fn waiting(&mut self) -> usize {
        let mut count = 0;
        while let Some(Ok(Some(_))) = futures::FutureExt::now_or_never(self.0.try_recv()) {
            count += 1;
        }
        count
    }
}
