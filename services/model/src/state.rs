//! `scheduler_state`: what only the leader knows, for everybody who reads the table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::budget::Budget;
use crate::cluster::{Node, Phase, Readiness};
use crate::machine::Machine;
use crate::other::OtherScheduler;
use crate::{JobId, NodeName, PodName, PoolName, Status, Time};

/// What a board does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoardState {
    /// It takes pods and has none.
    Free,
    /// Its pod is not running yet.
    Starting,
    /// A job runs on it.
    Busy,
    /// Its pod runs without a job.
    Idle,
    /// It gets no pods because something is wrong with it.
    Quarantined,
    /// Cordoned.
    Cordoned,
    /// Not Ready.
    Lost,
}

impl BoardState {
    /// The word in tables and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Starting => "starting",
            Self::Busy => "busy",
            Self::Idle => "idle",
            Self::Quarantined => "quarantined",
            Self::Cordoned => "cordoned",
            Self::Lost => "lost",
        }
    }
}

/// One board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardReport {
    /// The node.
    pub name: NodeName,
    /// Its pool.
    pub pool: PoolName,
    /// What it does.
    pub state: BoardState,
    /// The worker on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<PodName>,
    /// The job on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
}

/// One pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolReport {
    /// Its name.
    pub name: PoolName,
    /// Its boards by state.
    pub boards: BTreeMap<BoardState, usize>,
    /// Slots that are free and not spoken for.
    pub free: usize,
}

/// Jobs that wait for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueReport {
    /// The code.
    pub reason: String,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// How many.
    pub jobs: usize,
    /// Since when the oldest of them is queued.
    pub oldest: Time,
}

/// Something that is not called at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerReport {
    /// Whom: `kubernetes`, `app:organization`, `installation:123`.
    pub party: String,
    /// Why, in a word.
    pub trouble: String,
    /// Since when.
    pub since: Time,
    /// When it is asked again.
    pub probe_at: Time,
    /// What was said.
    pub message: String,
}

/// What is left of one caller's hourly calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetReport {
    /// Whose: `app:organization`, `installation:123`.
    pub party: String,
    /// How many.
    #[serde(flatten)]
    pub budget: Budget,
}

/// The whole of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateReport {
    /// Which program writes.
    pub version: String,
    /// Nothing is in flight and the last round began nothing.
    pub quiet: bool,
    /// Effects in flight.
    pub effects_in_flight: usize,
    /// As of when pods and nodes are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_as_of: Option<Time>,
    /// What is left of GitHub's hourly calls.
    #[serde(default)]
    pub budgets: Vec<BudgetReport>,
    /// A scheduler of another kind is at work: nothing is begun beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_scheduler: Option<OtherScheduler>,
    /// What is not called at present.
    #[serde(default)]
    pub breakers: Vec<BreakerReport>,
    /// The boards.
    pub boards: Vec<BoardReport>,
    /// The pools.
    pub pools: Vec<PoolReport>,
    /// The queue.
    pub queue: Vec<QueueReport>,
    /// What operators set, as the scheduler goes by it.
    #[serde(default)]
    pub settings: SettingsReport,
}

/// The settings in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsReport {
    /// Since when nothing of it has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Each of them.
    pub in_force: Vec<SettingReport>,
}

/// One setting in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingReport {
    /// What it is about.
    pub scope: String,
    /// What is set.
    pub key: String,
    /// When it was set.
    pub set_at: Time,
}

/// Tells what the machine knows.
#[must_use]
pub fn report(machine: &Machine, version: &str, quiet: bool) -> StateReport {
    let mut boards = Vec::new();
    let mut pools = Vec::new();
    for pool in &machine.config().pools {
        let mut by_state: BTreeMap<BoardState, usize> = BTreeMap::new();
        for node in machine
            .cluster()
            .nodes()
            .filter(|node| pool.selects(&node.labels))
        {
            let board = board(machine, node, &pool.name);
            *by_state.entry(board.state).or_default() += 1;
            boards.push(board);
        }
        pools.push(PoolReport {
            name: pool.name.clone(),
            boards: by_state,
            free: machine.slots(pool).free,
        });
    }
    StateReport {
        version: version.to_owned(),
        quiet,
        effects_in_flight: machine.in_flight(),
        cluster_as_of: machine.cluster().as_of(),
        budgets: budgets(machine),
        other_scheduler: machine.other_scheduler_then(),
        breakers: breakers(machine),
        boards,
        pools,
        queue: queue(machine),
        settings: machine.settings_report(),
    }
}

fn budgets(machine: &Machine) -> Vec<BudgetReport> {
    let known = machine.budgets().known();
    known
        .map(|(party, budget)| BudgetReport {
            party: party.to_string(),
            budget,
        })
        .collect()
}

fn breakers(machine: &Machine) -> Vec<BreakerReport> {
    let open = machine.breakers().open();
    open.map(|(party, breaker)| BreakerReport {
        party: party.to_string(),
        trouble: breaker.trouble.as_str().to_owned(),
        since: breaker.since,
        probe_at: breaker.probe_at,
        message: breaker.message.clone(),
    })
    .collect()
}

fn board(machine: &Machine, node: &Node, pool: &PoolName) -> BoardReport {
    let pod = machine
        .cluster()
        .pods()
        .find(|pod| pod.node.as_ref() == Some(&node.name) && !pod.phase.has_ended());
    let worker = pod.and_then(|pod| machine.workers().get(&pod.name));
    let job = worker
        .and_then(|w| w.named_by.iter().find(|job| job.is_open()))
        .map(|job| job.job);
    let state = if node.ready != Readiness::Ready {
        BoardState::Lost
    } else if machine.in_force().is_quarantined(&node.name) {
        BoardState::Quarantined
    } else {
        match pod {
            Some(_) if job.is_some() => BoardState::Busy,
            Some(pod) if pod.phase == Phase::Running => BoardState::Idle,
            Some(_) => BoardState::Starting,
            None if node.unschedulable => BoardState::Cordoned,
            None => BoardState::Free,
        }
    };
    BoardReport {
        name: node.name.clone(),
        pool: pool.clone(),
        state,
        worker: pod.map(|pod| pod.name.clone()),
        job,
    }
}

fn queue(machine: &Machine) -> Vec<QueueReport> {
    let mut queue: BTreeMap<String, QueueReport> = BTreeMap::new();
    for job in machine
        .jobs()
        .iter()
        .filter(|job| job.status == Status::Pending)
    {
        let Some(reason) = machine.plan().waiting.get(&job.id) else {
            continue;
        };
        let written = reason.to_string();
        let entry = queue.entry(written.clone()).or_insert_with(|| QueueReport {
            reason: reason.code().to_owned(),
            subject: written
                .split_once(':')
                .map(|(_, subject)| subject.to_owned()),
            jobs: 0,
            oldest: job.queued_at,
        });
        entry.jobs += 1;
        entry.oldest = entry.oldest.min(job.queued_at);
    }
    queue.into_values().collect()
}
