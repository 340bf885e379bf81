//! The scheduler: puts pods on boards by node selector, affinity, taints and free resources, and says of the others why
//! they wait. It looks again whenever something changed that may let one in.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::Rng;
use serde_json::{Value, json};

use super::events::{DEFAULT_SCHEDULER, Severity};
use super::fit::{Usage, misfit};
use super::pod::{Placement, PodId};
use super::quantity::Milli;
use super::store::Kind;
use super::timers::{Due, Step};
use super::{Cluster, SLOT};
use crate::world::Time;

impl Cluster {
    /// Has the scheduler look soon.
    pub(super) fn wake_scheduler(&mut self, now: Time) {
        if !self.scheduling {
            self.scheduling = true;
            self.timers
                .set(now + self.config.timings.schedule, Due::Schedule);
        }
    }

    pub(super) fn run_scheduler(&mut self, now: Time) {
        self.scheduling = false;
        let waiting: Vec<PodId> = self
            .pods
            .iter()
            .filter(|(_, pod)| pod.in_api && pod.node().is_none() && !pod.phase.is_terminal())
            .map(|(id, _)| *id)
            .collect();
        if waiting.is_empty() {
            return;
        }
        let nodes: Vec<Arc<Value>> = self
            .store
            .all(Kind::Node)
            .map(|(_, node)| Arc::clone(node))
            .collect();
        let mut usage = self.usage();
        for id in waiting {
            if let Some(node) = self.schedule_one(id, &nodes, &usage, now)
                && let Some(pod) = self.pods.get(&id)
            {
                usage.add(&node, &pod.requests);
            }
        }
    }

    /// Binds a pod to a board, and returns which, or says why it waits.
    fn schedule_one(
        &mut self,
        id: PodId,
        nodes: &[Arc<Value>],
        usage: &Usage,
        now: Time,
    ) -> Option<String> {
        let pod = self.pods.get(&id)?;
        let document = Arc::clone(self.store.get(Kind::Pod, &pod.key)?);
        let mut refusals: BTreeMap<String, usize> = BTreeMap::new();
        let mut best: Vec<&str> = Vec::new();
        let mut most_free = Milli::MIN;
        for node in nodes {
            if let Some(misfit) = misfit(&document["spec"], &pod.requests, node, usage) {
                for reason in misfit.told() {
                    *refusals.entry(reason).or_default() += 1;
                }
                continue;
            }
            let free = usage.free(node, SLOT);
            if free > most_free {
                best.clear();
                most_free = free;
            }
            if free == most_free {
                best.push(node["metadata"]["name"].as_str().unwrap_or_default());
            }
        }
        if best.is_empty() {
            self.leave_waiting(id, &explain(nodes.len(), &refusals), now);
            return None;
        }
        let chosen = best[self.rng.random_range(0..best.len())].to_owned();
        self.bind(id, &chosen, now);
        Some(chosen)
    }

    fn bind(&mut self, id: PodId, node: &str, now: Time) {
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        pod.placement = Placement::Bound {
            node: node.to_owned(),
            since: now,
        };
        let key = pod.key.clone();
        if let Some(document) = self.store.get(Kind::Pod, &key) {
            let mut document = Value::clone(document);
            document["spec"]["nodeName"] = json!(node);
            self.store.put(Kind::Pod, key.clone(), document);
        }
        self.publish_as_control_plane(id);
        let message = format!(
            "Successfully assigned {}/{} to {node}",
            key.namespace, key.name
        );
        self.pod_event(
            id,
            Severity::Normal,
            "Scheduled",
            &message,
            DEFAULT_SCHEDULER,
            now,
        );
        self.report
            .note_bound(node, self.bound_slots(node), self.slots(node));
        self.arm_eviction(id, now);
        self.next_step(id, Step::Notice, self.config.timings.schedule, now);
    }

    fn leave_waiting(&mut self, id: PodId, why: &str, now: Time) {
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        if matches!(&pod.placement, Placement::Unschedulable { message, .. } if message == why) {
            return;
        }
        let since = match &pod.placement {
            Placement::Unschedulable { since, .. } => *since,
            Placement::Waiting | Placement::Bound { .. } => now,
        };
        pod.placement = Placement::Unschedulable {
            since,
            message: why.to_owned(),
        };
        self.report.unschedulable.insert(pod.key.name.clone());
        self.publish_as_control_plane(id);
        self.pod_event(
            id,
            Severity::Warning,
            "FailedScheduling",
            why,
            DEFAULT_SCHEDULER,
            now,
        );
    }

    /// What is taken on each node as the API server sees it: pods that ended take nothing, even while they are still
    /// listed.
    fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for pod in self
            .pods
            .values()
            .filter(|pod| pod.in_api && !pod.reported.is_terminal())
        {
            if let Some(node) = pod.node() {
                usage.add(node, &pod.requests);
            }
        }
        usage
    }

    pub(super) fn bound_slots(&self, node: &str) -> usize {
        let there = self
            .pods
            .values()
            .filter(|pod| pod.in_api && !pod.reported.is_terminal());
        let bound: Milli = there
            .filter(|pod| pod.node() == Some(node))
            .map(|pod| pod.request(SLOT))
            .sum();
        usize::try_from(bound / 1000).unwrap_or_default()
    }
}

fn explain(nodes: usize, refusals: &BTreeMap<String, usize>) -> String {
    if nodes == 0 {
        return "no nodes available to schedule pods".to_owned();
    }
    let mut told: Vec<String> = refusals
        .iter()
        .map(|(why, count)| format!("{count} {why}"))
        .collect();
    told.sort();
    format!(
        "0/{nodes} nodes are available: {}. preemption: 0/{nodes} nodes are available: {nodes} Preemption is not \
         helpful for scheduling.",
        told.join(", ")
    )
}
