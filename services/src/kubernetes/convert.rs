//! Kubernetes' objects as the model's plain ones.

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use rise_model::Time;
use rise_model::cluster::{
    Annotated, CONTAINER, ContainerState, Node, Phase, Pod, RUNNER_RESOURCE, Readiness, Taint,
    TaintEffect, Termination, WORKER_ANNOTATION,
};

/// A moment of Kubernetes' on the model's clock.
pub(super) fn time(at: &meta::Time) -> Option<Time> {
    let nanos = u32::try_from(at.0.subsec_nanosecond()).ok()?;
    Time::from_timestamp(at.0.as_second(), nanos)
}

fn maybe_time(at: Option<&meta::Time>) -> Option<Time> {
    at.and_then(time)
}

/// A pod. The JIT config in its environment is dropped here.
pub(super) fn pod(pod: core::Pod) -> Result<Pod, String> {
    let metadata = pod.metadata;
    let name = metadata.name.ok_or("a pod has no name")?;
    let created_at = maybe_time(metadata.creation_timestamp.as_ref())
        .ok_or_else(|| format!("pod {name} has no creation time"))?;
    let spec = pod.spec.unwrap_or_default();
    let status = pod.status.unwrap_or_default();
    let runner = status
        .container_statuses
        .unwrap_or_default()
        .into_iter()
        .find(|container| container.name == CONTAINER);
    let scheduled = status
        .conditions
        .unwrap_or_default()
        .into_iter()
        .find(|condition| condition.type_ == "PodScheduled");
    let (scheduled_at, unschedulable) = match scheduled {
        Some(done) if done.status == "True" => {
            (maybe_time(done.last_transition_time.as_ref()), None)
        }
        Some(not) if not.reason.as_deref() == Some("Unschedulable") => {
            (None, Some(not.message.unwrap_or_default()))
        }
        Some(_) | None => (None, None),
    };
    let annotation = metadata
        .annotations
        .and_then(|mut all| all.remove(WORKER_ANNOTATION));
    Ok(Pod {
        name: name.as_str().into(),
        uid: metadata.uid.unwrap_or_default().as_str().into(),
        resource_version: metadata
            .resource_version
            .unwrap_or_default()
            .as_str()
            .into(),
        labels: metadata.labels.unwrap_or_default(),
        worker: annotated(annotation.as_deref()),
        node: spec
            .node_name
            .filter(|name| !name.is_empty())
            .map(|name| name.as_str().into()),
        phase: Phase::parse(status.phase.as_deref().unwrap_or_default()),
        created_at,
        deletion_at: maybe_time(metadata.deletion_timestamp.as_ref()),
        scheduled_at,
        start_time: maybe_time(status.start_time.as_ref()),
        image_digest: runner
            .as_ref()
            .and_then(|container| digest(&container.image_id)),
        container: container(runner),
        reason: status.reason,
        message: status.message,
        active_deadline_seconds: spec.active_deadline_seconds,
        unschedulable,
    })
}

fn annotated(annotation: Option<&str>) -> Annotated {
    match annotation {
        None => Annotated::Nothing,
        Some(text) => match serde_json::from_str(text) {
            Ok(note) => Annotated::Worker(Box::new(note)),
            Err(_) => Annotated::Unreadable,
        },
    }
}

/// The digest in what a container runtime calls the image.
fn digest(image_id: &str) -> Option<String> {
    let id = image_id
        .rsplit_once('@')
        .map_or(image_id, |(_, digest)| digest);
    id.starts_with("sha256:").then(|| id.to_owned())
}

fn container(status: Option<core::ContainerStatus>) -> ContainerState {
    let Some(state) = status.and_then(|status| status.state) else {
        return ContainerState::Unreported;
    };
    if let Some(ended) = state.terminated {
        return ContainerState::Terminated(Termination {
            exit_code: ended.exit_code,
            reason: ended.reason,
            message: ended.message,
            started_at: maybe_time(ended.started_at.as_ref()),
            finished_at: maybe_time(ended.finished_at.as_ref()),
        });
    }
    if let Some(running) = state.running {
        return ContainerState::Running {
            since: maybe_time(running.started_at.as_ref()),
        };
    }
    match state.waiting {
        Some(waiting) => ContainerState::Waiting {
            reason: waiting.reason,
            message: waiting.message,
        },
        None => ContainerState::Unreported,
    }
}

/// A node.
pub(super) fn node(node: core::Node) -> Result<Node, String> {
    let name = node.metadata.name.ok_or("a node has no name")?;
    let spec = node.spec.unwrap_or_default();
    let status = node.status.unwrap_or_default();
    let ready = status
        .conditions
        .unwrap_or_default()
        .into_iter()
        .find(|condition| condition.type_ == "Ready");
    let allocatable = status.allocatable.unwrap_or_default();
    Ok(Node {
        name: name.as_str().into(),
        labels: node.metadata.labels.unwrap_or_default(),
        ready: match ready.as_ref().map(|condition| condition.status.as_str()) {
            Some("True") => Readiness::Ready,
            Some("False") => Readiness::NotReady,
            Some(_) | None => Readiness::Unknown,
        },
        ready_since: ready.and_then(|c| maybe_time(c.last_transition_time.as_ref())),
        unschedulable: spec.unschedulable.unwrap_or_default(),
        taints: spec
            .taints
            .unwrap_or_default()
            .into_iter()
            .map(taint)
            .collect(),
        // An extended resource is a whole number; while the device plugin is rolled out it is missing.
        allocatable_slots: allocatable
            .get(RUNNER_RESOURCE)
            .and_then(|quantity| quantity.0.parse().ok())
            .unwrap_or_default(),
    })
}

fn taint(taint: core::Taint) -> Taint {
    Taint {
        effect: match taint.effect.as_str() {
            "NoSchedule" => TaintEffect::NoSchedule,
            "PreferNoSchedule" => TaintEffect::PreferNoSchedule,
            "NoExecute" => TaintEffect::NoExecute,
            _ => TaintEffect::Other,
        },
        key: taint.key,
        value: taint.value,
    }
}
