//! What tells why a pod failed, collected once, in bounded time and size, and without secrets.
//!
//! The result is what `failure_info` version 2 holds beside its reason. It never fails: what could not be had is named
//! in `collect_error`.

use std::collections::BTreeMap;

use k8s_openapi::List;
use k8s_openapi::api::core::v1 as core;
use kube::api::ListParams;
use kube::core::Request;
use kube::core::subresource::LogParams;
use rise_model::cluster::CONTAINER;
use rise_model::redact::{redact, tail};
use rise_model::{PodName, Time};
use serde::Serialize;

use super::error::{KubernetesError, Operation};
use super::logs::runner_log;
use super::{Call, Kubernetes, convert};

/// Lines of log that are kept.
const LOG_LINES: usize = 200;
/// Bytes of log that are kept.
const LOG_BYTES: usize = 64 * 1024;
/// Events that are kept, the newest.
const EVENTS: usize = 50;
/// Events that are asked for.
const EVENTS_READ: u32 = 500;

/// The part of `failure_info` version 2 that comes from the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Diagnostics {
    /// The pod's own reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_reason: Option<String>,
    /// The pod's own message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_message: Option<String>,
    /// Its containers by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub containers: BTreeMap<String, ContainerReport>,
    /// Its last events, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventReport>,
    /// What could not be collected, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collect_error: Option<String>,
}

/// How a container stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ContainerReport {
    /// Its exit status, if it ended.
    pub exit_code: Option<i32>,
    /// Kubernetes' reason, empty when there is none.
    pub reason: String,
    /// More of it.
    pub message: String,
    /// The end of its log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs: Option<String>,
}

/// An event about the pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventReport {
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Kubernetes' reason.
    pub reason: String,
    /// More of it.
    pub message: String,
    /// How often.
    pub count: i32,
    /// The first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Time>,
    /// The last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Time>,
}

impl Kubernetes {
    /// Collects what tells why a pod failed, within `diagnostics_timeout`.
    pub async fn diagnostics(&self, name: &PodName) -> Diagnostics {
        let within = self.section.diagnostics_timeout.std();
        let log_call = Call::new(Operation::PodLog, format!("pod {name}"));
        let pod_call = Call::new(Operation::GetPod, format!("pod {name}"));
        let event_call = Call::new(Operation::ListEvents, format!("pod {name}"));
        let (pod, log, events) = tokio::join!(
            in_time(within, &pod_call, self.raw_pod(&pod_call, name)),
            in_time(within, &log_call, self.log_tail(&log_call, name)),
            in_time(within, &event_call, self.events(&event_call, name)),
        );
        let mut missing = Vec::new();
        let mut found = Diagnostics::default();
        match pod {
            Ok(Some(pod)) => found.describe(pod),
            Ok(None) => missing.push(format!("pod {name} is gone")),
            Err(error) => missing.push(error.to_string()),
        }
        match log {
            Ok(text) if text.is_empty() => {}
            Ok(text) => {
                let container = found.containers.entry(CONTAINER.to_owned()).or_default();
                container.logs = Some(text);
            }
            Err(error) => missing.push(error.to_string()),
        }
        match events {
            Ok(events) => found.events = events,
            Err(error) => missing.push(error.to_string()),
        }
        if !missing.is_empty() {
            found.collect_error = Some(missing.join("; "));
        }
        found
    }

    async fn log_tail(&self, call: &Call, name: &PodName) -> Result<String, KubernetesError> {
        let params = LogParams {
            tail_lines: i64::try_from(LOG_LINES).ok(),
            ..runner_log()
        };
        let mut end = LogEnd::default();
        self.stream_log(call, name, &params, |piece| end.take(piece))
            .await?;
        Ok(end.text())
    }

    async fn events(
        &self,
        call: &Call,
        name: &PodName,
    ) -> Result<Vec<EventReport>, KubernetesError> {
        let path = format!("/api/v1/namespaces/{}/events", self.namespace);
        let about = ListParams::default()
            .fields(&format!("involvedObject.name={name}"))
            .limit(EVENTS_READ);
        let request = call.built(Request::new(path).list(&about))?;
        let list: List<core::Event> = self.json(call, request).await?;
        let mut events: Vec<EventReport> = list.items.into_iter().map(event).collect();
        events.sort_by_key(|event| event.last_seen);
        let old = events.len().saturating_sub(EVENTS);
        Ok(events.split_off(old))
    }
}

async fn in_time<T>(
    within: std::time::Duration,
    call: &Call,
    work: impl Future<Output = Result<T, KubernetesError>>,
) -> Result<T, KubernetesError> {
    match tokio::time::timeout(within, work).await {
        Ok(done) => done,
        Err(_) => Err(call.timed_out()),
    }
}

impl Diagnostics {
    fn describe(&mut self, pod: core::Pod) {
        let status = pod.status.unwrap_or_default();
        self.pod_reason = status.reason;
        self.pod_message = status.message.as_deref().map(redact);
        for container in status.container_statuses.unwrap_or_default() {
            let report = report(container.state.unwrap_or_default());
            self.containers.insert(container.name, report);
        }
    }
}

fn report(state: core::ContainerState) -> ContainerReport {
    let (exit_code, reason, message) = match (state.terminated, state.waiting) {
        (Some(ended), _) => (Some(ended.exit_code), ended.reason, ended.message),
        (None, Some(waiting)) => (None, waiting.reason, waiting.message),
        (None, None) => (None, None, None),
    };
    ContainerReport {
        exit_code,
        reason: reason.unwrap_or_default(),
        message: redact(&message.unwrap_or_default()),
        logs: None,
    }
}

fn event(event: core::Event) -> EventReport {
    let at = |time: Option<_>| time.as_ref().and_then(convert::time);
    let once = event
        .event_time
        .and_then(|time| Time::from_timestamp(time.0.as_second(), 0));
    let series = event.series.unwrap_or_default();
    EventReport {
        kind: event.type_.unwrap_or_default(),
        reason: event.reason.unwrap_or_default(),
        message: redact(&event.message.unwrap_or_default()),
        count: event.count.or(series.count).unwrap_or(1),
        first_seen: at(event.first_timestamp).or(once),
        last_seen: at(event.last_timestamp).or(once),
    }
}

/// The end of a stream of any length.
#[derive(Default)]
struct LogEnd(Vec<u8>);

impl LogEnd {
    fn take(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
        // One byte more than is kept: then the first line is known to be cut.
        let kept = LOG_BYTES + 1;
        if self.0.len() > 2 * kept {
            self.0.drain(..self.0.len() - kept);
        }
    }

    fn text(&self) -> String {
        redact(tail(
            &String::from_utf8_lossy(&self.0),
            LOG_LINES,
            LOG_BYTES,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_log_is_whole_lines_in_bounded_memory() {
        let mut end = LogEnd::default();
        for number in 0..100_000 {
            end.take(format!("line {number}\n").as_bytes());
            assert!(end.0.len() <= 2 * LOG_BYTES + 64);
        }
        let text = end.text();
        assert_eq!(text.lines().count(), LOG_LINES);
        assert_eq!(text.lines().next(), Some("line 99800"));
        assert_eq!(text.lines().last(), Some("line 99999"));
        let mut wide = LogEnd::default();
        for number in 0..10 {
            wide.take(format!("{number} {}\n", "x".repeat(20_000)).as_bytes());
        }
        let text = wide.text();
        assert!(text.len() <= LOG_BYTES);
        assert_eq!(text.lines().map(|l| &l[..1]).collect::<String>(), "789");
    }
}
