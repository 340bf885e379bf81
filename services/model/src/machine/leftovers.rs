//! Registrations that nobody needs any more: a runner of ours on GitHub without a live row and without a pod. It goes after
//! two sightings a while apart by this leader.
//!
//! A registration may be made by a call that was given up, or by a leader that was deposed: it appears when its row is
//! closed already. So a scope is looked at for a while after its last row ended, and once a day.

use std::collections::BTreeMap;

use crate::effects::{Action, Effect, Key};
use crate::github::Runner;
use crate::rows::Demand;
use crate::view::Knowledge;
use crate::{EntityKind, PodName, RunnerGroupId, RunnerId, ScopeKey, Time};

use super::Machine;

/// How many letters and digits follow the prefix in a name of ours.
const NAME_LENGTH: usize = 9;

/// A scope in which we had a worker.
#[derive(Debug, Clone)]
struct Scope {
    demand: Demand,
    /// Since when this leader sees its rows; nothing for one that an earlier leader knew, which is looked at at once.
    noted: Option<Time>,
    last_ended: Option<Time>,
}

/// The runners of ours in one list, until rows and pods are known that were read after it.
#[derive(Debug, Clone)]
struct Unjudged {
    begun: Time,
    ours: Vec<(PodName, RunnerId)>,
}

/// What is remembered of registrations.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    scopes: BTreeMap<ScopeKey, Scope>,
    unjudged: BTreeMap<ScopeKey, Unjudged>,
    /// When a runner was first seen without row and pod, without another answer since.
    sighted: BTreeMap<ScopeKey, BTreeMap<PodName, Time>>,
}

/// Whether a runner's name is one that we gave, in this environment: another one's prefix may begin with ours.
fn is_ours(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|tail| {
        tail.len() == NAME_LENGTH
            && tail
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

impl Machine {
    /// Takes the scopes of the last days, which a new leader may not see in the rows any more.
    pub(super) fn scopes_read(&mut self, demands: Vec<Demand>) {
        for demand in demands {
            self.leftovers
                .scopes
                .entry(demand.key().scope)
                .and_modify(|scope| scope.noted = None)
                .or_insert(Scope {
                    demand,
                    noted: None,
                    last_ended: None,
                });
        }
    }

    /// Remembers where there are workers, and when the last one ended.
    pub(super) fn note_scopes(&mut self) {
        let known = self.workers.values();
        for row in known.filter(|row| row.demand.scope_is_known()) {
            let scope = self
                .leftovers
                .scopes
                .entry(row.demand.key().scope)
                .or_insert_with(|| Scope {
                    demand: row.demand.clone(),
                    noted: self.rows_as_of,
                    last_ended: None,
                });
            scope.demand.clone_from(&row.demand);
            scope.last_ended = scope.last_ended.max(row.completed_at);
        }
        // A job that names a worker without a row: its registration is looked for once the job is over.
        for job in &self.jobs {
            if job
                .pod
                .as_ref()
                .is_some_and(|pod| !self.workers.contains_key(pod))
            {
                let mut demand = job.demand.clone();
                demand.normalise();
                let key = demand.key().scope;
                let scope = self.leftovers.scopes.entry(key).or_insert(Scope {
                    demand,
                    noted: self.rows_as_of,
                    last_ended: None,
                });
                scope.last_ended = scope.last_ended.max(self.rows_as_of);
            }
        }
        // Where the runner of a pod is registered that nobody knows is anybody's guess among its account's scopes.
        for row in self
            .workers
            .values()
            .filter(|row| !row.demand.scope_is_known())
        {
            for scope in self.leftovers.scopes.values_mut() {
                if scope.demand.entity == row.demand.entity {
                    scope.last_ended = scope.last_ended.max(row.completed_at);
                }
            }
        }
    }

    /// Scopes whose runners should be listed although no worker asks for it.
    pub(super) fn scopes_to_look_at(&self, now: Time) -> BTreeMap<ScopeKey, Demand> {
        let rules = &self.config.rules;
        let due = self.leftovers.scopes.iter().filter(|(key, scope)| {
            if self.is_gone(key) {
                return false;
            }
            let watched = self.leftovers.sighted.contains_key(key)
                || scope
                    .last_ended
                    .is_some_and(|at| now - at < rules.leftovers_for.delta());
            let every = if watched {
                rules.leftovers_apart
            } else {
                rules.scopes_every
            };
            let looked_at = self.listed.get(key).copied().max(scope.noted);
            looked_at.is_none_or(|at| now - at >= every.delta())
        });
        due.map(|(key, scope)| (key.clone(), scope.demand.clone()))
            .collect()
    }

    /// Keeps which runners of ours a whole list has. Of an organisation only its group counts: others may have runners with
    /// such names too.
    pub(super) fn note_runners(
        &mut self,
        demand: &Demand,
        group: Option<RunnerGroupId>,
        runners: &[Runner],
        begun: Time,
    ) {
        let all_ours = match demand.kind {
            EntityKind::Organization => group.is_some(),
            EntityKind::User => true,
        };
        if !all_ours {
            return;
        }
        let prefix = &self.config.runner_prefix;
        let ours = runners
            .iter()
            .filter(|runner| is_ours(&runner.name, prefix))
            .map(|runner| (PodName::new(runner.name.clone()), runner.id))
            .collect();
        let list = Unjudged { begun, ours };
        self.leftovers.unjudged.insert(demand.key().scope, list);
    }

    /// Judges the lists after which rows and pods were read, and ends what was sighted for long enough.
    pub(super) fn decide_leftovers(&mut self, now: Time, actions: &mut Vec<Action>) {
        let (Some(rows), Some(cluster)) = (self.rows_as_of, self.cluster.as_of()) else {
            return;
        };
        let ready: Vec<ScopeKey> = self
            .leftovers
            .unjudged
            .iter()
            .filter(|(_, list)| rows > list.begun && cluster > list.begun)
            .map(|(scope, _)| scope.clone())
            .collect();
        for scope in ready {
            if let Some(list) = self.leftovers.unjudged.remove(&scope) {
                self.judge_list(&scope, &list, now, actions);
            }
        }
    }

    fn judge_list(
        &mut self,
        scope: &ScopeKey,
        list: &Unjudged,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        let Some(demand) = self
            .leftovers
            .scopes
            .get(scope)
            .map(|scope| scope.demand.clone())
        else {
            return;
        };
        let apart = self.config.rules.leftovers_apart.delta();
        let before = self.leftovers.sighted.remove(scope).unwrap_or_default();
        let mut sighted = BTreeMap::new();
        for (name, runner) in &list.ours {
            if !self.is_left_over(name) {
                continue;
            }
            let first = before.get(name).copied().unwrap_or(list.begun);
            sighted.insert(name.clone(), first);
            let key = Key::Worker(name.clone());
            if list.begun - first >= apart && self.may_begin(&key, now) {
                let effect = Effect::DeleteRunner {
                    worker: name.clone(),
                    demand: demand.clone(),
                    runner: *runner,
                };
                self.begin(key, effect, now, actions);
            }
        }
        if !sighted.is_empty() {
            self.leftovers.sighted.insert(scope.clone(), sighted);
        }
    }

    /// No live row, no job that may run, and no pod that has not ended: as far as is known, and it is known.
    fn is_left_over(&self, name: &PodName) -> bool {
        let live = self.workers.get(name).is_some_and(|row| row.is_live());
        let bound = self.workers.get(name).is_some_and(|row| row.is_bound())
            || self.jobs.iter().any(|job| job.pod.as_ref() == Some(name));
        let pod_is_over = match self.cluster.pod(name) {
            Knowledge::Present(pod) => pod.phase.has_ended(),
            Knowledge::Absent => true,
            Knowledge::Unknown => false,
        };
        !live && !bound && pod_is_over
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ours, see};
    use super::*;
    use crate::effects::Outcome;
    use crate::github::RunnerStatus;
    use crate::testing::*;
    use crate::{InstallationId, RunnerGroupId, Status};

    #[test]
    fn another_environments_names_are_not_ours() {
        let prefix = "rise-riscv-runner-";
        for (name, expected) in [
            ("rise-riscv-runner-abc123xyz", true),
            ("rise-riscv-runner-staging-abc123xyz", false),
            ("rise-riscv-runner-ABC123xyz", false),
            ("rise-riscv-runner-abc123xy", false),
            ("my-rise-riscv-runner-abc123xyz", false),
        ] {
            assert_eq!(is_ours(name, prefix), expected, "{name}");
        }
    }

    const LATE: &str = "rise-riscv-runner-late00001";

    fn listed(name: &str) -> Outcome {
        Outcome::Runners(vec![Runner {
            id: RunnerId(3),
            name: name.to_owned(),
            status: RunnerStatus::Offline,
            busy: false,
            labels: vec![],
        }])
    }

    /// A scope whose last worker ended lately, and a runner of another name there; looked at for so many seconds.
    fn deletions(name: &str, row: Option<&crate::rows::WorkerRow>, seconds: i64) -> Vec<i64> {
        let mut machine = super::super::tests::machine();
        let ended = crate::rows::WorkerRow {
            status: Status::Completed,
            completed_at: Some(at(100)),
            deregistered_at: Some(at(100)),
            ..ours("w1", personal(7, 70))
        };
        let mut deleted = Vec::new();
        for second in (100..seconds).step_by(10) {
            let rows = [Some(&ended), row];
            let rows = rows.into_iter().flatten().cloned().collect();
            see(&mut machine, vec![], rows, vec![], 1, second);
            for action in machine.decide(at(second)) {
                let outcome = match &action.effect {
                    Effect::ListRunners { .. } => listed(name),
                    Effect::DeleteRunner { worker, .. } if worker.as_str() == name => {
                        deleted.push(second);
                        Outcome::RunnerGone
                    }
                    _ => Outcome::Written,
                };
                machine.outcome(action.id, outcome, at(second));
            }
        }
        deleted
    }

    #[test]
    fn a_registration_that_came_late_goes_after_two_sightings() {
        let deleted = deletions(LATE, None, 900);
        let first = deleted.first().copied().expect("it goes");
        assert!((700..=740).contains(&first), "{deleted:?}");
    }

    #[test]
    fn a_registration_with_a_live_row_or_a_name_of_others_stays() {
        let live = crate::rows::WorkerRow {
            status: Status::Running,
            named_by: vec![named(1, Status::Running)],
            ..ours(LATE, personal(7, 70))
        };
        assert!(deletions(LATE, Some(&live), 1_200).is_empty());
        assert!(deletions("somebody-elses-runner", None, 1_200).is_empty());
    }

    #[test]
    fn an_organisations_runners_count_only_in_its_group() {
        let mut machine = super::super::tests::machine();
        let demand = demand(7);
        let runners = match listed(LATE) {
            Outcome::Runners(runners) => runners,
            other => panic!("{other:?}"),
        };
        assert_eq!(demand.installation, InstallationId(8));
        machine.scopes_read(vec![demand.clone()]);
        machine.note_runners(&demand, None, &runners, at(101));
        see(&mut machine, vec![], vec![], vec![], 1, 110);
        machine.decide(at(110));
        assert!(machine.leftovers.sighted.is_empty());
        machine.note_runners(&demand, Some(RunnerGroupId(5)), &runners, at(111));
        see(&mut machine, vec![], vec![], vec![], 1, 120);
        machine.decide(at(120));
        let scope = demand.key().scope;
        assert!(machine.leftovers.sighted.contains_key(&scope));
    }
}
