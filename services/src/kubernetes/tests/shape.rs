//! The pod that is sent.

use serde_json::{Value, json};

use super::support::input;
use crate::kubernetes::shape::pod;

#[test]
fn the_pod_is_what_the_replaced_service_makes_and_what_rise_adds() {
    let note = concat!(
        r#"{"entity_id":134263123,"entity_name":"ggml-org","entity_type":"Organization","installation_id":7,"#,
        r#""job_labels":["ubuntu-24.04-riscv"],"k8s_pool":"scw-em-rv1","#,
        r#""k8s_image":"registry.example/riscv-runner:ubuntu-24.04-latest"}"#
    );
    let expected = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "rise-riscv-runner-abc123xyz",
            "labels": {
                "app": "rise-riscv-runner",
                "riseproject.dev/entity_id": "134263123",
                "riseproject.dev/entity_name": "ggml-org",
                "riseproject.dev/board": "scw-em-rv1",
            },
            "annotations": { "riseproject.dev/worker": note },
        },
        "spec": {
            "nodeSelector": { "riseproject.dev/board": "scw-em-rv1" },
            "activeDeadlineSeconds": 525600,
            "restartPolicy": "Never",
            "hostNetwork": true,
            "tolerations": [
                { "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute" },
                { "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute" },
            ],
            "containers": [{
                "name": "runner",
                "image": "registry.example/riscv-runner:ubuntu-24.04-latest",
                "imagePullPolicy": "IfNotPresent",
                "securityContext": { "privileged": true },
                "env": [
                    { "name": "RUNNER_WAIT_FOR_DOCKER_IN_SECONDS", "value": "60" },
                    { "name": "RUNNER_JITCONFIG", "value": "the-config" },
                    { "name": "ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE", "value": "1" },
                ],
                "resources": { "limits": { "riseproject.com/runner": "1", "ephemeral-storage": "90Gi" } },
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
    let made = pod(&input("rise-riscv-runner-abc123xyz"), "the-config");
    assert_eq!(made, expected);
}

#[test]
fn a_pool_without_a_storage_limit_sets_none() {
    let mut input = input("x");
    input.ephemeral_storage = None;
    let limits = &pod(&input, "")["spec"]["containers"][0]["resources"]["limits"];
    assert_eq!(*limits, json!({ "riseproject.com/runner": "1" }));
}

#[test]
fn quarantined_boards_are_kept_away_from_by_name() {
    let mut input = input("x");
    input.quarantined = vec!["riscv-runner-1".into(), "riscv-runner-2".into()];
    let terms = &pod(&input, "")["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        ["nodeSelectorTerms"];
    let not = |name| json!({ "key": "metadata.name", "operator": "NotIn", "values": [name] });
    assert_eq!(
        *terms,
        json!([{ "matchFields": [not("riscv-runner-1"), not("riscv-runner-2")] }])
    );
    input.quarantined = vec![];
    assert_eq!(pod(&input, "")["spec"]["affinity"], Value::Null);
}

#[test]
fn names_are_made_fit_for_labels() {
    let mut input = input("x");
    input.worker.entity_name = "old-account-".to_owned();
    let made = pod(&input, "");
    let labels = &made["metadata"]["labels"];
    assert_eq!(labels["riseproject.dev/entity_name"], "old-account");
    let note = made["metadata"]["annotations"]["riseproject.dev/worker"].as_str();
    assert!(
        note.unwrap().contains("old-account-"),
        "the row keeps it as it is"
    );
}
