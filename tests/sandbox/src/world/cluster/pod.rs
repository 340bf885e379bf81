//! One pod as the cluster knows it beside its document: where it is, what its container does, what will happen next.
//! The document's status is written from here.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::admission::list;
use super::log::Log;
use super::quantity::{self, Milli};
use super::report::KillCause;
use super::store::Key;
use super::timers::TimerId;
use crate::world::Time;
use crate::world::github::{JobId, RunnerId};

/// A pod's number; a name may be used again, a number never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PodId(pub(super) u64);

/// A pod's phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its container has not started.
    Pending,
    /// Its container runs, as far as anybody knows.
    Running,
    /// Its container ended with 0.
    Succeeded,
    /// Its container ended otherwise, or it was never admitted.
    Failed,
}

impl Phase {
    /// Whether nothing comes after it.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }

    /// Kubernetes' word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

/// How a pod behaves once its container runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// As it should.
    Normal,
    /// Its container goes on after the job, the runner gone from GitHub.
    HangsAfterJob,
    /// Its container fails before the runner connects.
    FailsBeforeJob,
    /// Docker does not come up; its container ends well without a job.
    DockerNotReady,
    /// Its runner never says a word to GitHub.
    NeverRegisters,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Placement {
    Waiting,
    Unschedulable { since: Time, message: String },
    Bound { node: String, since: Time },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Container {
    /// The kubelet has not heard of it.
    Unseen,
    Waiting {
        reason: &'static str,
        message: String,
    },
    Running {
        started: Time,
    },
    Ended {
        started: Time,
        finished: Time,
        exit: i32,
        reason: &'static str,
    },
}

/// A job in a runner's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) runner: RunnerId,
    pub(super) job_id: JobId,
    pub(super) name: String,
    pub(super) conclusion: String,
    pub(super) ends: Time,
}

/// What runs in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Process {
    None,
    /// Something that is no runner, or a runner that has not connected.
    Other,
    Idle {
        runner: RunnerId,
    },
    Busy(Work),
}

#[derive(Debug, Default)]
pub(super) struct PodTimers {
    pub(super) main: Option<TimerId>,
    pub(super) deadline: Option<TimerId>,
    pub(super) evict: Option<TimerId>,
}

#[derive(Debug)]
pub(super) struct Pod {
    pub(super) key: Key,
    pub(super) uid: String,
    /// Name and image of its containers. They live and die together.
    pub(super) containers: Vec<(String, String)>,
    pub(super) pull_policy: String,
    pub(super) jit_config: Option<String>,
    pub(super) requests: BTreeMap<String, Milli>,
    pub(super) host_network: bool,
    pub(super) placement: Placement,
    pub(super) start_time: Option<Time>,
    pub(super) container: Container,
    pub(super) phase: Phase,
    /// The phase that the API server knows; a board out of reach cannot tell it the present one.
    pub(super) reported: Phase,
    pub(super) ended: Option<(&'static str, String)>,
    pub(super) disrupted: Option<Time>,
    pub(super) failed_pulls: u32,
    pub(super) process: Process,
    pub(super) behaviour: Behaviour,
    pub(super) kill: Option<KillCause>,
    /// Its document is there. When not, only its container is left, on a board.
    pub(super) in_api: bool,
    pub(super) log: Log,
    pub(super) timers: PodTimers,
}

impl Pod {
    /// A pod from its admitted document.
    pub(super) fn new(key: Key, document: &Value, now: Time) -> Self {
        let spec = &document["spec"];
        let containers = list(&spec["containers"]);
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut requests = BTreeMap::from([("pods".to_owned(), 1000)]);
        for (resource, value) in containers
            .iter()
            .filter_map(|container| container["resources"]["requests"].as_object())
            .flatten()
        {
            *requests.entry(resource.clone()).or_default() +=
                quantity::parse(value).unwrap_or_default();
        }
        let jit_config = containers
            .iter()
            .flat_map(|container| list(&container["env"]))
            .find(|variable| variable["name"] == "RUNNER_JITCONFIG")
            .and_then(|variable| variable["value"].as_str())
            .map(str::to_owned);
        let placement = match spec["nodeName"].as_str() {
            Some(node) => Placement::Bound {
                node: node.to_owned(),
                since: now,
            },
            None => Placement::Waiting,
        };
        Self {
            key,
            uid: word(&document["metadata"]["uid"]),
            containers: containers
                .iter()
                .map(|c| (word(&c["name"]), word(&c["image"])))
                .collect(),
            pull_policy: containers
                .first()
                .map(|c| word(&c["imagePullPolicy"]))
                .unwrap_or_default(),
            jit_config,
            requests,
            host_network: spec["hostNetwork"] == true,
            placement,
            start_time: None,
            container: Container::Unseen,
            phase: Phase::Pending,
            reported: Phase::Pending,
            ended: None,
            disrupted: None,
            failed_pulls: 0,
            process: Process::None,
            behaviour: Behaviour::Normal,
            kill: None,
            in_api: true,
            log: Log::default(),
            timers: PodTimers::default(),
        }
    }

    pub(super) fn node(&self) -> Option<&str> {
        match &self.placement {
            Placement::Bound { node, .. } => Some(node),
            Placement::Waiting | Placement::Unschedulable { .. } => None,
        }
    }

    pub(super) fn image(&self) -> &str {
        self.containers.first().map_or("", |(_, image)| image)
    }

    pub(super) fn container_name(&self) -> &str {
        self.containers.first().map_or("", |(name, _)| name)
    }

    pub(super) fn runs(&self) -> bool {
        matches!(self.container, Container::Running { .. })
    }

    pub(super) fn request(&self, resource: &str) -> Milli {
        self.requests.get(resource).copied().unwrap_or_default()
    }

    pub(super) fn job(&self) -> Option<i64> {
        match self.process {
            Process::Busy(Work { job_id, .. }) => Some(job_id.0),
            Process::None | Process::Other | Process::Idle { .. } => None,
        }
    }
}

/// RFC 3339 in whole seconds, as metadata and statuses have it.
pub(super) fn stamp(time: Time) -> Value {
    json!(time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}
