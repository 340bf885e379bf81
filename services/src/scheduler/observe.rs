//! Reading the outside: pods and nodes are listed and watched, each read tells when it was begun.

use std::sync::Arc;
use std::time::Duration;

use rise_model::cluster::ClusterChange;
use rise_model::machine::Observation;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::act::Doors;
use super::status::Reachability;
use crate::causes::WithCauses;
use crate::store::StoreError;

/// Changes that wait for the loop; beyond it the watch waits.
const CHANGES: usize = 1024;
/// A watch that broke asks for a list, but not more often than this.
const LIST_NOT_OFTENER_THAN: Duration = Duration::from_secs(1);
/// What could not be read once a term is tried again after this.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Starts the tasks that read the cluster. They end with `stop`.
pub(super) fn cluster(
    doors: &Arc<Doors>,
    tasks: &mut JoinSet<()>,
    reachable: watch::Sender<Reachability>,
    stop: &CancellationToken,
) -> mpsc::Receiver<Observation> {
    let (seen, observations) = mpsc::channel(CHANGES);
    let (changes, changed) = mpsc::channel(CHANGES);
    let missed = Arc::new(tokio::sync::Notify::new());
    tasks.spawn(watch_cluster(Arc::clone(doors), changes, stop.clone()));
    tasks.spawn(translate(
        Arc::clone(doors),
        changed,
        seen.clone(),
        Arc::clone(&missed),
    ));
    tasks.spawn(remember(Arc::clone(doors), seen.clone(), stop.clone()));
    tasks.spawn(list(
        Arc::clone(doors),
        seen,
        reachable,
        missed,
        stop.clone(),
    ));
    observations
}

/// Reads, once a term, what an earlier leader left behind that no round reads: open alerts, and where there were workers.
async fn remember(doors: Arc<Doors>, seen: mpsc::Sender<Observation>, stop: CancellationToken) {
    loop {
        let read = async {
            let alerts = doors.store.open_alerts().await?;
            let scopes = doors.store.recent_scopes().await?;
            Ok::<_, StoreError>([Observation::Alerts(alerts), Observation::Scopes(scopes)])
        };
        match read.await {
            Ok(observations) => {
                for observation in observations {
                    // The receiver is gone only when this leader's time is over.
                    let _ = seen.send(observation).await;
                }
                return;
            }
            Err(error) => tracing::warn!(
                error = %WithCauses(&error),
                "what an earlier leader left behind could not be read; it is tried again"
            ),
        }
        tokio::select! {
            () = sleep(READ_AGAIN_AFTER) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn watch_cluster(
    doors: Arc<Doors>,
    changes: mpsc::Sender<ClusterChange>,
    stop: CancellationToken,
) {
    doors.kubernetes.watch(&changes, &stop).await;
}

/// Gives what a watch tells its time, and asks for a list when the watch may have missed something.
async fn translate(
    doors: Arc<Doors>,
    mut changed: mpsc::Receiver<ClusterChange>,
    seen: mpsc::Sender<Observation>,
    missed: Arc<tokio::sync::Notify>,
) {
    while let Some(change) = changed.recv().await {
        let Some(now) = doors.clock.now() else {
            continue;
        };
        let observation = match change {
            ClusterChange::PodApplied(pod) => Observation::Pod(pod, now),
            ClusterChange::PodDeleted(pod) => Observation::PodGone(pod.name.clone(), now),
            ClusterChange::NodeApplied(node) => Observation::Node(node, now),
            ClusterChange::NodeDeleted(node) => Observation::NodeGone(node.name.clone(), now),
            ClusterChange::Missed(_) => {
                missed.notify_one();
                continue;
            }
        };
        if seen.send(observation).await.is_err() {
            return;
        }
    }
}

async fn list(
    doors: Arc<Doors>,
    seen: mpsc::Sender<Observation>,
    reachable: watch::Sender<Reachability>,
    missed: Arc<tokio::sync::Notify>,
    stop: CancellationToken,
) {
    let every = doors.config.section.list_every.std();
    while !stop.is_cancelled() {
        let begun = Instant::now();
        let listed = tokio::select! {
            listed = list_once(&doors, &seen) => listed,
            () = stop.cancelled() => return,
        };
        let next = match listed {
            Ok(()) => {
                reachable.send_replace(Reachability::Reachable);
                begun + every
            }
            Err(error) => {
                note_unreachable(&reachable, &error);
                begun + LIST_NOT_OFTENER_THAN.max(every / 5)
            }
        };
        tokio::select! {
            () = sleep_until(next) => {}
            () = async {
                missed.notified().await;
                sleep_until(begun + LIST_NOT_OFTENER_THAN).await;
            } => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn list_once(
    doors: &Doors,
    seen: &mpsc::Sender<Observation>,
) -> Result<(), crate::kubernetes::KubernetesError> {
    let Some(begun) = doors.clock.now() else {
        return Ok(());
    };
    let (nodes, pods) =
        tokio::try_join!(doors.kubernetes.list_nodes(), doors.kubernetes.list_pods())?;
    let names: Vec<String> = pods.items.iter().map(|pod| pod.name.to_string()).collect();
    // The receiver is gone only when this leader's time is over.
    let _ = seen
        .send(Observation::Nodes {
            nodes: nodes.items,
            begun,
        })
        .await;
    let _ = seen
        .send(Observation::Pods {
            pods: pods.items,
            begun,
        })
        .await;
    match doors.store.gone_scopes(&names).await {
        Ok(scopes) => {
            let _ = seen.send(Observation::GoneScopes(scopes)).await;
        }
        // What was known stays known; the round's own read tells of the trouble.
        Err(error) => tracing::debug!(
            error = %WithCauses(&error),
            "which installations are gone could not be read"
        ),
    }
    Ok(())
}

fn note_unreachable(
    reachable: &watch::Sender<Reachability>,
    error: &crate::kubernetes::KubernetesError,
) {
    let news = reachable.send_if_modified(|state| {
        let was = matches!(state, Reachability::Unreachable { .. });
        if !was {
            *state = Reachability::Unreachable {
                since: chrono::DateTime::from(std::time::SystemTime::now()),
            };
        }
        !was
    });
    if news {
        tracing::warn!(
            error = %WithCauses(error),
            "the cluster cannot be read"
        );
    }
}
