//! Boards that go away and come back. One that is away sends no word: after a while its node's Ready turns `Unknown` and
//! it is tainted, while its pods keep their phase. Back, it tells how its pods are and does what it was not told.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::Cluster;
use super::admission::list;
use super::board::{BoardLoss, list_mut, node_conditions, taint_while};
use super::events::{KUBELET, NODE_CONTROLLER, Severity};
use super::pod::{Container, Phase, PodId, Process, stamp};
use super::report::KillCause;
use super::store::{Key, Kind};
use super::timers::{Due, Step};
use crate::world::Time;
use crate::world::github::GitHub;

const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

/// The exit status of a container that went down with its board.
const GONE: i32 = 255;

impl Cluster {
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
}

fn set_not_ready(pod: &mut Value, now: Time) {
    for condition in list_mut(&mut pod["status"]["conditions"]) {
        if condition["type"] == "Ready" && condition["status"] == "True" {
            condition["status"] = json!("False");
            condition["lastTransitionTime"] = stamp(now);
        }
    }
}
