//! Pods and nodes as decisions see them: plain facts, read from Kubernetes at the edge.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Image, NodeName, PodName, Time};

/// A pod's phase, in Kubernetes' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodPhase {
    /// Not every container has started.
    Pending,
    /// Bound to a node, its container was started.
    Running,
    /// The container ended with exit code 0.
    Succeeded,
    /// The container ended otherwise, or the pod was ended.
    Failed,
    /// The node cannot tell.
    Unknown,
}

impl PodPhase {
    /// Over: its slot is free.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// What the pod's one container does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerState {
    /// Not started; the reason is the kubelet's word, such as `ErrImagePull`.
    Waiting {
        /// One word.
        reason: String,
        /// A sentence.
        message: String,
    },
    /// Running.
    Running {
        /// Since when.
        started_at: Option<Time>,
    },
    /// Ended.
    Terminated {
        /// The exit code.
        exit_code: i32,
        /// One word, such as `Completed` or `Error`.
        reason: String,
        /// A sentence.
        message: String,
        /// When it began.
        started_at: Option<Time>,
        /// When it ended.
        finished_at: Option<Time>,
    },
}

/// A runner pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// Its name, the worker's.
    pub name: PodName,
    /// Kubernetes' id of this very object.
    pub uid: String,
    /// Changes with the object; equal means nothing changed.
    pub resource_version: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The text of the annotation `riseproject.dev/worker`, if it has one.
    pub worker_annotation: Option<String>,
    /// The image its container asks for.
    pub image: Image,
    /// The digest that the board pulled.
    pub image_digest: Option<String>,
    /// The labels its node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Its node, once it is scheduled.
    pub node: Option<NodeName>,
    /// Its phase.
    pub phase: PodPhase,
    /// When it was made.
    pub created_at: Time,
    /// When it was bound to its node.
    pub scheduled_at: Option<Time>,
    /// `status.startTime`: the kubelet took it.
    pub started_at: Option<Time>,
    /// It is being deleted since.
    pub deletion_at: Option<Time>,
    /// What its container does; `None` before the kubelet tells.
    pub container: Option<ContainerState>,
    /// Why it ended, Kubernetes' word (`DeadlineExceeded`, `Evicted`).
    pub reason: Option<String>,
    /// The same as a sentence.
    pub message: Option<String>,
    /// Why it has no node, as the scheduler says.
    pub unschedulable: Option<String>,
    /// `spec.activeDeadlineSeconds`.
    pub active_deadline_seconds: Option<i64>,
    /// How many of the runner resource it takes.
    pub slots: u32,
}

impl Pod {
    /// When its container began.
    #[must_use]
    pub fn container_started_at(&self) -> Option<Time> {
        match &self.container {
            Some(
                ContainerState::Running { started_at }
                | ContainerState::Terminated { started_at, .. },
            ) => *started_at,
            Some(ContainerState::Waiting { .. }) | None => None,
        }
    }

    /// When its container ended.
    #[must_use]
    pub fn container_finished_at(&self) -> Option<Time> {
        match &self.container {
            Some(ContainerState::Terminated { finished_at, .. }) => *finished_at,
            Some(ContainerState::Running { .. } | ContainerState::Waiting { .. }) | None => None,
        }
    }

    /// Whether its container ever began.
    #[must_use]
    pub fn ever_started(&self) -> bool {
        match &self.container {
            Some(ContainerState::Running { .. } | ContainerState::Terminated { .. }) => true,
            Some(ContainerState::Waiting { .. }) | None => self.phase == PodPhase::Running,
        }
    }
}

/// A node's Ready condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeReady {
    /// `True`.
    Ready,
    /// `False`: the kubelet says so.
    NotReady,
    /// `Unknown`: the kubelet is silent.
    Unknown,
}

/// A node's taint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value, often empty.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

impl Taint {
    /// Whether it keeps a runner pod away. Ours tolerate not-ready and unreachable, but a node in that state is not
    /// Ready anyway; `PreferNoSchedule` is a wish.
    #[must_use]
    pub fn repels(&self) -> bool {
        self.effect != "PreferNoSchedule"
            && self.key != "node.kubernetes.io/not-ready"
            && self.key != "node.kubernetes.io/unreachable"
    }
}

/// A board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its Ready condition.
    pub ready: NodeReady,
    /// Since when it is so.
    pub ready_since: Option<Time>,
    /// Cordoned.
    pub unschedulable: bool,
    /// Its taints.
    pub taints: Vec<Taint>,
    /// How many of `riseproject.com/runner` it offers.
    pub allocatable_slots: u32,
}

impl Node {
    /// Whether a runner pod may be put here at all.
    #[must_use]
    pub fn takes_pods(&self) -> bool {
        self.ready == NodeReady::Ready
            && !self.unschedulable
            && !self.taints.iter().any(Taint::repels)
    }
}
