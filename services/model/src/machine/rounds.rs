//! One round: what is done about jobs, workers and pods that ended.

use std::collections::{BTreeMap, BTreeSet};

use crate::boards::Suspicion;
use crate::cluster::Pod;
use crate::effects::{Action, Effect, Key, PodFacts};
use crate::log::LoggedJob;
use crate::plan::{Plan, PlanInput, plan};
use crate::provision::Provision;
use crate::rows::WorkerRow;
use crate::runners::{RunnerHistory, RunnerState};
use crate::view::Knowledge;
use crate::workers::{Verdict, WorkerFacts, judge};
use crate::{JobId, NodeName, PodName, Status, Time};

use super::{Machine, VANISHED_AT_LEAST};

impl Machine {
    pub(super) fn cluster_fresh(&self, now: Time) -> bool {
        let stale_after = self.config.rules.cluster_stale_after.delta();
        self.cluster
            .as_of()
            .is_some_and(|as_of| now - as_of < stale_after)
    }

    /// Workers whose log shows that they took a job, or that GitHub's lists no longer have or call busy.
    pub(super) fn took_a_job(&self) -> BTreeSet<PodName> {
        let by_log = self.logs.iter().filter(|(_, read)| {
            read.evidence
                .as_ref()
                .is_some_and(|log| log.job != LoggedJob::None)
        });
        let by_list = self.runners.iter().filter(|(_, runner)| {
            matches!(
                runner.state(),
                Some(RunnerState::Busy | RunnerState::Absent)
            )
        });
        by_log
            .map(|(name, _)| name)
            .chain(by_list.map(|(name, _)| name))
            .cloned()
            .collect()
    }

    pub(super) fn make_plan(&self, now: Time, cluster_fresh: bool) -> Plan {
        let took_a_job = self.took_a_job();
        let backing_off = self
            .back_offs
            .iter()
            .filter(|(_, back_off)| back_off.until > now)
            .map(|(key, _)| key.clone())
            .collect();
        let rooms = self.rooms(now);
        let slots = self.config.rules.effects_at_once
            - self.in_flight.len().min(self.config.rules.effects_at_once);
        plan(PlanInput {
            jobs: &self.jobs,
            workers: &self.workers,
            cluster: &self.cluster,
            cluster_fresh,
            took_a_job: &took_a_job,
            backing_off: &backing_off,
            breakers: &self.breakers,
            rooms: &rooms,
            pools: &self.config.pools,
            images: &self.config.images,
            caps: &self.config.caps,
            sharing: &self.config.sharing,
            newcomers: &self.newcomers,
            in_force: &self.in_force,
            at_most: self.config.rules.reserve_at_once.min(slots),
        })
    }

    pub(super) fn decide_reserve(&mut self, now: Time, actions: &mut Vec<Action>) {
        // A reservation whose answer is open may have made rows: only a later read tells.
        let unsure = self
            .reserve_open
            .is_some_and(|at| self.rows_as_of.is_none_or(|r| r <= at));
        if self.plan.asks.is_empty() || unsure || !self.may_begin(&Key::Reserve, now) {
            return;
        }
        let known = self
            .workers
            .values()
            .filter(|w| w.is_live())
            .map(|w| w.name.clone())
            .collect();
        let asks = self.plan.asks.clone();
        self.begin(Key::Reserve, Effect::Reserve { asks, known }, now, actions);
    }

    pub(super) fn decide_waiting(&mut self, now: Time, actions: &mut Vec<Action>) {
        // A read begun before our last write was answered shows old reasons.
        let stale = match (self.rows_as_of, self.waiting_written) {
            (Some(as_of), Some(written)) => as_of <= written,
            (_, None) => false,
            (None, Some(_)) => true,
        };
        if stale || !self.may_begin(&Key::Waiting, now) {
            return;
        }
        let reasons: Vec<(JobId, Option<String>)> = self
            .jobs
            .iter()
            .map(|job| (job, self.plan.waiting.get(&job.id).map(ToString::to_string)))
            .filter(|(job, reason)| job.waiting_reason != *reason)
            .map(|(job, reason)| (job.id, reason))
            .collect();
        if !reasons.is_empty() {
            self.begin(Key::Waiting, Effect::SetWaiting { reasons }, now, actions);
        }
    }

    pub(super) fn decide_workers(&mut self, now: Time, actions: &mut Vec<Action>) {
        let names: Vec<PodName> = self.workers.keys().cloned().collect();
        let vanished = self.pods_vanished();
        for name in names {
            if let Some(effect) = self.next_effect(&name, now, vanished) {
                self.begin(Key::Worker(name), effect, now, actions);
            }
        }
    }

    /// The next effect for one worker, if there is one and its key is free.
    pub(super) fn next_effect(
        &mut self,
        name: &PodName,
        now: Time,
        vanished: bool,
    ) -> Option<Effect> {
        if !self.may_begin(&Key::Worker(name.clone()), now) || self.other_scheduler(now).is_some() {
            return None;
        }
        let row = self.workers.get(name)?;
        if !row.is_live()
            && let Some(effect) = self.next_for_finished(row)
        {
            return Some(effect);
        }
        let open = self.provisions.get(name).is_some_and(Provision::is_open);
        let pod = self.cluster.pod(name);
        if open && !matches!(pod, Knowledge::Present(_)) {
            // Nobody knows whether the pod was made: its own reads decide, not the list.
            return self.next_provision_step(name, now);
        }
        if let Knowledge::Present(pod) = pod
            && row.is_live()
            && row.pod_created_at.is_none()
        {
            let runner = self.provisions.get(name).and_then(|p| p.runner);
            let (worker, pod_created_at) = (name.clone(), pod.created_at);
            return Some(Effect::RecordPod {
                worker,
                runner,
                pod_created_at,
            });
        }
        let unread = RunnerHistory::default();
        let log = self.logs.get(name);
        let log_gone_after = self.config.rules.log_gone_after.delta();
        let verdict = judge(WorkerFacts {
            row,
            pod,
            log: log.and_then(|read| read.evidence.as_ref()),
            board_silent: match pod {
                Knowledge::Present(pod) => self.cluster.is_silent(pod),
                Knowledge::Absent | Knowledge::Unknown => false,
            },
            board_silent_since: self.board_silent_since(pod),
            jobs_asked: self.jobs_asked_since_offline(row),
            scope_gone: self.is_gone(&row.demand.key().scope),
            log_read_at: log.and_then(|read| read.begun),
            log_free_since: log.and_then(|read| read.free_since),
            runner: self.runners.get(name).unwrap_or(&unread),
            surplus: self.surplus.contains(name),
            waiting_since: self.waiting_keys.get(&row.demand.key()).copied(),
            github_not_assigning: self.github_not_assigning,
            log_gone: log
                .and_then(|read| read.failing_since)
                .is_some_and(|since| now - since >= log_gone_after),
            pods_vanished: vanished,
            hindered: self.is_hindered(name, now),
            now,
            rules: &self.config.rules,
        });
        let worker = name.clone();
        // A pod that is there is copied where it is needed, so that the memory below may change.
        let pod_facts = match pod {
            Knowledge::Present(pod) => Some(PodFacts::of(pod)),
            Knowledge::Absent | Knowledge::Unknown => None,
        };
        let delete = delete_as_seen(pod);
        let hung = match pod {
            Knowledge::Present(pod) => Some(Effect::DeletePod {
                worker: name.clone(),
                uid: pod.uid.clone(),
                resource_version: None,
            }),
            Knowledge::Absent | Knowledge::Unknown => None,
        };
        let drop_pod = match pod {
            Knowledge::Present(pod) => Some(Effect::DropPod {
                worker: name.clone(),
                uid: pod.uid.clone(),
            }),
            Knowledge::Absent | Knowledge::Unknown => None,
        };
        match verdict {
            Verdict::Keep => None,
            Verdict::Provision => self.next_provision_step(name, now),
            Verdict::MarkRunning => pod_facts.map(|facts| Effect::MarkRunning { worker, facts }),
            Verdict::ReadLog => Some(Effect::ReadLog { worker }),
            Verdict::Finish(finish) => {
                if finish.failure.is_some() {
                    self.back_off_for(&worker, now);
                }
                Some(Effect::MarkFinished { worker, finish })
            }
            Verdict::Deregister => Some(self.deregister(name)?),
            Verdict::Kill => Some(Effect::KillPod { worker }),
            Verdict::DeleteHung => hung,
            Verdict::Condemn(reason, message) => {
                if reason.failure().is_some() {
                    self.back_off_for(&worker, now);
                }
                Some(Effect::Condemn {
                    worker,
                    reason,
                    message,
                })
            }
            Verdict::DeleteUnstarted => delete,
            Verdict::TakeBack => Some(Effect::TakeBack { worker }),
            Verdict::DropPod => drop_pod,
        }
    }

    /// A finished row whose pod is over: its runner must go. While the pod is there, the verdict decides.
    pub(super) fn next_for_finished(&self, row: &WorkerRow) -> Option<Effect> {
        let pod_is_over = match self.cluster.pod(&row.name) {
            Knowledge::Unknown => false,
            Knowledge::Present(pod) => pod.phase.has_ended(),
            Knowledge::Absent => true,
        };
        let gone = self.is_gone(&row.demand.key().scope);
        let nobody_to_ask = gone || !row.demand.scope_is_known();
        let bound = row.is_bound() && !nobody_to_ask;
        let done = row.deregistered_at.is_some() || row.epoch.is_none() || bound;
        if !pod_is_over || done {
            return None;
        }
        if nobody_to_ask {
            // A registration that is still there is found when the scope can be seen again.
            let worker = row.name.clone();
            return Some(Effect::RecordDeregistered { worker });
        }
        self.deregister(&row.name)
    }

    /// Since when a pod's board has not been Ready; nothing while the boards are not to blame.
    fn board_silent_since(&self, pod: Knowledge<'_>) -> Option<Time> {
        match (pod, self.suspicion) {
            (Knowledge::Present(pod), Suspicion::None) => self.cluster.silent_since(pod),
            (Knowledge::Present(_), Suspicion::ControlPlane)
            | (Knowledge::Absent | Knowledge::Unknown, _) => None,
        }
    }

    /// Whether GitHub was asked about every pending job of a worker's key since its runner was seen offline.
    fn jobs_asked_since_offline(&self, row: &WorkerRow) -> bool {
        let since = self.runners.get(&row.name).and_then(RunnerHistory::since);
        let key = row.demand.key();
        since.is_some_and(|since| {
            self.jobs
                .iter()
                .filter(|job| job.status == Status::Pending && job.demand.key() == key)
                .all(|job| job.last_checked_at.is_some_and(|at| at >= since))
        })
    }

    /// By id where it is known, else by name.
    pub(super) fn deregister(&self, name: &PodName) -> Option<Effect> {
        let row = self.workers.get(name)?;
        let (worker, demand) = (name.clone(), row.demand.clone());
        if self.installation_is_gone(&demand) {
            // Its runner went with the installation.
            return Some(Effect::RecordDeregistered { worker });
        }
        Some(match row.runner {
            Some(runner) => Effect::DeleteRunner {
                worker,
                demand,
                runner,
            },
            None => Effect::FindRunner { worker, demand },
        })
    }

    pub(super) fn next_provision_step(&mut self, name: &PodName, now: Time) -> Option<Effect> {
        let row = self.workers.get(name)?;
        let group = self.groups.get(&row.demand.entity).copied();
        let quarantined = self.quarantined_of(&row.demand.pool);
        let provision = self
            .provisions
            .entry(name.clone())
            .or_insert_with(Provision::new);
        provision.next(row, group, &quarantined, now)
    }

    /// Pods that ended stay for their logs, within limits.
    pub(super) fn decide_finished_pods(&mut self, now: Time, actions: &mut Vec<Action>) {
        let rules = self.config.rules;
        let mut finished: Vec<(Time, &Pod)> = self
            .cluster
            .pods()
            .filter(|pod| pod.phase.has_ended() && pod.deletion_at.is_none())
            // A live row has not seen the end yet.
            .filter(|pod| self.workers.get(&pod.name).is_none_or(|row| !row.is_live()))
            .map(|pod| (pod.container_finished_at().unwrap_or(pod.created_at), pod))
            .collect();
        finished.sort_by_key(|(ended, pod)| (std::cmp::Reverse(*ended), pod.name.clone()));
        let mut on_board: BTreeMap<&NodeName, usize> = BTreeMap::new();
        let mut due = Vec::new();
        for (index, (ended, pod)) in finished.into_iter().enumerate() {
            let mut too_many = index >= rules.finished_pods;
            if let Some(node) = &pod.node {
                let kept = on_board.entry(node).or_default();
                *kept += 1;
                too_many |= *kept > rules.finished_pods_per_board;
            }
            if too_many || now - ended >= rules.pod_grace.delta() {
                due.push((pod.name.clone(), pod.uid.clone()));
            }
        }
        for (worker, uid) in due {
            let key = Key::Worker(worker.clone());
            if self.may_begin(&key, now) {
                self.begin(
                    key,
                    Effect::DeletePod {
                        worker,
                        uid,
                        resource_version: None,
                    },
                    now,
                    actions,
                );
            }
        }
    }

    pub(super) fn pods_vanished(&self) -> bool {
        let running: Vec<&WorkerRow> = self
            .workers
            .values()
            .filter(|w| w.status == Status::Running)
            .collect();
        let gone = running
            .iter()
            .filter(|w| self.cluster.pod(&w.name) == Knowledge::Absent)
            .count();
        gone >= VANISHED_AT_LEAST && gone * 2 >= running.len()
    }
}

fn delete_as_seen(pod: Knowledge<'_>) -> Option<Effect> {
    match pod {
        Knowledge::Present(pod) => Some(Effect::DeletePod {
            worker: pod.name.clone(),
            uid: pod.uid.clone(),
            resource_version: Some(pod.resource_version.clone()),
        }),
        Knowledge::Absent | Knowledge::Unknown => None,
    }
}
