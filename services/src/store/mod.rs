//! PostgreSQL: the only place with SQL.
//!
//! One function a query, checked at compile time. Every connection has the environment's schema as its search path,
//! so no query names it. Times that are compared with rows are the database's own.

mod adopt;
mod alerts;
pub mod audit;
pub mod bench;
mod deliveries;
mod events;
mod gone;
mod installations;
mod intake;
mod jobs;
mod kept;
mod lease;
mod listen;
pub mod live;
pub mod migrate;
pub mod operator;
pub(crate) mod pages;
pub mod settings;
mod snapshot;
pub(crate) mod stats;
pub mod story;
#[cfg(test)]
pub(crate) mod testing;
mod trace;
pub mod why;
mod workers;

pub use deliveries::Looked;
pub use intake::{IntakeStore, Written};
pub use lease::{Lease, LeaseAnswer};
pub use settings::Newcomers;
pub use snapshot::Rows;
pub use trace::TraceEvent;
pub use workers::{Reserved, Write};

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection, PgConnection};

use crate::config::DatabaseSection;

/// To find out why there is no connection, after as long as the configuration says was waited for one.
const ONE_ATTEMPT_WITHIN: Duration = Duration::from_secs(1);

/// A pool of connections to one environment's schema. Clones share it.
#[derive(Clone)]
pub struct Store {
    pool: PgPool,
    schema: String,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL is not libpq's.
    #[error("POSTGRES_URL is not a PostgreSQL URL")]
    Url(#[source] sqlx::Error),
    /// Nothing usable answers there.
    #[error("the database does not answer")]
    Unreachable(#[source] sqlx::Error),
    /// A statement took longer than it may.
    #[error("the database did not answer within {0:?}")]
    TimedOut(Duration),
    /// The schema is older than this program.
    #[error("the schema `{schema}` is not migrated: {missing} of {known} migrations are missing")]
    NotMigrated {
        /// The schema.
        schema: String,
        /// Migrations that were not applied.
        missing: usize,
        /// Migrations that this program knows.
        known: usize,
    },
    /// A query failed.
    #[error("a query failed")]
    Query(#[source] sqlx::Error),
}

impl StoreError {
    /// Whether the server did not accept who we are, rather than being out of reach.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        /// Class 28 of PostgreSQL's error codes: invalid authorization.
        const INVALID_AUTHORIZATION: &str = "28";
        let (Self::Unreachable(error) | Self::Query(error)) = self else {
            return false;
        };
        error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code)
            .is_some_and(|code| code.starts_with(INVALID_AUTHORIZATION))
    }

    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Url(_) => {
                "write it as postgresql://USER:PASSWORD@HOST:5432/DATABASE?sslmode=require"
            }
            Self::Unreachable(_) | Self::TimedOut(_) => {
                "check host, port and password in POSTGRES_URL, and that the server lets this machine in"
            }
            Self::NotMigrated { .. } => {
                "run `rise db migrate` with the same environment, then start again"
            }
            Self::Query(_) => "run `rise db status`",
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed => Self::Unreachable(error),
            other => Self::Query(other),
        }
    }
}

impl Store {
    /// A pool that connects when it is first used. `url` is libpq's; `schema` becomes the search path.
    ///
    /// # Errors
    /// [`StoreError::Url`] when the URL cannot be read.
    pub fn new(url: &str, schema: &str, section: &DatabaseSection) -> Result<Self, StoreError> {
        let options = connect_options(url, schema)?;
        let pool = PgPoolOptions::new()
            .max_connections(section.connections)
            .acquire_timeout(section.connect_timeout.std())
            .connect_lazy_with(options);
        Ok(Self {
            pool,
            schema: schema.to_owned(),
        })
    }

    /// Asks the server for a sign of life.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] when none comes.
    pub async fn ping(&self) -> Result<(), StoreError> {
        match sqlx::query("SELECT 1").execute(&self.pool).await {
            Ok(_) => Ok(()),
            Err(sqlx::Error::PoolTimedOut) => {
                Err(StoreError::Unreachable(self.why_no_connection().await))
            }
            Err(error) => Err(StoreError::Unreachable(error)),
        }
    }

    /// A pool tries again and again and tells only that it waited; one attempt tells why.
    async fn why_no_connection(&self) -> sqlx::Error {
        let options = self.pool.connect_options();
        let attempt = PgConnection::connect_with(&options);
        match tokio::time::timeout(ONE_ATTEMPT_WITHIN, attempt).await {
            Ok(Err(error)) => error,
            Ok(Ok(_)) | Err(_) => sqlx::Error::PoolTimedOut,
        }
    }

    /// The environment's schema.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The channel on which the scheduler is woken, as in the replaced service.
    #[must_use]
    pub fn queue_channel(&self) -> String {
        format!("{}_queue_event", self.schema)
    }

    /// The channel on which operators' changes are told.
    #[must_use]
    pub fn change_channel(&self) -> String {
        format!("{}_rise", self.schema)
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Whether a text is a PostgreSQL URL, without connecting.
///
/// # Errors
/// [`StoreError::Url`] when it is not.
pub fn check_url(url: &str) -> Result<(), StoreError> {
    connect_options(url, "").map(|_| ())
}

fn connect_options(url: &str, schema: &str) -> Result<PgConnectOptions, StoreError> {
    // sqlx takes any scheme for its own.
    if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        let scheme = "it begins neither with postgresql:// nor with postgres://";
        return Err(StoreError::Url(sqlx::Error::Configuration(scheme.into())));
    }
    let options = PgConnectOptions::from_str(url).map_err(StoreError::Url)?;
    Ok(options
        .options([("search_path", schema)])
        .application_name("rise"))
}
