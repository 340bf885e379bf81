//! The API server's door over real sockets: as plain HTTP, through `kubectl`, through the `kube` crate.

mod kube_crate;
mod kubectl;
mod served;
mod wire;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::world::WorldConfig;
use crate::world::cluster::{Behaviour, ClusterConfig, Phase};
use crate::world::github::GitHubConfig;

const TOKEN: &str = "a-token-of-the-tests";
const PATIENCE: Duration = Duration::from_secs(20);

/// An open door; its tasks end with it.
struct Open {
    url: String,
    world: SharedWorld,
    faults: Faults,
    http: reqwest::Client,
    _tasks: JoinSet<()>,
}

impl Open {
    async fn new() -> Self {
        let mut cluster =
            ClusterConfig::with_boards(&[("scw-em-rv1", 2), ("cloudv10x-jupiter", 1)]);
        cluster.fail_before_job = 0.0;
        // Ten times as fast as life: a pod starts in a fifth of a second.
        cluster.timings = cluster.timings.divided_by(10);
        let config = WorldConfig {
            github: GitHubConfig::quiet(),
            cluster,
            seed: 3,
        };
        let (world, faults) = (SharedWorld::new(&config), Faults::default());
        let router = router(world.clone(), faults.clone(), TOKEN.to_owned());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        tasks.spawn(world.clone().drive(CancellationToken::new()));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            url,
            world,
            faults,
            http,
            _tasks: tasks,
        }
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(TOKEN)
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(reqwest::Method::GET, path)).await
    }

    async fn create(&self, pod: &Value) -> (u16, Value) {
        answer(self.request(reqwest::Method::POST, PODS).json(pod)).await
    }

    async fn patch(&self, path: &str, content_type: &str, patch: &Value) -> (u16, Value) {
        let request = self
            .request(reqwest::Method::PATCH, path)
            .header("content-type", content_type);
        answer(request.body(patch.to_string())).await
    }

    /// A pod that runs until it is ended.
    async fn lasting(&self, name: &str) {
        self.world
            .with(|world| world.cluster.next_pod_behaves(Behaviour::NeverRegisters));
        assert_eq!(self.create(&pod(name)).await.0, 201);
        self.until_phase(name, Some(Phase::Running)).await;
    }

    async fn until_phase(&self, name: &str, phase: Option<Phase>) {
        let there = self
            .world
            .until(|world| world.cluster.pod(name).map(|pod| pod.phase) == phase);
        soon(there).await;
    }
}

const PODS: &str = "/api/v1/namespaces/default/pods";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("this should have happened by now")
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = soon(request.send()).await.unwrap();
    let status = response.status().as_u16();
    let body = soon(response.text()).await.unwrap();
    (
        status,
        serde_json::from_str(&body).unwrap_or(Value::String(body)),
    )
}

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "rise-riscv-runner"}},
        "spec": {
            "nodeSelector": {"riseproject.dev/board": "scw-em-rv1"},
            "restartPolicy": "Never", "hostNetwork": true, "activeDeadlineSeconds": 525_600,
            "containers": [{
                "name": "runner", "image": "registry.example/riscv-runner:24.04",
                "env": [{"name": "RUNNER_JITCONFIG", "value": "not known to GitHub"}],
                "resources": {"limits": {"riseproject.com/runner": "1"}},
            }],
        },
    })
}
