//! How pods end on their boards: by themselves, by their deadline, by the kubelet's hand; and what is left of them then.

use chrono::TimeDelta;

use super::Cluster;
use super::events::{KUBELET, Severity};
use super::pod::{Container, Phase, PodId, Process};
use super::report::KillCause;
use super::store::Kind;
use super::timers::{Due, Step};
use crate::world::Time;
use crate::world::github::GitHub;

/// The exit status of a container that was killed.
const KILLED: i32 = 137;

impl Cluster {
    /// The container ended by itself.
    pub(super) fn container_ended(&mut self, id: PodId, exit: i32, now: Time) {
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        let Container::Running { started } = pod.container else {
            return;
        };
        let reason = if exit == 0 { "Completed" } else { "Error" };
        pod.container = Container::Ended {
            started,
            finished: now,
            exit,
            reason,
        };
        pod.process = Process::None;
        let phase = if exit == 0 {
            Phase::Succeeded
        } else {
            Phase::Failed
        };
        self.end_pod(id, phase, None, now);
    }

    /// Kills a pod's container, if its board hears of it and can. The first cause is the one that counts.
    pub(super) fn kill(&mut self, id: PodId, cause: KillCause, now: Time) {
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        if pod.phase.is_terminal() {
            return self.forget_if_deleted(id, now);
        }
        let known = pod.kill.replace(pod.kill.unwrap_or(cause)).is_some();
        let Some(node) = self.reachable_board_of(id) else {
            return;
        };
        let stuck = self.boards.get(&node).is_some_and(|board| board.kill_stuck);
        if stuck && self.pods.get(&id).is_some_and(|pod| pod.runs()) {
            let message = "error killing pod: failed to \"KillContainer\" with KillContainerError: context deadline exceeded";
            return self.pod_event(
                id,
                Severity::Warning,
                "FailedKillPod",
                message,
                KUBELET,
                now,
            );
        }
        if !known {
            let name = self
                .pods
                .get(&id)
                .map_or("", |pod| pod.container_name())
                .to_owned();
            self.pod_event(
                id,
                Severity::Normal,
                "Killing",
                &format!("Stopping container {name}"),
                KUBELET,
                now,
            );
        }
        let after = self.config.timings.kill.sample(&mut self.rng);
        self.next_step(id, Step::Killed, after, now);
    }

    pub(super) fn killed(&mut self, id: PodId, github: &mut GitHub, now: Time) {
        let cause = self
            .pods
            .get(&id)
            .and_then(|pod| pod.kill)
            .unwrap_or(KillCause::Deleted);
        self.process_lost(id, cause, github, now);
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        if let Container::Running { started } = pod.container {
            pod.container = Container::Ended {
                started,
                finished: now,
                exit: KILLED,
                reason: "Error",
            };
        }
        let why = (cause == KillCause::Deadline).then(|| {
            (
                "DeadlineExceeded",
                "Pod was active on the node longer than the specified deadline".to_owned(),
            )
        });
        self.end_pod(id, Phase::Failed, why, now);
    }

    /// A pod reaches its last phase: its slot is free from now on.
    pub(super) fn end_pod(
        &mut self,
        id: PodId,
        phase: Phase,
        why: Option<(&'static str, String)>,
        now: Time,
    ) {
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        pod.phase = phase;
        pod.ended = why;
        for timer in [
            pod.timers.main.take(),
            pod.timers.deadline.take(),
            pod.timers.evict.take(),
        ] {
            self.timers.cancel(timer);
        }
        self.publish(id);
        self.forget_if_deleted(id, now);
        self.wake_scheduler(now);
    }

    /// Takes a pod away for good when its deletion waits for nothing any more.
    pub(super) fn forget_if_deleted(&mut self, id: PodId, now: Time) {
        let Some(pod) = self.pods.get(&id) else {
            return;
        };
        if pod.in_api {
            let document = self.store.get(Kind::Pod, &pod.key);
            let deleted = document.is_some_and(|d| !d["metadata"]["deletionTimestamp"].is_null());
            if deleted && self.reachable_board_of(id).is_some() {
                self.remove_document(id, now);
            }
        } else {
            self.pods.remove(&id);
        }
    }

    /// Sets the timer of `activeDeadlineSeconds`, which counts from the kubelet's first sight of the pod.
    pub(super) fn arm_deadline(&mut self, id: PodId, now: Time) {
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        let deadline = self
            .store
            .get(Kind::Pod, &pod.key)
            .and_then(|d| d["spec"]["activeDeadlineSeconds"].as_i64());
        let (Some(started), Some(seconds)) = (pod.start_time, deadline) else {
            return;
        };
        if pod.phase.is_terminal() {
            return;
        }
        self.timers.cancel(pod.timers.deadline);
        let due = (started + TimeDelta::seconds(seconds)).max(now);
        pod.timers.deadline = Some(self.timers.set(due, Due::Deadline(id)));
    }

    pub(super) fn deadline_passed(&mut self, id: PodId, now: Time) {
        if let Some(pod) = self.pods.get_mut(&id) {
            pod.timers.deadline = None;
        }
        let message = "Pod was active on the node longer than the specified deadline";
        self.pod_event(
            id,
            Severity::Normal,
            "DeadlineExceeded",
            message,
            KUBELET,
            now,
        );
        self.kill(id, KillCause::Deadline, now);
    }
}
