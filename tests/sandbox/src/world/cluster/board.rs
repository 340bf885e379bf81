//! Boards: the machines under the nodes. What the control plane knows of one is its node's document; what is true of it
//! is here. A board that is away sends no word: later its node's Ready turns `Unknown`, it is tainted, and pods that do
//! not tolerate that are evicted, on paper.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::Cluster;
use super::admission::list;
use super::config::NodeConfig;
use super::events::{KUBELET, NODE_CONTROLLER, Severity, TAINT_CONTROLLER};
use super::kubelet::mark_deleted;
use super::pod::{Behaviour, Container, Phase, PodId, Process, stamp};
use super::report::KillCause;
use super::scheduler::tolerates;
use super::status::condition;
use super::store::{Key, Kind};
use super::timers::{Due, Step, TimerId};
use crate::world::Time;
use crate::world::github::GitHub;

/// How a board may go away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoardLoss {
    /// Its power is gone, and with it every process on it.
    PoweredOff,
    /// It cannot reach the API server; what runs on it goes on, jobs too.
    Unreachable,
}

const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// The exit status of a container that went down with its board.
const GONE: i32 = 255;
const EVICTION_GRACE: i64 = 30;

#[derive(Debug)]
pub(super) struct Board {
    pub(super) config: NodeConfig,
    pub(super) number: usize,
    pub(super) address: String,
    pub(super) away: Option<BoardLoss>,
    /// When the control plane will give it up.
    giving_up: Option<TimerId>,
    given_up: bool,
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

    fn pods_on(&self, node: &str) -> Vec<PodId> {
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

    /// The board sends no word any more.
    pub(super) fn board_away(
        &mut self,
        name: &str,
        loss: BoardLoss,
        known_after: TimeDelta,
        now: Time,
    ) {
        let Some(board) = self.boards.get_mut(name) else {
            return;
        };
        board.away = Some(loss);
        self.timers.cancel(board.giving_up.take());
        if loss == BoardLoss::PoweredOff {
            self.timers.set(now, Due::ProcessesDie(name.to_owned()));
            for id in self.pods_on(name) {
                if let Some(pod) = self.pods.get_mut(&id) {
                    self.timers.cancel(pod.timers.main.take());
                    self.timers.cancel(pod.timers.deadline.take());
                }
            }
        }
        let giving_up = self
            .timers
            .set(now + known_after, Due::NodeLost(name.to_owned()));
        if let Some(board) = self.boards.get_mut(name) {
            board.giving_up = Some(giving_up);
        }
    }

    pub(super) fn processes_die(&mut self, name: &str, github: &mut GitHub, now: Time) {
        for id in self.pods_on(name) {
            self.process_lost(id, KillCause::BoardLost, github, now);
        }
    }

    /// The control plane gives a board up that has sent no word for long enough.
    pub(super) fn node_lost(&mut self, name: &str, now: Time) {
        if self.store.get(Kind::Node, &Key::new("", name)).is_none() {
            return self.clean_up_after(name, now);
        }
        let Some(board) = self.boards.get_mut(name) else {
            return;
        };
        if board.away.is_none() || std::mem::replace(&mut board.given_up, true) {
            return;
        }
        let message = format!("Node {name} status is now: NodeNotReady");
        self.node_event(
            name,
            Severity::Normal,
            "NodeNotReady",
            &message,
            NODE_CONTROLLER,
            now,
        );
        for id in self.pods_on(name) {
            self.edit_pod(id, |pod| set_not_ready(pod, now));
            self.pod_event(
                id,
                Severity::Warning,
                "NodeNotReady",
                "Node is not ready",
                NODE_CONTROLLER,
                now,
            );
        }
        self.edit_node(name, now, |node| {
            for condition in list_mut(&mut node["status"]["conditions"]) {
                condition["status"] = json!("Unknown");
                condition["reason"] = json!("NodeStatusUnknown");
                condition["message"] = json!("Kubelet stopped posting node status.");
                condition["lastTransitionTime"] = stamp(now);
            }
            taint_while(
                node,
                UNREACHABLE,
                &["NoSchedule", "NoExecute"],
                Some(now),
                |_| true,
            );
        });
    }

    /// What was on a node that is no longer in the cluster is no longer either.
    fn clean_up_after(&mut self, name: &str, now: Time) {
        for id in self.pods_on(name) {
            self.remove_document(id, now);
            if let Some(pod) = self.pods.remove(&id) {
                self.timers.cancel(pod.timers.main);
                self.timers.cancel(pod.timers.deadline);
            }
        }
        self.boards.remove(name);
    }

    /// The board is back: it tells how its pods are, and does what it was not told meanwhile.
    pub(super) fn board_back(&mut self, name: &str, now: Time) {
        let Some(board) = self.boards.get_mut(name) else {
            return;
        };
        let Some(loss) = board.away.take() else {
            return;
        };
        board.given_up = false;
        self.timers.cancel(board.giving_up.take());
        let conditions = node_conditions(now);
        self.edit_node(name, now, |node| {
            if list(&node["status"]["conditions"])
                .iter()
                .any(|c| c["status"] == "Unknown")
            {
                node["status"]["conditions"] = json!(conditions);
            }
            taint_while(
                node,
                UNREACHABLE,
                &["NoSchedule", "NoExecute"],
                None,
                |_| false,
            );
        });
        let message = format!("Node {name} status is now: NodeReady");
        self.node_event(name, Severity::Normal, "NodeReady", &message, KUBELET, now);
        for id in self.pods_on(name) {
            self.catch_up(id, loss, now);
        }
        // Evictions that waited because no board was left may go on.
        let everywhere: Vec<PodId> = self.pods.keys().copied().collect();
        for id in everywhere {
            self.arm_eviction(id, now);
        }
    }

    fn catch_up(&mut self, id: PodId, loss: BoardLoss, now: Time) {
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        if loss == BoardLoss::PoweredOff {
            pod.process = Process::None;
            if let Container::Running { started } = pod.container {
                pod.container = Container::Ended {
                    started,
                    finished: now,
                    exit: GONE,
                    reason: "Unknown",
                };
                return self.end_pod(id, Phase::Failed, None, now);
            }
        }
        let pending = pod.phase == Phase::Pending && pod.timers.main.is_none();
        let (in_api, terminal) = (pod.in_api, pod.phase.is_terminal());
        self.publish(id);
        let deleted = self
            .document_of(id)
            .is_some_and(|d| !d["metadata"]["deletionTimestamp"].is_null());
        if !in_api || deleted {
            self.kill(id, KillCause::Deleted, now);
        } else if !terminal {
            if pending {
                self.next_step(id, Step::Notice, self.config.timings.schedule, now);
            }
            self.arm_deadline(id, now);
        }
        self.wake_scheduler(now);
    }

    /// Sets the time at which a pod's tolerance of its node's taints ends, if it does.
    pub(super) fn arm_eviction(&mut self, id: PodId, now: Time) {
        let Some(pod) = self.pods.get(&id) else {
            return;
        };
        let due = pod.node().and_then(|node| self.evicted_at(id, node, now));
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        self.timers.cancel(pod.timers.evict.take());
        if let Some(due) = due {
            pod.timers.evict = Some(self.timers.set(due.max(now), Due::Evict(id)));
        }
    }

    fn evicted_at(&self, id: PodId, node: &str, now: Time) -> Option<Time> {
        let pod = self.document_of(id)?;
        if self.pods.get(&id)?.reported.is_terminal()
            || !pod["metadata"]["deletionTimestamp"].is_null()
        {
            return None;
        }
        let node = self.store.get(Kind::Node, &Key::new("", node))?;
        let taints = list(&node["spec"]["taints"])
            .iter()
            .filter(|taint| taint["effect"] == "NoExecute");
        taints
            .filter_map(|taint| {
                let since = taint["timeAdded"]
                    .as_str()
                    .and_then(|t| t.parse().ok())
                    .unwrap_or(now);
                let mut covering = list(&pod["spec"]["tolerations"])
                    .iter()
                    .filter(|t| tolerates(t, taint))
                    .peekable();
                match covering.peek() {
                    None => Some(since),
                    // The shortest of those that end; for ever when none does.
                    Some(_) => covering
                        .filter_map(|toleration| toleration["tolerationSeconds"].as_i64())
                        .min()
                        .map(|seconds| since + TimeDelta::seconds(seconds.max(0))),
                }
            })
            .min()
    }

    pub(super) fn evict(&mut self, id: PodId, now: Time) {
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        pod.timers.evict = None;
        // With every board gone it is the control plane that is cut off: it evicts nothing.
        let any_ready = self.boards.values().any(|board| board.away.is_none());
        if !any_ready || !pod.in_api {
            return;
        }
        pod.disrupted = Some(now);
        self.edit_pod(id, |pod| {
            if let Some(conditions) = pod["status"]["conditions"].as_array_mut() {
                let message = "Taint manager: deleting due to NoExecute taint";
                conditions.insert(
                    0,
                    condition(
                        "DisruptionTarget",
                        true,
                        now,
                        "DeletionByTaintManager",
                        message,
                    ),
                );
            }
        });
        let message = self.pods.get(&id).map(|pod| {
            format!(
                "Marking for deletion Pod {}/{}",
                pod.key.namespace, pod.key.name
            )
        });
        self.pod_event(
            id,
            Severity::Normal,
            "TaintManagerEviction",
            &message.unwrap_or_default(),
            TAINT_CONTROLLER,
            now,
        );
        self.begin_deletion(id, EVICTION_GRACE, KillCause::Evicted, now);
    }

    /// Marks a pod as deleted; its board, if it hears of it, kills the container.
    pub(super) fn begin_deletion(&mut self, id: PodId, grace: i64, cause: KillCause, now: Time) {
        self.edit_pod(id, |pod| mark_deleted(pod, grace, now));
        self.kill(id, cause, now);
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

fn set_not_ready(pod: &mut Value, now: Time) {
    for condition in list_mut(&mut pod["status"]["conditions"]) {
        if condition["type"] == "Ready" && condition["status"] == "True" {
            condition["status"] = json!("False");
            condition["lastTransitionTime"] = stamp(now);
        }
    }
}

/// Puts the taint `key` there or takes it away.
fn taint_while(
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

fn list_mut(value: &mut Value) -> &mut [Value] {
    value.as_array_mut().map_or(&mut [], Vec::as_mut_slice)
}

fn node_conditions(now: Time) -> Vec<Value> {
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
