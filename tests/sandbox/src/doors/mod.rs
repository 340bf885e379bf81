//! The worlds over HTTP: one world, a listener on a loopback port for every side of it that a service speaks to.
//!
//! [`Doors::start`] opens them all; every task that runs is owned by [`Doors`] and ends with it.

pub mod faults;
mod shared;

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use shared::SharedWorld;

use crate::world::WorldConfig;

/// How long requests and tasks may take to end after a shutdown began.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// What the doors open on and how they behave.
#[derive(Debug, Clone)]
pub struct DoorsConfig {
    /// The world behind them.
    pub world: WorldConfig,
}

/// The open doors. Dropping them ends every task at once; [`Doors::shutdown`] does it in order.
#[derive(Debug)]
pub struct Doors {
    world: SharedWorld,
    tasks: JoinSet<&'static str>,
    shutdown: CancellationToken,
}

/// A background task ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox's task {0:?} ended by itself")]
pub struct TaskEnded(String);

impl Doors {
    /// Makes the world and opens the doors on it.
    ///
    /// # Errors
    /// When a loopback port cannot be had.
    #[expect(clippy::unused_async, reason = "listeners follow")]
    pub async fn start(config: DoorsConfig) -> io::Result<Self> {
        let world = SharedWorld::new(&config.world);
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let drive = world.clone().drive(shutdown.clone());
        tasks.spawn(async move {
            drive.await;
            "world driver"
        });
        Ok(Self {
            world,
            tasks,
            shutdown,
        })
    }

    /// The world behind the doors.
    #[must_use]
    pub fn world(&self) -> &SharedWorld {
        &self.world
    }

    /// Cancelled when the doors close: long answers (watches, log follows) end on it.
    #[must_use]
    pub fn closing(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// Serves one more router on a loopback port of its own for as long as the doors are open; returns its URL, without
    /// a slash at the end. A request still held when the doors close is answered 503.
    ///
    /// # Errors
    /// When a loopback port cannot be had.
    pub async fn serve(&mut self, name: &'static str, router: Router) -> io::Result<String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let closing = self.shutdown.clone();
        let router = router.layer(middleware::from_fn(move |request, next| {
            end_with(closing.clone(), request, next)
        }));
        let serving = axum::serve(listener, router)
            .with_graceful_shutdown(self.shutdown.clone().cancelled_owned());
        self.tasks.spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(door = name, error = %error, "door {name} failed");
            }
            name
        });
        Ok(format!("http://{address}"))
    }

    /// Returns when a background task ends by itself, which is an error of the sandbox: a test selects on it.
    pub async fn task_ended(&mut self) -> TaskEnded {
        match self.tasks.join_next().await {
            Some(Ok(name)) => TaskEnded(name.to_owned()),
            Some(Err(error)) => TaskEnded(error.to_string()),
            None => TaskEnded("all of them".to_owned()),
        }
    }

    /// Ends all requests and tasks and waits for them.
    ///
    /// # Errors
    /// When a task had ended before, or panicked.
    pub async fn shutdown(mut self) -> Result<(), TaskEnded> {
        if let Some(ended) = self.tasks.try_join_next() {
            return Err(TaskEnded(
                ended.map_or_else(|error| error.to_string(), str::to_owned),
            ));
        }
        self.shutdown.cancel();
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                ended.map_err(|error| TaskEnded(error.to_string()))?;
            }
            Ok(())
        };
        // What does not end in time is aborted when the set is dropped.
        tokio::time::timeout(SHUTDOWN_LIMIT, all)
            .await
            .unwrap_or(Ok(()))
    }
}

/// Ends a request that something still holds when the doors close.
async fn end_with(closing: CancellationToken, request: Request, next: Next) -> Response {
    tokio::select! {
        answer = next.run(request) => answer,
        () = closing.cancelled() => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
