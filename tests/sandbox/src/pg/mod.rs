//! A private PostgreSQL: found on the machine or fetched, started on a free port of the loopback, gone when its owner is.
//!
//! It works without any set-up, as root too (the server then runs as `postgres` or `nobody`), and never touches a server
//! that it did not start. Its owner is this process: [`Postgres::stop`] ends it in order, dropping it or a `kill -9` of
//! this process ends it through a watchdog, and should even that one be killed, the next start on the same folder stops
//! what was left.

mod binaries;
mod database;
mod error;
mod fetch;
mod home;
mod server;
mod testing;
mod user;

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::spawn_blocking;

pub use self::database::DatabaseName;
pub use self::error::Error;
pub use self::home::Place;
pub use self::testing::TestDatabase;

use self::binaries::Binaries;
use self::database::{Password, Server};
use self::home::Home;
use self::server::{Afterwards, Running, Start, StartFailure};
use self::user::ServerUser;

/// Recovery of a kept folder after a crash is the slowest start.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// Between choosing a free port and listening on it another program may take it.
const PORT_ATTEMPTS: usize = 5;

/// Where the data lives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Data {
    /// In a new folder that disappears with the server.
    #[default]
    Temporary,
    /// In this folder, which is created when missing and used again by the next start.
    Kept(PathBuf),
}

/// Whether a commit survives a power cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// As in production: a commit waits for the disk.
    #[default]
    Fsync,
    /// Commits wait for nothing: right for tests, wrong for a measurement.
    Volatile,
}

/// What kind of server is wanted.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where the data lives.
    pub data: Data,
    /// Whether a commit survives a power cut.
    pub durability: Durability,
    /// More server settings, for instance `("shared_preload_libraries", "pg_stat_statements")`.
    pub settings: Vec<(String, String)>,
}

impl Options {
    /// A throw-away server that waits for no disk.
    pub fn for_tests() -> Self {
        Self {
            durability: Durability::Volatile,
            ..Self::default()
        }
    }
}

/// A running server with a superuser `rise` and a database `rise`.
#[derive(Debug)]
pub struct Postgres {
    running: Running,
    start: Start,
    server: Server,
    home: Home,
}

impl Postgres {
    /// Finds (or fetches) PostgreSQL, prepares the data folder and returns once the server takes connections.
    ///
    /// # Errors
    /// When there is no PostgreSQL to be had, the folder is in use or of another version, or the server does not start.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let (mut home, start, password) = blocking(move || prepare(options)).await?;
        let (running, start) = launch_on_free_port(start).await?;
        home.leave_to_watchdog();
        let server = Server::new(start.port, password);
        server.ensure_default_database().await?;
        Ok(Self {
            running,
            start,
            server,
            home,
        })
    }

    /// The address of the database `rise`, with its password: for the environment of a child, not for a log.
    pub fn url(&self) -> String {
        self.server.url(&DatabaseName::default())
    }

    /// The address of another database of this server, with its password.
    pub fn database_url(&self, database: &DatabaseName) -> String {
        self.server.url(database)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.start.port
    }

    /// Where the data is, and whether it stays there.
    pub fn place(&self) -> &Place {
        self.home.place()
    }

    /// The folder of the cluster itself, as PostgreSQL knows it.
    pub fn data_folder(&self) -> &Path {
        &self.start.data
    }

    /// One of the programs that came with the server, such as `psql` or `pgbench`. Some distributions have only the server.
    pub fn tool(&self, name: &str) -> Option<PathBuf> {
        self.start.binaries.tool(name)
    }

    /// Makes an empty database and returns its address.
    ///
    /// # Errors
    /// When the server refuses, for instance because the database exists.
    pub async fn create_database(&self, database: &DatabaseName) -> Result<String, Error> {
        self.server.create_database(database).await?;
        Ok(self.server.url(database))
    }

    /// Removes a database, whoever is connected to it.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn drop_database(&self, database: &DatabaseName) -> Result<(), Error> {
        self.server.drop_database(database).await
    }

    /// Waits until the server ends by itself and returns the end of its log. It never returns while the server runs.
    pub async fn ended(&self) -> String {
        self.running.gone().await;
        self.running.log_tail()
    }

    /// Stops the server and starts it again on the same data and the same port, so that clients can find it.
    ///
    /// # Errors
    /// When it does not come back; it is gone then.
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.running.stop(Afterwards::Keep).await;
        self.running = launch(&self.start).await?;
        Ok(())
    }

    /// Stops the server; a temporary folder is gone afterwards.
    ///
    /// # Errors
    /// When the temporary folder could not be removed.
    pub async fn stop(mut self) -> Result<(), Error> {
        self.running.stop(Afterwards::Remove).await;
        let home = self.home;
        blocking(move || home.close()).await
    }
}

/// Everything before the server itself: the programs, the user, the folder, `initdb` where the folder is new.
fn prepare(options: Options) -> Result<(Home, Start, Password), Error> {
    let user = ServerUser::choose()?;
    let binaries = Binaries::find(&binaries::Places::from_environment(), &user)?;
    let home = Home::open(&options.data, &user)?;
    server::stop_left_over(home.data())?;
    let password = home.ready_data(&binaries, &user, options.durability)?;
    let start = Start {
        binaries,
        user,
        data: home.data().to_path_buf(),
        remove_afterwards: home.temporary().map(Path::to_path_buf),
        durability: options.durability,
        settings: options.settings,
        port: free_port()?,
    };
    Ok((home, start, password))
}

async fn launch_on_free_port(mut start: Start) -> Result<(Running, Start), Error> {
    for _ in 1..PORT_ATTEMPTS {
        match start.launch(READY_LIMIT).await {
            Ok(running) => return Ok((running, start)),
            Err(StartFailure::PortTaken) => start.port = free_port()?,
            Err(StartFailure::Other(error)) => return Err(error),
        }
    }
    let running = launch(&start).await?;
    Ok((running, start))
}

async fn launch(start: &Start) -> Result<Running, Error> {
    start
        .launch(READY_LIMIT)
        .await
        .map_err(|failure| match failure {
            StartFailure::PortTaken => Error::PortTaken { port: start.port },
            StartFailure::Other(error) => error,
        })
}

fn free_port() -> Result<u16, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(Error::io("find a free port on 127.0.0.1"))
}

/// Runs work that waits for other programs where it does not hold up the runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Error::RuntimeStopped),
    }
}
