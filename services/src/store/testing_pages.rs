//! A database of its own for each test, with all migrations, gone when the test ends, however it ends.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::str::FromStr;
use std::time::Duration;

use futures::FutureExt;
use rise_model::span::Span;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::{Store, migrate};
use crate::config::DatabaseSection;

/// A superuser's URL of a PostgreSQL in which tests may create databases.
const SERVER_VARIABLE: &str = "RISE_TEST_POSTGRES_URL";
const SCHEMA: &str = "staging";

/// A migrated database.
pub(crate) struct TestDatabase {
    url: String,
    pool: PgPool,
}

impl TestDatabase {
    /// Its URL, without a schema.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A store on it, as the services have one.
    pub(crate) fn store(&self) -> Store {
        store_at(self.url())
    }

    /// Puts the world in order before a test, or breaks it. SQL of the test itself, never from outside.
    pub(crate) async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&self.pool)
            .await
            .unwrap_or_else(|error| panic!("the test's SQL failed: {error}\n{sql}"));
    }

    /// Runs `test` while a transaction of somebody else holds what `lock` takes.
    pub(crate) async fn while_locked(&self, lock: &str, test: impl AsyncFnOnce()) {
        let mut transaction = self.pool.begin().await.expect("a transaction");
        sqlx::raw_sql(AssertSqlSafe(lock.to_owned()))
            .execute(&mut *transaction)
            .await
            .expect("the lock");
        test().await;
        transaction.rollback().await.expect("the lock's end");
    }
}

/// A store at that URL, whether or not somebody is there.
pub(crate) fn store_at(url: &str) -> Store {
    let section = DatabaseSection {
        connections: 4,
        connect_timeout: Span::seconds(5),
    };
    Store::new(url, SCHEMA, &section).expect("a PostgreSQL URL")
}

/// Runs a test on a database of its own.
pub(crate) async fn with_database(test: impl AsyncFnOnce(&TestDatabase)) {
    let server = std::env::var(SERVER_VARIABLE).unwrap_or_else(|_| {
        panic!(
            "{SERVER_VARIABLE} is not set: it names a PostgreSQL for tests, as in \
             postgres://postgres@127.0.0.1:5432/postgres; tests/run starts one"
        )
    });
    let name = format!("rise_test_{}", uuid::Uuid::new_v4().simple());
    on_server(&server, format!("CREATE DATABASE {name}")).await;
    let url = PgConnectOptions::from_str(&server)
        .expect("a PostgreSQL URL")
        .database(&name)
        .to_url_lossy()
        .to_string();
    let outcome = AssertUnwindSafe(async {
        migrate::migrate(&url, SCHEMA).await.expect("migrations");
        let pool = PgPoolOptions::new()
            .max_connections(2)
            .acquire_timeout(Duration::from_secs(10))
            .connect_lazy_with(super::connect_options(&url, SCHEMA).expect("a PostgreSQL URL"));
        test(&TestDatabase { url, pool }).await;
    })
    .catch_unwind()
    .await;
    on_server(&server, format!("DROP DATABASE {name} WITH (FORCE)")).await;
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

async fn on_server(url: &str, statement: String) {
    let mut connection = PgConnection::connect(url)
        .await
        .unwrap_or_else(|error| panic!("the server in {SERVER_VARIABLE} cannot be used: {error}"));
    sqlx::query(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await
        .expect("a superuser's statement");
    connection.close().await.expect("a clean farewell");
}
