//! One history, played: the world's clock, what comes from outside, calls in flight that land at some moment between their
//! beginning and their answer, and deliveries that the adversary carries.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use rise_model::cluster::WORKER_ANNOTATION;
use rise_model::config::{Apps, Routing, StagingRepositories};
use rise_model::effects::{Action, Effect, Outcome};
use rise_model::intake::{Headers, Intake, IntakeRules, clean, decide};
use rise_model::machine::MachineConfig;
use rise_model::rows::DemandKey;
use rise_model::{JobId, PodName, Status, Time};
use sandbox::world::World;
use sandbox::world::cluster::{DeleteOptions, Kind, PatchType};
use sandbox::world::github::{
    AccountId, AppKind, Delivery, DeliveryStatus, InstallationId, JobId as GitHubJobId,
    RunnerId as GitHubRunnerId,
};

use serde_json::json;

use crate::chance::{Chance, Draw};
use crate::history::{Call, History, Moment, Trouble, What};
use crate::process::{Heard, Process, Read, TermId};
use crate::recovery;
use crate::set::SetTable;
use crate::setup;
use crate::tables::{InstallationEvent, Lease, Tables};
use crate::trace::{self, Trace};

pub(crate) const NAMESPACE: &str = "default";

/// A call of a scheduler that gives up waits this long.
const CALL_TIMEOUT: i64 = 10_000;

/// What a history came to.
#[derive(Debug)]
pub(crate) struct Played {
    /// What was violated, if anything was.
    pub(crate) violation: Option<String>,
    pub(crate) trace: String,
    /// How many effects landed.
    pub(crate) landings: u64,
}

/// Something that is due.
#[derive(Debug)]
pub(crate) enum Ev {
    Begins(usize),
    Ends(usize),
    Deliver(Box<Delivery>),
    Land {
        term: TermId,
        lease: Lease,
        action: Box<Action>,
        answered_at: Option<Time>,
        /// Pending jobs by key as the plan knew them.
        wanted: BTreeMap<DemandKey, usize>,
    },
    /// Addressed to a process.
    Heard(usize, Heard),
    /// A read of a process arrives where it is answered.
    Read(TermId, Read),
    RenewLands {
        process: usize,
        started: u64,
        asked: Time,
        answered_at: Option<Time>,
    },
    Start(usize),
    Down(usize),
}

/// When a call lands and is answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fate {
    pub(crate) lands: Option<Time>,
    pub(crate) answered: Time,
    pub(crate) how: Answered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    Truly,
    Not,
    Refused,
    Conflict,
}

#[derive(Debug)]
pub(crate) struct Sim {
    pub(crate) history: History,
    pub(crate) chance: Chance,
    pub(crate) now: Time,
    pub(crate) world: World,
    pub(crate) tables: Tables,
    pub(crate) set: SetTable,
    pub(crate) config: MachineConfig,
    pub(crate) apps: Apps,
    routing: Routing,
    pub(crate) queue: BTreeMap<(Time, u64), Ev>,
    pushed: u64,
    pub(crate) processes: Vec<Process>,
    pub(crate) names: u64,
    pub(crate) last_term: u64,
    landings: u64,
    calls: u64,
    carried: u64,
    /// Deliveries on their way.
    pub(crate) on_the_way: usize,
    pub(crate) jobs: BTreeMap<u64, GitHubJobId>,
    /// Installations of whose end the log tells.
    pub(crate) deleted: BTreeSet<InstallationId>,
    /// Jobs that were queued while the App was suspended: GitHub tells nobody of them.
    pub(crate) unheard: BTreeSet<GitHubJobId>,
    /// When a worker of a key was last given up.
    pub(crate) failed: BTreeMap<DemandKey, Time>,
    pub(crate) job_statuses: BTreeMap<JobId, Status>,
    pub(crate) worker_statuses: BTreeMap<PodName, Status>,
    /// Pods that somebody else deleted.
    pub(crate) deleted_by_others: BTreeSet<String>,
    /// Runners that a scheduler registered which no longer led.
    pub(crate) leftovers: BTreeSet<GitHubRunnerId>,
    /// Until when the last death of a process is felt.
    pub(crate) disturbed_until: Time,
    /// Pods to come that will misbehave.
    pub(crate) misbehaving_to_come: usize,
    /// Rounds and effects begun, to see whether anything flaps.
    pub(crate) rounds: u64,
    pub(crate) begun: u64,
    trace: Trace,
    pub(crate) violation: Option<String>,
}

impl Sim {
    pub(crate) fn new(history: History, trace: Trace) -> Self {
        let (seed, setting) = (history.seed, history.setting);
        let mut sim = Self {
            chance: Chance::new(seed),
            now: setup::beginning(),
            world: setup::world(seed, setting),
            tables: Tables::new(),
            set: SetTable::default(),
            config: setup::machine(setting),
            apps: setup::apps(),
            routing: setup::routing(),
            queue: BTreeMap::new(),
            pushed: 0,
            processes: Vec::new(),
            names: 0,
            last_term: 0,
            landings: 0,
            calls: 0,
            carried: 0,
            on_the_way: 0,
            jobs: BTreeMap::new(),
            deleted: BTreeSet::new(),
            unheard: BTreeSet::new(),
            failed: BTreeMap::new(),
            job_statuses: BTreeMap::new(),
            worker_statuses: BTreeMap::new(),
            deleted_by_others: BTreeSet::new(),
            leftovers: BTreeSet::new(),
            disturbed_until: setup::beginning(),
            misbehaving_to_come: 0,
            rounds: 0,
            begun: 0,
            trace,
            violation: None,
            history,
        };
        for index in 0..sim.history.events.len() {
            let at = sim.at(sim.history.events[index].at);
            sim.push(at, Ev::Begins(index));
        }
        for process in 0..setting.schedulers {
            sim.processes.push(Process::new(sim.now));
            let at = sim.now + TimeDelta::milliseconds(sim.chance.of("start", 0).between(0, 900));
            sim.push(at, Ev::Start(process));
        }
        sim
    }

    /// So many milliseconds after the beginning.
    pub(crate) fn at(&self, millis: i64) -> Time {
        setup::beginning() + TimeDelta::milliseconds(millis)
    }

    pub(crate) fn elapsed(&self) -> TimeDelta {
        self.now - setup::beginning()
    }

    pub(crate) fn push(&mut self, at: Time, event: Ev) {
        self.pushed += 1;
        self.queue.insert((at, self.pushed), event);
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        self.trace.note(self.now - setup::beginning(), line);
    }

    pub(crate) fn violated(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.note(|| format!("VIOLATED {what}"));
        self.violation.get_or_insert(what);
    }

    /// What is going on now.
    pub(crate) fn active(&self) -> impl Iterator<Item = &What> {
        let now = self.elapsed().num_milliseconds();
        let events = self.history.events.iter();
        events
            .filter(move |e| e.at <= now && now < e.at + e.what.lasts())
            .map(|e| &e.what)
    }

    // --- running -----------------------------------------------------------------------------------------------------

    /// Runs until that time, or until something is violated.
    pub(crate) fn run_until(&mut self, until: Time) {
        while self.violation.is_none() {
            let next = self.queue.first_key_value().map(|((at, _), _)| *at);
            let due = [next, self.world.next_due()].into_iter().flatten().min();
            let Some(due) = due.filter(|due| *due <= until) else {
                break;
            };
            self.now = self.now.max(due);
            self.world.advance(self.now);
            self.world_moved();
            if next.is_some_and(|at| at <= self.now)
                && let Some((_, event)) = self.queue.pop_first()
            {
                self.handle(event);
                self.world_moved();
            }
            self.check_always();
        }
        if self.violation.is_none() {
            self.now = self.now.max(until);
            self.world.advance(self.now);
            self.world_moved();
        }
    }

    fn handle(&mut self, event: Ev) {
        match event {
            Ev::Begins(index) => self.begins(index),
            Ev::Ends(index) => self.ends(index),
            Ev::Deliver(delivery) => self.deliver(&delivery),
            Ev::Land {
                term,
                lease,
                action,
                answered_at,
                wanted,
            } => self.land(term, lease, &action, answered_at, &wanted),
            Ev::Heard(process, heard) => self.heard(process, heard),
            Ev::Read(term, read) => self.read(term, read),
            Ev::RenewLands {
                process,
                started,
                asked,
                answered_at,
            } => self.renew_lands(process, started, asked, answered_at),
            Ev::Start(process) => self.start(process),
            Ev::Down(process) => self.down(process),
        }
    }

    /// Deliveries leave the outbox, watches hear of changes.
    fn world_moved(&mut self) {
        if self.world.github.outbox_len() > 0 {
            for delivery in self.world.github.take_outbox() {
                self.carry(&delivery);
            }
        }
        self.watches_hear();
    }

    // --- calls -------------------------------------------------------------------------------------------------------

    /// What becomes of a call that begins now.
    pub(crate) fn fate(&mut self, call: Call) -> Fate {
        self.calls += 1;
        let mut draw = self.chance.of("call", self.calls);
        let trouble = self.active().find_map(|what| match *what {
            What::Calls {
                call: meant,
                trouble,
                share,
                ..
            } if meant.means(call) && draw.clone().percent(share) => Some(trouble),
            _ => None,
        });
        let _ = draw.percent(50);
        let to_land = latency(call, &mut draw);
        let answer = to_land + draw.between(1, 40);
        let given_up = draw.one_of(&[50, 2_000, CALL_TIMEOUT]).max(answer);
        let after = |millis: i64| self.now + TimeDelta::milliseconds(millis);
        let fate = |lands: Option<i64>, answered: i64, how: Answered| Fate {
            lands: lands.map(after),
            answered: after(answered),
            how,
        };
        match trouble {
            None => fate(Some(to_land), answer, Answered::Truly),
            Some(Trouble::LostBefore) => fate(None, given_up, Answered::Not),
            Some(Trouble::LostAfter) => fate(Some(to_land), given_up, Answered::Not),
            Some(Trouble::Late) => {
                let late = CALL_TIMEOUT + draw.between(0, 8_000);
                fate(Some(late), CALL_TIMEOUT, Answered::Not)
            }
            Some(Trouble::Slow) => {
                let landing = draw.between(0, CALL_TIMEOUT - 500);
                let answer = draw.between(landing, CALL_TIMEOUT - 1);
                fate(Some(landing), answer, Answered::Truly)
            }
            Some(Trouble::Refused) => fate(None, answer, Answered::Refused),
            Some(Trouble::Conflict) => fate(None, answer, Answered::Conflict),
        }
    }

    fn land(
        &mut self,
        term: TermId,
        lease: Lease,
        action: &Action,
        answered_at: Option<Time>,
        wanted: &BTreeMap<DemandKey, usize>,
    ) {
        self.landings += 1;
        let nth = self.landings;
        let dies = self.history.events.iter().find_map(|e| match e.what {
            What::CrashAtCall {
                nth: at,
                moment,
                back_after,
            } if at == nth => Some((moment, back_after)),
            _ => None,
        });
        if let Some((Moment::Before, back_after)) = dies {
            self.crash(term.process, back_after);
        }
        let alive = self.term(term).is_some();
        // What a process that is gone had sent may arrive or not.
        if !alive && self.chance.of("ghost", nth).percent(50) {
            return;
        }
        let before = self.before(&action.effect);
        let outcome = self.perform(lease, &action.effect);
        self.note(|| {
            let ghost = if alive {
                ""
            } else {
                " (of a process that is gone)"
            };
            let (effect, came) = (trace::effect(&action.effect), trace::outcome(&outcome));
            format!("{}: {effect} -> {came}{ghost}", term.process)
        });
        if let Outcome::JitConfig { runner, .. } = &outcome
            && !self.tables.leads(lease)
        {
            self.leftovers.insert(GitHubRunnerId(runner.0));
        }
        self.check_landing(&action.effect, &outcome, &before, wanted);
        if let Some((Moment::After, back_after)) = dies {
            self.crash(term.process, back_after);
        }
        if let Some(at) = answered_at {
            let id = action.id;
            let heard = Heard::Answer(term, id, Box::new(outcome));
            self.push(at.max(self.now), Ev::Heard(term.process, heard));
        }
    }

    /// Begins what a machine decided.
    pub(crate) fn begin(&mut self, term: TermId, lease: Lease, actions: Vec<Action>) {
        for action in actions {
            // Questions, and that they were asked, change nothing.
            let asks = matches!(
                action.effect,
                Effect::EnsureRunnerGroup { .. }
                    | Effect::GetJob { .. }
                    | Effect::GetRun { .. }
                    | Effect::ListRunners { .. }
                    | Effect::AskInstallation { .. }
                    | Effect::ReadInstallationLog { .. }
                    | Effect::LogAuthAttempt { .. }
                    | Effect::RecordJob { change: None, .. }
            ) || matches!(&action.effect, Effect::Deliveries(_, effect) if recovery::only_looks(effect));
            self.begun += u64::from(!asks);
            self.note(|| {
                let what = trace::effect(&action.effect);
                format!("{}: begins {what}", term.process)
            });
            self.remember_failure(&action.effect);
            let known = self.known(term, &action.key);
            self.check_begun(&action.effect, known.as_ref());
            let call = crate::perform::call_of(&action.effect);
            let fate = self.fate(call);
            let wanted = match &action.effect {
                Effect::Reserve { .. } => self.pending_by_key(term),
                _ => BTreeMap::new(),
            };
            if let Some(at) = fate.lands {
                let answered_at = (fate.how == Answered::Truly).then_some(fate.answered);
                let event = Ev::Land {
                    term,
                    lease,
                    action: Box::new(action.clone()),
                    answered_at,
                    wanted,
                };
                self.push(at, event);
            }
            let message = || "the adversary".to_owned();
            let outcome = match fate.how {
                Answered::Truly => continue,
                Answered::Not => Outcome::NoAnswer {
                    from: crate::perform::dependency(call),
                    message: message(),
                },
                Answered::Refused => Outcome::Refused {
                    by: crate::perform::dependency(call),
                    message: message(),
                },
                Answered::Conflict => Outcome::PodChanged,
            };
            let heard = Heard::Answer(term, action.id, Box::new(outcome));
            self.push(fate.answered, Ev::Heard(term.process, heard));
        }
    }

    // --- deliveries --------------------------------------------------------------------------------------------------

    fn carry(&mut self, delivery: &Delivery) {
        self.carried += 1;
        let mut draw = self.chance.of("delivery", self.carried);
        let mut late = 0;
        let mut copies = 1;
        for what in self.active() {
            match *what {
                What::DeliveriesLate { at_most, .. } => late = draw.between(0, at_most),
                What::DeliveriesDoubled { .. } => copies = 2,
                What::DeliveriesLost { .. } if draw.percent(50) => copies = 0,
                _ => {}
            }
        }
        if copies == 0 {
            // GitHub shows the attempt when it is over; nobody hears of it.
            let status = DeliveryStatus::FailedToConnect;
            self.world
                .github
                .delivery_answered(delivery.id, status, self.now);
            self.note(|| format!("lost {} {}", delivery.event, delivery.action));
        }
        for _ in 0..copies {
            let usual = draw.between(5, 1_500);
            let at = self.now + TimeDelta::milliseconds(late + usual);
            late += draw.between(0, 20_000);
            self.on_the_way += 1;
            self.push(at, Ev::Deliver(Box::new(delivery.clone())));
        }
    }

    fn deliver(&mut self, delivery: &Delivery) {
        self.on_the_way -= 1;
        let rules = IntakeRules {
            apps: &self.apps,
            routing: &self.routing,
            staging: &StagingRepositories::default(),
            image_tag: "latest",
            public_only: false,
            in_force: &self.in_force(),
            stored_payload_bytes: 262_144,
        };
        let body = delivery.payload.to_string();
        let (app, guid) = (delivery.app_id.to_string(), delivery.guid.to_string());
        let headers = Headers {
            app: Some(&app),
            delivery: Some(&guid),
        };
        if (delivery.event, delivery.action) == ("installation", "deleted") {
            self.deleted.insert(delivery.installation);
        }
        let decided = decide(&rules, delivery.event, headers, &clean(body.as_bytes()));
        self.world
            .github
            .delivery_answered(delivery.id, DeliveryStatus::Answered(200), self.now);
        match decided {
            Ok(Intake::Job { action, job, .. }) => {
                let changed = self.tables.record_job(action, &job, self.now);
                self.note(|| {
                    let runner = job.runner.as_ref().map_or("-", |name| name.as_str());
                    format!(
                        "delivered {action:?} of job {} on {runner}: {changed}",
                        job.id
                    )
                });
                if changed {
                    self.wake_all();
                }
            }
            Ok(Intake::Log { row, .. }) => {
                if let Some(installation) = row.installation
                    && row.event.starts_with("installation.")
                {
                    let event = InstallationEvent {
                        event: row.event,
                        installation,
                        entity: row.entity.id,
                        app: row.app,
                        received_at: self.now,
                    };
                    self.note(|| format!("delivered {event:?}"));
                    self.tables.record_event(event);
                }
            }
            Ok(Intake::Staging { .. }) => {}
            Err(refused) => self.violated(format!("a delivery was refused: {refused}")),
        }
        self.check_statuses();
    }

    /// NOTIFY, which may be lost.
    pub(crate) fn wake_all(&mut self) {
        for process in 0..self.processes.len() {
            let Some(term) = self.processes[process].term_id(process) else {
                continue;
            };
            let mut draw = self.chance.of("wake", self.pushed);
            if draw.percent(95) {
                let at = self.now + TimeDelta::milliseconds(draw.between(1, 60));
                self.push(at, Ev::Heard(process, Heard::Wake(term)));
            }
        }
    }

    // --- what comes from outside -------------------------------------------------------------------------------------

    fn begins(&mut self, index: usize) {
        let what = self.history.events[index].what;
        self.note(|| format!("==> {what:?}"));
        let until = self.now + TimeDelta::milliseconds(what.lasts());
        let now = self.now;
        // A board that a shrunk history does not have makes no difference.
        let cluster = &mut self.world.cluster;
        match what {
            What::Job {
                number,
                repository,
                labels,
                runs_for,
            } => {
                let labels = [setup::LABELS[labels]];
                let runs_for = TimeDelta::milliseconds(runs_for);
                let name = self.present_name(repository);
                let job = self.world.github.queue_job(&name, &labels, runs_for, now);
                let job = job.unwrap();
                self.jobs.insert(number, job);
                if self.is_suspended(repository) {
                    self.unheard.insert(job);
                }
            }
            What::Cancel { number } => {
                if let Some(job) = self.jobs.get(&number) {
                    self.world.github.cancel_job(*job, now).unwrap();
                }
            }
            What::Crash {
                scheduler,
                back_after,
            } => self.crash(scheduler, back_after),
            What::Pause { scheduler, .. } => self.processes[scheduler].pause(until),
            What::Shutdown {
                scheduler, within, ..
            } => self.shutdown(scheduler, within),
            What::BoardAway { board, loss, .. } => {
                cluster.lose_board(&setup::board(board), loss, now).unwrap();
            }
            What::Cordon { board, .. } => {
                cluster
                    .set_cordoned(&setup::board(board), true, now)
                    .unwrap();
            }
            What::NoSlots { board, .. } => {
                cluster
                    .set_allocatable(&setup::board(board), 0, now)
                    .unwrap();
            }
            What::SlowBoard { board, times, .. } => {
                cluster.set_slow(&setup::board(board), times).unwrap();
            }
            What::NextPod { behaviour } => {
                cluster.next_pod_behaves(behaviour);
                self.misbehaving_to_come += 1;
            }
            What::ImageBroken { image, .. } => cluster.set_image_broken(setup::IMAGES[image], true),
            What::PullFails { board, .. } => {
                cluster.set_pull_fails(&setup::board(board), true).unwrap();
            }
            What::VersionRefused { .. } => self.world.github.refuse_runner_version(true),
            What::WatchExpired => cluster.compact(),
            What::PodDeleted { which } => self.delete_pod_by_others(which),
            What::Uninstalled { account } => {
                // It may have been removed before.
                let login = self.login(account);
                let _ = self.world.github.uninstall(&login, now);
            }
            What::RowLost { which, annotated } => self.lose_row(which, annotated),
            What::RowAsBefore { which } => self.row_as_before(which),
            What::KillStuck { board, .. } => {
                cluster
                    .set_kill_stuck(&setup::board(board), true, now)
                    .unwrap();
            }
            What::Suspended { account, .. } => {
                let account = self.login(account);
                let _ = self.world.github.suspend(&account, now);
            }
            What::Reinstalled { account } => self.reinstall(account),
            What::Renamed { account, number } => {
                let login = self.login(account);
                let to = format!("renamed-{number}");
                self.world.github.rename_account(&login, &to, now).unwrap();
            }
            What::Set { set, .. } => self.set(index, set),
            // Looked up while they are active.
            What::CrashAtCall { .. }
            | What::Calls { .. }
            | What::WatchSilent { .. }
            | What::DeliveriesLate { .. }
            | What::DeliveriesDoubled { .. }
            | What::DeliveriesLost { .. }
            | What::LyingNotFound { .. } => {}
        }
        if what.lasts() > 0 {
            self.push(until, Ev::Ends(index));
        }
    }

    /// The present name of an account.
    fn login(&self, account: usize) -> String {
        let id = AccountId(setup::ACCOUNT_IDS[account]);
        let account = self.world.github.account_by_id(id).unwrap();
        account.login.clone()
    }

    /// The present name of a repository.
    fn present_name(&self, repository: usize) -> String {
        let (account, name) = setup::REPOSITORIES[repository].split_once('/').unwrap();
        let account = setup::ACCOUNTS
            .iter()
            .position(|it| *it == account)
            .unwrap();
        format!("{}/{name}", self.login(account))
    }

    /// The App is removed from an account and installed again. Whoever suspended it suspends the new one, too.
    fn reinstall(&mut self, account: usize) {
        let (login, now) = (self.login(account), self.now);
        let suspended = self
            .active()
            .any(|what| matches!(what, What::Suspended { account: of, .. } if *of == account));
        let app = if setup::ACCOUNT_IDS[account] == setup::PERSON {
            AppKind::Personal
        } else {
            AppKind::Organization
        };
        // It may have been removed before.
        let _ = self.world.github.uninstall(&login, now);
        self.world.github.install(&login, app, now).unwrap();
        if suspended {
            self.world.github.suspend(&login, now).unwrap();
        }
    }

    /// Whether the App is suspended on the account of a repository.
    fn is_suspended(&self, repository: usize) -> bool {
        let (account, _) = setup::REPOSITORIES[repository].split_once('/').unwrap();
        self.active().any(|what| {
            matches!(what, What::Suspended { account: of, .. } if setup::ACCOUNTS[*of] == account)
        })
    }

    fn ends(&mut self, index: usize) {
        let what = self.history.events[index].what;
        self.note(|| format!("<== {what:?}"));
        let now = self.now;
        let cluster = &mut self.world.cluster;
        match what {
            What::BoardAway { board, .. } => {
                cluster.restore_board(&setup::board(board), now).unwrap();
            }
            What::Cordon { board, .. } => {
                cluster
                    .set_cordoned(&setup::board(board), false, now)
                    .unwrap();
            }
            What::NoSlots { board, .. } => {
                cluster
                    .set_allocatable(&setup::board(board), 1, now)
                    .unwrap();
            }
            What::SlowBoard { board, .. } => cluster.set_slow(&setup::board(board), 1).unwrap(),
            What::ImageBroken { image, .. } => {
                cluster.set_image_broken(setup::IMAGES[image], false);
            }
            What::PullFails { board, .. } => {
                cluster.set_pull_fails(&setup::board(board), false).unwrap();
            }
            What::VersionRefused { .. } => self.world.github.refuse_runner_version(false),
            What::KillStuck { board, .. } => {
                cluster
                    .set_kill_stuck(&setup::board(board), false, now)
                    .unwrap();
            }
            What::Suspended { account, .. } => {
                let account = self.login(account);
                // It may have been removed meanwhile.
                let _ = self.world.github.unsuspend(&account, now);
            }
            What::Set { .. } => self.unset(index),
            // They begin again, go on, or end by themselves.
            What::Job { .. }
            | What::Cancel { .. }
            | What::Crash { .. }
            | What::CrashAtCall { .. }
            | What::Pause { .. }
            | What::Shutdown { .. }
            | What::Calls { .. }
            | What::NextPod { .. }
            | What::WatchSilent { .. }
            | What::WatchExpired
            | What::DeliveriesLate { .. }
            | What::DeliveriesDoubled { .. }
            | What::DeliveriesLost { .. }
            | What::PodDeleted { .. }
            | What::Reinstalled { .. }
            | What::Renamed { .. }
            | What::Uninstalled { .. }
            | What::RowLost { .. }
            | What::RowAsBefore { .. }
            | What::LyingNotFound { .. } => {}
        }
    }

    /// A live row whose pod lives.
    fn some_row(&self, which: usize) -> Option<PodName> {
        let lives = |name: &PodName| {
            let pod = self.world.cluster.pod(name.as_str());
            pod.is_some_and(|pod| !pod.is_terminal())
        };
        let rows = self.tables.workers.values().map(|worker| &worker.row);
        let live: Vec<_> = rows
            .filter(|row| row.is_live() && lives(&row.name))
            .collect();
        live.get(which % live.len().max(1))
            .map(|row| row.name.clone())
    }

    fn lose_row(&mut self, which: usize, annotated: bool) {
        let Some(name) = self.some_row(which) else {
            return;
        };
        self.note(|| format!("the row of {name} is lost"));
        self.tables.workers.remove(&name);
        self.worker_statuses.remove(&name);
        if !annotated {
            let nothing = json!({ "metadata": { "annotations": { WORKER_ANNOTATION: null } } });
            let (cluster, now) = (&mut self.world.cluster, self.now);
            let patched = cluster.patch(
                Kind::Pod,
                NAMESPACE,
                name.as_str(),
                PatchType::Merge,
                &nothing,
                now,
            );
            patched.unwrap();
        }
    }

    fn row_as_before(&mut self, which: usize) {
        let Some(name) = self.some_row(which) else {
            return;
        };
        self.note(|| format!("the row of {name} has no added columns"));
        if let Some(worker) = self.tables.workers.get_mut(&name) {
            worker.row.epoch = None;
            worker.row.runner = None;
            worker.row.pod_created_at = None;
        }
    }

    fn delete_pod_by_others(&mut self, which: usize) {
        let pods = self.world.cluster.pods();
        let live: Vec<_> = pods.iter().filter(|pod| !pod.is_terminal()).collect();
        let Some(pod) = live.get(which % live.len().max(1)) else {
            return;
        };
        let name = pod.name.clone();
        self.note(|| format!("somebody deletes pod {name}"));
        let options = DeleteOptions::default();
        // It is in the list, so it can be deleted.
        let _ = self
            .world
            .cluster
            .delete_pod(NAMESPACE, &name, &options, self.now);
        self.deleted_by_others.insert(name);
    }

    // --- the whole ---------------------------------------------------------------------------------------------------

    pub(crate) fn played(self) -> Played {
        Played {
            violation: self.violation,
            trace: self.trace.text().to_owned(),
            landings: self.landings,
        }
    }
}

/// Mostly fast, at times slow.
fn latency(call: Call, draw: &mut Draw) -> i64 {
    let class = draw.between(0, 99);
    match call.whom() {
        Call::AllOfDatabase if class < 96 => draw.between(1, 25),
        Call::AllOfDatabase => draw.between(25, 1_500),
        _ if class < 85 => draw.between(5, 250),
        _ if class < 97 => draw.between(250, 3_000),
        _ => draw.between(3_000, 9_000),
    }
}
