//! A container's log, line by line with the time of each, and the part of it that a reader asks for.

use chrono::SecondsFormat;

use super::Cluster;
use super::error::{ApiError, Reason};
use super::pod::{Container, Pod};
use super::store::{Key, Kind};
use crate::world::Time;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: Time,
    /// What was written, without the line's end.
    pub text: String,
}

impl LogLine {
    /// The line as the kubelet gives it out.
    #[must_use]
    pub fn render(&self, timestamps: bool) -> String {
        if timestamps {
            let at = self.at.to_rfc3339_opts(SecondsFormat::Nanos, true);
            format!("{at} {}\n", self.text)
        } else {
            format!("{}\n", self.text)
        }
    }
}

/// A container's log.
#[derive(Debug, Default)]
pub(super) struct Log {
    lines: Vec<LogLine>,
    /// How many lines rotation took from the beginning.
    rotated: usize,
}

impl Log {
    pub(super) fn write(&mut self, at: Time, text: impl Into<String>) {
        self.lines.push(LogLine {
            at,
            text: text.into(),
        });
    }

    /// The lines from the `from`th on, counted over the container's whole life.
    pub(super) fn from(&self, from: usize) -> &[LogLine] {
        let from = from.saturating_sub(self.rotated).min(self.lines.len());
        &self.lines[from..]
    }

    /// How many lines were ever written.
    pub(super) fn written(&self) -> usize {
        self.rotated + self.lines.len()
    }

    /// Takes all but the last `keep` lines away, as rotation does.
    pub(super) fn rotate(&mut self, keep: usize) {
        let gone = self.lines.len().saturating_sub(keep);
        self.lines.drain(..gone);
        self.rotated += gone;
    }
}

/// A container's log from some line on.
#[derive(Debug, Clone, Copy)]
pub struct LogView<'a> {
    /// The pod's uid.
    pub uid: &'a str,
    /// The lines.
    pub lines: &'a [LogLine],
    /// How many lines were ever written; where to go on from.
    pub written: usize,
    /// Whether more may come.
    pub open: bool,
}

impl Cluster {
    /// A container's log from line `from` on, counted over the container's life.
    ///
    /// # Errors
    /// 400 for an unknown or waiting container, 404, 500 when the board cannot be reached.
    pub fn pod_log(
        &self,
        namespace: &str,
        name: &str,
        container: Option<&str>,
        from: usize,
    ) -> Result<LogView<'_>, ApiError> {
        let id = self.names.get(&Key::new(namespace, name));
        let pod = id
            .and_then(|id| self.pods.get(id))
            .ok_or_else(|| ApiError::not_found(Kind::Pod, name))?;
        let asked = choose(pod, container)?;
        let Some(node) = pod.node() else {
            return Ok(LogView {
                uid: &pod.uid,
                lines: &[],
                written: 0,
                open: false,
            });
        };
        if self.is_away(node) || !self.boards.contains_key(node) {
            let address = self.boards.get(node).map_or("", |board| &board.address);
            return Err(ApiError::new(
                Reason::None,
                format!(
                    "Get \"https://{address}:10250/containerLogs/{namespace}/{name}/{asked}\": dial tcp {address}:10250: \
                     connect: no route to host"
                ),
            ));
        }
        check_started(pod, asked)?;
        Ok(LogView {
            uid: &pod.uid,
            lines: pod.log.from(from),
            written: pod.log.written(),
            open: pod.runs(),
        })
    }
}

/// The container that is meant.
fn choose<'a>(pod: &'a Pod, container: Option<&str>) -> Result<&'a str, ApiError> {
    let names: Vec<&str> = pod
        .containers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let pod = &pod.key.name;
    match (container, names.as_slice()) {
        (Some(asked), names) => names
            .iter()
            .copied()
            .find(|name| *name == asked)
            .ok_or_else(|| {
                ApiError::bad_request(format!("container {asked} is not valid for pod {pod}"))
            }),
        (None, [only]) => Ok(only),
        (None, several) => Err(ApiError::bad_request(format!(
            "a container name must be specified for pod {pod}, choose one of: [{}]",
            several.join(" ")
        ))),
    }
}

fn check_started(pod: &Pod, container: &str) -> Result<(), ApiError> {
    let why = match &pod.container {
        Container::Running { .. } | Container::Ended { .. } => return Ok(()),
        Container::Unseen => "ContainerCreating".to_owned(),
        Container::Waiting {
            reason: "ContainerCreating",
            ..
        } => "ContainerCreating".to_owned(),
        Container::Waiting { reason, .. } => {
            format!("trying and failing to start the container: {reason}")
        }
    };
    // A pod that never came to a container has no log and never will.
    if pod.phase.is_terminal() {
        return Ok(());
    }
    let pod = &pod.key.name;
    Err(ApiError::bad_request(format!(
        "container \"{container}\" in pod \"{pod}\" is waiting to start: {why}"
    )))
}
