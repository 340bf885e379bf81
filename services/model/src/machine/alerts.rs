//! Which alerts are open: computed anew each round from what is known, written when the set changed.
//!
//! A new leader knows little of what lasted long: what it found open stays until it had the time to see for itself.

use std::collections::BTreeMap;

use crate::alerts::{Alert, AlertKey, AlertName};
use crate::boards::Suspicion;
use crate::cluster::{Phase, Pod};
use crate::effects::{Action, Effect, Key};
use crate::log::LoggedJob;
use crate::rows::WorkerRow;
use crate::runners::RunnerState;
use crate::view::Knowledge;
use crate::workers::CondemnReason;
use crate::{PodName, Time};

use super::Machine;

/// The alerts that are open in the table, with their texts.
pub(super) type Open = BTreeMap<AlertKey, String>;

impl Machine {
    /// Takes what is open in the table. Until then nothing is opened or closed.
    pub(super) fn alerts_read(&mut self, alerts: Vec<Alert>) {
        let read = alerts.into_iter().map(|alert| (alert.key, alert.text));
        self.open_alerts = Some(read.collect());
    }

    /// Writes the set of open alerts if it is another one.
    pub(super) fn decide_alerts(&mut self, now: Time, actions: &mut Vec<Action>) {
        let Some(open) = &self.open_alerts else {
            return;
        };
        let mut wanted: Open = self
            .alerts(now)
            .into_iter()
            .map(|alert| (alert.key, alert.text))
            .collect();
        for (key, text) in open {
            if self.cannot_tell_yet(key, now) {
                wanted.entry(key.clone()).or_insert_with(|| text.clone());
            }
        }
        if wanted.keys().eq(open.keys()) || !self.may_begin(&Key::Alerts, now) {
            return;
        }
        let alerts = wanted
            .into_iter()
            .map(|(key, text)| Alert { key, text })
            .collect();
        self.begin(Key::Alerts, Effect::SetAlerts { alerts }, now, actions);
    }

    /// Everything that a person should look at now.
    fn alerts(&self, now: Time) -> Vec<Alert> {
        let mut alerts = self.alerts_of_the_whole();
        alerts.extend(self.unknown_pods());
        for row in self.workers.values() {
            if let Knowledge::Present(pod) = self.cluster.pod(&row.name)
                && pod.phase == Phase::Running
            {
                alerts.extend(self.log_unreadable(row, pod, now));
                alerts.extend(self.job_unaccounted(row, pod, now));
                alerts.extend(self.kill_stuck(row, pod, now));
            }
        }
        alerts
    }

    /// Nobody told us where its runner is registered.
    fn unknown_pods(&self) -> impl Iterator<Item = Alert> {
        let unknown = self
            .workers
            .values()
            .filter(|row| row.is_live() && row.condemned == Some(CondemnReason::UnknownPod));
        unknown.map(|row| {
            let text = format!(
                "no row, annotation or job tells of pod {}; it takes no part in the plan and goes when its log shows \
                 no job",
                row.name
            );
            Alert::new(AlertName::UnknownPod, &row.name, text)
        })
    }

    fn alerts_of_the_whole(&self) -> Vec<Alert> {
        let mut alerts = Vec::new();
        if self.github_not_assigning {
            let text = "runners of several accounts are idle beside jobs that wait for them; GitHub does not hand \
                        jobs out, nothing is ended";
            alerts.push(Alert::new(AlertName::GithubNotAssigning, "", text));
        }
        if self.suspicion == Suspicion::ControlPlane {
            let text = "so many boards went silent together, or the API server with them, that the boards are not to \
                        blame; nothing is done to their workers: look at the control plane and the network";
            alerts.push(Alert::new(AlertName::BoardsSuspect, "", text));
        }
        if self.pods_vanished() {
            let text = "half of the running workers or more lost their pods at once; nothing is ended until they are \
                        back: look whether the kubeconfig names the right cluster and namespace";
            alerts.push(Alert::new(AlertName::PodsVanished, "", text));
        }
        alerts
    }

    /// Its log decides over it, and nobody can read it.
    fn log_unreadable(&self, row: &WorkerRow, pod: &Pod, now: Time) -> Option<Alert> {
        let since = self.logs.get(&row.name)?.failing_since?;
        if now - since < self.config.rules.log_gone_after.delta() {
            return None;
        }
        let text = format!(
            "the log of {} on {} cannot be read, so that nobody can tell whether a job runs in it",
            row.name,
            board(pod)
        );
        Some(Alert::new(AlertName::LogUnreadable, &row.name, text))
    }

    /// It took a job, GitHub no longer has its runner, and no job names it.
    fn job_unaccounted(&self, row: &WorkerRow, pod: &Pod, now: Time) -> Option<Alert> {
        let runner = self.runners.get(&row.name)?;
        let left = runner.state() == Some(RunnerState::Absent)
            && runner.lasted() >= self.config.rules.reads_apart.delta();
        let log = self.logs.get(&row.name)?.evidence.as_ref()?;
        let LoggedJob::Running { name, at } = &log.job else {
            return None;
        };
        let since = at.or_else(|| pod.container_started_at())?;
        let long = now - since >= self.config.rules.job_unaccounted_after.delta();
        if !left || !long || !row.named_by.is_empty() {
            return None;
        }
        let text = format!(
            "{} on {} took a job `{name}` that GitHub told nobody of, and its runner is gone; its pod runs on: look \
             at it, then delete the pod",
            row.name,
            board(pod)
        );
        Some(Alert::new(AlertName::JobUnaccounted, &row.name, text))
    }

    /// It was deleted after it had been killed, and its container still runs.
    fn kill_stuck(&self, row: &WorkerRow, pod: &Pod, now: Time) -> Option<Alert> {
        if !self.is_kill_stuck(row, pod, now) {
            return None;
        }
        let board = board(pod);
        let text = format!(
            "{} on {board} was killed and deleted and does not end; the board needs a restart",
            row.name
        );
        Some(Alert::new(AlertName::KillStuck, board, text))
    }

    /// Whether a pod that is to go has not gone although its board answers.
    pub(super) fn is_kill_stuck(&self, row: &WorkerRow, pod: &Pod, now: Time) -> bool {
        let after = self.config.rules.kill_stuck_after.delta();
        !row.is_live()
            && !pod.phase.has_ended()
            && pod.deletion_at.is_some_and(|at| now - at >= after)
            && !self.cluster.is_silent(pod)
    }

    /// Whether an alert that is open may still hold although it is not seen.
    fn cannot_tell_yet(&self, key: &AlertKey, now: Time) -> bool {
        let long_enough = self.config.rules.log_gone_after.delta();
        let knows = self.began.is_some_and(|began| now - began >= long_enough);
        let of_a_worker = match key.name {
            AlertName::JobUnaccounted | AlertName::LogUnreadable => true,
            AlertName::GithubNotAssigning
            | AlertName::PodsVanished
            | AlertName::KillStuck
            | AlertName::BoardsSuspect
            | AlertName::UnknownPod => false,
        };
        let gone = of_a_worker && {
            let pod = self.cluster.pod(&PodName::new(key.subject.clone()));
            match pod {
                Knowledge::Present(pod) => pod.phase.has_ended(),
                Knowledge::Absent => true,
                Knowledge::Unknown => false,
            }
        };
        key.name.takes_time() && !knows && !gone
    }

    /// The set is in the table.
    pub(super) fn alerts_written(&mut self, alerts: Vec<Alert>) {
        self.alerts_read(alerts);
    }
}

fn board(pod: &Pod) -> &str {
    pod.node.as_ref().map_or("no board", |node| node.as_str())
}
