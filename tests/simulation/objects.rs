//! Kubernetes' documents as the model's plain objects, and a runner's pod as a document: what `services/src/kubernetes`
//! does over the wire, on the pretend cluster's JSON.

use std::collections::BTreeMap;

use rise_model::cluster::{
    APP, APP_LABEL, Annotated, CONTAINER, ContainerState, ENTITY_ID_LABEL, Node, Phase, Pod,
    RUNNER_RESOURCE, Readiness, TOLERATED, Taint, TaintEffect, Termination, WORKER_ANNOTATION,
    WorkerNote,
};
use rise_model::config::{BOARD_LABEL, Pool};
use rise_model::rows::WorkerRow;
use rise_model::{NodeName, Time};
use serde_json::{Value, json};

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn time(value: &Value) -> Option<Time> {
    value.as_str()?.parse().ok()
}

fn texts(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.clone(), text(value)?)))
        .collect()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    items(&status["conditions"])
        .iter()
        .find(|condition| condition["type"] == kind)
}

/// Whether it is one of ours, as the selector of lists and watches says.
pub(crate) fn is_ours(pod: &Value) -> bool {
    pod["metadata"]["labels"][APP_LABEL] == APP
}

fn note(annotations: &Value) -> Annotated {
    let Some(text) = annotations[WORKER_ANNOTATION].as_str() else {
        return Annotated::Nothing;
    };
    serde_json::from_str(text).map_or(Annotated::Unreadable, |note| {
        Annotated::Worker(Box::new(note))
    })
}

fn note_of(worker: &WorkerRow) -> String {
    let demand = &worker.demand;
    let note = WorkerNote {
        entity_id: demand.entity,
        entity_name: demand.entity_name.clone(),
        entity_type: demand.kind,
        installation_id: demand.installation,
        repo_id: demand.repo,
        repo_full_name: demand.repo_full_name.clone(),
        job_labels: demand.labels.clone(),
        k8s_pool: demand.pool.clone(),
        k8s_image: demand.image.clone(),
    };
    serde_json::to_string(&note).unwrap_or_default()
}

pub(crate) fn pod(document: &Value) -> Pod {
    let (metadata, spec, status) = (
        &document["metadata"],
        &document["spec"],
        &document["status"],
    );
    let runner = items(&status["containerStatuses"])
        .iter()
        .find(|container| container["name"] == CONTAINER);
    let (scheduled_at, unschedulable) = match condition(status, "PodScheduled") {
        Some(done) if done["status"] == "True" => (time(&done["lastTransitionTime"]), None),
        Some(not) if not["reason"] == "Unschedulable" => (None, text(&not["message"])),
        Some(_) | None => (None, None),
    };
    Pod {
        name: text(&metadata["name"]).unwrap_or_default().as_str().into(),
        uid: text(&metadata["uid"]).unwrap_or_default().as_str().into(),
        resource_version: text(&metadata["resourceVersion"])
            .unwrap_or_default()
            .as_str()
            .into(),
        labels: texts(&metadata["labels"]),
        worker: note(&metadata["annotations"]),
        node: text(&spec["nodeName"]).map(|name| name.as_str().into()),
        phase: Phase::parse(status["phase"].as_str().unwrap_or_default()),
        created_at: time(&metadata["creationTimestamp"]).unwrap_or_default(),
        deletion_at: time(&metadata["deletionTimestamp"]),
        scheduled_at,
        start_time: time(&status["startTime"]),
        image_digest: None,
        container: container(runner),
        reason: text(&status["reason"]),
        message: text(&status["message"]),
        active_deadline_seconds: spec["activeDeadlineSeconds"].as_i64(),
        unschedulable,
    }
}

fn container(status: Option<&Value>) -> ContainerState {
    let Some(state) = status.map(|status| &status["state"]) else {
        return ContainerState::Unreported;
    };
    let ended = &state["terminated"];
    if ended.is_object() {
        return ContainerState::Terminated(Termination {
            exit_code: i32::try_from(ended["exitCode"].as_i64().unwrap_or_default())
                .unwrap_or_default(),
            reason: text(&ended["reason"]),
            message: text(&ended["message"]),
            started_at: time(&ended["startedAt"]),
            finished_at: time(&ended["finishedAt"]),
        });
    }
    if state["running"].is_object() {
        return ContainerState::Running {
            since: time(&state["running"]["startedAt"]),
        };
    }
    if state["waiting"].is_object() {
        return ContainerState::Waiting {
            reason: text(&state["waiting"]["reason"]),
            message: text(&state["waiting"]["message"]),
        };
    }
    ContainerState::Unreported
}

pub(crate) fn node(document: &Value) -> Node {
    let (spec, status) = (&document["spec"], &document["status"]);
    let ready = condition(status, "Ready");
    Node {
        name: text(&document["metadata"]["name"])
            .unwrap_or_default()
            .as_str()
            .into(),
        labels: texts(&document["metadata"]["labels"]),
        ready: match ready.and_then(|ready| ready["status"].as_str()) {
            Some("True") => Readiness::Ready,
            Some("False") => Readiness::NotReady,
            Some(_) | None => Readiness::Unknown,
        },
        ready_since: ready.and_then(|ready| time(&ready["lastTransitionTime"])),
        unschedulable: spec["unschedulable"] == true,
        taints: items(&spec["taints"]).iter().map(taint).collect(),
        allocatable_slots: status["allocatable"][RUNNER_RESOURCE]
            .as_str()
            .and_then(|quantity| quantity.parse().ok())
            .unwrap_or_default(),
    }
}

fn taint(taint: &Value) -> Taint {
    Taint {
        key: text(&taint["key"]).unwrap_or_default(),
        value: text(&taint["value"]),
        effect: match taint["effect"].as_str() {
            Some("NoSchedule") => TaintEffect::NoSchedule,
            Some("PreferNoSchedule") => TaintEffect::PreferNoSchedule,
            Some("NoExecute") => TaintEffect::NoExecute,
            Some(_) | None => TaintEffect::Other,
        },
    }
}

/// A runner's pod, as far as the pretend cluster looks at it.
pub(crate) fn runner_pod(
    worker: &WorkerRow,
    pool: &Pool,
    quarantined: &[NodeName],
    jit_config: &str,
) -> Value {
    let mut document = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": worker.name,
            "annotations": { WORKER_ANNOTATION: note_of(worker) },
            "labels": {
                APP_LABEL: APP,
                ENTITY_ID_LABEL: worker.demand.entity.to_string(),
                BOARD_LABEL: pool.name,
            },
        },
        "spec": {
            "nodeSelector": pool.selector(),
            "activeDeadlineSeconds": 525_600,
            "restartPolicy": "Never",
            "hostNetwork": true,
            "tolerations": TOLERATED.map(|key| json!({
                "key": key,
                "operator": "Exists",
                "effect": "NoExecute",
            })),
            "containers": [{
                "name": CONTAINER,
                "image": worker.demand.image,
                "imagePullPolicy": "IfNotPresent",
                "env": [{ "name": "RUNNER_JITCONFIG", "value": jit_config }],
                "resources": { "limits": { RUNNER_RESOURCE: "1" } },
            }],
        },
    });
    if !quarantined.is_empty() {
        let away = quarantined
            .iter()
            .map(|board| json!({ "key": "metadata.name", "operator": "NotIn", "values": [board] }));
        let term = json!({ "matchFields": away.collect::<Vec<Value>>() });
        document["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            ["nodeSelectorTerms"] = json!([term]);
    }
    document
}
