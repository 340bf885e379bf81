//! Events: what happened to pods and nodes, in the words of those who did it. The same happening to the same object is
//! counted, not repeated; events live an hour.

use chrono::SecondsFormat;
use rand::RngCore;
use serde_json::{Value, json};

use super::Cluster;
use super::pod::{PodId, stamp};
use super::store::{Key, Kind};
use crate::world::Time;

pub(super) const DEFAULT_SCHEDULER: &str = "default-scheduler";
pub(super) const KUBELET: &str = "kubelet";
pub(super) const NODE_CONTROLLER: &str = "node-controller";
pub(super) const TAINT_CONTROLLER: &str = "taint-eviction-controller";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    Normal,
    Warning,
}

impl Severity {
    const fn word(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// What an event says, apart from when.
struct Happening<'a> {
    namespace: &'a str,
    involved: Value,
    severity: Severity,
    reason: &'a str,
    message: &'a str,
    component: &'a str,
    host: Option<&'a str>,
}

impl Happening<'_> {
    /// What makes two events the same.
    fn fingerprint(&self) -> String {
        let involved = ["kind", "uid", "fieldPath"]
            .map(|field| self.involved[field].as_str().unwrap_or_default());
        let said = [self.namespace, self.reason, self.message, self.component];
        [involved.as_slice(), said.as_slice()].concat().join("\n")
    }
}

impl Cluster {
    pub(super) fn pod_event(
        &mut self,
        id: PodId,
        severity: Severity,
        reason: &str,
        message: &str,
        component: &str,
        now: Time,
    ) {
        let Some(pod) = self.pods.get(&id).filter(|pod| pod.in_api) else {
            return;
        };
        // A board out of reach cannot report what it does.
        if component == KUBELET && pod.node().is_some_and(|node| self.is_away(node)) {
            return;
        }
        let mut involved = json!({
            "apiVersion": "v1", "kind": "Pod", "namespace": pod.key.namespace, "name": pod.key.name, "uid": pod.uid,
        });
        if component == KUBELET {
            involved["fieldPath"] = json!(format!("spec.containers{{{}}}", pod.container_name()));
        }
        let namespace = pod.key.namespace.clone();
        let host = (component == KUBELET).then(|| pod.node().unwrap_or_default().to_owned());
        self.record(
            &Happening {
                namespace: &namespace,
                involved,
                severity,
                reason,
                message,
                component,
                host: host.as_deref(),
            },
            now,
        );
    }

    pub(super) fn node_event(
        &mut self,
        name: &str,
        severity: Severity,
        reason: &str,
        message: &str,
        component: &str,
        now: Time,
    ) {
        // The kubelet gives a node's name where others give its uid.
        let involved = json!({"kind": "Node", "name": name, "uid": name});
        self.record(
            &Happening {
                namespace: "default",
                involved,
                severity,
                reason,
                message,
                component,
                host: (component == KUBELET).then_some(name),
            },
            now,
        );
    }

    fn record(&mut self, happening: &Happening<'_>, now: Time) {
        self.forget_old_events(now);
        let life = self.config.timings.event_life;
        let what = happening.fingerprint();
        if let Some(key) = self.event_names.get(&what).cloned()
            && let Some(event) = self.store.get(Kind::Event, &key)
        {
            let mut event = Value::clone(event);
            event["count"] = json!(event["count"].as_i64().unwrap_or(1) + 1);
            event["lastTimestamp"] = stamp(now);
            self.event_ends.retain(|(_, old)| *old != what);
            self.event_ends.push_back((now + life, what));
            self.store.put(Kind::Event, key, event);
            return;
        }
        let object = happening.involved["name"].as_str().unwrap_or_default();
        let name = format!("{object}.{:016x}", self.rng.next_u64());
        let key = Key::new(happening.namespace, &name);
        let event = json!({
            "kind": "Event", "apiVersion": "v1",
            "metadata": {
                "name": name, "namespace": happening.namespace, "uid": self.new_uid(),
                "creationTimestamp": stamp(now),
            },
            "involvedObject": happening.involved,
            "reason": happening.reason, "message": happening.message, "type": happening.severity.word(),
            "source": match happening.host {
                Some(host) => json!({"component": happening.component, "host": host}),
                None => json!({"component": happening.component}),
            },
            "reportingComponent": happening.component, "reportingInstance": happening.host.unwrap_or_default(),
            "firstTimestamp": stamp(now), "lastTimestamp": stamp(now), "count": 1,
            "eventTime": Value::Null,
        });
        self.event_ends.push_back((now + life, what.clone()));
        self.event_names.insert(what, key.clone());
        self.store.put(Kind::Event, key, event);
    }

    /// Events go when the next one comes: an idle world has no timer for them.
    fn forget_old_events(&mut self, now: Time) {
        while let Some((_, what)) = self.event_ends.pop_front_if(|(end, _)| *end <= now) {
            if let Some(key) = self.event_names.remove(&what) {
                self.store.remove(Kind::Event, &key);
            }
        }
    }
}

/// The time of a log line of dockerd.
pub(super) fn nanos(time: Time) -> String {
    time.to_rfc3339_opts(SecondsFormat::Nanos, true)
}
