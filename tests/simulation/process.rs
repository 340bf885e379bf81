//! A scheduler process: its lease, its rounds, its lists and watches, as in `services/src/scheduler`. It can die, stand
//! still, or be told to stop between any two things it does.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use rise_model::effects::{ActionId, JitHandle, Key, Outcome};
use rise_model::machine::{Machine, Observation};
use rise_model::rows::{DemandKey, JobRow, WorkerRow};
use rise_model::settings::Setting;
use rise_model::{PodName, Status, Time};
use sandbox::world::cluster::{ChangeType, Kind, Selection};

use crate::history::{Call, What};
use crate::objects;
use crate::sim::{Answered, Ev, NAMESPACE, Sim};
use crate::tables::{Holder, Lease};

// As in `assets/config/default.toml`.
const RENEW_EVERY: TimeDelta = TimeDelta::seconds(2);
const LEASE_LASTS: TimeDelta = TimeDelta::seconds(8);
const STOP_AFTER: TimeDelta = TimeDelta::seconds(5);
const ROUND_AT_LEAST_EVERY: TimeDelta = TimeDelta::seconds(15);
const ROUND_GAP: TimeDelta = TimeDelta::milliseconds(200);
const LIST_EVERY: TimeDelta = TimeDelta::seconds(15);
const LIST_NOT_OFTENER_THAN: TimeDelta = TimeDelta::seconds(1);
const AFTER_EXPIRY: TimeDelta = TimeDelta::milliseconds(100);

/// One term of leading of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TermId {
    pub(crate) process: usize,
    term: u64,
}

/// What a process hears or wakes up for.
#[derive(Debug)]
pub(crate) enum Heard {
    Renew(u64),
    Renewed {
        started: u64,
        asked: Time,
        answer: Option<(Option<Lease>, Time)>,
    },
    Tick(TermId),
    Wake(TermId),
    Answer(TermId, ActionId, Box<Outcome>),
    Rows(TermId, Option<Box<Rows>>),
    List(TermId),
    Listed {
        term: TermId,
        begun: Time,
        seen: Option<Box<(Observation, Observation)>>,
    },
    Watch(TermId),
}

/// What a round reads.
#[derive(Debug)]
pub(crate) struct Rows {
    begun: Time,
    settings: Vec<Setting>,
    jobs: Vec<JobRow>,
    workers: Vec<WorkerRow>,
}

/// A read where it is answered.
#[derive(Debug)]
pub(crate) enum Read {
    Workers {
        begun: Time,
        pods: BTreeSet<PodName>,
        then: Time,
        answered: Time,
    },
    Jobs {
        begun: Time,
        settings: Vec<Setting>,
        workers: Vec<WorkerRow>,
        answered: Time,
    },
    Pods {
        begun: Time,
        nodes: Observation,
        answered: Time,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leadership {
    Unknown,
    Follower,
    Leader(Lease),
}

#[derive(Debug)]
pub(crate) struct Process {
    started: u64,
    alive: bool,
    /// Told to stop: nothing new is begun.
    stopping: bool,
    paused_until: Option<Time>,
    leadership: Leadership,
    heard: Time,
    term: Option<Term>,
    jits: BTreeMap<JitHandle, (PodName, String)>,
    made_jits: u64,
}

#[derive(Debug)]
pub(crate) struct Term {
    id: u64,
    pub(crate) lease: Lease,
    pub(crate) machine: Machine,
    wanted: bool,
    reading: bool,
    last_round: Option<Time>,
    tick_at: Option<Time>,
    listing: bool,
    next_list: Option<Time>,
    last_list: Option<Time>,
    missed: bool,
    watched: u64,
    watch_due: bool,
}

impl Process {
    pub(crate) fn new(now: Time) -> Self {
        Self {
            started: 0,
            alive: false,
            stopping: false,
            paused_until: None,
            leadership: Leadership::Unknown,
            heard: now,
            term: None,
            jits: BTreeMap::new(),
            made_jits: 0,
        }
    }

    pub(crate) fn pause(&mut self, until: Time) {
        self.paused_until = self.paused_until.max(Some(until));
    }

    pub(crate) fn term_id(&self, process: usize) -> Option<TermId> {
        let term = self.term.as_ref()?.id;
        Some(TermId { process, term })
    }

    pub(crate) fn machine(&self) -> Option<&Machine> {
        self.term.as_ref().map(|term| &term.machine)
    }
}

impl Sim {
    pub(crate) fn term(&mut self, id: TermId) -> Option<&mut Term> {
        let term = self.processes[id.process].term.as_mut();
        term.filter(|term| term.id == id.term)
    }

    pub(crate) fn keep_jit(
        &mut self,
        holder: Holder,
        worker: &PodName,
        encoded: String,
    ) -> JitHandle {
        let process = &mut self.processes[holder.0];
        process.made_jits += 1;
        let handle = JitHandle(process.made_jits);
        if process.started == holder.1 {
            process.jits.retain(|_, (of, _)| of != worker);
            process.jits.insert(handle, (worker.clone(), encoded));
        }
        handle
    }

    /// What a call that was sent carries; the memory of a process that is gone is read here only for those.
    pub(crate) fn jit(&self, holder: Holder, handle: JitHandle) -> Option<String> {
        let process = &self.processes[holder.0];
        process
            .jits
            .get(&handle)
            .map(|(_, encoded)| encoded.clone())
    }

    /// What the machine of a term knows of a worker.
    pub(crate) fn known(&mut self, id: TermId, key: &Key) -> Option<WorkerRow> {
        let Key::Worker(name) = key else {
            return None;
        };
        self.term(id)?.machine.workers().get(name).cloned()
    }

    /// How many jobs of each key the plan of a term knows to be pending.
    pub(crate) fn pending_by_key(&mut self, id: TermId) -> BTreeMap<DemandKey, usize> {
        let mut pending = BTreeMap::new();
        let Some(term) = self.term(id) else {
            return pending;
        };
        for job in term.machine.jobs() {
            if job.status == Status::Pending {
                *pending.entry(job.demand.key()).or_default() += 1;
            }
        }
        pending
    }

    // --- life and death ----------------------------------------------------------------------------------------------

    pub(crate) fn start(&mut self, process: usize) {
        let now = self.now;
        let it = &mut self.processes[process];
        if it.alive {
            return;
        }
        it.started += 1;
        it.alive = true;
        it.stopping = false;
        it.paused_until = None;
        it.leadership = Leadership::Unknown;
        it.heard = now;
        let started = it.started;
        self.note(|| format!("{process}: starts"));
        self.push(now, Ev::Heard(process, Heard::Renew(started)));
    }

    pub(crate) fn crash(&mut self, process: usize, back_after: i64) {
        let it = &mut self.processes[process];
        if !it.alive {
            return;
        }
        it.alive = false;
        it.term = None;
        self.note(|| format!("{process}: dies"));
        let at = self.now + TimeDelta::milliseconds(back_after);
        self.disturbed_until = self.disturbed_until.max(at);
        self.push(at, Ev::Start(process));
    }

    pub(crate) fn shutdown(&mut self, process: usize, within: i64) {
        let it = &mut self.processes[process];
        if !it.alive {
            return;
        }
        it.stopping = true;
        let at = self.now + TimeDelta::milliseconds(within);
        self.push(at, Ev::Down(process));
    }

    /// What was in flight had its time; the lease is given back.
    pub(crate) fn down(&mut self, process: usize) {
        if !self.processes[process].stopping || !self.processes[process].alive {
            return;
        }
        if let Leadership::Leader(lease) = self.processes[process].leadership {
            self.tables.release(lease);
        }
        self.note(|| format!("{process}: stopped"));
        self.crash(process, 1_000);
    }

    // --- the lease ---------------------------------------------------------------------------------------------------

    fn renew(&mut self, process: usize, started: u64) {
        if self.processes[process].started != started || !self.processes[process].alive {
            return;
        }
        let asked = self.now;
        let patience = (self.processes[process].heard + STOP_AFTER - asked).max(RENEW_EVERY / 2);
        let fate = self.fate(Call::RenewLease);
        let answered = fate.how == Answered::Truly && fate.answered - asked <= patience;
        if let Some(at) = fate.lands {
            let event = Ev::RenewLands {
                process,
                started,
                asked,
                answered_at: answered.then_some(fate.answered),
            };
            self.push(at, event);
        }
        if !answered {
            let given_up = match fate.how {
                Answered::Truly => asked + patience,
                Answered::Not | Answered::Refused | Answered::Conflict => {
                    fate.answered.min(asked + patience)
                }
            };
            let heard = Heard::Renewed {
                started,
                asked,
                answer: None,
            };
            self.push(given_up, Ev::Heard(process, heard));
        }
    }

    pub(crate) fn renew_lands(
        &mut self,
        process: usize,
        started: u64,
        asked: Time,
        answered_at: Option<Time>,
    ) {
        let holder = Holder(process, started);
        let answer = Some(self.tables.renew(holder, LEASE_LASTS, self.now));
        if let Some(at) = answered_at {
            let heard = Heard::Renewed {
                started,
                asked,
                answer,
            };
            self.push(at.max(self.now), Ev::Heard(process, heard));
        }
    }

    fn renewed(
        &mut self,
        process: usize,
        started: u64,
        asked: Time,
        answer: Option<(Option<Lease>, Time)>,
    ) {
        if self.processes[process].started != started || !self.processes[process].alive {
            return;
        }
        let now = self.now;
        let mut next = asked + RENEW_EVERY;
        match answer {
            Some((lease, expires_at)) => {
                self.processes[process].heard = asked;
                if lease.is_none() {
                    next = next.min(expires_at.max(now) + AFTER_EXPIRY);
                }
                let is = lease.map_or(Leadership::Follower, Leadership::Leader);
                self.announce(process, is);
            }
            None if now - self.processes[process].heard >= STOP_AFTER => {
                self.announce(process, Leadership::Unknown);
            }
            None => {}
        }
        self.push(next.max(now), Ev::Heard(process, Heard::Renew(started)));
    }

    fn announce(&mut self, process: usize, is: Leadership) {
        if self.processes[process].leadership == is {
            return;
        }
        self.note(|| format!("{process}: {is:?}"));
        self.processes[process].leadership = is;
        self.processes[process].term = None;
        if let Leadership::Leader(lease) = is {
            self.begin_term(process, lease);
        }
    }

    fn begin_term(&mut self, process: usize, lease: Lease) {
        if self.processes[process].stopping {
            return;
        }
        self.last_term += 1;
        let mut machine = Machine::new(self.config.clone());
        machine.observe(Observation::Alerts(self.tables.alerts.clone()));
        machine.observe(Observation::Scopes(self.tables.recent_scopes()));
        let term = Term {
            id: self.last_term,
            lease,
            machine,
            wanted: true,
            reading: false,
            last_round: None,
            tick_at: None,
            listing: false,
            next_list: Some(self.now),
            last_list: None,
            missed: false,
            watched: self.world.cluster.version(),
            watch_due: false,
        };
        let id = TermId {
            process,
            term: term.id,
        };
        self.processes[process].term = Some(term);
        self.push(self.now, Ev::Heard(process, Heard::List(id)));
        self.set_tick(id);
    }

    // --- hearing -----------------------------------------------------------------------------------------------------

    pub(crate) fn heard(&mut self, process: usize, heard: Heard) {
        // A process that stands still hears everything when it goes on.
        if let Some(until) = self.processes[process].paused_until {
            if self.now < until && self.processes[process].alive {
                return self.push(until, Ev::Heard(process, heard));
            }
            self.processes[process].paused_until = None;
        }
        match heard {
            Heard::Renew(started) => self.renew(process, started),
            Heard::Renewed {
                started,
                asked,
                answer,
            } => self.renewed(process, started, asked, answer),
            Heard::Tick(id) => self.tick(id),
            Heard::Wake(id) => {
                if let Some(term) = self.term(id) {
                    term.wanted = true;
                }
                self.set_tick(id);
            }
            Heard::Answer(id, action, outcome) => self.answered(id, action, *outcome),
            Heard::Rows(id, rows) => self.rows_came(id, rows),
            Heard::List(id) => self.list(id),
            Heard::Listed { term, begun, seen } => self.listed(term, begun, seen),
            Heard::Watch(id) => self.watch_tells(id),
        }
    }

    fn answered(&mut self, id: TermId, action: ActionId, outcome: Outcome) {
        let now = self.now;
        if self.processes[id.process].stopping {
            return;
        }
        let Some(term) = self.term(id) else {
            return;
        };
        let lease = term.lease;
        let next = term.machine.outcome(action, outcome, now);
        term.wanted = true;
        self.begin(id, lease, next);
        self.deposed_or_tick(id);
    }

    /// Another scheduler leads: this term ends, and another one begins while the keeper does not know better.
    fn deposed_or_tick(&mut self, id: TermId) {
        let deposed = self.term(id).is_some_and(|term| term.machine.is_deposed());
        if !deposed {
            return self.set_tick(id);
        }
        self.note(|| format!("{}: deposed", id.process));
        self.processes[id.process].term = None;
        if let Leadership::Leader(lease) = self.processes[id.process].leadership {
            self.begin_term(id.process, lease);
        }
    }

    // --- rounds ------------------------------------------------------------------------------------------------------

    /// Sets the moment at which the loop looks again by itself.
    fn set_tick(&mut self, id: TermId) {
        let now = self.now;
        let Some(term) = self.term(id) else {
            return;
        };
        if term.reading {
            return;
        }
        let allowed = term.last_round.map_or(now, |at| at + ROUND_GAP).max(now);
        let at = if term.wanted {
            allowed
        } else {
            let overdue = term.last_round.map_or(now, |at| at + ROUND_AT_LEAST_EVERY);
            let soonest = term.machine.wake_at().map_or(overdue, |at| at.min(overdue));
            soonest.max(now + TimeDelta::milliseconds(5))
        };
        if term.tick_at == Some(at) {
            return;
        }
        term.tick_at = Some(at);
        self.push(at, Ev::Heard(id.process, Heard::Tick(id)));
    }

    fn tick(&mut self, id: TermId) {
        let now = self.now;
        let stopping = self.processes[id.process].stopping;
        let Some(term) = self.term(id) else {
            return;
        };
        if term.tick_at.is_none_or(|at| at > now) || term.reading || stopping {
            return;
        }
        term.tick_at = None;
        let overdue = term
            .last_round
            .is_none_or(|at| now - at >= ROUND_AT_LEAST_EVERY);
        term.wanted |= overdue || term.machine.wake_at().is_some_and(|at| at <= now);
        let allowed = term.last_round.is_none_or(|at| now - at >= ROUND_GAP);
        if !term.wanted || !allowed {
            return self.set_tick(id);
        }
        term.wanted = false;
        term.reading = true;
        term.last_round = Some(now);
        let pods = term.machine.cluster().pods();
        let pods = pods.map(|pod| pod.name.clone()).collect();
        self.rounds += 1;
        let fate = self.fate(Call::ReadRows);
        if fate.how != Answered::Truly {
            return self.push(fate.answered, Ev::Heard(id.process, Heard::Rows(id, None)));
        }
        let then = fate.lands.unwrap_or(now);
        let answered = fate.answered;
        let first = now + (then - now) / 2;
        let read = Read::Workers {
            begun: now,
            pods,
            then,
            answered,
        };
        self.push(first, Ev::Read(id, read));
    }

    pub(crate) fn read(&mut self, id: TermId, read: Read) {
        match read {
            Read::Workers {
                begun,
                pods,
                then,
                answered,
            } => {
                let within = self.config.rules.deregister_within.delta();
                let workers = self.tables.read_workers(&pods, within, self.now);
                let read = Read::Jobs {
                    begun,
                    settings: self.set.read(),
                    workers,
                    answered,
                };
                self.push(then, Ev::Read(id, read));
            }
            Read::Jobs {
                begun,
                settings,
                workers,
                answered,
            } => {
                let jobs = self.tables.read_jobs();
                let rows = Box::new(Rows {
                    begun,
                    settings,
                    jobs,
                    workers,
                });
                let heard = Heard::Rows(id, Some(rows));
                self.push(answered, Ev::Heard(id.process, heard));
            }
            Read::Pods {
                begun,
                nodes,
                answered,
            } => {
                let ours = Selection::in_namespace(NAMESPACE);
                let documents = self.world.cluster.list(Kind::Pod, &ours);
                let pods = documents.iter().filter(|pod| objects::is_ours(pod));
                let pods = pods.map(|pod| objects::pod(pod)).collect();
                let pods = Observation::Pods { pods, begun };
                let heard = Heard::Listed {
                    term: id,
                    begun,
                    seen: Some(Box::new((nodes, pods))),
                };
                self.push(answered, Ev::Heard(id.process, heard));
            }
        }
    }

    fn rows_came(&mut self, id: TermId, rows: Option<Box<Rows>>) {
        let now = self.now;
        let stopping = self.processes[id.process].stopping;
        let Some(term) = self.term(id) else {
            return;
        };
        term.reading = false;
        if stopping {
            return;
        }
        let Some(rows) = rows else {
            return self.set_tick(id);
        };
        let gone = self.tables.gone_scopes();
        let Some(term) = self.term(id) else {
            return;
        };
        let Rows {
            begun,
            settings,
            jobs,
            workers,
        } = *rows;
        term.machine.observe(Observation::Settings {
            settings,
            newcomers: BTreeSet::new(),
            begun,
        });
        term.machine.observe(Observation::GoneScopes(gone));
        term.machine.observe(Observation::Rows {
            jobs,
            workers,
            begun,
        });
        let actions = term.machine.decide(now);
        let lease = term.lease;
        self.begin(id, lease, actions);
        self.deposed_or_tick(id);
    }

    // --- lists and watches -------------------------------------------------------------------------------------------

    fn list(&mut self, id: TermId) {
        let now = self.now;
        let Some(term) = self.term(id) else {
            return;
        };
        if term.listing || term.next_list.is_none_or(|at| at > now) {
            return;
        }
        term.next_list = None;
        term.listing = true;
        term.missed = false;
        term.last_list = Some(now);
        let fate = self.fate(Call::ListCluster);
        let lands = fate.lands.filter(|_| fate.how == Answered::Truly);
        let Some(lands) = lands else {
            let heard = Heard::Listed {
                term: id,
                begun: now,
                seen: None,
            };
            return self.push(fate.answered, Ev::Heard(id.process, heard));
        };
        let documents = self.world.cluster.list(Kind::Node, &Selection::default());
        let nodes = documents.iter().map(|node| objects::node(node)).collect();
        let read = Read::Pods {
            begun: now,
            nodes: Observation::Nodes { nodes, begun: now },
            answered: fate.answered,
        };
        self.push(lands, Ev::Read(id, read));
    }

    fn listed(&mut self, id: TermId, begun: Time, seen: Option<Box<(Observation, Observation)>>) {
        let now = self.now;
        let Some(term) = self.term(id) else {
            return;
        };
        term.listing = false;
        let mut next = begun
            + if seen.is_some() {
                LIST_EVERY
            } else {
                LIST_EVERY / 5
            };
        if let Some(seen) = seen {
            let (nodes, pods) = *seen;
            term.machine.observe(nodes);
            term.machine.observe(pods);
            term.wanted = true;
        }
        if term.missed {
            next = begun + LIST_NOT_OFTENER_THAN;
        }
        self.set_list(id, next.max(now));
        self.set_tick(id);
    }

    fn set_list(&mut self, id: TermId, at: Time) {
        if let Some(term) = self.term(id) {
            term.next_list = Some(at);
            self.push(at, Ev::Heard(id.process, Heard::List(id)));
        }
    }

    /// The cluster may have changed: watches will tell.
    pub(crate) fn watches_hear(&mut self) {
        let version = self.world.cluster.version();
        for process in 0..self.processes.len() {
            let Some(id) = self.processes[process].term_id(process) else {
                continue;
            };
            let Some(term) = self
                .term(id)
                .filter(|t| t.watched < version && !t.watch_due)
            else {
                continue;
            };
            term.watch_due = true;
            let mut draw = self.chance.of("watch", version);
            let lag = match draw.between(0, 99) {
                0..85 => draw.between(3, 150),
                85..97 => draw.between(500, 3_000),
                _ => draw.between(3_000, 10_000),
            };
            let at = self.now + TimeDelta::milliseconds(lag);
            self.push(at, Ev::Heard(process, Heard::Watch(id)));
        }
    }

    fn watch_tells(&mut self, id: TermId) {
        let now = self.now;
        let silent = self
            .active()
            .any(|what| matches!(what, What::WatchSilent { .. }));
        let Some(from) = self.term(id).map(|term| term.watched) else {
            return;
        };
        if silent {
            let at = now + TimeDelta::seconds(1);
            return self.push(at, Ev::Heard(id.process, Heard::Watch(id)));
        }
        let version = self.world.cluster.version();
        let changes = self.world.cluster.changes_after(from).map(|changes| {
            let seen = changes.filter_map(|change| {
                let gone = change.what == ChangeType::Deleted;
                let name = change.key.name.as_str();
                match change.kind {
                    Kind::Pod if !objects::is_ours(&change.object) => None,
                    Kind::Pod if gone => Some(Observation::PodGone(name.into(), now)),
                    Kind::Pod => {
                        let pod = Box::new(objects::pod(&change.object));
                        Some(Observation::Pod(pod, now))
                    }
                    Kind::Node if gone => Some(Observation::NodeGone(name.into(), now)),
                    Kind::Node => {
                        let node = Box::new(objects::node(&change.object));
                        Some(Observation::Node(node, now))
                    }
                    Kind::Event | Kind::Namespace => None,
                }
            });
            seen.collect::<Vec<_>>()
        });
        let Some(term) = self.term(id) else {
            return;
        };
        term.watch_due = false;
        term.watched = version;
        match changes {
            Ok(changes) => {
                for change in changes {
                    term.machine.observe(change);
                    term.wanted = true;
                }
            }
            Err(_) => {
                // Changes were missed: the cluster is listed soon.
                term.missed = true;
                if !term.listing {
                    let at = term.last_list.map_or(now, |at| at + LIST_NOT_OFTENER_THAN);
                    self.set_list(id, at.max(now));
                }
            }
        }
        self.set_tick(id);
    }
}
