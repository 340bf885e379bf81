//! Eviction by taints: a pod that does not tolerate its node's `NoExecute` taints, or no longer does, is marked as deleted.
//! Its board, if it is dead, does not hear of it.

use super::Cluster;
use super::admission::list;
use super::events::{Severity, TAINT_CONTROLLER};
use super::fit::tolerates;
use super::pod::PodId;
use super::report::KillCause;
use super::status::disrupted;
use super::store::{Key, Kind};
use super::timers::Due;
use crate::world::Time;
use chrono::TimeDelta;

const EVICTION_GRACE: i64 = 30;

impl Cluster {
    /// Sets the time at which a pod's tolerance of its node's taints ends, if it does.
    pub(super) fn arm_eviction(&mut self, id: PodId, now: Time) {
        let Some(pod) = self.pods.get(&id) else {
            return;
        };
        let due = pod.node().and_then(|node| self.evicted_at(id, node, now));
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        self.timers.cancel(pod.timers.evict.take());
        if let Some(due) = due {
            pod.timers.evict = Some(self.timers.set(due.max(now), Due::Evict(id)));
        }
    }

    fn evicted_at(&self, id: PodId, node: &str, now: Time) -> Option<Time> {
        let pod = self.document_of(id)?;
        if self.pods.get(&id)?.reported.is_terminal()
            || !pod["metadata"]["deletionTimestamp"].is_null()
        {
            return None;
        }
        let node = self.store.get(Kind::Node, &Key::new("", node))?;
        let taints = list(&node["spec"]["taints"])
            .iter()
            .filter(|taint| taint["effect"] == "NoExecute");
        taints
            .filter_map(|taint| {
                let since = taint["timeAdded"]
                    .as_str()
                    .and_then(|t| t.parse().ok())
                    .unwrap_or(now);
                let mut covering = list(&pod["spec"]["tolerations"])
                    .iter()
                    .filter(|t| tolerates(t, taint))
                    .peekable();
                match covering.peek() {
                    None => Some(since),
                    // The shortest of those that end; for ever when none does.
                    Some(_) => covering
                        .filter_map(|toleration| toleration["tolerationSeconds"].as_i64())
                        .min()
                        .map(|seconds| since + TimeDelta::seconds(seconds.max(0))),
                }
            })
            .min()
    }

    pub(super) fn evict(&mut self, id: PodId, now: Time) {
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        pod.timers.evict = None;
        // With every board gone it is the control plane that is cut off: it evicts nothing.
        let any_ready = self.boards.values().any(|board| board.away.is_none());
        if !any_ready || !pod.in_api {
            return;
        }
        pod.disrupted = Some(now);
        self.edit_pod(id, |pod| {
            if let Some(conditions) = pod["status"]["conditions"].as_array_mut() {
                conditions.insert(0, disrupted(now));
            }
        });
        let message = self.pods.get(&id).map(|pod| {
            format!(
                "Marking for deletion Pod {}/{}",
                pod.key.namespace, pod.key.name
            )
        });
        self.pod_event(
            id,
            Severity::Normal,
            "TaintManagerEviction",
            &message.unwrap_or_default(),
            TAINT_CONTROLLER,
            now,
        );
        self.begin_deletion(id, EVICTION_GRACE, KillCause::Evicted, now);
    }
}
