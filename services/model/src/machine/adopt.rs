//! Pods of ours without a row, as a lost table or the replaced service leaves them: the row is made again from the pod's
//! annotation, or from the job that names it; else the pod is condemned, and goes by its log.

use crate::cluster::{Annotated, ENTITY_ID_LABEL, ENTITY_NAME_LABEL, Pod, WorkerNote};
use crate::config::BOARD_LABEL;
use crate::effects::{Action, Effect, Key, Outcome};
use crate::rows::{Demand, WorkerRow};
use crate::view::Knowledge;
use crate::workers::CondemnReason;
use crate::{
    EntityId, EntityKind, Image, InstallationId, PodName, PoolName, SentLabels, Status, Time,
};

use super::Machine;

impl Machine {
    /// Makes rows for pods that have none.
    pub(super) fn decide_adoptions(&mut self, now: Time, actions: &mut Vec<Action>) {
        let Some(rows) = self.rows_as_of else {
            return;
        };
        let without: Vec<PodName> = self
            .cluster
            .pods()
            .filter(|pod| !self.workers.contains_key(&pod.name))
            .map(|pod| pod.name.clone())
            .collect();
        let before = std::mem::take(&mut self.rowless);
        for name in without {
            let since = before.get(&name).copied().unwrap_or(now);
            self.rowless.insert(name.clone(), since);
            let key = Key::Worker(name.clone());
            // Rows read since it was noticed were asked for by its name.
            if rows <= since || !self.may_begin(&key, now) {
                continue;
            }
            if let Some(effect) = self.adoption(&name, since, now) {
                self.begin(key, effect, now, actions);
            }
        }
    }

    fn adoption(&self, name: &PodName, since: Time, now: Time) -> Option<Effect> {
        let Knowledge::Present(pod) = self.cluster.pod(name) else {
            return None;
        };
        match &pod.worker {
            Annotated::Worker(note) => {
                let row = row_of(pod, demand_of(note), None);
                Some(Effect::AdoptWorker { row: Box::new(row) })
            }
            // The replaced service writes its rows after its pods, all at once.
            Annotated::Nothing | Annotated::Unreadable => {
                let settled = now - since >= self.config.rules.leftovers_apart.delta();
                let ended = pod.phase.has_ended();
                (settled && !ended).then(|| Effect::FindJobOf {
                    worker: name.clone(),
                })
            }
        }
    }

    /// The job that names a pod was looked for.
    pub(super) fn job_of_found(
        &mut self,
        key: &Key,
        worker: &PodName,
        outcome: Outcome,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        let (Outcome::JobOf(found), Knowledge::Present(pod)) = (outcome, self.cluster.pod(worker))
        else {
            return self.retry_later(key, now);
        };
        let row = match found {
            Some(mut demand) => {
                demand.normalise();
                row_of(pod, *demand, None)
            }
            None => row_of(pod, by_labels(pod), Some(CondemnReason::UnknownPod)),
        };
        let row = Box::new(row);
        self.begin(key.clone(), Effect::AdoptWorker { row }, now, actions);
    }

    /// The row of a pod was made.
    pub(super) fn adopted(&mut self, key: &Key, row: WorkerRow, outcome: &Outcome, now: Time) {
        if *outcome == Outcome::Written {
            self.written.insert(row.name.clone(), now);
            self.workers.insert(row.name.clone(), row);
        } else {
            self.retry_later(key, now);
        }
    }
}

fn row_of(pod: &Pod, demand: Demand, condemned: Option<CondemnReason>) -> WorkerRow {
    WorkerRow {
        name: pod.name.clone(),
        status: Status::Pending,
        demand,
        node: pod.node.clone(),
        created_at: pod.created_at,
        running_at: None,
        completed_at: None,
        runner: None,
        epoch: None,
        condemned,
        deregistered_at: None,
        pod_created_at: Some(pod.created_at),
        named_by: Vec::new(),
    }
}

fn demand_of(note: &WorkerNote) -> Demand {
    Demand {
        entity: note.entity_id,
        entity_name: note.entity_name.clone(),
        kind: note.entity_type,
        installation: note.installation_id,
        repo_full_name: note.repo_full_name.clone(),
        repo: note.repo_id,
        labels: note.job_labels.clone(),
        pool: note.k8s_pool.clone(),
        image: note.k8s_image.clone(),
    }
}

/// What its labels tell: whose it is and where it runs, but not where its runner is registered.
fn by_labels(pod: &Pod) -> Demand {
    let label = |key: &str| pod.labels.get(key).cloned().unwrap_or_default();
    Demand {
        entity: EntityId(label(ENTITY_ID_LABEL).parse().unwrap_or_default()),
        entity_name: label(ENTITY_NAME_LABEL),
        kind: EntityKind::Organization,
        installation: InstallationId(0),
        repo_full_name: None,
        repo: None,
        labels: SentLabels::new(Vec::new()),
        pool: PoolName::new(label(BOARD_LABEL)),
        image: Image::new(""),
    }
}
