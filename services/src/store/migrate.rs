//! Creating and extending the schema. Only `rise db migrate` does; services check.

mod adopt;
mod baseline;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use self::adopt::Adopted;
use super::{Store, StoreError, connect_options};

static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// How long a statement waits for a lock before it gives way to the queries behind it.
const LOCK_TIMEOUT: &str = "2s";
/// How long an attempt that met a lock is tried again.
const RETRY_FOR: Duration = Duration::from_secs(120);
/// Between two attempts.
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// `lock_not_available` of PostgreSQL's error codes.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// A migration, and whether it was applied.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MigrationStatus {
    /// Its number.
    pub version: i64,
    /// What it does, from its file name.
    pub description: String,
    /// Whether the schema has it.
    pub applied: bool,
}

/// What a migration did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// Columns that an older version of the replaced service did not have, as `table.column`; they were added and filled.
    pub added: Vec<String>,
    /// Every migration, applied.
    pub migrations: Vec<MigrationStatus>,
}

/// Why the schema was not migrated. Nothing is half-done: what was applied is recorded, the rest is tried the next time.
#[derive(Debug, thiserror::Error)]
pub enum MigrateFailed {
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody else migrates the same schema.
    #[error("another migration of the schema `{0}` has been running for two minutes")]
    Busy(String),
    /// A table was locked all the time.
    #[error("a table of the schema `{schema}` was locked for two minutes; held by: {holders}")]
    Locked {
        /// The schema.
        schema: String,
        /// Who held it, as far as the server tells.
        holders: String,
    },
    /// The tables that are there are none that rise can work with.
    #[error(
        "the tables of the schema `{schema}` are none that rise can take over; nothing was changed"
    )]
    Unsuitable {
        /// The schema.
        schema: String,
        /// Each of them.
        differences: Vec<String>,
    },
    /// A migration failed.
    #[error("a migration of the schema `{schema}` failed")]
    Migration {
        /// The schema.
        schema: String,
        /// Why.
        #[source]
        source: MigrateError,
    },
}

impl MigrateFailed {
    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Store(error) => error.hint(),
            Self::Busy(_) => {
                "wait for it, or end its session in the database, then run `rise db migrate` again"
            }
            Self::Locked { .. } => "end the long transaction, then run `rise db migrate` again",
            Self::Unsuitable { .. } => {
                "bring them to the form of migrations/0001_tables.sql, or name another schema in the configuration"
            }
            Self::Migration { .. } => {
                "nothing was half-done; mend the cause and run `rise db migrate` again"
            }
        }
    }
}

/// Creates the schema if it is not there and applies what is missing. Running it again changes nothing; of two at once,
/// one waits for the other.
///
/// # Errors
/// See [`MigrateFailed`].
pub async fn migrate(url: &str, schema: &str) -> Result<Migrated, MigrateFailed> {
    let mut connection = connect(url, schema).await?;
    let deadline = tokio::time::Instant::now() + RETRY_FOR;
    take_lock(&mut connection, schema, deadline).await?;
    let outcome = migrate_locked(&mut connection, schema, deadline).await;
    // The lock ends with the connection in any case.
    let _ = connection.close().await;
    let added = outcome?;
    let migrations = status(url, schema).await?;
    Ok(Migrated { added, migrations })
}

/// What the schema has and what it lacks. Reads only.
///
/// # Errors
/// When the database cannot be read.
pub async fn status(url: &str, schema: &str) -> Result<Vec<MigrationStatus>, StoreError> {
    let mut connection = connect(url, schema).await?;
    let applied = applied(&mut connection, schema).await?;
    // Nothing depends on a clean farewell.
    let _ = connection.close().await;
    Ok(known(&applied))
}

impl Store {
    /// Whether the schema has everything that this program needs; a newer one is fine.
    ///
    /// # Errors
    /// [`StoreError::NotMigrated`] when it has not.
    pub async fn check_migrated(&self) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await.map_err(StoreError::Unreachable)?;
        let applied = applied(&mut connection, &self.schema).await?;
        let all = known(&applied);
        let missing = all.iter().filter(|m| !m.applied).count();
        if missing == 0 {
            return Ok(());
        }
        Err(StoreError::NotMigrated {
            schema: self.schema.clone(),
            missing,
            known: all.len(),
        })
    }
}

fn known(applied: &BTreeSet<i64>) -> Vec<MigrationStatus> {
    MIGRATOR
        .iter()
        .map(|m| MigrationStatus {
            version: m.version,
            description: m.description.to_string(),
            applied: applied.contains(&m.version),
        })
        .collect()
}

async fn connect(url: &str, schema: &str) -> Result<PgConnection, StoreError> {
    let options = connect_options(url, schema)?;
    PgConnection::connect_with(&options)
        .await
        .map_err(StoreError::Unreachable)
}

async fn applied(connection: &mut PgConnection, schema: &str) -> Result<BTreeSet<i64>, StoreError> {
    let exists: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = '_sqlx_migrations')",
    )
    .bind(schema)
    .fetch_one(&mut *connection)
    .await?;
    if !exists {
        return Ok(BTreeSet::new());
    }
    let versions: Vec<i64> =
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
            .fetch_all(connection)
            .await?;
    Ok(versions.into_iter().collect())
}

/// sqlx's own lock waits inside the server, which deadlocks with CREATE INDEX CONCURRENTLY; this one asks and comes back.
async fn take_lock(
    connection: &mut PgConnection,
    schema: &str,
    deadline: tokio::time::Instant,
) -> Result<(), MigrateFailed> {
    loop {
        let taken: bool = sqlx::query_scalar(
            "SELECT pg_try_advisory_lock(hashtextextended('rise migrate ' || $1, 0))",
        )
        .bind(schema)
        .fetch_one(&mut *connection)
        .await
        .map_err(StoreError::from)?;
        if taken {
            return Ok(());
        }
        if tokio::time::Instant::now() >= deadline {
            return Err(MigrateFailed::Busy(schema.to_owned()));
        }
        tokio::time::sleep(RETRY_EVERY).await;
    }
}

async fn migrate_locked(
    connection: &mut PgConnection,
    schema: &str,
    deadline: tokio::time::Instant,
) -> Result<Vec<String>, MigrateFailed> {
    let mut added = Vec::new();
    prepare(connection, schema).await?;
    let mut migrator = Migrator {
        migrations: MIGRATOR.migrations.clone(),
        ..Migrator::DEFAULT
    };
    migrator.set_locking(false).set_ignore_missing(true);
    loop {
        match attempt(&migrator, connection, schema, &mut added).await {
            Ok(()) => return Ok(added),
            Err(MigrateFailed::Migration { source, .. }) if met_a_lock(&source) => {}
            Err(other) => return Err(other),
        }
        if tokio::time::Instant::now() >= deadline {
            let holders = lock_holders(connection, schema).await?;
            return Err(MigrateFailed::Locked {
                schema: schema.to_owned(),
                holders,
            });
        }
        tracing::warn!(
            db.schema = schema,
            "a table of the schema {schema} is locked; trying again"
        );
        tokio::time::sleep(RETRY_EVERY).await;
    }
}

/// Looks at the tables, mends and migrates them.
async fn attempt(
    migrator: &Migrator,
    connection: &mut PgConnection,
    schema: &str,
    added: &mut Vec<String>,
) -> Result<(), MigrateFailed> {
    let failed = |source| MigrateFailed::Migration {
        schema: schema.to_owned(),
        source,
    };
    let adopted = adopt::adopt(connection, schema).await;
    match adopted.map_err(|error| failed(MigrateError::Execute(error)))? {
        // Once added they are there, whatever the rest meets.
        Adopted::Good(columns) => added.extend(columns),
        Adopted::Unsuitable(differences) => {
            let schema = schema.to_owned();
            return Err(MigrateFailed::Unsuitable {
                schema,
                differences,
            });
        }
    }
    drop_invalid_indexes(connection, schema).await?;
    migrator
        .run_direct(None, connection, false)
        .await
        .map_err(failed)
}

async fn prepare(connection: &mut PgConnection, schema: &str) -> Result<(), StoreError> {
    // A schema's name comes from the configuration, never from outside, and is quoted all the same.
    let quoted = schema.replace('"', "\"\"");
    sqlx::query(AssertSqlSafe(format!(
        "CREATE SCHEMA IF NOT EXISTS \"{quoted}\""
    )))
    .execute(&mut *connection)
    .await?;
    sqlx::query("SELECT set_config('lock_timeout', $1, false)")
        .bind(LOCK_TIMEOUT)
        .execute(connection)
        .await?;
    Ok(())
}

/// CREATE INDEX CONCURRENTLY that was interrupted leaves an invalid index, which IF NOT EXISTS would take for a good one.
async fn drop_invalid_indexes(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<(), StoreError> {
    let invalid: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
         JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE NOT i.indisvalid AND n.nspname = $1 AND c.relname ~ '^rise_'",
    )
    .bind(schema)
    .fetch_all(&mut *connection)
    .await?;
    for index in invalid {
        sqlx::query(AssertSqlSafe(format!(
            "DROP INDEX CONCURRENTLY IF EXISTS {index}"
        )))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

fn met_a_lock(error: &MigrateError) -> bool {
    let (MigrateError::Execute(inner) | MigrateError::ExecuteMigration(inner, _)) = error else {
        return false;
    };
    inner
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| code == LOCK_NOT_AVAILABLE)
}

async fn lock_holders(connection: &mut PgConnection, schema: &str) -> Result<String, StoreError> {
    let holders: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT format('%s (pid %s, %s, since %s)', a.usename, a.pid, a.application_name, a.xact_start)
         FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_stat_activity a ON a.pid = l.pid
         WHERE n.nspname = $1 AND l.granted AND l.pid <> pg_backend_pid()",
    )
    .bind(schema)
    .fetch_all(connection)
    .await?;
    Ok(if holders.is_empty() {
        "nobody that the server tells of".to_owned()
    } else {
        holders.join("; ")
    })
}
