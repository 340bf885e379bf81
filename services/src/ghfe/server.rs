//! Connections: accepting them, bounding them, ending them.
//!
//! HTTP/1.1 as GitHub speaks it. A connection that does not bring a request's head in time is closed, so that slow
//! ones cannot pile up; at shutdown each may finish the request that it is at.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::config::GhfeSection;

/// Connections at once; more wait to be accepted. Each may hold one head in memory.
const MAX_CONNECTIONS: usize = 1_000;
/// The largest head of a request that is read; GitHub's have about 1 KB.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// After a connection could not be accepted, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the token is cancelled, then lets requests in flight finish within the section's time.
pub(super) async fn run(
    listener: TcpListener,
    router: Router,
    section: &GhfeSection,
    shutdown: &CancellationToken,
) {
    let mut connections = JoinSet::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(section.read_timeout.std())
        .max_buf_size(MAX_HEAD_BYTES);
    loop {
        let (stream, place) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &places) => match accepted {
                Some(accepted) => accepted,
                None => continue,
            },
            Some(ended) = connections.join_next() => {
                note(ended);
                continue;
            }
        };
        let builder = builder.clone();
        let service = TowerToHyperService::new(router.clone());
        let shutdown = shutdown.clone();
        connections.spawn(async move {
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = &mut connection => ended,
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    let drained = async {
        while let Some(ended) = connections.join_next().await {
            note(ended);
        }
    };
    if tokio::time::timeout(section.drain_within.std(), drained)
        .await
        .is_err()
    {
        tracing::warn!(
            connections = connections.len(),
            "requests in flight did not end in time and are given up"
        );
        connections.shutdown().await;
    }
}

/// A panic in a handler ended its own connection only, and is a mistake of ours.
fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task died");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Answers are small and written at once; without this the last bytes may wait for the peer.
            let _ = stream.set_nodelay(true);
            Some((stream, place))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
