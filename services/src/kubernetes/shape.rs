//! The pod of a runner, to the letter what the replaced service makes, and what rise adds.

use rise_model::cluster::{
    APP, APP_LABEL, CONTAINER, ENTITY_ID_LABEL, ENTITY_NAME_LABEL, PodSpecInput, RUNNER_RESOURCE,
    TOLERATED, WORKER_ANNOTATION, label_value,
};
use rise_model::config::BOARD_LABEL;
use serde_json::{Map, Value, json};

/// A day in GitHub's queue, five days of work, two hours to spare.
const ACTIVE_DEADLINE_SECONDS: u32 = 525_600;
/// How long the runner waits for the container engine, as the image reads it.
const WAIT_FOR_DOCKER: &str = "60";

/// The object that is sent. It holds the JIT config: it is for sending and for nothing else.
pub(super) fn pod(input: &PodSpecInput, jit_config: &str) -> Value {
    let note = serde_json::to_string(&input.worker).unwrap_or_default();
    let mut limits = Map::from_iter([(RUNNER_RESOURCE.to_owned(), json!("1"))]);
    if let Some(storage) = &input.ephemeral_storage {
        limits.insert("ephemeral-storage".to_owned(), json!(storage));
    }
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": input.name,
            "labels": {
                APP_LABEL: APP,
                ENTITY_ID_LABEL: input.worker.entity_id.to_string(),
                ENTITY_NAME_LABEL: label_value(&input.worker.entity_name),
                BOARD_LABEL: label_value(input.worker.k8s_pool.as_str()),
            },
            "annotations": { WORKER_ANNOTATION: note },
        },
        "spec": {
            "nodeSelector": input.node_selector,
            "activeDeadlineSeconds": ACTIVE_DEADLINE_SECONDS,
            "restartPolicy": "Never",
            "hostNetwork": true,
            "tolerations": TOLERATED.map(|key| json!({
                "key": key,
                "operator": "Exists",
                "effect": "NoExecute",
            })),
            "containers": [{
                "name": CONTAINER,
                "image": input.image,
                "imagePullPolicy": "IfNotPresent",
                "securityContext": { "privileged": true },
                "env": [
                    { "name": "RUNNER_WAIT_FOR_DOCKER_IN_SECONDS", "value": WAIT_FOR_DOCKER },
                    { "name": "RUNNER_JITCONFIG", "value": jit_config },
                    { "name": "ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE", "value": "1" },
                ],
                "resources": { "limits": limits },
                "volumeMounts": [
                    { "name": "docker-graph", "mountPath": "/var/lib/docker" },
                    { "name": "k0s", "mountPath": "/var/lib/k0s" },
                ],
            }],
            "volumes": [
                { "name": "docker-graph", "emptyDir": {} },
                { "name": "k0s", "emptyDir": {} },
            ],
        },
    });
    if let Some(affinity) = affinity(input)
        && let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut)
    {
        spec.insert("affinity".to_owned(), affinity);
    }
    pod
}

/// Keeps the pod off quarantined boards. By name, not by the hostname label, which may differ; Kubernetes takes one
/// name an expression.
fn affinity(input: &PodSpecInput) -> Option<Value> {
    if input.quarantined.is_empty() {
        return None;
    }
    let away: Vec<Value> = input
        .quarantined
        .iter()
        .map(|node| json!({ "key": "metadata.name", "operator": "NotIn", "values": [node] }))
        .collect();
    Some(json!({
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{ "matchFields": away }],
            },
        },
    }))
}
