//! What can go wrong with the private PostgreSQL, and what the person can do about it.

use std::io;
use std::path::PathBuf;

/// Why there is no private PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither the machine nor a package has it.
    #[error("no PostgreSQL found ({})", tried.join("; "))]
    NotFound {
        /// Each place and why it did not do.
        tried: Vec<String>,
    },
    /// `RISE_PG_BIN` was given and does not hold a server.
    #[error("RISE_PG_BIN={}: {reason}", folder.display())]
    NamedFolder {
        /// The folder as given.
        folder: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// PostgreSQL refuses to run as root, and there is nobody else.
    #[error("PostgreSQL does not run as root, and /etc/passwd has neither postgres nor nobody")]
    NoServerUser,
    /// Another living process uses the folder.
    #[error("{} is in use by another process", folder.display())]
    InUse {
        /// The folder as given.
        folder: PathBuf,
    },
    /// The folder was written by another major version.
    #[error("{} holds data of PostgreSQL {written_by}, but PostgreSQL {found} was found", folder.display())]
    OtherVersion {
        /// The data folder.
        folder: PathBuf,
        /// The major version in the folder.
        written_by: String,
        /// The major version of the programs.
        found: u32,
    },
    /// The folder holds a cluster whose password nobody knows.
    #[error("{} holds a PostgreSQL cluster without the password file beside it", folder.display())]
    PasswordLost {
        /// The data folder.
        folder: PathBuf,
    },
    /// A server of an earlier start did not stop.
    #[error("PostgreSQL process {pid}, left in {}, does not stop", folder.display())]
    LeftOver {
        /// Its process id.
        pid: i32,
        /// Its data folder.
        folder: PathBuf,
    },
    /// `initdb` failed.
    #[error("initdb failed: {output}")]
    Initdb {
        /// The end of what it said.
        output: String,
    },
    /// The server ended before it took connections.
    #[error("PostgreSQL did not start: {log}")]
    NotStarted {
        /// The end of its log.
        log: String,
    },
    /// The port was taken each time.
    #[error("PostgreSQL cannot listen on 127.0.0.1:{port}: the port is taken")]
    PortTaken {
        /// The last port tried.
        port: u16,
    },
    /// A database name that would need quoting.
    #[error("{name:?} is not a plain database name")]
    DatabaseName {
        /// The name as given.
        name: String,
    },
    /// The server refused a statement or a connection.
    #[error("PostgreSQL: cannot {action}")]
    Database {
        /// What was being done.
        action: String,
        /// Why not.
        #[source]
        source: sqlx::Error,
    },
    /// A file or a program could not be used.
    #[error("private PostgreSQL: cannot {action}")]
    Io {
        /// What was being done.
        action: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The tokio runtime ended in the middle of the start.
    #[error("the runtime stopped while PostgreSQL was being started")]
    RuntimeStopped,
}

impl Error {
    /// What to do next, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotFound { .. } => Some(
                "install the server (Debian, Ubuntu: apt-get install postgresql), or name the folder that holds initdb and postgres in RISE_PG_BIN",
            ),
            Self::NamedFolder { .. } => Some(
                "RISE_PG_BIN names the folder that holds initdb and postgres, for instance /usr/lib/postgresql/15/bin; unset it to search",
            ),
            Self::NoServerUser => Some("run it as an ordinary user, or create the user postgres"),
            Self::InUse { .. } => Some("stop the other sandbox, or choose another folder"),
            Self::OtherVersion { .. } => Some(
                "name the bin folder of the version that wrote it in RISE_PG_BIN, or remove the folder",
            ),
            Self::PasswordLost { .. } => Some("remove the folder, or choose another one"),
            Self::LeftOver { .. } => Some("end that process, then try again"),
            Self::DatabaseName { .. } => {
                Some("use small letters, digits and _, a letter first, at most 63 of them")
            }
            Self::Initdb { .. }
            | Self::NotStarted { .. }
            | Self::PortTaken { .. }
            | Self::Database { .. }
            | Self::Io { .. }
            | Self::RuntimeStopped => None,
        }
    }

    /// For `map_err` after a file or process operation.
    pub(super) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }

    /// For `map_err` after a statement.
    pub(super) fn database(action: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Self {
        let action = action.into();
        move |source| Self::Database { action, source }
    }
}
