//! Whether a node takes a pod: cordon, taints, selector and affinity, free resources, in this order.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::admission::{list, node_terms};
use super::quantity::{self, Milli};

/// Why a board does not take a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Misfit {
    Cordoned,
    Taint { key: String, value: String },
    Selector,
    Insufficient(Vec<String>),
}

impl Misfit {
    pub(super) fn told(&self) -> Vec<String> {
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

/// What is taken of each resource on each node.
#[derive(Debug, Default)]
pub(super) struct Usage(BTreeMap<String, BTreeMap<String, Milli>>);

impl Usage {
    pub(super) fn add(&mut self, node: &str, requests: &BTreeMap<String, Milli>) {
        let taken = self.0.entry(node.to_owned()).or_default();
        for (resource, amount) in requests {
            *taken.entry(resource.clone()).or_default() += amount;
        }
    }

    pub(super) fn free(&self, node: &Value, resource: &str) -> Milli {
        let all = quantity::parse(&node["status"]["allocatable"][resource]).unwrap_or_default();
        let taken = node["metadata"]["name"]
            .as_str()
            .and_then(|name| self.0.get(name)?.get(resource));
        all - taken.copied().unwrap_or_default()
    }
}

/// Why a node does not take a pod, if it does not.
pub(super) fn misfit(
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
