//! A database of its own for every test, on one server.
//!
//! `RISE_TEST_POSTGRES_URL` names a running server (the example `with_postgres` starts one for all the processes of a test run);
//! without it the first test of a process starts a private one, which ends with the process.

use std::str::FromStr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::sync::OnceCell;

use super::database::{self, DatabaseName};
use super::error::Error;
use super::{Options, Postgres};

/// How long the end of a test waits for its database to be removed.
const WAIT_AT_MOST: Duration = Duration::from_secs(3);

static SHARED: OnceCell<Postgres> = OnceCell::const_new();

/// An empty database that disappears with this value.
pub struct TestDatabase {
    name: DatabaseName,
    url: String,
    server_url: String,
}

impl std::fmt::Debug for TestDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestDatabase")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl TestDatabase {
    /// Makes a database with a random name.
    ///
    /// # Errors
    /// When there is no server to be had, or it refuses.
    pub async fn create() -> Result<Self, Error> {
        let server_url = match std::env::var("RISE_TEST_POSTGRES_URL") {
            Ok(url) => url,
            Err(_) => SHARED
                .get_or_try_init(|| Postgres::start(Options::for_tests()))
                .await?
                .url(),
        };
        Self::create_on(server_url).await
    }

    async fn create_on(server_url: String) -> Result<Self, Error> {
        let name = DatabaseName::random();
        database::create_database(&parse(&server_url)?, &name).await?;
        Ok(Self {
            url: with_database(&server_url, &name),
            name,
            server_url,
        })
    }

    /// The database's name.
    pub fn name(&self) -> &DatabaseName {
        &self.name
    }

    /// Its address, with the password.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let name = self.name.clone();
        let server_url = self.server_url.clone();
        let (tell, removed) = mpsc::channel();
        // A runtime of its own: the test's may be single-threaded, ending or gone. The test's connections are cut off.
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(Error::io("start a runtime"));
            let outcome = runtime.and_then(|runtime| {
                runtime
                    .block_on(async { database::drop_database(&parse(&server_url)?, &name).await })
            });
            // Nobody listens any more once it took too long.
            let _ = tell.send(outcome);
        });
        match removed.recv_timeout(WAIT_AT_MOST) {
            // Meanwhile the test's own runtime stands still. The server waits for everybody who is just signing in, so
            // if the test is, each waits for the other; the server goes on when the test's connections are gone.
            Ok(Ok(())) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Err(error)) => {
                tracing::warn!(database = %self.name, %error, "a test database is left behind");
            }
            Err(RecvTimeoutError::Disconnected) => {
                tracing::warn!(database = %self.name, "a test database is left behind");
            }
        }
    }
}

fn parse(url: &str) -> Result<PgConnectOptions, Error> {
    PgConnectOptions::from_str(url).map_err(Error::database("read RISE_TEST_POSTGRES_URL"))
}

/// Replaces the database in an address and keeps everything else, such as `?sslmode=…`.
fn with_database(url: &str, database: &DatabaseName) -> String {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let end = url[authority..]
        .find(['/', '?'])
        .map_or(url.len(), |at| authority + at);
    let query = url[end..].find('?').map_or("", |at| &url[end + at..]);
    format!("{}/{database}{query}", &url[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_of_an_address_changes() {
        let name = DatabaseName::parse("x").unwrap();
        for (url, expected) in [
            ("postgres://a:b@h:1/rise", "postgres://a:b@h:1/x"),
            (
                "postgres://a:b@h:1/rise?sslmode=require",
                "postgres://a:b@h:1/x?sslmode=require",
            ),
            ("postgres://a:b@h:1", "postgres://a:b@h:1/x"),
            (
                "postgres://a:b@h:1?sslmode=disable",
                "postgres://a:b@h:1/x?sslmode=disable",
            ),
        ] {
            assert_eq!(with_database(url, &name), expected);
        }
    }
}
