//! What is shown, as JSON for a file.

use serde_json::{Value, json};

use super::app::{App, Effect, View};
use super::ask::Story;
use super::grid::Id;
use super::snapshot::{List, Snapshot};

/// The effect that writes it.
pub(super) fn export(app: &App) -> Option<Effect> {
    let value = shown(app)?;
    let name = match (&app.detail, app.subject()) {
        (Some(_), Some(subject)) => super::detail::name(subject),
        _ => app.view.title().to_lowercase(),
    };
    let name: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .take(60)
        .collect();
    let time = app.now().format("%Y%m%dT%H%M%SZ");
    let json = serde_json::to_string_pretty(&value).ok()?;
    Some(Effect::Export {
        name: format!("rise-{name}-{time}.json"),
        json,
    })
}

fn shown(app: &App) -> Option<Value> {
    if let Some(detail) = &app.detail {
        return match detail.story.as_deref() {
            Some(Story::Job(story)) => serde_json::to_value(story).ok(),
            Some(Story::Worker(story)) => {
                let pod = detail.pod.as_ref().and_then(|pod| pod.as_ref().ok());
                Some(json!({"story": story, "pod": pod, "log": detail.log}))
            }
            None => row(app, &detail.subject),
        };
    }
    if app.view == View::Overview {
        return Some(view(app.snapshot()?, View::Overview));
    }
    let list = app.list()?;
    let rows = app.cursor(list).all(app.grid(list)?);
    Some(Value::Array(
        rows.filter_map(|shown| row(app, &shown.id)).collect(),
    ))
}

fn row(app: &App, id: &Id) -> Option<Value> {
    let snapshot = app.snapshot()?;
    match id {
        Id::Worker(name) => serde_json::to_value(snapshot.worker(name)?).ok(),
        Id::Job(id) => serde_json::to_value(snapshot.job(*id)?).ok(),
        Id::Failure(key) => serde_json::to_value(snapshot.failure(key)?).ok(),
        Id::Event(id) => serde_json::to_value(app.traced.as_ref()?.event(*id)?).ok(),
        Id::Board(name) => board(snapshot, name),
        Id::Demand(_) => cells(app, List::Demand, id),
    }
}

fn board(snapshot: &Snapshot, name: &str) -> Option<Value> {
    let board = snapshot.board(name)?;
    Some(json!({
        "board": board.name, "pool": board.pool, "state": board.state, "worker": board.worker, "job": board.job,
    }))
}

/// A row as its columns say it.
fn cells(app: &App, list: List, id: &Id) -> Option<Value> {
    let grid = app.grid(list)?;
    let row = grid.rows.iter().find(|row| row.id == *id)?;
    let named = grid.columns.iter().zip(&row.cells);
    Some(
        named
            .map(|(column, cell)| {
                (
                    column.name.to_lowercase(),
                    Value::String(cell.shown(app.now())),
                )
            })
            .collect(),
    )
}

/// A whole view.
pub(super) fn view(snapshot: &Snapshot, view: View) -> Value {
    let live = &snapshot.live;
    match view {
        View::Overview => json!({
            "unhealthy": snapshot.unhealthy,
            "pools": snapshot.pools,
            "hour": snapshot.hour,
            "overview": live.overview,
        }),
        View::Pools => json!({
            "pools": snapshot.pools,
            "boards": live.overview.scheduler.as_ref().and_then(|row| row.state.get("boards")),
            "demand": demand(snapshot),
        }),
        View::Workers => json!({"now": live.overview.now, "rows": live.workers}),
        View::Jobs => json!({"now": live.overview.now, "rows": live.jobs}),
        View::Failures => json!({"now": live.overview.now, "rows": live.failures}),
        View::Trace => Value::Null,
    }
}

fn demand(snapshot: &Snapshot) -> Value {
    let Some(grid) = snapshot.grid(List::Demand) else {
        return Value::Null;
    };
    let row = |row: &super::grid::Row| -> Value {
        let named = grid.columns.iter().zip(&row.cells);
        named
            .map(|(column, cell)| {
                (
                    column.name.to_lowercase(),
                    Value::String(cell.shown(snapshot.now())),
                )
            })
            .collect()
    };
    grid.rows.iter().map(row).collect()
}
