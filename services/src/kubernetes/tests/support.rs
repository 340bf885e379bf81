//! The vocabulary of these tests: the pretend cluster with a client, a registered runner, its pod.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use chrono::TimeDelta;
use rise_model::cluster::{PodSpecInput, WorkerNote};
use rise_model::config::BOARD_LABEL;
use rise_model::span::Span;
use rise_model::{EntityId, EntityKind, InstallationId, PodName, SentLabels};
use sandbox::doors::{Doors, DoorsConfig};
use sandbox::world::WorldConfig;
use sandbox::world::cluster::{ClusterConfig, PodView, Timings};
use sandbox::world::github::{GitHubConfig, GroupId, JitRequest, Scope};
use secrecy::SecretString;
use serde_json::json;
use tokio::task::AbortHandle;

use crate::config::KubernetesSection;
use crate::kubernetes::{KubeSource, Kubernetes};

pub(super) const RISCV: &str = "ubuntu-24.04-riscv";
pub(super) const POOL: &str = "scw-em-rv1";
const ORG: &str = "ggml-org";
const REPO: &str = "ggml-org/llama.cpp";
/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn section() -> KubernetesSection {
    KubernetesSection {
        call_timeout: Span::seconds(10),
        watch_timeout: Span::seconds(60),
        log_timeout: Span::seconds(20),
        diagnostics_timeout: Span::seconds(10),
    }
}

/// The pretend cluster and a client of it.
pub(super) struct Pretend {
    pub(super) doors: Doors,
    pub(super) cluster: Kubernetes,
}

pub(super) async fn open() -> Pretend {
    open_with(ClusterConfig::default(), section()).await
}

pub(super) async fn open_with(cluster: ClusterConfig, section: KubernetesSection) -> Pretend {
    let world = WorldConfig {
        github: GitHubConfig::quiet(),
        cluster: ClusterConfig {
            timings: Timings::default().divided_by(10),
            fail_before_job: 0.0,
            ..cluster
        },
        seed: 5,
    };
    let doors = Doors::start(DoorsConfig::new(world)).await.unwrap();
    let source = KubeSource::Text(doors.kubernetes().kubeconfig().into());
    let cluster = Kubernetes::new(&source, "default", section).await.unwrap();
    Pretend { doors, cluster }
}

/// What `future` gives, unless it takes too long.
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, Box::pin(future))
        .await
        .expect("this should have happened by now")
}

/// What a pod of this name is made of.
pub(super) fn input(name: &str) -> PodSpecInput {
    PodSpecInput {
        name: name.into(),
        worker: WorkerNote {
            entity_id: EntityId(134_263_123),
            entity_name: ORG.to_owned(),
            entity_type: EntityKind::Organization,
            installation_id: InstallationId(7),
            repo_id: None,
            repo_full_name: None,
            job_labels: SentLabels::new(vec![RISCV.to_owned()]),
            k8s_pool: POOL.into(),
            k8s_image: "registry.example/riscv-runner:ubuntu-24.04-latest".into(),
        },
        node_selector: BTreeMap::from([(BOARD_LABEL.to_owned(), POOL.to_owned())]),
        quarantined: vec![],
        ephemeral_storage: Some("90Gi".to_owned()),
        image: "registry.example/riscv-runner:ubuntu-24.04-latest".into(),
    }
}

/// An API server that answers as a test says, and a client of it.
pub(super) struct StandIn {
    pub(super) cluster: Kubernetes,
    serving: AbortHandle,
}

impl StandIn {
    pub(super) async fn serve(router: Router, section: KubernetesSection) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
            "clusters": [{
                "name": "c",
                "cluster": { "server": format!("http://{}", listener.local_addr().unwrap()) },
            }],
            "users": [{ "name": "u", "user": {} }],
        });
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        let source = KubeSource::Text(kubeconfig.to_string().into());
        Self {
            cluster: Kubernetes::new(&source, "default", section).await.unwrap(),
            serving: serving.abort_handle(),
        }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Pretend {
    /// Registers a runner of this name; returns what its process starts with.
    pub(super) fn register(&self, name: &PodName) -> SecretString {
        self.doors.world().with(|world| {
            let now = world.now();
            let organization = world.github.account(ORG).unwrap().id;
            let request = JitRequest {
                name: name.to_string(),
                group: GroupId(1),
                labels: vec![RISCV.to_owned()],
            };
            let scope = Scope::Organization(organization);
            let (_, encoded) = world.github.register_jit(scope, request, now).unwrap();
            encoded.into()
        })
    }

    /// A job that runs for so long.
    pub(super) fn queue(&self, runs_for: TimeDelta) {
        self.doors.world().with(|world| {
            let now = world.now();
            world
                .github
                .queue_job(REPO, &[RISCV], runs_for, now)
                .unwrap();
        });
    }

    /// A pod with a registered runner in it.
    pub(super) async fn make(&self, name: &str) -> PodName {
        let input = input(name);
        let jit = self.register(&input.name);
        self.cluster.create_pod(&input, &jit).await.unwrap();
        input.name
    }

    /// Waits until the pod is so.
    pub(super) async fn until(&self, name: &PodName, mut holds: impl FnMut(&PodView) -> bool) {
        let world = self.doors.world();
        soon(world.until(|world| {
            world
                .cluster
                .pod(name.as_str())
                .is_some_and(|pod| holds(&pod))
        }))
        .await;
    }

    /// Waits until the pod's log has this.
    pub(super) async fn until_logged(&self, name: &PodName, text: &str) {
        let has = |line: &String| line.contains(text);
        let world = self.doors.world();
        soon(world.until(|world| world.cluster.log_of(name.as_str()).iter().any(has))).await;
    }
}
