//! Webhook intake, the reads of its log, and the pages that GitHub sends people to.
//!
//! A delivery is verified on its raw body, decided by `rise_model::intake`, and written with one statement; then the
//! scheduler is woken. No delivery makes a call of GitHub or Kubernetes: only the setup pages ask GitHub. A delivery that
//! was answered 200 is in the database.

mod body;
mod secrets;
mod server;
mod settings;
mod setup;
mod staging;
mod stats;
#[cfg(test)]
mod tests;
mod trace;
mod wake;
mod webhook;
mod why;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use rise_model::config::{Apps, Routing, StagingRepositories};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::{GhfeSection, SetupSection};
use crate::store::{IntakeStore, Store, StoreError};
use body::Budget;
use secrets::{BearerToken, WebhookSecrets};
use settings::{LiveSettings, StagingDoor};
use setup::Setup;
use staging::Staging;
use stats::Stats;
use wake::WakeUp;

pub use setup::SetupApps;
pub use staging::StagingConfig;

/// What `ghfe` is told when it starts.
#[derive(Debug, Clone)]
pub struct GhfeConfig {
    /// The two GitHub Apps whose deliveries are taken.
    pub apps: Apps,
    /// Where jobs run.
    pub routing: Routing,
    /// Replaces `{tag}` in image references.
    pub image_tag: String,
    /// Limits and times.
    pub section: GhfeSection,
    /// The setup pages.
    pub setup: SetupSection,
    /// What is handed to staging; nothing outside of production.
    pub staging: Option<StagingConfig>,
    /// The value of `GHAPP_WEBHOOK_SECRET`: tried whole first, then each of its lines.
    pub webhook_secret: SecretString,
    /// The bearer token of `/trace/`.
    pub trace_secret: SecretString,
}

/// Why `ghfe` ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The task that wakes the scheduler died.
    #[error("the task that wakes the scheduler died")]
    WakeUp(#[source] tokio::task::JoinError),
    /// The task that reads what operators set died.
    #[error("the task that reads what operators set died")]
    Settings(#[source] tokio::task::JoinError),
    /// Nothing can be handed to staging.
    #[error("the client that hands deliveries to staging could not be made")]
    Staging(#[source] reqwest::Error),
}

/// Serves until the token is cancelled, then finishes what is in flight and wakes the scheduler a last time.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve(
    listener: TcpListener,
    config: GhfeConfig,
    setup: SetupApps,
    store: Store,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let section = config.section;
    let (wake, waker) = WakeUp::start(store.clone(), &section);
    let app = App::new(config, setup, store, wake.clone()).map_err(ServeError::Staging)?;
    let app = Arc::new(app);
    let router = router(Arc::clone(&app));
    app.settings.read_first(&app.store, &section).await;
    let stop_reading = CancellationToken::new();
    let _stops_reading = stop_reading.clone().drop_guard();
    let following = app.settings.clone();
    let mut reader = tokio::spawn(following.follow(app.store.clone(), section, stop_reading));
    let counting = CancellationToken::new();
    let mut counts = tokio::spawn({
        let (app, counting) = (Arc::clone(&app), counting.clone());
        async move { app.stats.keep(&app.store, counting).await }
    });
    let mut waker = tokio::spawn(waker);
    let ended = tokio::select! {
        () = server::run(listener, router, &section, &shutdown) => {
            // Everything that may ask for a wake-up is over.
            wake.finish();
            waker.await.map_err(ServeError::WakeUp)
        }
        ended = &mut waker => ended.map_err(ServeError::WakeUp),
        ended = &mut reader => ended.map_err(ServeError::Settings),
    };
    counting.cancel();
    if let Err(error) = (&mut counts).await {
        tracing::error!(%error, "the task that writes counters died");
    }
    app.intake.close().await;
    ended
}

/// What every request shares.
struct App {
    apps: Apps,
    routing: Routing,
    image_tag: String,
    section: GhfeSection,
    secrets: WebhookSecrets,
    bearer: BearerToken,
    budget: Budget,
    store: Store,
    intake: IntakeStore,
    wake: WakeUp,
    stats: Stats,
    setup: Setup,
    staging: Option<Staging>,
    staging_repositories: StagingRepositories,
    settings: LiveSettings,
}

impl App {
    fn new(
        config: GhfeConfig,
        setup: SetupApps,
        store: Store,
        wake: WakeUp,
    ) -> Result<Self, reqwest::Error> {
        let (staging, staging_repositories) = match config.staging {
            Some(there) => {
                let within = config.section.staging_timeout.std();
                (Some(Staging::new(there.url, within)?), there.repositories)
            }
            None => (None, StagingRepositories::default()),
        };
        let door = match staging {
            Some(_) => StagingDoor::Open,
            None => StagingDoor::None,
        };
        Ok(Self {
            settings: LiveSettings::new(door),
            secrets: WebhookSecrets::new(&config.webhook_secret),
            bearer: BearerToken::new(&config.trace_secret),
            budget: Budget::new(&config.section),
            intake: store.intake(
                config.section.intake_connections,
                config.section.database_timeout.std(),
            ),
            apps: config.apps,
            routing: config.routing,
            image_tag: config.image_tag,
            section: config.section,
            store,
            wake,
            stats: Stats::default(),
            setup: Setup::new(setup, config.setup),
            staging,
            staging_repositories,
        })
    }

    /// Bounds a read as deliveries are bounded.
    async fn read<T>(
        &self,
        query: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let within = self.section.database_timeout.std();
        tokio::time::timeout(within, query)
            .await
            .unwrap_or(Err(StoreError::TimedOut(within)))
    }
}

/// `POST` on any path is the webhook, also on those that answer `GET`.
fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/health", get(|| async { "ok" }).post(webhook::take))
        .route("/ready", get(ready).post(webhook::take))
        .route("/trace/{kind}/{id}", get(trace::read).post(webhook::take))
        .route("/trace/why/{kind}/{id}", get(why::ask).post(webhook::take))
        .route("/setup/{kind}", get(setup::show).post(webhook::take))
        .fallback(webhook::take_if_post)
        .with_state(app)
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    match app.read(app.store.ping()).await {
        Ok(()) => "ready".into_response(),
        Err(error) => {
            let text = format!("not ready: {error}");
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}
