//! What the API server fills in where a pod's maker left something out.

use serde_json::{Value, json};

use super::super::fit::tolerates;
use super::super::quantity;
use super::{list, list_mut};

/// Fills in what a pod's maker may leave out.
pub(in super::super) fn default_pod(pod: &mut Value) {
    if !pod["spec"].is_object() {
        return;
    }
    let spec = &mut pod["spec"];
    for (field, value) in [
        ("restartPolicy", json!("Always")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("serviceAccountName", json!("default")),
        ("serviceAccount", json!("default")),
        ("securityContext", json!({})),
        ("enableServiceLinks", json!(true)),
        ("preemptionPolicy", json!("PreemptLowerPriority")),
        ("priority", json!(0)),
    ] {
        set_default(spec, field, value);
    }
    for container in list_mut(&mut spec["containers"]) {
        default_container(container);
    }
    for volume in list_mut(&mut spec["volumes"]) {
        if volume.as_object().is_some_and(|volume| volume.len() == 1) {
            set_default(volume, "emptyDir", json!({}));
        }
    }
    default_tolerations(spec);
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|_, value| !value.is_null());
    }
    let quality = quality_of_service(&pod["spec"]);
    pod["status"] = json!({"phase": "Pending", "qosClass": quality});
}

fn default_container(container: &mut Value) {
    let image = container["image"].as_str().unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or_default();
    let moving = !image.contains('@') && (name.ends_with(":latest") || !name.contains(':'));
    let policy = if moving { "Always" } else { "IfNotPresent" };
    set_default(container, "imagePullPolicy", json!(policy));
    set_default(
        container,
        "terminationMessagePath",
        json!("/dev/termination-log"),
    );
    set_default(container, "terminationMessagePolicy", json!("File"));
    set_default(container, "resources", json!({}));
    let resources = &mut container["resources"];
    if let Some(limits) = resources["limits"].as_object().cloned() {
        set_default(resources, "requests", json!({}));
        for (resource, limit) in limits {
            set_default(&mut resources["requests"], &resource, limit);
        }
    }
}

/// Five minutes on a node that is not ready or cannot be reached, unless the pod brings a toleration of its own.
fn default_tolerations(spec: &mut Value) {
    for key in [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ] {
        let taint = json!({"key": key, "effect": "NoExecute"});
        let tolerations = list(&spec["tolerations"]);
        if tolerations.iter().any(|t| tolerates(t, &taint)) {
            continue;
        }
        let mut tolerations = tolerations.to_vec();
        tolerations.push(json!({
            "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300,
        }));
        spec["tolerations"] = Value::Array(tolerations);
    }
}

fn quality_of_service(spec: &Value) -> &'static str {
    let mut guaranteed = true;
    let mut anything = false;
    for container in list(&spec["containers"]) {
        for resource in ["cpu", "memory"] {
            let (request, limit) = (
                &container["resources"]["requests"][resource],
                &container["resources"]["limits"][resource],
            );
            anything |= !request.is_null() || !limit.is_null();
            guaranteed &= !limit.is_null() && quantity::parse(request) == quantity::parse(limit);
        }
    }
    match (anything, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

fn set_default(object: &mut Value, field: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        let slot = object.entry(field).or_insert(Value::Null);
        if slot.is_null() {
            *slot = value;
        }
    }
}
