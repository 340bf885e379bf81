//! Objects as rows, the way `kubectl get` prints them: the server chooses the columns.

use serde_json::{Value, json};

use super::reply::partial;
use crate::world::Time;
use crate::world::cluster::Kind;

/// How much of its object comes with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowObject {
    None,
    Metadata,
    Whole,
}

impl RowObject {
    /// As `includeObject` names it.
    pub(super) fn named(word: &str) -> Self {
        match word {
            "None" => Self::None,
            "Object" => Self::Whole,
            _ => Self::Metadata,
        }
    }
}

/// A table of `objects`.
pub(super) fn table(
    kind: Kind,
    objects: &[&Value],
    metadata: &Value,
    rows: RowObject,
    now: Time,
) -> Value {
    let columns: Vec<Value> = columns(kind)
        .iter()
        .map(|(name, wide)| {
            let format = if *name == "Name" { "name" } else { "" };
            json!({"name": name, "type": "string", "format": format, "description": "", "priority": i32::from(*wide)})
        })
        .collect();
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let cells = match kind {
                Kind::Pod => pod(object, now),
                Kind::Node => node(object, now),
                Kind::Event => event(object, now),
                Kind::Namespace => namespace(object, now),
            };
            match rows {
                RowObject::None => json!({"cells": cells}),
                RowObject::Metadata => json!({"cells": cells, "object": partial(object)}),
                RowObject::Whole => json!({"cells": cells, "object": object}),
            }
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns, "rows": rows,
    })
}

/// Columns with their names; `true` for those that only `-o wide` shows.
fn columns(kind: Kind) -> &'static [(&'static str, bool)] {
    match kind {
        Kind::Pod => &[
            ("Name", false),
            ("Ready", false),
            ("Status", false),
            ("Restarts", false),
            ("Age", false),
            ("IP", true),
            ("Node", true),
            ("Nominated Node", true),
            ("Readiness Gates", true),
        ],
        Kind::Node => &[
            ("Name", false),
            ("Status", false),
            ("Roles", false),
            ("Age", false),
            ("Version", false),
            ("Internal-IP", true),
            ("External-IP", true),
            ("OS-Image", true),
            ("Kernel-Version", true),
            ("Container-Runtime", true),
        ],
        Kind::Event => &[
            ("Last Seen", false),
            ("Type", false),
            ("Reason", false),
            ("Object", false),
            ("Subobject", true),
            ("Source", true),
            ("Message", false),
            ("First Seen", true),
            ("Count", true),
            ("Name", true),
        ],
        Kind::Namespace => &[("Name", false), ("Status", false), ("Age", false)],
    }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn or_none(value: &Value) -> String {
    value.as_str().unwrap_or("<none>").to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn pod(pod: &Value, now: Time) -> Value {
    let statuses = list(&pod["status"]["containerStatuses"]);
    let ready = statuses
        .iter()
        .filter(|status| status["ready"] == true)
        .count();
    let restarts: i64 = statuses
        .iter()
        .filter_map(|status| status["restartCount"].as_i64())
        .sum();
    json!([
        pod["metadata"]["name"],
        format!("{ready}/{}", list(&pod["spec"]["containers"]).len()),
        pod_status(pod, statuses),
        restarts.to_string(),
        age(&pod["metadata"]["creationTimestamp"], now),
        or_none(&pod["status"]["podIP"]),
        or_none(&pod["spec"]["nodeName"]),
        "<none>",
        "<none>",
    ])
}

/// The word that people look at: what the container waits for or ended with, before the phase.
fn pod_status(pod: &Value, statuses: &[Value]) -> String {
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        return "Terminating".to_owned();
    }
    let own = pod["status"]["reason"].as_str();
    let of_container = statuses.iter().rev().find_map(|status| {
        let state = &status["state"];
        let reason = state["waiting"]["reason"]
            .as_str()
            .or_else(|| state["terminated"]["reason"].as_str());
        reason.filter(|reason| !reason.is_empty())
    });
    of_container
        .or(own)
        .map_or_else(|| word(&pod["status"]["phase"]), str::to_owned)
}

fn node(node: &Value, now: Time) -> Value {
    let ready = list(&node["status"]["conditions"])
        .iter()
        .find(|condition| condition["type"] == "Ready");
    let mut status = match ready.map(|condition| condition["status"] == "True") {
        Some(true) => "Ready".to_owned(),
        _ => "NotReady".to_owned(),
    };
    if node["spec"]["unschedulable"] == true {
        status.push_str(",SchedulingDisabled");
    }
    let roles: Vec<&str> = node["metadata"]["labels"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/"))
        .collect();
    let roles = if roles.is_empty() {
        "<none>".to_owned()
    } else {
        roles.join(",")
    };
    let info = &node["status"]["nodeInfo"];
    let address = list(&node["status"]["addresses"])
        .iter()
        .find(|address| address["type"] == "InternalIP");
    json!([
        node["metadata"]["name"],
        status,
        roles,
        age(&node["metadata"]["creationTimestamp"], now),
        word(&info["kubeletVersion"]),
        address.map_or("<none>".to_owned(), |address| or_none(&address["address"])),
        "<none>",
        word(&info["osImage"]),
        word(&info["kernelVersion"]),
        word(&info["containerRuntimeVersion"]),
    ])
}

fn event(event: &Value, now: Time) -> Value {
    let involved = &event["involvedObject"];
    let kind = word(&involved["kind"]).to_ascii_lowercase();
    let source = match event["source"]["host"].as_str() {
        Some(host) => format!("{}, {host}", word(&event["source"]["component"])),
        None => word(&event["source"]["component"]),
    };
    json!([
        age(&event["lastTimestamp"], now),
        word(&event["type"]),
        word(&event["reason"]),
        format!("{kind}/{}", word(&involved["name"])),
        word(&involved["fieldPath"]),
        source,
        word(&event["message"]),
        age(&event["firstTimestamp"], now),
        event["count"].as_i64().unwrap_or(1).to_string(),
        word(&event["metadata"]["name"]),
    ])
}

fn namespace(namespace: &Value, now: Time) -> Value {
    json!([
        namespace["metadata"]["name"],
        word(&namespace["status"]["phase"]),
        age(&namespace["metadata"]["creationTimestamp"], now),
    ])
}

/// How long ago, in the two largest units that matter.
fn age(since: &Value, now: Time) -> String {
    let Some(since) = since.as_str().and_then(|since| since.parse::<Time>().ok()) else {
        return "<unknown>".to_owned();
    };
    let seconds = (now - since).num_seconds().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 if seconds % 60 != 0 => format!("{minutes}m{}s", seconds % 60),
        120..10_800 => format!("{minutes}m"),
        10_800..28_800 if minutes % 60 != 0 => format!("{hours}h{}m", minutes % 60),
        10_800..172_800 => format!("{hours}h"),
        172_800..691_200 if hours % 24 != 0 => format!("{days}d{}h", hours % 24),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn ages() {
        let since: Time = "2026-11-24T12:00:00Z".parse().unwrap();
        for (seconds, told) in [
            (0, "0s"),
            (119, "119s"),
            (130, "2m10s"),
            (600, "10m"),
            (7_260, "121m"),
            (10_900, "3h1m"),
            (90_000, "25h"),
            (180_000, "2d2h"),
            (900_000, "10d"),
        ] {
            assert_eq!(
                age(
                    &json!("2026-11-24T12:00:00Z"),
                    since + TimeDelta::seconds(seconds)
                ),
                told
            );
        }
    }
}
