//! The pretend cluster: an API server's objects, a scheduler, and boards whose kubelets run the runners' processes.
//!
//! Objects are JSON documents in Kubernetes' own shape. Everything that takes time is a timer; [`Cluster::run_due`] runs
//! what is due. Calls come in through the methods of [`api`](Cluster::create_pod) (as the door and the simulation make
//! them) and the trouble makers ([`Cluster::lose_board`], …); what tests ask is answered by [`Cluster::pods`],
//! [`Cluster::killed_while_busy`] and their neighbours.

mod admission;
mod api;
mod board;
mod config;
mod deletion;
mod ending;
mod error;
mod events;
mod eviction;
mod fit;
mod kubelet;
mod log;
mod loss;
mod patch;
mod pod;
mod quantity;
mod report;
mod runner;
mod scheduler;
mod selector;
mod status;
mod store;
#[cfg(test)]
mod tests;
mod timers;
mod trouble;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::Time;
use super::github::GitHub;
use board::Board;
use pod::{Pod, PodId};
use report::Report;
use store::Store;
use timers::{Due, Timers};

pub use api::Listing;
pub use board::BoardLoss;
pub use config::{ClusterConfig, NodeConfig, Span, Timings};
pub use deletion::{DeleteOptions, Preconditions};
pub use error::{ApiError, Cause, Reason};
pub use log::{LogLine, LogView};
pub use patch::PatchType;
pub use pod::{Behaviour, Phase};
pub use report::{BusyKill, KillCause, PodView};
pub use selector::Selection;
pub use store::{Change, ChangeType, Expired, Key, Kind};
pub use trouble::WatchWeather;

/// The extended resource that a board has one of for each runner it takes.
const SLOT: &str = "riseproject.com/runner";
/// The cluster's share of the world's chance.
const STREAM: u64 = 2;

/// The pretend cluster.
#[derive(Debug)]
pub struct Cluster {
    config: ClusterConfig,
    rng: ChaCha8Rng,
    store: Store,
    timers: Timers,
    pods: BTreeMap<PodId, Pod>,
    /// The pods that have a document.
    names: BTreeMap<Key, PodId>,
    boards: BTreeMap<String, Board>,
    broken_images: BTreeSet<String>,
    next_behaviours: VecDeque<Behaviour>,
    /// When events end, by what they say.
    event_ends: VecDeque<(Time, String)>,
    event_names: BTreeMap<String, Key>,
    report: Report,
    /// The day on which runners say that their version ends.
    version_ends: Option<String>,
    weather: WatchWeather,
    /// Verbs and resources that the caller has no right to.
    forbidden: BTreeSet<(String, String)>,
    last_pod: u64,
    last_board: usize,
    /// Whether the scheduler's next look is set.
    scheduling: bool,
}

impl Cluster {
    /// The cluster at the beginning.
    #[must_use]
    pub fn new(config: &ClusterConfig, seed: u64, now: Time) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(STREAM);
        let mut cluster = Self {
            store: Store::new(config.history),
            config: config.clone(),
            rng,
            timers: Timers::default(),
            pods: BTreeMap::new(),
            names: BTreeMap::new(),
            boards: BTreeMap::new(),
            broken_images: BTreeSet::new(),
            next_behaviours: VecDeque::new(),
            event_ends: VecDeque::new(),
            event_names: BTreeMap::new(),
            report: Report::default(),
            version_ends: None,
            weather: WatchWeather::default(),
            forbidden: BTreeSet::new(),
            last_pod: 0,
            last_board: 0,
            scheduling: false,
        };
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            let uid = cluster.new_uid();
            let namespace = json!({
                "kind": "Namespace", "apiVersion": "v1",
                "metadata": {
                    "name": name, "uid": uid, "creationTimestamp": pod::stamp(now),
                    "labels": {"kubernetes.io/metadata.name": name},
                },
                "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
            });
            cluster
                .store
                .put(Kind::Namespace, Key::new("", name), namespace);
        }
        for node in &config.nodes {
            cluster.join(node.clone(), now);
        }
        cluster
    }

    /// When something happens by itself.
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        self.timers.next_due()
    }

    /// Runs what is due.
    pub fn run_due(&mut self, now: Time, github: &mut GitHub) {
        while let Some(due) = self.timers.pop(now) {
            match due {
                Due::Schedule => self.run_scheduler(now),
                Due::Pod(id, step) => self.kubelet_step(id, step, github, now),
                Due::Deadline(id) => self.deadline_passed(id, now),
                Due::Evict(id) => self.evict(id, now),
                Due::ProcessesDie(name) => self.processes_die(&name, github, now),
                Due::NodeLost(name) => self.node_lost(&name, now),
            }
        }
    }

    /// A version 4 UUID from the seed.
    fn new_uid(&mut self) -> String {
        let mut bytes = [0; 16];
        self.rng.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes)
            .into_uuid()
            .to_string()
    }
}
