//! Boards: the machines under the nodes. What the control plane knows of one is its node's document; what is true of it
//! is here.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Cluster;
use super::admission::list;
use super::config::NodeConfig;
use super::events::{KUBELET, Severity};
use super::pod::{Behaviour, PodId, stamp};
use super::store::{Key, Kind};
use super::timers::TimerId;
use crate::world::Time;

const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// How a board may go away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoardLoss {
    /// Its power is gone, and with it every process on it.
    PoweredOff,
    /// It cannot reach the API server; what runs on it goes on, jobs too.
    Unreachable,
}

#[derive(Debug)]
pub(super) struct Board {
    pub(super) config: NodeConfig,
    pub(super) number: usize,
    pub(super) address: String,
    pub(super) away: Option<BoardLoss>,
    /// When the control plane will give it up.
    pub(super) giving_up: Option<TimerId>,
    pub(super) given_up: bool,
    pub(super) images: BTreeSet<String>,
    pub(super) slow: i32,
    pub(super) pull_fails: bool,
    pub(super) kill_stuck: bool,
    pub(super) behaviour: Option<Behaviour>,
    /// What a container that is no runner prints here, and its exit status.
    pub(super) plain: Option<(Vec<String>, i32)>,
}

impl Board {
    fn new(config: NodeConfig, number: usize) -> Self {
        Self {
            config,
            number,
            address: format!("10.0.{}.{}", number / 250, number % 250 + 1),
            away: None,
            giving_up: None,
            given_up: false,
            images: BTreeSet::new(),
            slow: 1,
            pull_fails: false,
            kill_stuck: false,
            behaviour: None,
            plain: None,
        }
    }
}

impl Cluster {
    /// A board joins the cluster.
    pub(super) fn join(&mut self, config: NodeConfig, now: Time) {
        self.last_board += 1;
        let board = Board::new(config, self.last_board);
        let name = board.config.name.clone();
        let mut node = node_document(&board, now);
        node["metadata"]["uid"] = json!(self.new_uid());
        self.boards.insert(name.clone(), board);
        self.store.put(Kind::Node, Key::new("", &name), node);
        self.node_event(
            &name,
            Severity::Normal,
            "NodeReady",
            &format!("Node {name} status is now: NodeReady"),
            KUBELET,
            now,
        );
        self.wake_scheduler(now);
    }

    pub(super) fn is_away(&self, node: &str) -> bool {
        self.boards
            .get(node)
            .is_some_and(|board| board.away.is_some())
    }

    /// The board that a pod is on, if it hears of what is done to the pod.
    pub(super) fn reachable_board_of(&self, id: PodId) -> Option<String> {
        let node = self.pods.get(&id)?.node()?;
        self.boards
            .get(node)
            .filter(|board| board.away.is_none())
            .map(|_| node.to_owned())
    }

    pub(super) fn slots(&self, node: &str) -> usize {
        self.boards.get(node).map_or(0, |board| {
            usize::try_from(board.config.slots).unwrap_or_default()
        })
    }

    pub(super) fn running_slots(&self, node: &str) -> usize {
        let running = self
            .pods
            .values()
            .filter(|pod| pod.node() == Some(node) && pod.runs());
        let used: i128 = running.map(|pod| pod.request(super::SLOT)).sum();
        usize::try_from(used / 1000).unwrap_or_default()
    }

    pub(super) fn pods_on(&self, node: &str) -> Vec<PodId> {
        self.pods
            .iter()
            .filter(|(_, pod)| pod.node() == Some(node))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Changes a node's document and does what controllers do then.
    pub(super) fn edit_node(&mut self, name: &str, now: Time, edit: impl FnOnce(&mut Value)) {
        let key = Key::new("", name);
        let Some(node) = self.store.get(Kind::Node, &key) else {
            return;
        };
        let mut node = Value::clone(node);
        edit(&mut node);
        taint_while(&mut node, UNSCHEDULABLE, &["NoSchedule"], None, |node| {
            node["spec"]["unschedulable"] == true
        });
        self.store.put(Kind::Node, key, node);
        for id in self.pods_on(name) {
            self.arm_eviction(id, now);
        }
        self.wake_scheduler(now);
    }

    /// Changes a pod's document without its board.
    pub(super) fn edit_pod(&mut self, id: PodId, edit: impl FnOnce(&mut Value)) {
        let Some(pod) = self.pods.get(&id).filter(|pod| pod.in_api) else {
            return;
        };
        let Some(document) = self.store.get(Kind::Pod, &pod.key) else {
            return;
        };
        let (key, mut document) = (pod.key.clone(), Value::clone(document));
        edit(&mut document);
        self.store.put(Kind::Pod, key, document);
    }
}

/// Puts the taint `key` there or takes it away.
pub(super) fn taint_while(
    node: &mut Value,
    key: &str,
    effects: &[&str],
    since: Option<Time>,
    holds: impl Fn(&Value) -> bool,
) {
    let holds = holds(node);
    let mut taints = list(&node["spec"]["taints"]).to_vec();
    if holds == taints.iter().any(|taint| taint["key"] == key) {
        return;
    }
    taints.retain(|taint| taint["key"] != key);
    if holds {
        taints.extend(effects.iter().map(|effect| match since {
            Some(since) => json!({"key": key, "effect": effect, "timeAdded": stamp(since)}),
            None => json!({"key": key, "effect": effect}),
        }));
    }
    if let Some(spec) = node["spec"].as_object_mut() {
        match taints.is_empty() {
            true => spec.remove("taints"),
            false => spec.insert("taints".to_owned(), json!(taints)),
        };
    }
}

pub(super) fn list_mut(value: &mut Value) -> &mut [Value] {
    value.as_array_mut().map_or(&mut [], Vec::as_mut_slice)
}

pub(super) fn node_conditions(now: Time) -> Vec<Value> {
    [
        (
            "MemoryPressure",
            "False",
            "KubeletHasSufficientMemory",
            "kubelet has sufficient memory available",
        ),
        (
            "DiskPressure",
            "False",
            "KubeletHasNoDiskPressure",
            "kubelet has no disk pressure",
        ),
        (
            "PIDPressure",
            "False",
            "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
        ),
        (
            "Ready",
            "True",
            "KubeletReady",
            "kubelet is posting ready status",
        ),
    ]
    .into_iter()
    .map(|(kind, status, reason, message)| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": stamp(now), "lastTransitionTime": stamp(now),
        })
    })
    .collect()
}

fn node_document(board: &Board, now: Time) -> Value {
    let NodeConfig { name, pool, slots } = &board.config;
    let disk = format!("{}Gi", 110 * u64::from(*slots).max(1));
    let resources = json!({
        "cpu": "4", "memory": "16Gi", "ephemeral-storage": disk, "pods": "110", (super::SLOT): slots.to_string(),
    });
    json!({
        "kind": "Node", "apiVersion": "v1",
        "metadata": {
            "name": name, "creationTimestamp": stamp(now),
            "labels": {
                "beta.kubernetes.io/arch": "riscv64", "beta.kubernetes.io/os": "linux",
                "kubernetes.io/arch": "riscv64", "kubernetes.io/os": "linux", "kubernetes.io/hostname": name,
                "riseproject.dev/board": pool,
            },
            "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
        },
        "spec": {"podCIDR": format!("10.244.{}.0/24", board.number), "podCIDRs": [format!("10.244.{}.0/24", board.number)]},
        "status": {
            "capacity": resources, "allocatable": resources, "conditions": node_conditions(now),
            "addresses": [
                {"type": "InternalIP", "address": board.address}, {"type": "Hostname", "address": name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "architecture": "riscv64", "operatingSystem": "linux", "osImage": "Ubuntu 24.04 LTS",
                "kernelVersion": "5.10.113-scw1", "containerRuntimeVersion": "containerd://1.7.28",
                "kubeletVersion": "v1.35.0", "kubeProxyVersion": "", "machineID": format!("{:032x}", board.number),
                "systemUUID": format!("{:032x}", board.number), "bootID": format!("{:032x}", board.number),
            },
            "images": [],
        },
    })
}
