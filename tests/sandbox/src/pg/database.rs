//! Talking to the server: addresses, making and removing databases.

use std::fmt;

use rand::RngCore;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::error::Error;

/// The superuser.
pub(super) const SUPERUSER: &str = "rise";
/// The database that `initdb` makes; new databases are made from here.
const MAINTENANCE_DATABASE: &str = "postgres";
/// PostgreSQL cuts longer names (NAMEDATALEN − 1).
const LONGEST_NAME: usize = 63;

/// A database name that needs no quoting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseName(String);

impl DatabaseName {
    /// Takes small letters, digits and `_`, a letter first.
    ///
    /// # Errors
    /// When it is anything else, or too long.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && name.len() <= LONGEST_NAME;
        if plain {
            Ok(Self(name.to_owned()))
        } else {
            Err(Error::DatabaseName {
                name: name.to_owned(),
            })
        }
    }

    /// A name that nobody else has.
    pub(super) fn random() -> Self {
        Self(format!("test_{}", random_hex::<8>()))
    }
}

impl Default for DatabaseName {
    fn default() -> Self {
        Self("rise".to_owned())
    }
}

impl fmt::Display for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The superuser's password. `Debug` does not show it.
#[derive(Clone)]
pub(super) struct Password(String);

impl Password {
    pub(super) fn random() -> Self {
        Self(random_hex::<16>())
    }

    pub(super) fn from_file(text: &str) -> Self {
        Self(text.trim_end().to_owned())
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Random bytes from the operating system's generator, as text.
pub(super) fn random_hex<const BYTES: usize>() -> String {
    let mut bytes = [0_u8; BYTES];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

/// How to reach the server.
#[derive(Debug)]
pub(super) struct Server {
    port: u16,
    password: Password,
}

impl Server {
    pub(super) fn new(port: u16, password: Password) -> Self {
        Self { port, password }
    }

    pub(super) fn url(&self, database: &DatabaseName) -> String {
        // The password is hexadecimal: nothing in it needs escaping.
        format!(
            "postgres://{SUPERUSER}:{}@127.0.0.1:{}/{database}",
            self.password.expose(),
            self.port
        )
    }

    fn maintenance(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username(SUPERUSER)
            .password(self.password.expose())
            .ssl_mode(PgSslMode::Disable)
            .database(MAINTENANCE_DATABASE)
    }

    /// A kept folder has the database already.
    pub(super) async fn ensure_default_database(&self) -> Result<(), Error> {
        let database = DatabaseName::default();
        let action = "look for the database rise";
        let mut connection = self
            .maintenance()
            .connect()
            .await
            .map_err(Error::database(action))?;
        let exists: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
                .bind(&database.0)
                .fetch_one(&mut connection)
                .await
                .map_err(Error::database(action))?;
        if !exists {
            create(&mut connection, &database).await?;
        }
        connection.close().await.map_err(Error::database(action))
    }

    pub(super) async fn create_database(&self, database: &DatabaseName) -> Result<(), Error> {
        create_database(&self.maintenance(), database).await
    }

    pub(super) async fn drop_database(&self, database: &DatabaseName) -> Result<(), Error> {
        drop_database(&self.maintenance(), database).await
    }
}

pub(super) async fn create_database(
    from: &PgConnectOptions,
    database: &DatabaseName,
) -> Result<(), Error> {
    let action = format!("create database {database}");
    let mut connection = from
        .connect()
        .await
        .map_err(Error::database(action.clone()))?;
    create(&mut connection, database).await?;
    connection.close().await.map_err(Error::database(action))
}

async fn create(connection: &mut PgConnection, database: &DatabaseName) -> Result<(), Error> {
    // A name cannot be a parameter; DatabaseName holds nothing that could end the identifier.
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {database}")))
        .execute(connection)
        .await
        .map_err(Error::database(format!("create database {database}")))?;
    Ok(())
}

pub(super) async fn drop_database(
    from: &PgConnectOptions,
    database: &DatabaseName,
) -> Result<(), Error> {
    let action = || format!("drop database {database}");
    let mut connection = from.connect().await.map_err(Error::database(action()))?;
    // FORCE: a test that failed may still hold connections.
    sqlx::raw_sql(AssertSqlSafe(format!(
        "DROP DATABASE IF EXISTS {database} WITH (FORCE)"
    )))
    .execute(&mut connection)
    .await
    .map_err(Error::database(action()))?;
    connection.close().await.map_err(Error::database(action()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_database_names() {
        for name in ["a", "rise", "test_0a", &"x".repeat(63)] {
            assert!(DatabaseName::parse(name).is_ok(), "{name}");
        }
        for name in [
            "",
            "1a",
            "_a",
            "A",
            "a-b",
            "a\"; DROP",
            "é",
            &"x".repeat(64),
        ] {
            assert!(DatabaseName::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_password_is_in_the_url_and_nowhere_else() {
        let password = Password::random();
        let server = Server::new(5432, password.clone());
        assert!(
            server
                .url(&DatabaseName::default())
                .contains(password.expose())
        );
        let shown = format!("{server:?} {password:?}");
        assert!(!shown.contains(password.expose()), "{shown}");
    }
}
