//! Installations that are not found, accounts that took another name, and what is written of tokens that could not be had.
//!
//! A 404 on a token is asked after: the account may have another installation now, and everything of it moves there. None,
//! and the same answers a minute later, or its end in the log: it is gone, and its jobs fail.

use crate::dependencies::{Hindrance, Party, Trouble};
use crate::effects::{Action, AuthAttempt, Effect, InstallationFacts, Key, LookUp, Outcome};
use crate::jobs::JobChange;
use crate::rows::Demand;
use crate::{EntityId, InstallationId, JobId, PodName, Status, Time};

use super::{InFlight, Machine};

/// An account's name is not asked for again within this time: it is as it was.
const NAME_ASKED_ONCE_IN: chrono::TimeDelta = chrono::TimeDelta::minutes(1);
/// Rows about tokens that could not be had: one in this time for each cause.
const AUTH_ROW_EVERY: chrono::TimeDelta = chrono::TimeDelta::hours(1);

/// How far it is known that an installation is gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Missing {
    first_at: Time,
    /// The account's present one was asked for.
    looked: bool,
    /// Its token was not found again, a while later.
    confirmed: bool,
    log_read: bool,
}

/// Tokens of an installation that could not be had, for one cause.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Refusals {
    told_at: Option<Time>,
    since: u32,
}

/// An account's newest name, and as of when it is known.
#[derive(Debug, Clone)]
pub(super) struct Named {
    login: String,
    as_of: Time,
}

impl Machine {
    /// There is no such installation, says an answer about its token.
    pub(super) fn installation_not_found(&mut self, party: Party, now: Time) {
        let apart = self.config.rules.installation_missing_for.delta();
        let missing = self.missing.entry(party).or_insert(Missing {
            first_at: now,
            looked: false,
            confirmed: false,
            log_read: false,
        });
        if now - missing.first_at >= apart {
            missing.confirmed = true;
        }
        self.breakers.probe_at(party, now);
    }

    /// The probe of an installation that is not found: first the account's present one, then its token once more.
    pub(super) fn probe_missing(
        &mut self,
        party: Party,
        demand: &Demand,
        now: Time,
        actions: &mut Vec<Action>,
    ) -> bool {
        let Some(missing) = self.missing.get(&party).copied() else {
            return false;
        };
        if missing.looked && !missing.confirmed {
            return false;
        }
        let key = Key::Installation(party);
        if self.may_begin(&key, now) {
            self.breakers.probing(party, now, &self.config.rules);
            let effect = Effect::AskInstallation {
                demand: demand.clone(),
                by: LookUp::Account,
            };
            self.begin(key, effect, now, actions);
        }
        true
    }

    /// An answer about an installation.
    pub(super) fn installation_told(
        &mut self,
        key: &Key,
        demand: &Demand,
        by: LookUp,
        outcome: &Outcome,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        match (by, outcome) {
            (LookUp::Id, Outcome::Installation(facts)) => {
                self.name_learnt(demand.entity, &facts.login, now);
            }
            (LookUp::Account, Outcome::Installation(facts)) => {
                self.present_one_found(key, demand, facts, now, actions);
            }
            (LookUp::Account, Outcome::NotThere) => {
                self.no_present_one(key, demand, now, actions);
            }
            // It is asked again with the next probe.
            _ => {}
        }
    }

    fn present_one_found(
        &mut self,
        key: &Key,
        demand: &Demand,
        facts: &InstallationFacts,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        let party = Party::of(demand);
        self.name_learnt(demand.entity, &facts.login, now);
        if facts.id != demand.installation {
            let effect = Effect::MoveInstallation {
                entity: demand.entity,
                from: demand.installation,
                to: facts.id,
            };
            self.begin(key.clone(), effect, now, actions);
            return;
        }
        // GitHub lists it after all: its token is asked for again in a while.
        let again = now + self.config.rules.installation_missing_for.delta();
        self.missing.insert(
            party,
            Missing {
                first_at: now,
                looked: true,
                confirmed: false,
                log_read: true,
            },
        );
        self.breakers.probe_at(party, again);
        if facts.suspended {
            let told = Hindrance::of(demand, Trouble::Suspended);
            self.missing.remove(&party);
            self.breakers
                .hindered(told, "suspended", now, &self.config.rules);
        }
    }

    fn no_present_one(&mut self, key: &Key, demand: &Demand, now: Time, actions: &mut Vec<Action>) {
        let party = Party::of(demand);
        let Some(missing) = self.missing.get_mut(&party) else {
            return;
        };
        missing.looked = true;
        if missing.confirmed {
            self.installation_gone(demand, now);
            return;
        }
        let again = missing.first_at + self.config.rules.installation_missing_for.delta();
        let log_read = std::mem::replace(&mut missing.log_read, true);
        self.breakers.probe_at(party, again);
        if !log_read {
            let effect = Effect::ReadInstallationLog {
                demand: demand.clone(),
            };
            self.begin(key.clone(), effect, now, actions);
        }
    }

    /// Proven: there is none, and there will be none of this id.
    pub(super) fn installation_gone(&mut self, demand: &Demand, now: Time) {
        let told = Hindrance::of(demand, Trouble::Gone);
        self.missing.remove(&told.party);
        self.breakers
            .hindered(told, "uninstalled", now, &self.config.rules);
    }

    /// Everything of it goes on with the account's present installation.
    pub(super) fn installation_moved(
        &mut self,
        entity: EntityId,
        from: InstallationId,
        to: InstallationId,
        now: Time,
    ) {
        let jobs = self.jobs.iter_mut().map(|job| &mut job.demand);
        let workers = self.workers.values_mut().map(|row| &mut row.demand);
        for demand in jobs.chain(workers) {
            if demand.entity == entity && demand.installation == from {
                let party = Party::of(demand);
                self.missing.remove(&party);
                self.breakers.close(party, now);
                demand.installation = to;
            }
        }
    }

    /// Jobs whose installation is gone can never run. One that a worker may still have goes on.
    pub(super) fn decide_gone(&mut self, now: Time, actions: &mut Vec<Action>) {
        let mut failed: Vec<(JobId, String)> = Vec::new();
        let mut alive: Vec<Party> = Vec::new();
        for job in &self.jobs {
            let party = Party::of(&job.demand);
            let gone = self.breakers.of(party);
            let Some(since) = gone
                .filter(|it| it.trouble == Trouble::Gone)
                .map(|it| it.since)
            else {
                continue;
            };
            if job.queued_at > since {
                // GitHub delivered it for this installation: it is not gone.
                alive.push(party);
            } else if job.status == Status::Pending || !self.names_a_live_worker(job) {
                let message = format!(
                    "installation not found for installation_id={} entity_type={}",
                    job.demand.installation, job.demand.kind
                );
                failed.push((job.id, message));
            }
        }
        for party in alive {
            self.breakers.close(party, now);
        }
        for (job, message) in failed {
            let key = Key::Job(job);
            if self.may_begin(&key, now) {
                let change = Some(JobChange::Failed(message));
                self.begin(key, Effect::RecordJob { job, change }, now, actions);
            }
        }
    }

    /// Whether GitHub will never again speak of this demand's scope.
    pub(super) fn installation_is_gone(&self, demand: &Demand) -> bool {
        let breaker = self.breakers.of(Party::of(demand));
        breaker.is_some_and(|breaker| breaker.trouble == Trouble::Gone)
    }

    // --- names -------------------------------------------------------------------------------------------------------

    /// A call by name met a 404. Returns whether the account's present name is asked for, so that the call is worth another
    /// try.
    pub(super) fn ask_name(
        &mut self,
        demand: &Demand,
        now: Time,
        actions: &mut Vec<Action>,
    ) -> bool {
        let known = self.names.get(&demand.entity);
        if known.is_some_and(|named| named.login != demand.entity_name) {
            // Learnt since the call was begun.
            return true;
        }
        let party = Party::of(demand);
        let key = Key::Installation(party);
        if self.busy_keys.contains(&key) {
            return true;
        }
        let lately = self.names_asked.get(&party);
        if lately.is_some_and(|at| now - *at < NAME_ASKED_ONCE_IN) || !self.may_begin(&key, now) {
            return false;
        }
        self.names_asked.insert(party, now);
        let effect = Effect::AskInstallation {
            demand: demand.clone(),
            by: LookUp::Id,
        };
        self.begin(key, effect, now, actions);
        true
    }

    /// A runner that was to be removed is not there, or what it belongs to has another name: a list, which GitHub redirects
    /// and which tells the two apart, says which.
    pub(super) fn looks_again(
        &mut self,
        key: &Key,
        worker: &PodName,
        demand: Demand,
        outcome: &Outcome,
        now: Time,
        actions: &mut Vec<Action>,
    ) -> bool {
        match outcome {
            Outcome::NotThere | Outcome::ScopeNotFound { .. } => {}
            _ => return false,
        }
        let worker = worker.clone();
        self.begin(
            key.clone(),
            Effect::FindRunner { worker, demand },
            now,
            actions,
        );
        true
    }

    fn name_learnt(&mut self, entity: EntityId, login: &str, as_of: Time) {
        let newer = self
            .names
            .get(&entity)
            .is_none_or(|named| named.as_of <= as_of);
        if newer && !login.is_empty() {
            let login = login.to_owned();
            self.names.insert(entity, Named { login, as_of });
            self.name_everything();
        }
    }

    /// Learns from rows: the last delivery of an account names it best, unless GitHub was asked since.
    pub(super) fn learn_names(&mut self) {
        for job in &self.jobs {
            let demand = &job.demand;
            let newer = self
                .names
                .get(&demand.entity)
                .is_none_or(|named| named.as_of < job.queued_at);
            if newer {
                let login = demand.entity_name.clone();
                let as_of = job.queued_at;
                self.names.insert(demand.entity, Named { login, as_of });
            }
        }
        self.name_everything();
    }

    /// Calls take the newest name that is known.
    pub(super) fn name(&self, effect: &mut Effect) {
        if let Some(demand) = effect.demand_mut()
            && let Some(named) = self.names.get(&demand.entity)
        {
            rename(demand, &named.login);
        }
    }

    fn name_everything(&mut self) {
        let jobs = self.jobs.iter_mut().map(|job| &mut job.demand);
        let workers = self.workers.values_mut().map(|row| &mut row.demand);
        for demand in jobs.chain(workers) {
            if let Some(named) = self.names.get(&demand.entity) {
                rename(demand, &named.login);
            }
        }
    }

    // --- the log -----------------------------------------------------------------------------------------------------

    /// A token could not be had: a row an hour for each cause, with how often.
    pub(super) fn auth_refused(
        &mut self,
        asked: &InFlight,
        hindrance: Hindrance,
        message: &str,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        let told = matches!(
            hindrance.trouble,
            Trouble::NotFound | Trouble::Suspended | Trouble::Credentials | Trouble::Unreachable
        );
        let (Some(status), Some(demand), true) = (hindrance.status, asked.effect.demand(), told)
        else {
            return;
        };
        let party = Party::of(demand);
        let refusals = self.refusals.entry((party, status == 404)).or_default();
        refusals.since += 1;
        let due = refusals.told_at.is_none_or(|at| now - at >= AUTH_ROW_EVERY);
        let key = Key::AuthAttempt(party);
        if !due || self.busy_keys.contains(&key) {
            return;
        }
        let job = match &asked.effect {
            Effect::GetJob { job, .. } => Some(*job),
            _ => None,
        };
        let attempt = AuthAttempt {
            demand: demand.clone(),
            job,
            status,
            message: message.to_owned(),
            count: refusals.since,
        };
        *refusals = Refusals {
            told_at: Some(now),
            since: 0,
        };
        let attempt = Box::new(attempt);
        self.begin(key, Effect::LogAuthAttempt { attempt }, now, actions);
    }
}

/// Gives a demand its account's name. A repository goes with its owner.
fn rename(demand: &mut Demand, login: &str) {
    if demand.entity_name == login {
        return;
    }
    if let Some((_, repository)) = demand
        .repo_full_name
        .as_deref()
        .and_then(|name| name.split_once('/'))
    {
        demand.repo_full_name = Some(format!("{login}/{repository}"));
    }
    login.clone_into(&mut demand.entity_name);
}
