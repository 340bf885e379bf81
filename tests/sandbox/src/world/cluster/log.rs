//! A container's log, line by line with the time of each, and the part of it that a reader asks for.

use chrono::SecondsFormat;

use super::Cluster;
use super::error::{ApiError, Reason};
use super::pod::Container;
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
        let names: Vec<&str> = pod
            .containers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        let asked = match (container, names.as_slice()) {
            (Some(asked), names) if names.contains(&asked) => asked,
            (Some(asked), _) => {
                return Err(ApiError::bad_request(format!(
                    "container {asked} is not valid for pod {name}"
                )));
            }
            (None, [only]) => only,
            (None, several) => {
                let message = format!(
                    "a container name must be specified for pod {name}, choose one of: [{}]",
                    several.join(" ")
                );
                return Err(ApiError::bad_request(message));
            }
        };
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
        match &pod.container {
            Container::Running { .. } | Container::Ended { .. } => {}
            Container::Unseen | Container::Waiting { .. } => {
                let reason = match &pod.container {
                    Container::Waiting { reason, .. } => reason,
                    _ => "ContainerCreating",
                };
                let why = match reason {
                    "ContainerCreating" => "waiting to start: ContainerCreating".to_owned(),
                    other => format!(
                        "waiting to start: trying and failing to start the container: {other}"
                    ),
                };
                return Err(ApiError::bad_request(format!(
                    "container \"{asked}\" in pod \"{name}\" is {why}"
                )));
            }
        }
        Ok(LogView {
            uid: &pod.uid,
            lines: pod.log.from(from),
            written: pod.log.written(),
            open: pod.runs(),
        })
    }
}
