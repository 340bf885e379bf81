//! What tests and the sandbox's report ask about the cluster: how its pods are, and what should never have happened.

use std::collections::{BTreeMap, BTreeSet};

use super::Cluster;
use super::pod::{Phase, Pod};
use crate::world::Time;

/// Why a container was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillCause {
    /// Its pod was deleted.
    Deleted,
    /// Its deadline passed.
    Deadline,
    /// Its pod was evicted.
    Evicted,
    /// Its board lost its power.
    BoardLost,
}

/// A container that was killed while a job ran in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusyKill {
    /// The pod.
    pub pod: String,
    /// Its board.
    pub node: String,
    /// The job that was lost.
    pub job_id: i64,
    /// Why.
    pub cause: KillCause,
    /// When.
    pub at: Time,
}

/// A pod at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodView {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its phase as the API server knows it.
    pub phase: Phase,
    /// Its board, once it has one.
    pub node: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it has a deletion timestamp.
    pub deleting: bool,
    /// The job that runs in it now, whether or not the API server could know.
    pub job: Option<i64>,
}

impl PodView {
    /// Whether its phase is a last one.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.phase.is_terminal()
    }
}

#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) jobs_killed: Vec<BusyKill>,
    pub(super) unschedulable: BTreeSet<String>,
    over_capacity: usize,
    most_on: BTreeMap<String, usize>,
}

impl Report {
    pub(super) fn note_bound(&mut self, node: &str, slots_used: usize, slots: usize) {
        let most = self.most_on.entry(node.to_owned()).or_default();
        *most = slots_used.max(*most);
        self.over_capacity = self.over_capacity.max(slots_used.saturating_sub(slots));
    }

    pub(super) fn note_running(&mut self, node: &str, slots_used: usize, slots: usize) {
        self.note_bound(node, slots_used, slots);
    }
}

impl Cluster {
    /// The pods that the API server lists, by namespace and name.
    #[must_use]
    pub fn pods(&self) -> Vec<PodView> {
        self.names
            .values()
            .filter_map(|id| self.pods.get(id))
            .map(|pod| self.view(pod))
            .collect()
    }

    /// One pod of the namespace `default`.
    #[must_use]
    pub fn pod(&self, name: &str) -> Option<PodView> {
        let id = self.names.get(&super::store::Key::new("default", name))?;
        self.pods.get(id).map(|pod| self.view(pod))
    }

    fn view(&self, pod: &Pod) -> PodView {
        let document = self.store.get(super::store::Kind::Pod, &pod.key);
        let labels = document.and_then(|document| document["metadata"]["labels"].as_object());
        PodView {
            namespace: pod.key.namespace.clone(),
            name: pod.key.name.clone(),
            phase: pod.reported,
            node: pod.node().map(str::to_owned),
            labels: labels
                .into_iter()
                .flatten()
                .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
                .collect(),
            deleting: document.is_some_and(|d| !d["metadata"]["deletionTimestamp"].is_null()),
            job: pod.job(),
        }
    }

    /// The jobs that were lost because their pod was deleted, evicted or ran into its deadline. A runner service that
    /// keeps its promises has none.
    #[must_use]
    pub fn killed_while_busy(&self) -> Vec<BusyKill> {
        self.jobs_killed(|cause| cause != KillCause::BoardLost)
    }

    /// The jobs that went down with their board.
    #[must_use]
    pub fn jobs_lost_with_boards(&self) -> Vec<BusyKill> {
        self.jobs_killed(|cause| cause == KillCause::BoardLost)
    }

    fn jobs_killed(&self, of: impl Fn(KillCause) -> bool) -> Vec<BusyKill> {
        self.report
            .jobs_killed
            .iter()
            .filter(|kill| of(kill.cause))
            .cloned()
            .collect()
    }

    /// By how many slots a board was ever used beyond what it has, counting containers that run and pods that are bound.
    #[must_use]
    pub fn over_capacity(&self) -> usize {
        self.report.over_capacity
    }

    /// The most slots of this board that were ever in use at a time.
    #[must_use]
    pub fn most_slots_used(&self, node: &str) -> usize {
        self.report.most_on.get(node).copied().unwrap_or_default()
    }

    /// The names of the pods that the scheduler had no place for when it first looked, in the whole life of the cluster.
    #[must_use]
    pub fn ever_unschedulable(&self) -> &BTreeSet<String> {
        &self.report.unschedulable
    }

    /// The lines that a pod of the namespace `default` wrote, without their times; empty when there is no such pod.
    #[must_use]
    pub fn log_of(&self, name: &str) -> Vec<String> {
        let id = self.names.get(&super::store::Key::new("default", name));
        let pod = id.and_then(|id| self.pods.get(id));
        pod.map(|pod| {
            pod.log
                .from(0)
                .iter()
                .map(|line| line.text.clone())
                .collect()
        })
        .unwrap_or_default()
    }
}
