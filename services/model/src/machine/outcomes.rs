//! What came of an effect, and the next step of the same thing.

use serde_json::json;

use crate::effects::{Action, ActionId, Effect, Key, Outcome};
use crate::log::LoggedJob;
use crate::plan::Ask;
use crate::provision::{Provision, Stage};
use crate::rows::WorkerRow;
use crate::view::Knowledge;
use crate::workers::{FailureReason, Finish};
use crate::{JobId, PodName, RunnerId, Status, Time};

use super::{BackOff, InFlight, Machine};

/// Doubling stops here; the configured ceiling is reached long before.
const MOST_DOUBLINGS: u32 = 16;

impl Machine {
    /// Takes what came of an action and returns the next step of the same key, if it can be taken at once.
    pub fn outcome(&mut self, id: ActionId, outcome: Outcome, now: Time) -> Vec<Action> {
        let mut actions = Vec::new();
        let Some(asked) = self.in_flight.remove(&id) else {
            return actions;
        };
        self.heard_of_party(&asked, &outcome, now, &mut actions);
        let InFlight { key, effect, begun } = asked;
        self.busy_keys.remove(&key);
        if outcome == Outcome::Deposed {
            self.deposed = true;
        }
        if self.deposed {
            return actions;
        }
        match effect {
            Effect::Reserve { asks, .. } => self.reserved(&asks, outcome, now, &mut actions),
            Effect::SetWaiting { reasons } => self.waiting_set(&reasons, &outcome, now),
            Effect::EnsureRunnerGroup { demand } => match outcome {
                Outcome::RunnerGroup(group) => {
                    self.groups.insert(demand.entity, group);
                }
                Outcome::ScopeNotFound { .. } if self.ask_name(&demand, now, &mut actions) => {
                    if let Key::Scope(scope) = &key {
                        self.listed.insert(scope.clone(), begun);
                    }
                    self.retry_later(&key, now);
                }
                other => {
                    if let Key::Scope(scope) = &key {
                        self.listed.insert(scope.clone(), begun);
                    }
                    self.provision_trouble(&key, other, now, &mut actions);
                }
            },
            Effect::CreateJitConfig { worker, demand, .. } => match outcome {
                Outcome::JitConfig { runner, jit } => {
                    self.scopes_answered.insert(demand.key().scope, begun);
                    self.provision(&worker, |p| {
                        p.runner = Some(runner);
                        p.stage = Stage::Pod(jit);
                    });
                }
                Outcome::NameTaken => self.name_taken(&key, &worker, now, &mut actions),
                Outcome::ScopeNotFound { .. } if self.ask_name(&demand, now, &mut actions) => {
                    self.retry_later(&key, now);
                }
                other => {
                    // The cached group may be gone: the next worker asks for it again.
                    if matches!(
                        other,
                        Outcome::Refused { .. } | Outcome::ScopeNotFound { .. }
                    ) {
                        self.groups.remove(&demand.entity);
                    }
                    self.provision_trouble(&key, other, now, &mut actions);
                }
            },
            Effect::FindRunner { worker, demand } => {
                let outcome = match outcome {
                    Outcome::ScopeNotFound { .. } if self.ask_name(&demand, now, &mut actions) => {
                        self.retry_later(&key, now);
                        return actions;
                    }
                    // A scope that GitHub does not let us see has no runner of ours that could do anything.
                    Outcome::ScopeNotFound { .. } => Outcome::RunnerGone,
                    other => other,
                };
                self.runner_found(&key, &worker, outcome, now, &mut actions);
            }
            Effect::DeleteRunner { worker, demand, .. } => {
                if self.looks_again(&key, &worker, demand, &outcome, now, &mut actions) {
                    return actions;
                }
                self.runner_deleted(&key, &worker, outcome, now, &mut actions);
            }
            Effect::CreatePod { worker, .. } => {
                self.pod_created(&key, &worker.name, outcome, now, &mut actions);
            }
            Effect::GetPod { worker } => self.pod_read(&key, &worker, outcome, now, &mut actions),
            Effect::DeletePod { worker, .. } => self.pod_deleted(&key, &worker, &outcome, now),
            Effect::SetAlerts { alerts } => match outcome {
                Outcome::Written => self.alerts_written(alerts),
                _ => self.retry_later(&key, now),
            },
            Effect::ListRunners { demand, group } => match outcome {
                Outcome::Runners(runners) => {
                    self.scopes_answered.insert(demand.key().scope, begun);
                    self.note_runners(&demand, group, &runners, begun);
                    self.runners_listed(&demand, &runners, begun);
                }
                // A list that failed says nothing; it is not asked for again at once. Its group may be gone.
                other => {
                    if matches!(other, Outcome::ScopeNotFound { .. }) {
                        self.ask_name(&demand, now, &mut actions);
                    }
                    self.groups.remove(&demand.entity);
                    self.listed.insert(demand.key().scope, begun);
                }
            },
            Effect::DropPod { worker, .. } => match outcome {
                Outcome::PodDeleted | Outcome::NoPod => self.cluster.pod_gone(&worker, now),
                _ => self.retry_later(&key, now),
            },
            Effect::FindJobOf { worker } => {
                self.job_of_found(&key, &worker, outcome, now, &mut actions);
            }
            Effect::AdoptWorker { row } => self.adopted(&key, *row, &outcome, now),
            Effect::GetJob { job, .. } => self.job_told(&key, job, &outcome, now, &mut actions),
            Effect::GetRun { .. } => {
                if let Key::Job(job) = key {
                    self.job_told(&key, job, &outcome, now, &mut actions);
                }
            }
            Effect::AskInstallation { demand, by } => {
                self.installation_told(&key, &demand, by, &outcome, now, &mut actions);
            }
            Effect::MoveInstallation { entity, from, to } => match outcome {
                Outcome::Written | Outcome::NotWritten => {
                    self.installation_moved(entity, from, to, now);
                }
                // The next probe finds it again.
                _ => {}
            },
            Effect::ReadInstallationLog { demand } => {
                if outcome == Outcome::InstallationDeleted(true) {
                    self.installation_gone(&demand, now);
                }
            }
            // A row less is no trouble.
            Effect::LogAuthAttempt { .. } => {}
            Effect::Deliveries(app, effect) => {
                self.deliveries_told(&key, (app, effect), outcome, now, &mut actions);
            }
            // The next read of the rows shows what became of it.
            Effect::RecordJob { .. } => {}
            Effect::KillPod { worker } => self.pod_killed(&key, &worker, outcome, now),
            Effect::ReadLog { worker } => self.log_read(&key, worker, outcome, begun, now),
            Effect::Diagnose { worker } => {
                let diagnostics = match outcome {
                    Outcome::Diagnostics(diagnostics) => diagnostics,
                    Outcome::Refused { message, .. }
                    | Outcome::NotNow { message, .. }
                    | Outcome::NoAnswer { message, .. } => {
                        json!({ "collect_error": message })
                    }
                    _ => json!({ "collect_error": "the pod is gone" }),
                };
                let effect = Effect::RecordDiagnostics {
                    worker,
                    diagnostics,
                };
                self.begin(key.clone(), effect, now, &mut actions);
            }
            row_write => self.row_written(&key, row_write, &outcome, now, &mut actions),
        }
        self.go_on(&key, now, &mut actions);
        actions
    }

    /// The next step of a worker, unless one was begun or time must pass.
    fn go_on(&mut self, key: &Key, now: Time, actions: &mut Vec<Action>) {
        let Key::Worker(name) = key else {
            return;
        };
        if self.busy_keys.contains(key) || !self.cluster_fresh(now) {
            return;
        }
        let vanished = self.pods_vanished();
        if let Some(effect) = self.next_effect(name, now, vanished) {
            self.begin(key.clone(), effect, now, actions);
        }
    }

    fn reserved(&mut self, asks: &[Ask], outcome: Outcome, now: Time, actions: &mut Vec<Action>) {
        self.lookout.see_lock(outcome == Outcome::Locked, now);
        let Outcome::Reserved(rows) = outcome else {
            self.reserve_open = Some(now);
            self.retry_later(&Key::Reserve, now);
            return;
        };
        if rows.len() < asks.len() {
            // Somebody else's rows took slots that we did not know of: read again before asking again.
            self.reserve_open = Some(now);
        }
        for row in rows {
            let key = Key::Worker(row.name.clone());
            self.written.insert(row.name.clone(), now);
            self.workers.insert(row.name.clone(), row);
            self.go_on(&key, now, actions);
        }
    }

    fn waiting_set(&mut self, reasons: &[(JobId, Option<String>)], outcome: &Outcome, now: Time) {
        if *outcome != Outcome::Written {
            self.retry_later(&Key::Waiting, now);
            return;
        }
        self.waiting_written = Some(now);
        for job in &mut self.jobs {
            if let Some((_, reason)) = reasons.iter().find(|(id, _)| *id == job.id) {
                job.waiting_reason.clone_from(reason);
            }
        }
    }

    /// Its runner or pod is still being made.
    fn is_making(&self, worker: &PodName) -> bool {
        self.workers.get(worker).is_some_and(WorkerRow::is_live)
            && self.provisions.contains_key(worker)
    }

    /// It is being ended, and its row is not closed yet.
    fn is_condemned(&self, worker: &PodName) -> bool {
        self.workers
            .get(worker)
            .is_some_and(|row| row.is_live() && row.condemned.is_some())
    }

    fn provision(&mut self, worker: &PodName, change: impl FnOnce(&mut Provision)) {
        change(
            self.provisions
                .entry(worker.clone())
                .or_insert_with(Provision::new),
        );
    }

    fn name_taken(&mut self, key: &Key, worker: &PodName, now: Time, actions: &mut Vec<Action>) {
        let provision = self
            .provisions
            .entry(worker.clone())
            .or_insert_with(Provision::new);
        if !provision.name_taken() {
            let message = "GitHub has a runner of this name that cannot be replaced";
            self.fail(key, worker, message, now, actions);
        }
    }

    fn runner_found(
        &mut self,
        key: &Key,
        worker: &PodName,
        outcome: Outcome,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        let making = self.is_making(worker);
        match outcome {
            Outcome::Runner(found) if making => {
                // A pod that an earlier leader asked for is there by then, or never will be.
                let settled = self.config.rules.pod_recheck.delta();
                let ask_at = self.began.map_or(now, |began| now.max(began + settled));
                self.provision(worker, |p| {
                    p.stage = found.map_or(Stage::Runner, |runner| Stage::Look { runner, ask_at });
                });
            }
            Outcome::Runner(Some(runner)) => {
                let known = self.workers.get(worker).and_then(|row| row.runner);
                if known == Some(runner) {
                    // A list is redirected to the present name, a removal is not.
                    self.retry_later(key, now);
                    if let Some(row) = self.workers.get(worker) {
                        self.ask_name(&row.demand.clone(), now, actions);
                    }
                }
                self.learn_runner(worker, runner);
            }
            Outcome::Runner(None) | Outcome::RunnerGone => {
                self.begin(
                    key.clone(),
                    Effect::RecordDeregistered {
                        worker: worker.clone(),
                    },
                    now,
                    actions,
                );
            }
            other if making => self.provision_trouble(key, other, now, actions),
            _ => self.retry_later(key, now),
        }
    }

    fn learn_runner(&mut self, worker: &PodName, runner: RunnerId) {
        if let Some(row) = self.workers.get_mut(worker) {
            row.runner = Some(runner);
        }
    }

    fn runner_deleted(
        &mut self,
        key: &Key,
        worker: &PodName,
        outcome: Outcome,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        let making = self.is_making(worker);
        match outcome {
            Outcome::RunnerGone if making => self.provision(worker, |p| p.stage = Stage::Runner),
            // A left over registration without a row.
            Outcome::RunnerGone if !self.workers.contains_key(worker) => {}
            Outcome::RunnerGone => {
                self.begin(
                    key.clone(),
                    Effect::RecordDeregistered {
                        worker: worker.clone(),
                    },
                    now,
                    actions,
                );
            }
            Outcome::RunnerBusy if self.is_condemned(worker) => {
                let effect = Effect::TakeBack {
                    worker: worker.clone(),
                };
                self.begin(key.clone(), effect, now, actions);
            }
            Outcome::RunnerBusy if making => {
                self.fail(
                    key,
                    worker,
                    "GitHub has a busy runner of this name",
                    now,
                    actions,
                );
            }
            other if making => self.provision_trouble(key, other, now, actions),
            _ => self.retry_later(key, now),
        }
    }

    fn pod_created(
        &mut self,
        key: &Key,
        worker: &PodName,
        outcome: Outcome,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        self.cluster.touched(worker, now);
        match outcome {
            Outcome::Pod(pod) => self.cluster.pod_seen(*pod, now),
            Outcome::Refused { message, .. } => self.fail(key, worker, &message, now, actions),
            Outcome::NotNow { .. } => self.retry_later(key, now),
            // Made by a call whose answer was lost, or perhaps made: it is looked for, never assumed.
            _ => self.provision(worker, |p| {
                p.stage = Stage::Unanswered {
                    ask_at: now,
                    misses: 0,
                };
            }),
        }
    }

    fn pod_read(
        &mut self,
        key: &Key,
        worker: &PodName,
        outcome: Outcome,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        if outcome == Outcome::NoPod
            && self
                .provisions
                .get_mut(worker)
                .is_some_and(Provision::has_no_pod)
        {
            // None of our calls on a pod is open: what the list says of it stays true.
            return;
        }
        self.cluster.touched(worker, now);
        match outcome {
            Outcome::Pod(pod) => self.cluster.pod_seen(*pod, now),
            Outcome::NoPod => {
                let again_at = now + self.config.rules.pod_recheck.delta();
                let provision = self
                    .provisions
                    .entry(worker.clone())
                    .or_insert_with(Provision::new);
                if !provision.missed(again_at) {
                    let message = "the cluster did not answer when the pod was made, and has none";
                    if self.is_hindered(worker, now) {
                        self.give_back(key, worker, message, now, actions);
                    } else {
                        self.fail(key, worker, message, now, actions);
                    }
                }
            }
            _ => self.retry_later(key, now),
        }
    }

    fn pod_deleted(&mut self, key: &Key, worker: &PodName, outcome: &Outcome, now: Time) {
        self.cluster.touched(worker, now);
        match outcome {
            Outcome::NoPod => self.cluster.pod_gone(worker, now),
            Outcome::PodDeleted => {
                let at_once = match self.cluster.pod(worker) {
                    Knowledge::Present(pod) => pod.node.is_none() || pod.phase.has_ended(),
                    // It was there when it was to be deleted: the watch told of its end before this answer came.
                    Knowledge::Absent | Knowledge::Unknown => true,
                };
                if at_once {
                    self.cluster.pod_gone(worker, now);
                }
                // Otherwise it goes after its grace, and the watch tells.
                self.retry_later(key, now);
            }
            _ => self.retry_later(key, now),
        }
    }

    fn pod_killed(&mut self, key: &Key, worker: &PodName, outcome: Outcome, now: Time) {
        self.cluster.touched(worker, now);
        match outcome {
            Outcome::Pod(pod) => self.cluster.pod_seen(*pod, now),
            Outcome::NoPod => self.cluster.pod_gone(worker, now),
            _ => self.retry_later(key, now),
        }
    }

    fn log_read(&mut self, key: &Key, worker: PodName, outcome: Outcome, begun: Time, now: Time) {
        let started = match self.cluster.pod(&worker) {
            Knowledge::Present(pod) => pod.container_started_at(),
            Knowledge::Absent | Knowledge::Unknown => None,
        };
        let read = self.logs.entry(worker).or_default();
        match outcome {
            // A mark that is there proves what it says; one that is not there proves nothing in half a log.
            Outcome::Log(log) if log.is_whole(started) || log.job != LoggedJob::None => {
                read.failing_since = None;
                read.begun = Some(begun);
                match log.job {
                    LoggedJob::Running { .. } => read.free_since = None,
                    LoggedJob::None | LoggedJob::Completed { .. } => {
                        read.free_since.get_or_insert(begun);
                    }
                }
                read.evidence = Some(log);
            }
            _ => {
                read.failing_since.get_or_insert(now);
                read.free_since = None;
                let at = now + self.config.rules.log_retry.delta();
                self.retry_at.insert(key.clone(), at);
            }
        }
    }

    /// A write to one worker's row.
    fn row_written(
        &mut self,
        key: &Key,
        write: Effect,
        outcome: &Outcome,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        if *outcome != Outcome::Written {
            // Whatever the row is now, the next read tells.
            self.retry_later(key, now);
            return;
        }
        let Key::Worker(name) = key else {
            return;
        };
        self.written.insert(name.clone(), now);
        let Some(row) = self.workers.get_mut(name) else {
            return;
        };
        match write {
            Effect::RecordPod {
                runner,
                pod_created_at,
                ..
            } => {
                row.pod_created_at = Some(pod_created_at);
                row.runner = row.runner.or(runner);
                self.provisions.remove(name);
            }
            Effect::MarkRunning { facts, .. } => {
                row.status = Status::Running;
                row.node = facts.node;
                row.running_at = facts.running_at;
            }
            Effect::MarkFinished { finish, .. } => self.finished(key, &finish, now, actions),
            Effect::Condemn { reason, .. } => {
                row.condemned = Some(reason);
                let tells_trouble = reason.failure().is_some();
                self.provisions.remove(name);
                if !tells_trouble {
                    return;
                }
                self.begin(
                    key.clone(),
                    Effect::Diagnose {
                        worker: name.clone(),
                    },
                    now,
                    actions,
                );
            }
            Effect::TakeBack { .. } => {
                row.condemned = None;
                self.runners.remove(name);
            }
            Effect::RecordDeregistered { .. } => row.deregistered_at = Some(now),
            // Everything else writes nothing that is remembered here.
            _ => {}
        }
    }

    fn finished(&mut self, key: &Key, finish: &Finish, now: Time, actions: &mut Vec<Action>) {
        let Key::Worker(name) = key else {
            return;
        };
        self.provisions.remove(name);
        let Some(row) = self.workers.get_mut(name) else {
            return;
        };
        row.status = if finish.failure.is_some() {
            Status::Failed
        } else {
            Status::Completed
        };
        row.completed_at = Some(finish.ended_at.unwrap_or(now));
        row.node = finish.node.clone().or_else(|| row.node.take());
        let condemned = row.condemned.is_some();
        if finish.failure.is_none() {
            return;
        }
        let pod_is_there = matches!(self.cluster.pod(name), Knowledge::Present(_));
        if pod_is_there && !condemned {
            self.begin(
                key.clone(),
                Effect::Diagnose {
                    worker: name.clone(),
                },
                now,
                actions,
            );
        }
    }

    /// Trouble on the way to a pod: a definite no fails the worker, silence is asked again.
    fn provision_trouble(
        &mut self,
        key: &Key,
        outcome: Outcome,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        match (key, outcome) {
            (
                Key::Worker(worker),
                Outcome::Refused { message, .. } | Outcome::ScopeNotFound { message },
            ) => {
                self.fail(key, &worker.clone(), &message, now, actions);
            }
            _ => self.retry_later(key, now),
        }
    }

    fn fail(
        &mut self,
        key: &Key,
        worker: &PodName,
        message: &str,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        self.back_off_for(worker, now);
        let failure = Some((FailureReason::PodAllocationFailure, message.to_owned()));
        let finish = Finish {
            failure,
            node: None,
            ended_at: None,
        };
        let effect = Effect::MarkFinished {
            worker: worker.clone(),
            finish,
        };
        self.begin(key.clone(), effect, now, actions);
    }

    pub(super) fn retry_later(&mut self, key: &Key, now: Time) {
        self.retry_at
            .insert(key.clone(), now + self.config.rules.retry_after.delta());
    }

    /// A worker failed without having had a job: its key waits, longer each time, before it is tried again.
    pub(super) fn back_off_for(&mut self, worker: &PodName, now: Time) {
        let Some(row) = self
            .workers
            .get(worker)
            .filter(|row| row.named_by.is_empty())
        else {
            return;
        };
        let key = row.demand.key();
        let earlier = self.back_offs.get(&key);
        if earlier.is_some_and(|b| b.until > now) {
            return;
        }
        let rules = &self.config.rules;
        let step = earlier.map_or(0, |b| (b.step + 1).min(MOST_DOUBLINGS));
        let wait = rules
            .back_off_from
            .std()
            .saturating_mul(1 << step)
            .min(rules.back_off_to.std());
        let wait = chrono::TimeDelta::from_std(wait).unwrap_or(chrono::TimeDelta::MAX);
        self.back_offs.insert(
            key,
            BackOff {
                until: now + wait,
                step,
            },
        );
    }
}
