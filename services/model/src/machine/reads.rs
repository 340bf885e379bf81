//! What is asked of GitHub before a worker is ended: lists of a scope's runners, and what they tell.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::Phase;
use crate::effects::{Action, Effect, Key};
use crate::github::Runner;
use crate::rows::{Demand, WorkerRow};
use crate::runners::RunnerState;
use crate::surplus::{SurplusInput, surplus};
use crate::view::Knowledge;
use crate::{EntityKind, PodName, ScopeKey, Time};

use super::Machine;

/// Idle runners while jobs wait, for so many entities at once: the trouble is GitHub's.
const NOT_ASSIGNING_AT: usize = 3;

impl Machine {
    /// Lists the runners of every scope in which a running pod without a job needs an answer.
    pub(super) fn decide_lists(&mut self, now: Time, actions: &mut Vec<Action>) {
        let every = self.config.rules.runners_every.delta();
        let mut due: BTreeMap<ScopeKey, Demand> = BTreeMap::new();
        for row in self
            .workers
            .values()
            .filter(|row| self.needs_an_answer(row, now))
        {
            let scope = row.demand.key().scope;
            if self.listed.get(&scope).is_none_or(|at| now - *at >= every) {
                due.entry(scope).or_insert_with(|| row.demand.clone());
            }
        }
        let asked: BTreeSet<ScopeKey> = due.keys().cloned().collect();
        for (scope, demand) in self.scopes_to_look_at(now) {
            due.entry(scope).or_insert(demand);
        }
        for (scope, demand) in due {
            let nobody_asks = !asked.contains(&scope);
            let key = Key::Scope(scope);
            if !self.may_begin(&key, now) {
                continue;
            }
            let group = self.groups.get(&demand.entity).copied();
            // What is left over of an organisation is told by its group.
            let group_first =
                nobody_asks && group.is_none() && demand.kind == EntityKind::Organization;
            let effect = if group_first {
                Effect::EnsureRunnerGroup { demand }
            } else {
                Effect::ListRunners { demand, group }
            };
            self.begin(key, effect, now, actions);
        }
    }

    /// Its pod has been running for a while and no job that may still run names it.
    fn needs_an_answer(&self, row: &WorkerRow, now: Time) -> bool {
        let Knowledge::Present(pod) = self.cluster.pod(&row.name) else {
            return false;
        };
        // A board that cannot be heard may have started it, and may have been told to end it.
        let silent = self.cluster.is_silent(pod) && !pod.phase.has_ended();
        let due = |at: Time| now - at >= self.config.rules.runners_every.delta();
        let runs = pod.phase == Phase::Running
            && pod.deletion_at.is_none()
            && pod.container_started_at().is_some_and(due);
        let can_be_asked = row.demand.scope_is_known() && !self.is_gone(&row.demand.key().scope);
        can_be_asked && ((runs && !row.is_bound()) || silent)
    }

    /// Takes a whole list of a scope's runners.
    pub(super) fn runners_listed(&mut self, demand: &Demand, runners: &[Runner], begun: Time) {
        let scope = demand.key().scope;
        let by_name: BTreeMap<&str, &Runner> = runners
            .iter()
            .map(|runner| (runner.name.as_str(), runner))
            .collect();
        let asked: Vec<PodName> = self
            .workers
            .values()
            .filter(|row| row.demand.key().scope == scope)
            // A list begun before the container said nothing of the runner in it.
            .filter(|row| match self.cluster.pod(&row.name) {
                Knowledge::Present(pod) => match pod.container_started_at() {
                    Some(at) => at < begun,
                    None => self.cluster.is_silent(pod),
                },
                Knowledge::Absent | Knowledge::Unknown => false,
            })
            .map(|row| row.name.clone())
            .collect();
        for name in asked {
            let state = match by_name.get(name.as_str()) {
                Some(runner) => RunnerState::of(runner),
                None => Some(RunnerState::Absent),
            };
            if let Some(state) = state {
                self.runners.entry(name).or_default().record(state, begun);
            }
        }
        self.listed.insert(scope, begun);
    }

    /// Which workers may be given up, and whether it is GitHub that does not hand out jobs.
    pub(super) fn find_surplus(&mut self, now: Time) {
        let took_a_job = self.took_a_job();
        self.surplus = surplus(&SurplusInput {
            jobs: &self.jobs,
            workers: &self.workers,
            cluster: &self.cluster,
            runners: &self.runners,
            took_a_job: &took_a_job,
            plan: &self.plan,
        });
        let together = self.config.rules.runner_idle_while_waiting.delta();
        let entities: BTreeSet<_> = self
            .workers
            .values()
            .filter(|row| row.is_live() && !row.is_bound())
            .filter(|row| {
                let waiting = self.waiting_keys.get(&row.demand.key());
                let idle = self
                    .runners
                    .get(&row.name)
                    .filter(|runner| runner.state() == Some(RunnerState::Idle));
                let since = idle.and_then(crate::runners::RunnerHistory::since);
                waiting
                    .zip(since)
                    .is_some_and(|(waiting, idle)| now - idle.max(*waiting) >= together)
            })
            .map(|row| row.demand.entity)
            .collect();
        self.github_not_assigning = entities.len() >= NOT_ASSIGNING_AT;
    }
}
