//! `rise serve`: the services.
//!
//! A service checks its configuration and the tables, binds, says its address in the first line of its log, and runs until
//! SIGTERM or SIGINT, or until its parent is gone if it was started so. It never migrates.

use std::io::{self, Read};
use std::net::SocketAddr;

use services::github::GitHub;
use services::kubernetes::Kubernetes;
use services::store::Store;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Context;
use crate::block_on;
use crate::cli::{EndsWith, Listen, Serve};
use crate::config::Configuration;
use crate::exit::{Exit, Failure, Outcome, chain};
use crate::logging;

/// Runs a service until it is told to end.
pub(super) fn run(context: &Context, command: Serve) -> Outcome {
    let mut configuration = context.configuration()?;
    match logging::service_level(context.cli.loudness(), &context.variables) {
        Ok(level) => logging::start(level),
        Err(problem) => configuration.problems.push(problem),
    }
    match command {
        Serve::Ghfe(listen) => block_on(ghfe(context, &configuration, &listen)),
        Serve::Scheduler(listen) => block_on(scheduler(context, &configuration, &listen)),
    }
}

async fn ghfe(context: &Context, configuration: &Configuration, listen: &Listen) -> Outcome {
    let settings = configuration.ghfe(&context.variables, listen.listen)?;
    let apps = settings.github.apps();
    let apps = apps.map_err(|error| Failure::new(Exit::Usage, chain(&error)).hint(error.hint()))?;
    let store = settings.database.store()?;
    check(&store).await?;
    let (listener, shutdown) = open(settings.listen, listen.ends_with()).await?;
    services::ghfe::serve(listener, settings.config, apps, store.clone(), shutdown)
        .await
        .map_err(|error| Failure::new(Exit::Failed, chain(&error)))?;
    store.close().await;
    Ok(Exit::Done)
}

async fn scheduler(context: &Context, configuration: &Configuration, listen: &Listen) -> Outcome {
    let settings = configuration.scheduler(&context.variables, listen.listen)?;
    let github = GitHub::new(
        settings.github_api.as_str(),
        settings.apps,
        &settings.organization_key,
        &settings.personal_key,
        settings.github,
    )
    .map_err(|error| Failure::new(Exit::Usage, chain(&error)).hint(error.hint()))?;
    let namespace = &settings.config.environment.namespace;
    let kubernetes = Kubernetes::new(&settings.cluster, namespace, settings.kubernetes)
        .await
        .map_err(|error| Failure::new(Exit::Usage, chain(&error)).hint(error.hint()))?;
    let store = settings.database.store()?;
    check(&store).await?;
    let (listener, shutdown) = open(settings.listen, listen.ends_with()).await?;
    services::scheduler::serve(
        listener,
        settings.config,
        store,
        github,
        kubernetes,
        shutdown,
    )
    .await
    .map_err(|error| Failure::new(Exit::Failed, chain(&error)))?;
    Ok(Exit::Done)
}

/// The tables must be there, and new enough.
async fn check(store: &Store) -> Result<(), Failure> {
    store.ping().await?;
    store.check_migrated().await?;
    Ok(())
}

async fn open(
    address: SocketAddr,
    ends_with: EndsWith,
) -> Result<(TcpListener, CancellationToken), Failure> {
    let shutdown = CancellationToken::new();
    cancel_at_signals(shutdown.clone()).map_err(|error| {
        Failure::new(Exit::Failed, format!("signals cannot be received: {error}"))
    })?;
    if ends_with == EndsWith::Stdin {
        cancel_at_end_of_stdin(shutdown.clone());
    }
    let bound = TcpListener::bind(address).await;
    let listener = bound.map_err(|error| cannot_listen(address, &error))?;
    let address = listener
        .local_addr()
        .map_err(|error| cannot_listen(address, &error))?;
    tracing::info!(http.address = %address, "listening on http://{address}");
    Ok((listener, shutdown))
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> Failure {
    let failure = Failure::new(Exit::Failed, format!("cannot listen on {address}: {error}"));
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            failure.hint("another process listens there: choose a port with --listen or PORT")
        }
        io::ErrorKind::PermissionDenied => {
            failure.hint("ports below 1024 need rights: choose a higher one with --listen or PORT")
        }
        _ => failure,
    }
}

fn cancel_at_signals(shutdown: CancellationToken) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            () = shutdown.cancelled() => return,
        };
        tracing::info!(signal = name, "stopping: {name} was received");
        shutdown.cancel();
    });
    Ok(())
}

/// A thread of its own: a read of standard input cannot be cancelled, and the runtime would wait for one of its own.
fn cancel_at_end_of_stdin(shutdown: CancellationToken) {
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut ignored = [0; 1024];
        while matches!(stdin.read(&mut ignored), Ok(read) if read > 0) {}
        tracing::info!("stopping: standard input was closed");
        shutdown.cancel();
    });
}
