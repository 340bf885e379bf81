//! The scheduler: puts pods on boards by node selector, affinity, taints and free resources, and says of the others why
//! they wait. It looks again whenever something changed that may let one in.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::Rng;
use serde_json::{Value, json};

use super::admission::{list, node_terms};
use super::events::{DEFAULT_SCHEDULER, Severity};
use super::pod::{Placement, PodId};
use super::quantity::{self, Milli};
use super::store::Kind;
use super::timers::{Due, Step};
use super::{Cluster, SLOT};
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
                .map(|resource| match resource.as_str() {
                    "pods" => "Too many pods".to_owned(),
                    resource => format!("Insufficient {resource}"),
                })
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

/// What is taken of each resource on each node.
#[derive(Debug, Default)]
struct Usage(BTreeMap<String, BTreeMap<String, Milli>>);

impl Usage {
    fn add(&mut self, node: &str, requests: &BTreeMap<String, Milli>) {
        let taken = self.0.entry(node.to_owned()).or_default();
        for (resource, amount) in requests {
            *taken.entry(resource.clone()).or_default() += amount;
        }
    }

    fn free(&self, node: &Value, resource: &str) -> Milli {
        let all = quantity::parse(&node["status"]["allocatable"][resource]).unwrap_or_default();
        let taken = node["metadata"]["name"]
            .as_str()
            .and_then(|name| self.0.get(name)?.get(resource));
        all - taken.copied().unwrap_or_default()
    }
}

/// Why a node does not take a pod, if it does not.
fn misfit(
    spec: &Value,
    requests: &BTreeMap<String, Milli>,
    node: &Value,
    usage: &Usage,
) -> Option<Misfit> {
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
    let missing = requests
        .iter()
        .filter(|(resource, wanted)| **wanted > 0 && usage.free(node, resource) < **wanted);
    let missing: Vec<String> = missing.map(|(resource, _)| resource.clone()).collect();
    (!missing.is_empty()).then_some(Misfit::Insufficient(missing))
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
