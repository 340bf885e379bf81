//! The worlds over HTTP: one world, a listener on a loopback port for every side of it that a service speaks to.
//!
//! [`Doors::start`] opens them all; every task that runs is owned by [`Doors`] and ends with it.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod faults;
pub mod github;
pub mod kubernetes;
mod shared;
#[cfg(test)]
mod tests;
pub mod trouble;
pub mod webhooks;

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use shared::SharedWorld;

use self::github::{AppKeys, GitHubDoor, GitHubDoorConfig, NoKey};
use self::kubernetes::KubernetesDoor;
use self::webhooks::{Webhooks, WebhooksConfig};
use crate::world::WorldConfig;

/// How long requests and tasks may take to end after a shutdown began.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// What the doors open on and how they behave.
#[derive(Debug, Clone)]
pub struct DoorsConfig {
    /// The world behind them.
    pub world: WorldConfig,
    /// GitHub's REST API.
    pub github: GitHubDoorConfig,
    /// GitHub's webhooks.
    pub webhooks: WebhooksConfig,
    /// The Apps' keys; new ones are made if there are none.
    pub keys: Option<AppKeys>,
    /// The bearer token of the cluster's API server; a new one is made if there is none.
    pub kubernetes_token: Option<String>,
    /// How long the cluster's API server takes before it acts.
    pub kubernetes_delay: Duration,
}

impl DoorsConfig {
    /// Doors that behave as in life, on this world.
    #[must_use]
    pub fn new(world: WorldConfig) -> Self {
        let (github, webhooks) = (GitHubDoorConfig::default(), WebhooksConfig::default());
        Self {
            world,
            github,
            webhooks,
            keys: None,
            kubernetes_token: None,
            kubernetes_delay: Duration::ZERO,
        }
    }
}

/// The open doors. Dropping them ends every task at once; [`Doors::shutdown`] does it in order.
#[derive(Debug)]
pub struct Doors {
    world: SharedWorld,
    github: GitHubDoor,
    github_url: String,
    kubernetes: KubernetesDoor,
    webhooks: Webhooks,
    tasks: JoinSet<&'static str>,
    shutdown: CancellationToken,
}

/// Why the doors did not open.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No loopback port.
    #[error("no loopback port could be opened")]
    Port(#[from] io::Error),
    /// No key.
    #[error(transparent)]
    Key(#[from] NoKey),
    /// No HTTP client for webhooks.
    #[error("the sender of webhooks could not be set up")]
    Client(#[from] reqwest::Error),
}

/// A background task ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox's task {0:?} ended by itself")]
pub struct TaskEnded(String);

impl Doors {
    /// Makes the world and opens the doors on it.
    ///
    /// # Errors
    /// When a port, a key or a client cannot be had.
    pub async fn start(config: DoorsConfig) -> Result<Self, StartError> {
        let keys = match config.keys {
            Some(keys) => keys,
            None => tokio::task::spawn_blocking(AppKeys::generate)
                .await
                .map_err(|_| NoKey)??,
        };
        let world = SharedWorld::new(&config.world);
        let webhooks = Webhooks::new(&config.webhooks, config.world.seed);
        let target = webhooks.target();
        let github = GitHubDoor::new(
            &config.github,
            world.clone(),
            keys,
            config.world.seed,
            target.clone(),
        );
        let client = reqwest::Client::builder()
            .timeout(config.webhooks.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        let mut doors = Self {
            world: world.clone(),
            github: github.clone(),
            github_url: String::new(),
            kubernetes: KubernetesDoor::new(
                world.clone(),
                config.kubernetes_token,
                config.kubernetes_delay,
            ),
            webhooks: webhooks.clone(),
            tasks: JoinSet::new(),
            shutdown: CancellationToken::new(),
        };
        doors.own("world driver", world.clone().drive(doors.closing()));
        doors.github_url = doors.serve("github", github.router()).await?;
        let kubernetes = doors.kubernetes.router();
        doors.kubernetes.url = doors.serve("kubernetes", kubernetes).await?;
        world.with(|world| world.github.set_api_url(&doors.github_url));
        let sending = webhooks::send_all(webhooks, config.webhooks, client, world, doors.closing());
        doors.own("webhook sender", sending);
        Ok(doors)
    }

    /// Runs a task for as long as the doors are open.
    fn own(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(async move {
            task.await;
            name
        });
    }

    /// GitHub's REST API: faults, requests, keys.
    #[must_use]
    pub fn github(&self) -> &GitHubDoor {
        &self.github
    }

    /// Where GitHub's REST API is, without a slash at the end.
    #[must_use]
    pub fn github_url(&self) -> &str {
        &self.github_url
    }

    /// The cluster's API server: where it is, its kubeconfig, faults.
    #[must_use]
    pub fn kubernetes(&self) -> &KubernetesDoor {
        &self.kubernetes
    }

    /// The sender of webhooks: where they go.
    #[must_use]
    pub fn webhooks(&self) -> &Webhooks {
        &self.webhooks
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
        self.own(name, async move {
            if let Err(error) = serving.await {
                tracing::error!(door = name, error = %error, "door {name} failed");
            }
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

/// Ends a request that something still holds when the doors close, and an answer that would go on (a watch).
async fn end_with(closing: CancellationToken, request: Request, next: Next) -> Response {
    let answer = tokio::select! {
        answer = next.run(request) => answer,
        () = closing.cancelled() => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    if answer.body().size_hint().exact().is_some() {
        return answer;
    }
    let until = closing.cancelled_owned();
    answer.map(|body| Body::from_stream(body.into_data_stream().take_until(until)))
}
