//! The scheduler: observe, decide, act. One of several leads; the others watch and serve pages.
//!
//! [`run`] owns the loop and every task, `observe` reads the outside, `act` performs effects, `leader` keeps the lease.
//! What to do is decided in `rise_model::machine`, which does no IO.

mod act;
mod clock;
mod installations;
mod leader;
mod metrics;
mod observe;
pub mod pages;
mod run;
pub mod status;
mod trouble;

use std::io;
use std::sync::Arc;

use rise_model::config::{Environment, Pool};
use rise_model::machine::MachineConfig;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::SchedulerSection;
use crate::github::GitHub;
use crate::kubernetes::Kubernetes;
use crate::store::Store;

use metrics::Counters;
use status::SchedulerStatus;

/// What a scheduler is told.
#[derive(Debug, Clone)]
pub struct SchedulerConfig {
    /// Schema, prefix, runner group.
    pub environment: Environment,
    /// Pools, caps, rules.
    pub machine: MachineConfig,
    /// Its rhythm.
    pub section: SchedulerSection,
    /// Who brings it sees everything on the pages; without one everybody does.
    pub dashboard_token: Option<SecretString>,
}

impl SchedulerConfig {
    fn pool(&self, name: &rise_model::PoolName) -> Option<&Pool> {
        self.machine.pools.iter().find(|pool| pool.name == *name)
    }
}

/// Serves pages on the listener and schedules whenever it leads, until `stop` is cancelled.
///
/// # Errors
/// When the listener fails. Trouble with the database, GitHub or the cluster never ends it.
pub async fn serve(
    listener: TcpListener,
    config: SchedulerConfig,
    store: Store,
    github: GitHub,
    kubernetes: Kubernetes,
    stop: CancellationToken,
) -> io::Result<()> {
    let (status, seen) = watch::channel(SchedulerStatus::default());
    let drain_within = config.section.drain_within.std();
    let http_stop = CancellationToken::new();
    let token = config.dashboard_token.clone();
    let counters = Arc::new(Counters::default());
    let sources = pages::Sources {
        status: seen,
        counters: Arc::clone(&counters),
        github: github.usage(),
        pools: config
            .machine
            .pools
            .iter()
            .map(|pool| pool.name.to_string())
            .collect(),
    };
    let router = pages::router(&store, sources, config.section.pages, token.as_ref());
    let http = tokio::spawn({
        let http_stop = http_stop.clone();
        async move {
            axum::serve(listener, router)
                .with_graceful_shutdown(http_stop.cancelled_owned())
                .await
        }
    });
    let doors = Arc::new(act::Doors::new(
        config,
        store.clone(),
        github,
        kubernetes,
        counters,
    ));
    let scheduling = run::run(doors, Uuid::new_v4(), status, stop.clone());
    // Pages are served until the lease is given back.
    tokio::pin!(scheduling);
    let mut http = http;
    tokio::select! {
        () = &mut scheduling => {}
        ended = &mut http => {
            stop.cancel();
            scheduling.await;
            return ended.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        }
    }
    http_stop.cancel();
    let ended = tokio::time::timeout(drain_within, http).await;
    store.close().await;
    match ended {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(io::Error::other(panic)),
        // A client that does not let go must not keep us.
        Err(_) => Ok(()),
    }
}
