//! Stories of the cluster by itself: pods that start and end, boards that fill, die and come back.

mod boards;
mod lives;
mod properties;
mod refusals;
mod runners;

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::*;
use crate::world::github::GitHubConfig;
use crate::world::{World, WorldConfig};

const IMAGE: &str = "registry.example/riscv-runner:ubuntu-24.04-staging";

/// A world on which time is moved by hand.
struct Scene {
    world: World,
}

impl Scene {
    fn new(pools: &[(&str, usize)]) -> Self {
        let mut config = ClusterConfig::with_boards(pools);
        config.fail_before_job = 0.0;
        Self::with(config, 7)
    }

    fn with(cluster: ClusterConfig, seed: u64) -> Self {
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        let config = WorldConfig {
            github: quiet_github(),
            cluster,
            seed,
        };
        Self {
            world: World::new(&config, now),
        }
    }

    fn now(&self) -> Time {
        self.world.now()
    }

    fn pass(&mut self, seconds: f64) {
        let to = self.now() + TimeDelta::milliseconds((seconds * 1000.0) as i64);
        self.world.advance(to);
    }

    fn create(&mut self, pod: Value) {
        let now = self.now();
        self.world
            .cluster
            .create_pod("default", pod, false, now)
            .unwrap();
    }

    fn delete(&mut self, name: &str, options: &DeleteOptions) -> Arc<Value> {
        let now = self.now();
        self.world
            .cluster
            .delete_pod("default", name, options, now)
            .unwrap()
    }

    fn set_deadline(&mut self, name: &str, seconds: &Value) -> Result<Arc<Value>, ApiError> {
        let patch = json!({"spec": {"activeDeadlineSeconds": seconds}});
        let now = self.now();
        self.world.cluster.patch(
            Kind::Pod,
            "default",
            name,
            PatchType::Strategic,
            &patch,
            now,
        )
    }

    fn document(&self, name: &str) -> Arc<Value> {
        self.world.cluster.get(Kind::Pod, "default", name).unwrap()
    }

    fn phase(&self, name: &str) -> Option<Phase> {
        self.world.cluster.pod(name).map(|pod| pod.phase)
    }

    fn node_of(&self, name: &str) -> Option<String> {
        self.world.cluster.pod(name).and_then(|pod| pod.node)
    }

    fn node(&self, name: &str) -> Arc<Value> {
        self.world.cluster.get(Kind::Node, "", name).unwrap()
    }

    /// The reasons of a pod's events, oldest first.
    fn happenings(&self, pod: &str) -> Vec<String> {
        let field = format!("involvedObject.name={pod}");
        let selection = Selection::parse(Kind::Event, None, "", &field).unwrap();
        let mut events = self.world.cluster.list(Kind::Event, &selection);
        // A counted event stands where it was last seen; its name says nothing of its age.
        events.sort_by_key(|event| {
            event["metadata"]["resourceVersion"]
                .as_str()
                .unwrap()
                .parse::<u64>()
                .unwrap()
        });
        events
            .iter()
            .map(|event| event["reason"].as_str().unwrap().to_owned())
            .collect()
    }

    fn has(&self, pod: &str, condition: &str) -> Option<String> {
        let pod = self.document(pod);
        let found = pod["status"]["conditions"]
            .as_array()?
            .iter()
            .find(|c| c["type"] == condition)?;
        Some(found["status"].as_str().unwrap().to_owned())
    }

    /// Everything that can be seen, in one text.
    fn dump(&self) -> String {
        let mut all = String::new();
        for kind in [Kind::Pod, Kind::Node, Kind::Event, Kind::Namespace] {
            for object in self.world.cluster.list(kind, &Selection::default()) {
                all.push_str(&object.to_string());
                all.push('\n');
            }
        }
        all
    }
}

fn quiet_github() -> GitHubConfig {
    GitHubConfig::quiet()
}

/// A pod as the product makes them.
fn runner_pod(name: &str, pool: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"app": "rise-riscv-runner", "riseproject.dev/board": pool}},
        "spec": {
            "nodeSelector": {"riseproject.dev/board": pool},
            "activeDeadlineSeconds": 525_600, "restartPolicy": "Never", "hostNetwork": true,
            "containers": [{
                "name": "runner", "image": IMAGE, "imagePullPolicy": "IfNotPresent",
                "securityContext": {"privileged": true},
                "env": [{"name": "RUNNER_WAIT_FOR_DOCKER_IN_SECONDS", "value": "60"},
                        {"name": "RUNNER_JITCONFIG", "value": "not known to GitHub"}],
                "resources": {"limits": {"riseproject.com/runner": "1", "ephemeral-storage": "90Gi"}},
                "volumeMounts": [{"name": "docker-graph", "mountPath": "/var/lib/docker"}],
            }],
            "volumes": [{"name": "docker-graph", "emptyDir": {}}],
        },
    })
}

fn tolerant(mut pod: Value) -> Value {
    let forever = |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoExecute"});
    pod["spec"]["tolerations"] = json!([
        forever("node.kubernetes.io/not-ready"),
        forever("node.kubernetes.io/unreachable")
    ]);
    pod
}
