//! Logs: what a container wrote, whole or its end, at once or as it is written.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::response::Response;
use chrono::TimeDelta;
use futures::stream;
use tokio::sync::watch;

use super::answers::number;
use super::reply;
use super::request::Query;
use crate::doors::SharedWorld;
use crate::world::Time;
use crate::world::cluster::{ApiError, LogLine};

/// Answers a request for a log.
///
/// # Errors
/// As the API server refuses it, or 400 for parameters that mean nothing.
pub(super) fn log(
    world: &SharedWorld,
    namespace: &str,
    name: &str,
    query: &Query,
) -> Result<Response, ApiError> {
    let container = Some(query.get("container"))
        .filter(|name| !name.is_empty())
        .map(str::to_owned);
    if query.is_true("previous") {
        let container = container.unwrap_or_default();
        let message =
            format!("previous terminated container \"{container}\" in pod \"{name}\" not found");
        return Err(ApiError::bad_request(message));
    }
    let changes = world.changes();
    let mut reader = Reader {
        world: world.clone(),
        changes,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        container,
        uid: String::new(),
        timestamps: query.is_true("timestamps"),
        left: number(query, "limitBytes")?,
        since: since(world, query)?,
        next: 0,
        open: true,
    };
    let first = reader.begin(number(query, "tailLines")?)?;
    if !query.is_true("follow") {
        return Ok(reply::text(Body::from(first)));
    }
    let first = Some(first).filter(|first| !first.is_empty());
    let body = Body::from_stream(stream::unfold(
        (reader, first),
        |(mut reader, first)| async move {
            let chunk = match first {
                Some(first) => first,
                None => reader.more().await?,
            };
            Some((Ok::<_, Infallible>(Bytes::from(chunk)), (reader, None)))
        },
    ));
    Ok(reply::text(body))
}

/// The time before which lines are left out.
fn since(world: &SharedWorld, query: &Query) -> Result<Option<Time>, ApiError> {
    if let Some(seconds) = number(query, "sinceSeconds")? {
        let seconds = TimeDelta::try_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
            .unwrap_or(TimeDelta::MAX);
        return Ok(world.read(|world| world.now().checked_sub_signed(seconds)));
    }
    match query.get("sinceTime") {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| ApiError::bad_request(format!("sinceTime {text:?} is no time"))),
    }
}

struct Reader {
    world: SharedWorld,
    changes: watch::Receiver<u64>,
    namespace: String,
    name: String,
    container: Option<String>,
    /// The pod that is read; another one of the same name is not.
    uid: String,
    timestamps: bool,
    /// How many bytes the reader still wants.
    left: Option<u64>,
    since: Option<Time>,
    /// The line to go on from.
    next: usize,
    open: bool,
}

impl Reader {
    fn begin(&mut self, tail: Option<u64>) -> Result<String, ApiError> {
        let world = self.world.clone();
        world.read(|world| {
            let view =
                world
                    .cluster
                    .pod_log(&self.namespace, &self.name, self.container.as_deref(), 0)?;
            self.uid = view.uid.to_owned();
            self.open = view.open;
            self.next = view.written;
            let skip = tail.map_or(0, |tail| {
                view.lines
                    .len()
                    .saturating_sub(usize::try_from(tail).unwrap_or(usize::MAX))
            });
            Ok(self.render(&view.lines[skip..]))
        })
    }

    /// The next lines, once there are some.
    async fn more(&mut self) -> Option<String> {
        loop {
            self.changes.mark_unchanged();
            let chunk = if self.open {
                self.read_on()
            } else {
                String::new()
            };
            if !chunk.is_empty() {
                return Some(chunk);
            }
            if !self.open || self.left == Some(0) {
                return None;
            }
            self.changes.changed().await.ok()?;
        }
    }

    fn read_on(&mut self) -> String {
        let world = self.world.clone();
        world.read(|world| {
            let view = world.cluster.pod_log(
                &self.namespace,
                &self.name,
                self.container.as_deref(),
                self.next,
            );
            // A pod that is gone, or a board that is, ends the log where it stands.
            let Some(view) = view.ok().filter(|view| view.uid == self.uid) else {
                self.open = false;
                return String::new();
            };
            self.open = view.open;
            self.next = view.written;
            self.render(view.lines)
        })
    }

    fn render(&mut self, lines: &[LogLine]) -> String {
        let wanted = lines
            .iter()
            .filter(|line| self.since.is_none_or(|since| line.at >= since));
        let mut text: String = wanted.map(|line| line.render(self.timestamps)).collect();
        if let Some(left) = &mut self.left {
            let mut end = usize::try_from(*left).unwrap_or(usize::MAX).min(text.len());
            // Never half a character: what is handed on is text.
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            // What was cut off ends it; else there is as much left as was not used.
            *left = if end < text.len() {
                0
            } else {
                left.saturating_sub(text.len() as u64)
            };
            text.truncate(end);
        }
        text
    }
}
