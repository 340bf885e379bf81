//! Pods and nodes as decisions see them, and what a new pod is made of.
//!
//! Light copies of Kubernetes' objects: only what a decision, a page or a trace reads, nothing secret. Phases,
//! conditions and reasons keep Kubernetes' words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    EntityId, EntityKind, Image, InstallationId, NodeName, PodName, PodUid, PoolName, RepoId,
    ResourceVersion, SentLabels, Time,
};

/// The label that all of our pods carry, with [`APP`] as its value.
pub const APP_LABEL: &str = "app";
/// The value of [`APP_LABEL`].
pub const APP: &str = "rise-riscv-runner";
/// The annotation that holds a [`WorkerNote`].
pub const WORKER_ANNOTATION: &str = "riseproject.dev/worker";
/// The label with the entity's id.
pub const ENTITY_ID_LABEL: &str = "riseproject.dev/entity_id";
/// The label with the entity's name, made fit for a label.
pub const ENTITY_NAME_LABEL: &str = "riseproject.dev/entity_name";
/// The extended resource of which a board offers its slots.
pub const RUNNER_RESOURCE: &str = "riseproject.com/runner";
/// The one container of a runner pod.
pub const CONTAINER: &str = "runner";

const NOT_READY_TAINT: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE_TAINT: &str = "node.kubernetes.io/unreachable";

/// The taints, by key, that our pods tolerate for ever once they run: Kubernetes' own eviction after 300 s kills live
/// jobs.
pub const TOLERATED: [&str; 2] = [NOT_READY_TAINT, UNREACHABLE_TAINT];

/// The fields of a worker's row that its pod carries, so that a lost row can be made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerNote {
    /// The account that it works for.
    pub entity_id: EntityId,
    /// That account's login.
    pub entity_name: String,
    /// That account's kind.
    pub entity_type: EntityKind,
    /// The installation through which its runner was registered.
    pub installation_id: InstallationId,
    /// For a personal account: the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo_id: Option<RepoId>,
    /// For a personal account: the repository's full name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo_full_name: Option<String>,
    /// The labels of the runner.
    pub job_labels: SentLabels,
    /// The pool.
    pub k8s_pool: PoolName,
    /// The image as the configuration names it.
    pub k8s_image: Image,
}

/// What a pod says of its worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Annotated {
    /// No annotation: made by somebody else, or by the replaced service.
    Nothing,
    /// An annotation that cannot be read.
    Unreadable,
    /// Ours.
    Worker(Box<WorkerNote>),
}

/// What a runner pod is made of, besides its JIT config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodSpecInput {
    /// Its name, which is also the runner's.
    pub name: PodName,
    /// What its annotation and labels say.
    pub worker: WorkerNote,
    /// Which boards it may run on.
    pub node_selector: BTreeMap<String, String>,
    /// Boards that it must not run on.
    pub quarantined: Vec<NodeName>,
    /// The limit on its ephemeral storage, where the pool sets one.
    pub ephemeral_storage: Option<String>,
    /// What the container runs; by digest where the configuration gives one.
    pub image: Image,
}

/// A pod's phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Not all containers run yet.
    Pending,
    /// Its container runs, or ran when its node was last heard of.
    Running,
    /// Its container ended with status 0.
    Succeeded,
    /// Its container failed, or the pod was ended.
    Failed,
    /// Kubernetes says that it does not know.
    Unknown,
}

impl Phase {
    /// Kubernetes' own word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Unknown => "Unknown",
        }
    }

    /// Reads Kubernetes' word; a pod without one is pending, a word that is not known is unknown.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word {
            "" | "Pending" => Self::Pending,
            "Running" => Self::Running,
            "Succeeded" => Self::Succeeded,
            "Failed" => Self::Failed,
            _ => Self::Unknown,
        }
    }

    /// Whether the pod has ended: it holds no slot any more.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// How the runner container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Termination {
    /// Its exit status. The image's entrypoint swallows the runner's own.
    pub exit_code: i32,
    /// Kubernetes' reason: `Completed`, `Error`, `OOMKilled`.
    pub reason: Option<String>,
    /// More of it.
    pub message: Option<String>,
    /// When it began.
    pub started_at: Option<Time>,
    /// When it ended.
    pub finished_at: Option<Time>,
}

/// Where the runner container stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerState {
    /// No node has said anything of it.
    Unreported,
    /// It does not run yet.
    Waiting {
        /// `ContainerCreating`, `ErrImagePull`, `ImagePullBackOff`, `InvalidImageName`, …
        reason: Option<String>,
        /// More of it.
        message: Option<String>,
    },
    /// It runs.
    Running {
        /// When it began.
        since: Option<Time>,
    },
    /// It ended.
    Terminated(Termination),
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// Its name.
    pub name: PodName,
    /// Tells it from another of the same name.
    pub uid: PodUid,
    /// Which state of it this is.
    pub resource_version: ResourceVersion,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What its annotation says of its worker.
    pub worker: Annotated,
    /// The node that it was given.
    pub node: Option<NodeName>,
    /// Its phase.
    pub phase: Phase,
    /// When it was made.
    pub created_at: Time,
    /// When its deletion was asked for; it may stay for long.
    pub deletion_at: Option<Time>,
    /// When it was given a node.
    pub scheduled_at: Option<Time>,
    /// When the node's kubelet took it on; deadlines count from here.
    pub start_time: Option<Time>,
    /// Its runner container.
    pub container: ContainerState,
    /// The digest of the image that the container runs.
    pub image_digest: Option<String>,
    /// Why it is in its phase: `DeadlineExceeded`, `Evicted`, …
    pub reason: Option<String>,
    /// More of it.
    pub message: Option<String>,
    /// How many seconds after `start_time` it is ended.
    pub active_deadline_seconds: Option<i64>,
    /// Why no node takes it, when none does.
    pub unschedulable: Option<String>,
}

impl Pod {
    /// Whether its container ever began.
    #[must_use]
    pub fn has_started(&self) -> bool {
        match &self.container {
            ContainerState::Unreported | ContainerState::Waiting { .. } => false,
            ContainerState::Running { .. } => true,
            ContainerState::Terminated(end) => end.started_at.is_some(),
        }
    }

    /// When its container began, if it did.
    #[must_use]
    pub fn container_started_at(&self) -> Option<Time> {
        match &self.container {
            ContainerState::Unreported | ContainerState::Waiting { .. } => None,
            ContainerState::Running { since } => *since,
            ContainerState::Terminated(end) => end.started_at,
        }
    }

    /// When its container ended, if it did.
    #[must_use]
    pub fn container_finished_at(&self) -> Option<Time> {
        match &self.container {
            ContainerState::Unreported
            | ContainerState::Waiting { .. }
            | ContainerState::Running { .. } => None,
            ContainerState::Terminated(end) => end.finished_at,
        }
    }

    /// Whether it holds a slot of its node.
    #[must_use]
    pub fn holds_slot(&self) -> bool {
        self.node.is_some() && !self.phase.has_ended()
    }
}

/// A node's condition `Ready`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Readiness {
    /// True.
    Ready,
    /// False: its kubelet says so.
    NotReady,
    /// Its kubelet is silent.
    Unknown,
}

/// What a taint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TaintEffect {
    /// New pods stay away.
    NoSchedule,
    /// New pods rather stay away.
    PreferNoSchedule,
    /// Pods are evicted.
    NoExecute,
    /// A word that is not known.
    Other,
}

/// A node's taint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: Option<String>,
    /// Its effect.
    pub effect: TaintEffect,
}

/// A node: a board, or a machine of the control plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// Its labels; they tell its pool.
    pub labels: BTreeMap<String, String>,
    /// Whether its kubelet is well.
    pub ready: Readiness,
    /// Since when.
    pub ready_since: Option<Time>,
    /// Whether it is cordoned.
    pub unschedulable: bool,
    /// Its taints.
    pub taints: Vec<Taint>,
    /// How many runner pods it takes at once.
    pub allocatable_slots: u32,
}

impl Node {
    /// Whether a new pod of ours may be put here at all.
    #[must_use]
    pub fn takes_pods(&self) -> bool {
        self.ready == Readiness::Ready && !self.unschedulable && !self.repels()
    }

    /// Whether a taint keeps a new pod of ours away. What a cordon or a dead kubelet adds by itself counts too: such a
    /// node takes no new pod.
    #[must_use]
    pub fn repels(&self) -> bool {
        self.taints.iter().any(|taint| match taint.effect {
            TaintEffect::NoSchedule | TaintEffect::Other => true,
            TaintEffect::NoExecute => !TOLERATED.contains(&taint.key.as_str()),
            TaintEffect::PreferNoSchedule => false,
        })
    }
}

/// A list, complete, and when it was begun: what happened later may be missing from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// The objects.
    pub items: Vec<T>,
    /// When the list was asked for.
    pub begun_at: Time,
}

/// What a watch tells between two lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterChange {
    /// A pod was made or changed.
    PodApplied(Box<Pod>),
    /// A pod is gone.
    PodDeleted(Box<Pod>),
    /// A node was made or changed.
    NodeApplied(Box<Node>),
    /// A node is gone.
    NodeDeleted(Box<Node>),
    /// Changes may have been missed up to now: list again.
    Missed(Watched),
}

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Watched {
    /// Pods of ours.
    Pods,
    /// Nodes.
    Nodes,
}

impl Watched {
    /// Kubernetes' word for the kind.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Nodes => "nodes",
        }
    }
}

/// Makes a text fit for a label's value: at most 63 characters of `[A-Za-z0-9._-]`, beginning and ending with a letter
/// or digit. Old accounts' logins may end in a hyphen.
#[must_use]
pub fn label_value(text: &str) -> String {
    let fit: String = text
        .chars()
        .map(|c| match c {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '.' | '_' | '-' => c,
            _ => '-',
        })
        .skip_while(|c| !c.is_ascii_alphanumeric())
        .take(63)
        .collect();
    fit.trim_end_matches(|c: char| !c.is_ascii_alphanumeric())
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_what_kubernetes_accepts() {
        for (text, fit) in [
            ("ggml-org", "ggml-org"),
            ("old-account-", "old-account"),
            ("_x_", "x"),
            ("a b/c", "a-b-c"),
            ("---", ""),
            ("", ""),
        ] {
            assert_eq!(label_value(text), fit);
        }
        let long = format!("{}-{}", "a".repeat(62), "b".repeat(10));
        assert_eq!(label_value(&long), "a".repeat(62));
    }

    fn tainted(key: &str, effect: TaintEffect) -> Node {
        Node {
            name: "board-1".into(),
            labels: BTreeMap::new(),
            ready: Readiness::Ready,
            ready_since: None,
            unschedulable: false,
            taints: vec![Taint {
                key: key.to_owned(),
                value: None,
                effect,
            }],
            allocatable_slots: 1,
        }
    }

    #[test]
    fn a_node_with_a_taint_that_our_pods_do_not_tolerate_repels_them() {
        for (key, effect, repels) in [
            (NOT_READY_TAINT, TaintEffect::NoExecute, false),
            (UNREACHABLE_TAINT, TaintEffect::NoSchedule, true),
            ("maintenance", TaintEffect::NoExecute, true),
            ("maintenance", TaintEffect::NoSchedule, true),
            ("maintenance", TaintEffect::PreferNoSchedule, false),
        ] {
            assert_eq!(tainted(key, effect).repels(), repels, "{key} {effect:?}");
        }
    }
}
