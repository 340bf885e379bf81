//! What answers tell of GitHub and the cluster, and the probes while one of them is out of reach.

use std::collections::BTreeMap;

use crate::dependencies::{Hindrance, Party, Trouble};
use crate::effects::{Action, Dependency, Effect, Key, Outcome};
use crate::rows::{Demand, WorkerRow};
use crate::waiting::WaitingReason;
use crate::workers::CondemnReason;
use crate::{PodName, Status, Time};

use super::{InFlight, Machine};

impl Machine {
    /// Takes what an answer says of whom was asked.
    pub(super) fn heard_of_party(
        &mut self,
        asked: &InFlight,
        outcome: &Outcome,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        let Some(party) = asked.effect.party() else {
            return;
        };
        if let Outcome::NotNow { hindrance, message } = outcome {
            self.auth_refused(asked, *hindrance, message, now, actions);
        }
        let rules = &self.config.rules;
        match outcome {
            Outcome::NoAnswer {
                from: Dependency::GitHub | Dependency::Kubernetes,
                message,
            } => self.breakers.silent(party, message, now, rules),
            // One call that came to nothing is no trouble yet.
            Outcome::NotNow { hindrance, message } if hindrance.trouble == Trouble::Unreachable => {
                self.breakers.silent(hindrance.party, message, now, rules);
            }
            Outcome::NotNow { hindrance, message } => {
                self.breakers.hindered(*hindrance, message, now, rules);
                if hindrance.trouble == Trouble::NotFound {
                    self.installation_not_found(hindrance.party, now);
                }
            }
            // A machine of ours that did not ask.
            Outcome::NoAnswer {
                from: Dependency::Database,
                ..
            } => {}
            _ => {
                self.breakers.answered(party, asked.begun, now);
                if self.breakers.of(party).is_none() {
                    self.missing.remove(&party);
                }
                if let Party::Installation(kind, _) = party {
                    self.breakers.answered(Party::App(kind), asked.begun, now);
                }
            }
        }
    }

    /// A list of the cluster came: the API server answers.
    pub(super) fn cluster_listed(&mut self, before: Option<Time>, begun: Time) {
        let rules = &self.config.rules;
        let settled = self
            .breakers
            .of(Party::Kubernetes)
            .is_none_or(|breaker| begun - breaker.since >= rules.breaker_probe_every.delta());
        if settled {
            self.breakers.close(Party::Kubernetes, begun);
        }
        if before.is_some_and(|before| begun - before >= rules.cluster_stale_after.delta()) {
            self.breakers.came_back(Party::Kubernetes, begun);
        }
    }

    /// Whether an effect may be begun as far as whom it asks is concerned.
    pub(super) fn admits(&self, effect: &Effect) -> bool {
        effect
            .party()
            .is_none_or(|party| self.breakers.admits(party))
    }

    /// Probes what is out of reach and due: a list of the runners of one who needs it. Nobody needs it: it is forgotten.
    pub(super) fn decide_probes(&mut self, now: Time, actions: &mut Vec<Action>) {
        let due: Vec<(Party, Trouble)> = self
            .breakers
            .open()
            .filter(|(party, breaker)| {
                *party != Party::Kubernetes
                    && breaker.probe_at <= now
                    && breaker.trouble != Trouble::Gone
            })
            .map(|(party, breaker)| (party, breaker.trouble))
            .collect();
        for (party, trouble) in due {
            let Some(demand) = self.in_need_of(party) else {
                self.breakers.close(party, now);
                continue;
            };
            // While its App is out of reach, the App's own probe tells.
            if !self.app_admits(party) {
                continue;
            }
            if trouble == Trouble::NotFound && self.probe_missing(party, &demand, now, actions) {
                continue;
            }
            let key = Key::Scope(demand.key().scope);
            if self.may_begin(&key, now) {
                self.breakers.probing(party, now, &self.config.rules);
                let group = self.groups.get(&demand.entity).copied();
                self.begin_unasked(key, Effect::ListRunners { demand, group }, now, actions);
            }
        }
    }

    /// What an effect costs of GitHub's limits.
    pub(super) fn spend(&mut self, effect: &Effect, now: Time) {
        match effect {
            Effect::GetJob { demand, .. } | Effect::GetRun { demand, .. } => {
                self.budgets
                    .question(Party::of(demand), now, &self.config.rules);
            }
            Effect::CreateJitConfig { demand, .. } => {
                self.budgets
                    .registers(demand.kind, demand.installation, now);
            }
            _ => {}
        }
    }

    /// How many more workers could get their runners within the next ten seconds, by whom that needs.
    pub(super) fn rooms(&self, now: Time) -> BTreeMap<Party, usize> {
        let rules = &self.config.rules;
        let mut rooms = BTreeMap::new();
        for job in self.jobs.iter().filter(|job| job.status == Status::Pending) {
            for party in [Party::App(job.demand.kind), Party::of(&job.demand)] {
                rooms
                    .entry(party)
                    .or_insert_with(|| self.budgets.room(party, now, rules));
            }
        }
        for row in self
            .workers
            .values()
            .filter(|row| self.awaits_a_runner(row))
        {
            for party in [Party::App(row.demand.kind), Party::of(&row.demand)] {
                if let Some(room) = rooms.get_mut(&party) {
                    *room = room.saturating_sub(1);
                }
            }
        }
        rooms
    }

    fn awaits_a_runner(&self, row: &WorkerRow) -> bool {
        let registered = self
            .provisions
            .get(&row.name)
            .is_some_and(|provision| provision.runner.is_some());
        row.status == Status::Pending
            && row.runner.is_none()
            && row.pod_created_at.is_none()
            && !registered
    }

    /// When jobs that wait for room may have it.
    pub(super) fn room_again_at(&self) -> Option<Time> {
        let waits = self
            .plan
            .waiting
            .values()
            .any(|reason| matches!(reason, WaitingReason::GithubBudget(_)));
        self.decided_at
            .filter(|_| waits)
            .and_then(|at| self.budgets.room_again_at(at))
    }

    fn app_admits(&self, party: Party) -> bool {
        match party {
            Party::Installation(kind, _) => self.breakers.admits(Party::App(kind)),
            Party::App(_) | Party::Kubernetes => true,
        }
    }

    /// Somebody who waits for this party.
    fn in_need_of(&self, party: Party) -> Option<Demand> {
        let jobs = self.jobs.iter().map(|job| &job.demand);
        let workers = self
            .workers
            .values()
            .filter(|row| row.is_live() || row.deregistered_at.is_none())
            .map(|row| &row.demand);
        jobs.chain(workers)
            .find(|demand| match party {
                Party::Installation(..) => Party::of(demand) == party,
                Party::App(kind) => demand.kind == kind,
                Party::Kubernetes => false,
            })
            .cloned()
    }

    /// What making a worker needs is out of reach, or was so lately that nobody can blame the worker.
    pub(super) fn is_hindered(&self, worker: &PodName, now: Time) -> bool {
        let within = self.config.rules.pod_expected_within.delta();
        self.workers
            .get(worker)
            .is_some_and(|row| self.breakers.hindered_lately(&row.demand, within, now))
    }

    /// Gives the slot of a worker back that could not be made through nobody's fault.
    pub(super) fn give_back(
        &mut self,
        key: &Key,
        worker: &PodName,
        message: &str,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        let effect = Effect::Condemn {
            worker: worker.clone(),
            reason: CondemnReason::Surplus,
            message: message.to_owned(),
        };
        self.begin(key.clone(), effect, now, actions);
    }
}

impl Hindrance {
    /// Trouble of an installation without a time.
    #[must_use]
    pub fn of(demand: &Demand, trouble: Trouble) -> Self {
        Self {
            party: Party::of(demand),
            trouble,
            until: None,
            status: None,
        }
    }
}
