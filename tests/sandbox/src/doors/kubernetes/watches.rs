//! Watches: changes as they happen, one JSON document a line, until the client or the time-out ends it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::answers::number;
use super::reply::Form;
use super::request::Query;
use crate::doors::SharedWorld;
use crate::world::World;
use crate::world::cluster::{ApiError, Change, ChangeType, Kind, Selection};

/// How long a watch lives whose client named no time-out; a real server takes between this and twice this.
const DEFAULT_LIFE: Duration = Duration::from_secs(1800);
/// How often a client that allows bookmarks gets one.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// Begins a watch.
///
/// # Errors
/// 400 for a version or a combination of parameters that means nothing.
pub(super) fn watch(
    world: &SharedWorld,
    kind: Kind,
    selection: Selection,
    form: Form,
    query: &Query,
) -> Result<Response, ApiError> {
    let asked = number(query, "resourceVersion")?.unwrap_or_default();
    let life = number(query, "timeoutSeconds")?.filter(|seconds| *seconds > 0);
    let bookmarks = query.is_true("allowWatchBookmarks");
    let as_list = query.is_true("sendInitialEvents");
    if as_list && (query.get("resourceVersionMatch") != "NotOlderThan" || !bookmarks) {
        let message = "sendInitialEvents requires resourceVersionMatch=NotOlderThan and allowWatchBookmarks=true";
        return Err(ApiError::bad_request(message));
    }
    let changes = world.changes();
    let begin = Instant::now();
    let mut open = Watch {
        world: world.clone(),
        changes,
        kind,
        selection,
        form,
        version: asked,
        epoch: world.read(|world| world.cluster.watch_weather().epoch),
        bookmarks,
        next_bookmark: begin + BOOKMARK_EVERY,
        end: begin + life.map_or(DEFAULT_LIFE, Duration::from_secs),
        lines: VecDeque::new(),
        over: false,
    };
    if as_list || asked == 0 {
        open.tell_what_is(as_list);
    }
    let body = Body::from_stream(stream::unfold(open, |mut watch| async move {
        let line = watch.next_line().await?;
        Some((Ok::<_, Infallible>(line), watch))
    }));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

struct Watch {
    world: SharedWorld,
    changes: watch::Receiver<u64>,
    kind: Kind,
    selection: Selection,
    form: Form,
    /// The last version told.
    version: u64,
    epoch: u64,
    bookmarks: bool,
    next_bookmark: Instant,
    end: Instant,
    lines: VecDeque<Bytes>,
    over: bool,
}

impl Watch {
    /// The objects of now as additions, and if it stands for a list, a bookmark that says that these are all.
    fn tell_what_is(&mut self, as_list: bool) {
        let world = self.world.clone();
        world.read(|world| {
            for object in world.cluster.list(self.kind, &self.selection) {
                self.tell("ADDED", &object, world);
            }
            self.version = world.cluster.version();
            if as_list {
                self.bookmark(true);
            }
        });
    }

    async fn next_line(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            if self.over {
                return None;
            }
            self.changes.mark_unchanged();
            self.catch_up();
            if !self.lines.is_empty() || self.over {
                continue;
            }
            let alarm = if self.bookmarks {
                self.end.min(self.next_bookmark)
            } else {
                self.end
            };
            tokio::select! {
                changed = self.changes.changed() => self.over = changed.is_err(),
                () = tokio::time::sleep_until(alarm) => self.time_passed(),
            }
        }
    }

    fn time_passed(&mut self) {
        let now = Instant::now();
        self.over = now >= self.end;
        self.next_bookmark = now + BOOKMARK_EVERY;
        let silent = self
            .world
            .read(|world| world.cluster.watch_weather().silent);
        if self.bookmarks && !silent {
            self.bookmark(false);
        }
    }

    fn bookmark(&mut self, ends_the_list: bool) {
        let mut metadata =
            json!({"resourceVersion": self.version.to_string(), "creationTimestamp": null});
        if ends_the_list {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = json!({"kind": self.kind.name(), "apiVersion": "v1", "metadata": metadata});
        self.line("BOOKMARK", object);
    }

    fn catch_up(&mut self) {
        let world = self.world.clone();
        world.read(|world| {
            let weather = world.cluster.watch_weather();
            if weather.epoch != self.epoch {
                self.over = true;
                return;
            }
            if weather.silent {
                return;
            }
            match world.cluster.changes_after(self.version) {
                Ok(changes) => {
                    let kind = self.kind;
                    for change in changes.filter(|change| change.kind == kind) {
                        self.tell_change(change, world);
                    }
                    self.version = self.version.max(world.cluster.version());
                }
                Err(expired) => {
                    self.line("ERROR", ApiError::from(expired).status());
                    self.over = true;
                }
            }
        });
    }

    /// A change as the selection sees it: an object that begins to match is new, one that ceases to is gone.
    fn tell_change(&mut self, change: &Change, world: &World) {
        let was = change
            .before
            .as_ref()
            .filter(|before| self.selection.admits(before));
        let is = change.what != ChangeType::Deleted && self.selection.admits(&change.object);
        match (was, is) {
            (None, true) => self.tell("ADDED", &change.object, world),
            (Some(_), true) => self.tell("MODIFIED", &change.object, world),
            (Some(before), false) => {
                let mut last = Value::clone(before);
                last["metadata"]["resourceVersion"] = json!(change.version.to_string());
                self.tell("DELETED", &last, world);
            }
            (None, false) => {}
        }
    }

    fn tell(&mut self, what: &str, object: &Value, world: &World) {
        let object = self.form.object(self.kind, object, world.now());
        self.line(what, object);
    }

    fn line(&mut self, what: &str, object: Value) {
        let mut line = json!({"type": what, "object": object}).to_string();
        line.push('\n');
        self.lines.push_back(Bytes::from(line));
    }
}
