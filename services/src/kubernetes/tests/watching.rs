//! Watches of pods and nodes.

use axum::Router;
use axum::body::Body;
use axum::extract::RawQuery;
use axum::response::IntoResponse;
use axum::routing::get;
use rise_model::cluster::{ClusterChange, Phase, Watched};
use rise_model::span::Span;
use sandbox::doors::faults::Fault;
use sandbox::world::World;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::support::{Pretend, StandIn, open, section, soon};
use crate::config::KubernetesSection;
use crate::kubernetes::{Grace, Kubernetes, PodSeen};

struct Watching {
    changes: mpsc::Receiver<ClusterChange>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Watching {
    fn begin(it: &Pretend) -> Self {
        Self::with(it.cluster.clone())
    }

    fn with(cluster: Kubernetes) -> Self {
        let (tx, changes) = mpsc::channel(64);
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let task = tokio::spawn(async move { cluster.watch(&tx, &stopping).await });
        Self {
            changes,
            stop,
            task,
        }
    }

    /// A watch of both kinds, from here on.
    async fn of_both(it: &Pretend) -> Self {
        let mut watching = Self::begin(it);
        let mut begun = vec![watching.next().await, watching.next().await];
        begun.sort_by_key(|change| *change == ClusterChange::Missed(Watched::Nodes));
        let missed = [Watched::Pods, Watched::Nodes].map(ClusterChange::Missed);
        assert_eq!(begun, missed);
        watching
    }

    async fn next(&mut self) -> ClusterChange {
        soon(self.changes.recv()).await.expect("it goes on")
    }

    /// The next change that is one of these.
    async fn until(&mut self, wanted: impl Fn(&ClusterChange) -> bool) -> ClusterChange {
        loop {
            let change = self.next().await;
            if wanted(&change) {
                return change;
            }
        }
    }

    async fn until_pod(&mut self, name: &str) {
        self.until(
            |change| matches!(change, ClusterChange::PodApplied(pod) if pod.name.as_str() == name),
        )
        .await;
    }
}

fn cordon(it: &Pretend, board: &str) {
    it.doors.world().with(|world: &mut World| {
        let now = world.now();
        world.cluster.set_cordoned(board, true, now).unwrap();
    });
}

#[tokio::test]
async fn changes_of_pods_and_nodes_are_told() {
    let it = open().await;
    let mut watching = Watching::of_both(&it).await;
    let name = it.make("rise-riscv-runner-abc123xyz").await;
    watching
        .until(|change| {
            matches!(change, ClusterChange::PodApplied(pod) if pod.phase == Phase::Running)
        })
        .await;
    cordon(&it, "riscv-runner-6");
    watching
        .until(|change| matches!(change, ClusterChange::NodeApplied(node) if node.unschedulable))
        .await;
    it.cluster
        .delete_pod(&name, &PodSeen::default(), Grace::None)
        .await
        .unwrap();
    watching
        .until(|change| matches!(change, ClusterChange::PodDeleted(pod) if pod.name == name))
        .await;
    watching.stop.cancel();
    soon(watching.task).await.unwrap();
}

#[tokio::test]
async fn a_watch_that_ended_goes_on_where_it_ended() {
    let it = open().await;
    let mut watching = Watching::of_both(&it).await;
    // What happens while nobody watches is told afterwards.
    it.doors.world().with(|world| world.cluster.cut_watches());
    it.make("rise-riscv-runner-abc123xyz").await;
    let told = watching
        .until(|change| !matches!(change, ClusterChange::NodeApplied(_)))
        .await;
    assert!(
        matches!(told, ClusterChange::PodApplied(_)),
        "nothing was missed: {told:?}"
    );
}

#[tokio::test]
async fn what_was_missed_is_admitted() {
    let it = open().await;
    let mut watching = Watching::of_both(&it).await;
    let mut held = it
        .doors
        .kubernetes()
        .faults()
        .arm("watch_pods", Fault::Hold, 1);
    it.doors.world().with(|world| world.cluster.cut_watches());
    soon(held.met(1)).await;
    it.make("rise-riscv-runner-abc123xyz").await;
    it.doors.world().with(|world| world.cluster.compact());
    held.release();
    watching
        .until(|change| *change == ClusterChange::Missed(Watched::Pods))
        .await;
    it.make("rise-riscv-runner-next00001").await;
    watching.until_pod("rise-riscv-runner-next00001").await;
}

#[tokio::test]
async fn without_the_right_to_watch_nodes_pods_are_watched_still() {
    let it = open().await;
    it.doors
        .world()
        .with(|world| world.cluster.set_forbidden("watch", "nodes", true));
    let mut watching = Watching::begin(&it);
    assert_eq!(watching.next().await, ClusterChange::Missed(Watched::Pods));
    cordon(&it, "riscv-runner-6");
    it.make("rise-riscv-runner-abc123xyz").await;
    assert!(matches!(
        watching.next().await,
        ClusterChange::PodApplied(_)
    ));
    watching.stop.cancel();
    soon(watching.task).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_died_without_a_word_is_noticed() {
    let section = KubernetesSection {
        call_timeout: Span::seconds(1),
        watch_timeout: Span::seconds(1),
        ..section()
    };
    let answer = |RawQuery(query): RawQuery| async move {
        if query.unwrap_or_default().contains("watch=true") {
            let nothing = futures::stream::pending::<Result<axum::body::Bytes, std::io::Error>>();
            return Body::from_stream(nothing).into_response();
        }
        let empty = json!({ "metadata": { "resourceVersion": "7" }, "items": [] });
        axum::Json(empty).into_response()
    };
    let router = Router::new().route("/api/v1/namespaces/default/pods", get(answer));
    let stand_in = StandIn::serve(router, section).await;
    let mut watching = Watching::with(stand_in.cluster.clone());
    for _ in 0..2 {
        assert_eq!(watching.next().await, ClusterChange::Missed(Watched::Pods));
    }
}

#[tokio::test]
async fn it_ends_when_nobody_listens() {
    let it = open().await;
    let watching = Watching::of_both(&it).await;
    drop(watching.changes);
    it.make("rise-riscv-runner-abc123xyz").await;
    cordon(&it, "riscv-runner-6");
    soon(watching.task).await.unwrap();
}
