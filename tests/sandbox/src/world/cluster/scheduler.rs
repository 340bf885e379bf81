//! The scheduler: puts pods on boards by node selector, affinity, taints and free resources, and says of the others why
//! they wait. It looks again whenever something changed that may let one in.

use std::collections::BTreeMap;

use rand::Rng;
use serde_json::{Value, json};

use super::Cluster;
use super::admission::{list, node_terms};
use super::events::{DEFAULT_SCHEDULER, Severity};
use super::pod::{Placement, PodId};
use super::quantity::{self, Milli};
use super::store::Kind;
use super::timers::{Due, Step};
use crate::world::Time;

/// Why a board does not take a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Misfit {
    Cordoned,
    Taint { key: String, value: String },
    Selector,
    Insufficient(Vec<String>),
}

impl Misfit {
    fn told(&self) -> Vec<String> {
        match self {
            Self::Cordoned => vec!["node(s) were unschedulable".to_owned()],
            Self::Taint { key, value } => {
                vec![format!("node(s) had untolerated taint {{{key}: {value}}}")]
            }
            Self::Selector => vec!["node(s) didn't match Pod's node affinity/selector".to_owned()],
            Self::Insufficient(resources) => resources
                .iter()
                .map(|r| format!("Insufficient {r}"))
                .collect(),
        }
    }
}

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
        for id in waiting {
            self.schedule_one(id, now);
        }
    }

    fn schedule_one(&mut self, id: PodId, now: Time) {
        let Some(pod) = self.pods.get(&id) else {
            return;
        };
        let Some(document) = self.store.get(Kind::Pod, &pod.key).cloned() else {
            return;
        };
        let mut refusals: BTreeMap<String, usize> = BTreeMap::new();
        let mut best: Vec<String> = Vec::new();
        let mut most_free = Milli::MIN;
        let nodes: Vec<_> = self
            .store
            .all(Kind::Node)
            .map(|(key, node)| (key.name.clone(), node.clone()))
            .collect();
        for (name, node) in &nodes {
            match self.misfit(id, &document["spec"], node) {
                Some(misfit) => {
                    for reason in misfit.told() {
                        *refusals.entry(reason).or_default() += 1;
                    }
                }
                None => {
                    let free = self.free(name, node, super::SLOT);
                    if free > most_free {
                        best.clear();
                        most_free = free;
                    }
                    if free == most_free {
                        best.push(name.clone());
                    }
                }
            }
        }
        match best.len() {
            0 => self.leave_waiting(id, &explain(nodes.len(), &refusals), now),
            several => {
                let chosen = self.rng.random_range(0..several);
                self.bind(id, &best.swap_remove(chosen), now);
            }
        }
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

    fn misfit(&self, id: PodId, spec: &Value, node: &Value) -> Option<Misfit> {
        let tolerations = list(&spec["tolerations"]);
        let cordon = json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
        if node["spec"]["unschedulable"] == true && !tolerated(tolerations, &cordon) {
            return Some(Misfit::Cordoned);
        }
        let refused = list(&node["spec"]["taints"])
            .iter()
            .find(|taint| taint["effect"] != "PreferNoSchedule" && !tolerated(tolerations, taint));
        if let Some(taint) = refused {
            let word = |field: &str| taint[field].as_str().unwrap_or_default().to_owned();
            return Some(Misfit::Taint {
                key: word("key"),
                value: word("value"),
            });
        }
        if !selects(spec, node) {
            return Some(Misfit::Selector);
        }
        let name = node["metadata"]["name"].as_str().unwrap_or_default();
        let pod = self.pods.get(&id)?;
        let missing: Vec<String> = pod
            .requests
            .iter()
            .filter(|(resource, wanted)| **wanted > 0 && self.free(name, node, resource) < **wanted)
            .map(|(resource, _)| match resource.as_str() {
                "pods" => "Too many pods".to_owned(),
                resource => resource.to_owned(),
            })
            .collect();
        (!missing.is_empty()).then_some(Misfit::Insufficient(missing))
    }

    /// What a node has left of a resource, as the API server sees it: pods that ended take nothing, even while they are
    /// still listed.
    fn free(&self, name: &str, node: &Value, resource: &str) -> Milli {
        let all = quantity::parse(&node["status"]["allocatable"][resource]).unwrap_or_default();
        all - self.bound(name, resource)
    }

    fn bound(&self, node: &str, resource: &str) -> Milli {
        self.pods
            .values()
            .filter(|pod| pod.in_api && !pod.reported.is_terminal() && pod.node() == Some(node))
            .map(|pod| pod.request(resource))
            .sum()
    }

    pub(super) fn bound_slots(&self, node: &str) -> usize {
        usize::try_from(self.bound(node, super::SLOT) / 1000).unwrap_or_default()
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

fn tolerated(tolerations: &[Value], taint: &Value) -> bool {
    tolerations
        .iter()
        .any(|toleration| tolerates(toleration, taint))
}

/// Whether one toleration covers one taint.
pub(super) fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (effect, key) = (word(&toleration["effect"]), word(&toleration["key"]));
    (effect.is_empty() || taint["effect"] == effect)
        && (key.is_empty() || taint["key"] == key)
        && match toleration["operator"].as_str().unwrap_or("Equal") {
            "Exists" => true,
            _ => !key.is_empty() && word(&toleration["value"]) == word(&taint["value"]),
        }
}

fn selects(spec: &Value, node: &Value) -> bool {
    let labels = &node["metadata"]["labels"];
    let selector = spec["nodeSelector"].as_object();
    let selected = selector
        .into_iter()
        .flatten()
        .all(|(key, value)| labels[key] == *value);
    selected
        && node_terms(spec).is_none_or(|terms| terms.iter().any(|term| term_admits(term, node)))
}

fn term_admits(term: &Value, node: &Value) -> bool {
    let expressions = list(&term["matchExpressions"]);
    let fields = list(&term["matchFields"]);
    // An empty term stands for no node at all.
    (!expressions.is_empty() || !fields.is_empty())
        && expressions
            .iter()
            .all(|rule| rule_admits(rule, &node["metadata"]["labels"]))
        && fields.iter().all(|rule| {
            let known = json!({"metadata.name": node["metadata"]["name"]});
            rule_admits(rule, &known)
        })
}

fn rule_admits(rule: &Value, labels: &Value) -> bool {
    let value = &labels[rule["key"].as_str().unwrap_or_default()];
    let listed = list(&rule["values"]).contains(value);
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<i64>().ok());
    let limit = list(&rule["values"]).first().and_then(number);
    match rule["operator"].as_str().unwrap_or_default() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => !value.is_null(),
        "DoesNotExist" => value.is_null(),
        "Gt" => number(value)
            .zip(limit)
            .is_some_and(|(value, limit)| value > limit),
        "Lt" => number(value)
            .zip(limit)
            .is_some_and(|(value, limit)| value < limit),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerations() {
        let taint = json!({"key": "k", "value": "v", "effect": "NoExecute"});
        for (toleration, covers) in [
            (json!({"operator": "Exists"}), true),
            (json!({"key": "k", "operator": "Exists"}), true),
            (
                json!({"key": "k", "operator": "Exists", "effect": "NoSchedule"}),
                false,
            ),
            (json!({"key": "k", "value": "v"}), true),
            (json!({"key": "k", "value": "w"}), false),
            (json!({"key": "l", "operator": "Exists"}), false),
        ] {
            assert_eq!(tolerates(&toleration, &taint), covers, "{toleration}");
        }
    }

    #[test]
    fn affinity_and_selector() {
        let node = json!({"metadata": {"name": "n1", "labels": {"board": "x", "gen": "5"}}});
        let with = |term: Value| {
            json!({"nodeSelector": {"board": "x"}, "affinity": {"nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}})
        };
        let expression = |key: &str, operator: &str, values: &[&str]| {
            with(
                json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]}),
            )
        };
        for (spec, admits) in [
            (json!({}), true),
            (json!({"nodeSelector": {"board": "y"}}), false),
            (with(json!({})), false),
            (
                with(
                    json!({"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["n1"]}]}),
                ),
                false,
            ),
            (
                with(
                    json!({"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["n2"]}]}),
                ),
                true,
            ),
            (expression("board", "In", &["x", "y"]), true),
            (expression("board", "NotIn", &["x"]), false),
            (expression("none", "NotIn", &["x"]), true),
            (expression("none", "Exists", &[]), false),
            (expression("gen", "Gt", &["4"]), true),
            (expression("gen", "Lt", &["4"]), false),
        ] {
            assert_eq!(selects(&spec, &node), admits, "{spec}");
        }
    }
}
