//! A pod's `status` as the kubelet and the scheduler write it.

use serde_json::{Map, Value, json};

use super::Cluster;
use super::pod::{Container, Phase, Placement, Pod, PodId, stamp};
use super::store::Kind;
use crate::world::Time;

impl Pod {
    /// The whole status. `node_ip` is the address of its board, `index` its own number among addresses.
    pub(super) fn status(
        &self,
        quality: &Value,
        created: Time,
        node_ip: Option<&str>,
        pod_ip: &str,
    ) -> Value {
        let mut status = json!({
            "phase": self.phase.word(),
            "conditions": self.conditions(created),
            "qosClass": quality,
        });
        if let (Some(started), Some(node_ip)) = (self.start_time, node_ip) {
            status["startTime"] = stamp(started);
            status["hostIP"] = json!(node_ip);
            status["hostIPs"] = json!([{"ip": node_ip}]);
            let ip = if self.host_network { node_ip } else { pod_ip };
            if self.host_network
                || !matches!(
                    self.container,
                    Container::Unseen | Container::Waiting { .. }
                )
            {
                status["podIP"] = json!(ip);
                status["podIPs"] = json!([{"ip": ip}]);
            }
        }
        if self.container != Container::Unseen {
            let statuses: Vec<Value> = self
                .containers
                .iter()
                .map(|(name, image)| self.container_status(name, image))
                .collect();
            status["containerStatuses"] = json!(statuses);
        }
        if let Some((reason, message)) = &self.ended {
            status["reason"] = json!(reason);
            status["message"] = json!(message);
        }
        status
    }

    fn container_status(&self, name: &str, image: &str) -> Value {
        let container_id = format!(
            "containerd://{}{}",
            self.uid.replace('-', ""),
            self.uid.replace('-', "")
        );
        let started = !matches!(
            self.container,
            Container::Unseen | Container::Waiting { .. }
        );
        let state = match &self.container {
            Container::Unseen => json!({}),
            Container::Waiting { reason, message } if message.is_empty() => {
                json!({"waiting": {"reason": reason}})
            }
            Container::Waiting { reason, message } => {
                json!({"waiting": {"reason": reason, "message": message}})
            }
            Container::Running { started } => json!({"running": {"startedAt": stamp(*started)}}),
            Container::Ended {
                started,
                finished,
                exit,
                reason,
            } => json!({"terminated": {
                "exitCode": exit, "reason": reason, "startedAt": stamp(*started),
                "finishedAt": stamp(*finished), "containerID": container_id,
            }}),
        };
        let mut status = json!({
            "name": name, "image": image, "imageID": "", "ready": self.runs(), "started": self.runs(),
            "restartCount": 0, "state": state, "lastState": {},
        });
        if started {
            status["containerID"] = json!(container_id);
            status["imageID"] = json!(format!(
                "{}@sha256:{:0>64}",
                image.split(['@']).next().unwrap_or(image),
                "e1f0"
            ));
        }
        status
    }

    fn conditions(&self, created: Time) -> Vec<Value> {
        let mut conditions = Vec::new();
        if let Some(at) = self.disrupted {
            conditions.push(disrupted(at));
        }
        if let Some(noticed) = self.start_time {
            conditions.extend(self.kubelet_conditions(noticed));
        }
        match &self.placement {
            Placement::Waiting => {}
            Placement::Unschedulable { since, message } => {
                let waits = condition("PodScheduled", false, *since, "Unschedulable", message);
                conditions.push(waits);
            }
            Placement::Bound { since, .. } => {
                let since = (*since).max(created);
                conditions.push(condition("PodScheduled", true, since, "", ""));
            }
        }
        conditions
    }

    fn kubelet_conditions(&self, noticed: Time) -> [Value; 4] {
        let started = !matches!(
            self.container,
            Container::Unseen | Container::Waiting { .. }
        );
        let (since, ready) = match &self.container {
            Container::Running { started } => (*started, true),
            Container::Ended { finished, .. } => (*finished, false),
            Container::Unseen | Container::Waiting { .. } => (noticed, false),
        };
        let (reason, message) = match self.phase {
            Phase::Running => ("", String::new()),
            Phase::Succeeded => ("PodCompleted", String::new()),
            Phase::Failed => ("PodFailed", String::new()),
            Phase::Pending => {
                let waiting = self.container_name();
                (
                    "ContainersNotReady",
                    format!("containers with unready status: [{waiting}]"),
                )
            }
        };
        let completed = if self.phase == Phase::Succeeded {
            reason
        } else {
            ""
        };
        let sandbox = started && !self.phase.is_terminal();
        [
            condition("PodReadyToStartContainers", sandbox, since, "", ""),
            condition("Initialized", true, noticed, completed, ""),
            condition("Ready", ready, since, reason, &message),
            condition("ContainersReady", ready, since, reason, &message),
        ]
    }
}

/// The condition of a pod that is being evicted.
pub(super) fn disrupted(since: Time) -> Value {
    let message = "Taint manager: deleting due to NoExecute taint";
    condition(
        "DisruptionTarget",
        true,
        since,
        "DeletionByTaintManager",
        message,
    )
}

impl Cluster {
    /// Writes the pod's status to its document, unless its board cannot reach the API server.
    pub(super) fn publish(&mut self, id: PodId) {
        let Some(pod) = self.pods.get(&id) else {
            return;
        };
        if !pod.node().is_some_and(|node| self.is_away(node)) {
            self.publish_as_control_plane(id);
        }
    }

    /// Writes the pod's status to its document.
    pub(super) fn publish_as_control_plane(&mut self, id: PodId) {
        let Some(pod) = self.pods.get_mut(&id).filter(|pod| pod.in_api) else {
            return;
        };
        let Some(document) = self.store.get(Kind::Pod, &pod.key) else {
            return;
        };
        let node = pod.node().and_then(|node| self.boards.get(node));
        let created = document["metadata"]["creationTimestamp"]
            .as_str()
            .and_then(|t| t.parse().ok());
        let status = pod.status(
            &document["status"]["qosClass"],
            created.unwrap_or_default(),
            node.map(|board| board.address.as_str()),
            &format!(
                "10.244.{}.{}",
                node.map_or(0, |board| board.number),
                id.0 % 250 + 2
            ),
        );
        pod.reported = pod.phase;
        let mut document = Value::clone(document);
        document["status"] = status;
        self.store.put(Kind::Pod, pod.key.clone(), document);
    }
}

/// One condition; an empty reason or message is left out.
pub(super) fn condition(
    kind: &str,
    holds: bool,
    since: Time,
    reason: &str,
    message: &str,
) -> Value {
    let mut condition = Map::new();
    condition.insert("type".to_owned(), json!(kind));
    condition.insert(
        "status".to_owned(),
        json!(if holds { "True" } else { "False" }),
    );
    condition.insert("lastProbeTime".to_owned(), Value::Null);
    condition.insert("lastTransitionTime".to_owned(), stamp(since));
    if !reason.is_empty() {
        condition.insert("reason".to_owned(), json!(reason));
    }
    if !message.is_empty() {
        condition.insert("message".to_owned(), json!(message));
    }
    Value::Object(condition)
}
