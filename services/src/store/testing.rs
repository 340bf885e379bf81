//! A database of its own for each test, on the server that `RISE_TEST_POSTGRES_URL` names.

use std::time::Duration;

use rise_model::span::Span;
use serde_json::Value;
use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

use super::{Store, connect_options, migrate};
use crate::config::DatabaseSection;

const SCHEMA: &str = "staging";

/// A migrated database with a random name; dropped with this value.
pub(crate) struct TestDatabase {
    admin: String,
    name: String,
    /// Its URL.
    pub(crate) url: String,
    pool: PgPool,
}

impl TestDatabase {
    /// Creates and migrates one.
    pub(crate) async fn create() -> Self {
        let admin = std::env::var("RISE_TEST_POSTGRES_URL").expect(
            "RISE_TEST_POSTGRES_URL must name a PostgreSQL superuser's database; tests/run sets it",
        );
        let name = format!("rise_test_{}", uuid::Uuid::new_v4().simple());
        execute(&admin, &format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
        let url = with_database(&admin, &name);
        migrate::migrate(&url, SCHEMA).await.unwrap();
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .connect_lazy_with(connect_options(&url, SCHEMA).unwrap());
        Self {
            admin,
            name,
            url,
            pool,
        }
    }

    /// A store as a service has it.
    pub(crate) fn store(&self) -> Store {
        let section = DatabaseSection {
            connections: 4,
            connect_timeout: Span::seconds(5),
        };
        Store::new(&self.url, SCHEMA, &section).unwrap()
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
        // Asked from the other database, so that this session is not among them.
        let text = format!(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{}'",
            self.name
        );
        execute(&self.admin, &text).await.unwrap();
    }

    /// Makes new sessions read-only, as those of a standby are, or not any more.
    pub(crate) async fn set_read_only(&self, read_only: bool) {
        let text = format!(
            "ALTER DATABASE {} SET default_transaction_read_only = {read_only}",
            self.name
        );
        execute(&self.admin, &text).await.unwrap();
    }

    /// Listens to a channel.
    pub(crate) async fn listen(&self, channel: &str) -> Listening {
        let mut listener = PgListener::connect(&self.url).await.unwrap();
        listener.listen(channel).await.unwrap();
        Listening(listener)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (admin, name) = (self.admin.clone(), self.name.clone());
        // A destructor cannot wait, so a thread with a runtime of its own does.
        let dropped = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(execute(
                    &admin,
                    &format!("DROP DATABASE {name} WITH (FORCE)"),
                ))
        })
        .join();
        if !matches!(dropped, Ok(Ok(()))) {
            eprintln!("the test database {} stays behind", self.name);
        }
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

fn with_database(url: &str, name: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, ""), |(a, q)| (a, q));
    let (server, _) = address
        .rsplit_once('/')
        .expect("RISE_TEST_POSTGRES_URL names no database");
    format!("{server}/{name}?{query}")
}

async fn execute(url: &str, statement: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
        .execute(&mut connection)
        .await?;
    connection.close().await
}
