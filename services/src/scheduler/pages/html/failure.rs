//! Why something failed, folded away: reason, containers with exit statuses and logs, events. Both shapes of
//! `failure_info`, and that of old workers; what is none of them is shown as it is.

use std::collections::BTreeMap;

use askama::Template;
use askama::filters::HtmlSafe;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::moment::Moment;
use super::text::Shown;
use crate::store::pages::Stored;

/// How much of a log a list shows; the page of one worker shows all that is kept.
const LOG_IN_LISTS: usize = 4 * 1024;

/// How much of each log is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logs {
    /// Its end.
    Ends,
    /// All that is kept.
    Whole,
}

#[derive(Debug, Default, Deserialize)]
struct Info {
    reason: Option<String>,
    message: Option<String>,
    pod_reason: Option<String>,
    pod_message: Option<String>,
    #[serde(default)]
    containers: Option<BTreeMap<String, ContainerInfo>>,
    #[serde(default)]
    events: Option<Vec<EventInfo>>,
    collect_error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ContainerInfo {
    exit_code: Option<i64>,
    reason: Option<String>,
    message: Option<String>,
    logs: Option<String>,
}

#[derive(Debug, Deserialize)]
struct EventInfo {
    #[serde(rename = "type")]
    kind: Option<String>,
    reason: Option<String>,
    message: Option<String>,
    count: Option<i64>,
    last_seen: Option<DateTime<Utc>>,
}

/// What is shown of a failure.
#[derive(Debug, Template)]
#[template(path = "failure.html")]
pub(super) struct Failure {
    /// The line that is always seen.
    summary: Shown,
    /// Name and value.
    facts: Vec<(&'static str, Shown)>,
    containers: Vec<Container>,
    events: Vec<Event>,
    raw: Option<Shown>,
}

impl HtmlSafe for Failure {}

#[derive(Debug)]
struct Container {
    name: Shown,
    exit: Option<i64>,
    reason: Shown,
    message: Shown,
    log: Option<Shown>,
    cut: bool,
}

#[derive(Debug)]
struct Event {
    kind: Shown,
    reason: Shown,
    message: Shown,
    count: i64,
    last: Option<Moment>,
}

impl Failure {
    pub(super) fn of(info: &Stored, now: DateTime<Utc>, logs: Logs) -> Self {
        let text = info.0.get();
        let read = serde_json::from_str::<Info>(text).ok();
        let known = read.filter(|info| {
            info.reason.is_some() || info.message.is_some() || info.containers.is_some()
        });
        match known {
            Some(info) => Self::known(info, now, logs),
            None => Self {
                summary: Shown::line("failed"),
                facts: Vec::new(),
                containers: Vec::new(),
                events: Vec::new(),
                raw: Some(Shown::line(text)),
            },
        }
    }

    fn known(info: Info, now: DateTime<Utc>, logs: Logs) -> Self {
        let first = [&info.reason, &info.message, &info.pod_reason];
        let summary = first.into_iter().flatten().find(|text| !text.is_empty());
        let facts = [
            (
                "Message",
                info.message.as_ref().filter(|_| info.reason.is_some()),
            ),
            ("Pod’s reason", info.pod_reason.as_ref()),
            ("Pod’s message", info.pod_message.as_ref()),
            ("Not collected", info.collect_error.as_ref()),
        ];
        Self {
            summary: Shown::line(summary.map_or("failed", String::as_str)),
            facts: facts
                .into_iter()
                .filter_map(|(name, text)| {
                    Some((name, Shown::line(text.filter(|text| !text.is_empty())?)))
                })
                .collect(),
            containers: info
                .containers
                .into_iter()
                .flatten()
                .map(|(name, container)| Container::of(&name, container, logs))
                .collect(),
            events: info
                .events
                .into_iter()
                .flatten()
                .map(|event| Event::of(event, now))
                .collect(),
            raw: None,
        }
    }

    /// There is more than the line that is always seen.
    fn has_more(&self) -> bool {
        !(self.facts.is_empty()
            && self.containers.is_empty()
            && self.events.is_empty()
            && self.raw.is_none())
    }
}

impl Container {
    fn of(name: &str, info: ContainerInfo, logs: Logs) -> Self {
        let most = match logs {
            Logs::Ends => LOG_IN_LISTS,
            Logs::Whole => usize::MAX,
        };
        let log = info.logs.filter(|log| !log.trim().is_empty());
        let (log, cut) = match log.map(|log| Shown::tail(log.trim_end(), most)) {
            Some((log, cut)) => (Some(log), cut),
            None => (None, false),
        };
        Self {
            name: Shown::line(name),
            exit: info.exit_code,
            reason: Shown::line(&info.reason.unwrap_or_default()),
            message: Shown::line(&info.message.unwrap_or_default()),
            log,
            cut,
        }
    }
}

impl Event {
    fn of(info: EventInfo, now: DateTime<Utc>) -> Self {
        Self {
            kind: Shown::line(&info.kind.unwrap_or_default()),
            reason: Shown::line(&info.reason.unwrap_or_default()),
            message: Shown::line(&info.message.unwrap_or_default()),
            count: info.count.unwrap_or(1),
            last: info.last_seen.map(|last| Moment::ago(last, now)),
        }
    }
}
