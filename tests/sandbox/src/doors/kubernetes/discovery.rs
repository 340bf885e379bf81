//! What there is on this API server, in the documents that clients ask for first.

use serde_json::{Value, json};

const EVERYTHING: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];
const CHANGE: &[&str] = &["delete", "get", "list", "patch", "update", "watch"];
const LOOK: &[&str] = &["get", "list", "watch"];

pub(super) fn version() -> Value {
    json!({
        "major": "1", "minor": "35", "gitVersion": "v1.35.0", "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "2025-12-17T00:00:00Z", "goVersion": "", "compiler": "", "platform": "linux/amd64",
    })
}

/// The discovery document at `path`, if there is one.
pub(super) fn document(path: &str, host: &str) -> Option<Value> {
    match path {
        "api" => Some(json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}],
        })),
        "apis" => Some(json!({
            "kind": "APIGroupList", "apiVersion": "v1",
            "groups": [group("authorization.k8s.io"), group("policy")],
        })),
        "api/v1" => Some(core()),
        "apis/authorization.k8s.io" => Some(with_kind(group("authorization.k8s.io"))),
        "apis/policy" => Some(with_kind(group("policy"))),
        "apis/authorization.k8s.io/v1" => Some(json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "authorization.k8s.io/v1",
            "resources": [resource("selfsubjectaccessreviews", "SelfSubjectAccessReview", false, &[], &["create"])],
        })),
        "apis/policy/v1" => Some(json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "policy/v1", "resources": [],
        })),
        _ => None,
    }
}

/// The part of the API's description at `path`. `kubectl create` and `apply` read there whether the server checks fields
/// by itself, and refuse to go on where there is nothing to read.
pub(super) fn description(path: &str) -> Option<Value> {
    let patch = |kind: &str| {
        json!({"patch": {
            "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}],
            "responses": {"200": {"description": "OK"}},
            "x-kubernetes-group-version-kind": {"group": "", "version": "v1", "kind": kind},
        }})
    };
    match path {
        "openapi/v3" => {
            Some(json!({"paths": {"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1"}}}))
        }
        "openapi/v3/api/v1" => Some(json!({
            "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.35.0"},
            "paths": {
                "/api/v1/namespaces/{namespace}/pods/{name}": patch("Pod"),
                "/api/v1/nodes/{name}": patch("Node"),
            },
        })),
        _ => None,
    }
}

fn group(name: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/v1"), "version": "v1"});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

fn with_kind(mut group: Value) -> Value {
    group["kind"] = json!("APIGroup");
    group["apiVersion"] = json!("v1");
    group
}

fn core() -> Value {
    let mut eviction = resource("pods/eviction", "Eviction", true, &[], &["create"]);
    eviction["group"] = json!("policy");
    eviction["version"] = json!("v1");
    json!({
        "kind": "APIResourceList", "groupVersion": "v1",
        "resources": [
            resource("events", "Event", true, &["ev"], LOOK),
            resource("namespaces", "Namespace", false, &["ns"], LOOK),
            resource("nodes", "Node", false, &["no"], CHANGE),
            resource("pods", "Pod", true, &["po"], EVERYTHING),
            eviction,
            resource("pods/log", "Pod", true, &[], &["get"]),
        ],
    })
}

fn resource(name: &str, kind: &str, namespaced: bool, short: &[&str], verbs: &[&str]) -> Value {
    let singular = if name.contains('/') {
        String::new()
    } else {
        kind.to_ascii_lowercase()
    };
    let mut resource = json!({
        "name": name, "singularName": singular, "namespaced": namespaced, "kind": kind, "verbs": verbs,
    });
    if !short.is_empty() {
        resource["shortNames"] = json!(short);
    }
    if name == "pods" {
        resource["categories"] = json!(["all"]);
    }
    resource
}
