//! `rise board …`: what each board does, as the leading scheduler last told it, and keeping one from getting pods.

use std::collections::BTreeMap;

use rise_model::Time;
use rise_model::settings::{Scope, ScopeKind, Setting, SettingKey, SettingValue};
use serde::{Deserialize, Serialize};
use services::store::operator::BoardOutcomes;

use super::Context;
use super::settings::Request;
use crate::block_on;
use crate::cli::{Board, Named, Quarantine, Release, Show};
use crate::exit::{Exit, Outcome};
use crate::output::{self, Format, Output};
use crate::when;

/// Does one of them.
pub(super) fn run(context: &Context, board: Board) -> Outcome {
    match board {
        Board::List(show) => list(context, show),
        Board::Quarantine(Quarantine {
            board,
            why,
            until,
            show,
        }) => {
            let request = Request {
                named: &named(board),
                key: SettingKey::Quarantine,
                value: Some(SettingValue::Quarantine),
                until: until.until,
                reason: &why.reason,
                show,
            };
            request.run(context)
        }
        Board::Release(Release { board, why, show }) => {
            let request = Request {
                named: &named(board),
                key: SettingKey::Quarantine,
                value: None,
                until: None,
                reason: &why.reason,
                show,
            };
            request.run(context)
        }
    }
}

fn named(board: String) -> Named {
    Named {
        kind: ScopeKind::Board,
        name: board,
    }
}

/// A board as the scheduler tells it. Another version may say more or less.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Told {
    name: String,
    pool: String,
    state: String,
    #[serde(default)]
    worker: Option<String>,
    #[serde(default)]
    job: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Line {
    #[serde(flatten)]
    told: Told,
    /// Why it gets no pods, if somebody said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantine: Option<Setting>,
    /// How the workers of the last day ended on it.
    last_day: BoardOutcomes,
}

#[derive(Serialize)]
struct Report<'a> {
    now: Time,
    /// When the scheduler told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    told_at: Option<Time>,
    boards: &'a [Line],
}

fn list(context: &Context, show: Show) -> Outcome {
    let database = context.configuration()?.database(&context.variables)?;
    let (overview, settings, outcomes) = block_on(async {
        let store = database.store()?;
        let overview = store.overview().await?;
        let (_, settings) = store.read_settings().await?;
        let outcomes = store.board_outcomes().await?;
        store.close().await;
        Ok((overview, settings, outcomes))
    })?;
    let now = overview.now;
    let told_at = overview.scheduler.as_ref().map(|row| row.at);
    let state = overview.scheduler.map(|row| row.state).unwrap_or_default();
    let told = state.get("boards").and_then(serde_json::Value::as_array);
    let told = told.into_iter().flatten();
    let told = told.filter_map(|board| Told::deserialize(board).ok());
    let quarantines = quarantines(&settings, now);
    let mut lines: Vec<Line> = told
        .map(|told| Line {
            quarantine: quarantines
                .get(told.name.as_str())
                .map(|set| (*set).clone()),
            last_day: outcomes.get(&told.name).cloned().unwrap_or_default(),
            told,
        })
        .collect();
    lines.sort_by(|a, b| (&a.told.pool, &a.told.name).cmp(&(&b.told.pool, &b.told.name)));
    let mut output = Output::stdout();
    match show.format() {
        Format::Json => output.json(&Report {
            now,
            told_at,
            boards: &lines,
        })?,
        Format::Text => {
            output.list(
                ["BOARD", "POOL", "STATE", "WORKER", "JOB", "LAST DAY", "WHY"],
                &["POOL", "WORKER"],
                lines.iter().map(Line::cells),
            )?;
            match told_at {
                None => output::warning("no scheduler has led yet, so that no board is known"),
                Some(at) if now - at > chrono::TimeDelta::seconds(60) => output::warning(&format!(
                    "the scheduler is silent since {}: this is what it told then",
                    when::ago(at, now)
                )),
                Some(_) => {}
            }
        }
    }
    Ok(Exit::Done)
}

fn quarantines(settings: &[Setting], now: Time) -> BTreeMap<&str, &Setting> {
    let in_force = settings.iter().filter(|setting| setting.is_in_force(now));
    let of_boards = in_force.filter_map(|setting| match &setting.scope {
        Scope::Board(name) if setting.value == SettingValue::Quarantine => {
            Some((name.as_str(), setting))
        }
        Scope::Board(_)
        | Scope::Global
        | Scope::Pool(_)
        | Scope::Entity(_)
        | Scope::Sender(_)
        | Scope::Image(_)
        | Scope::Repo(_) => None,
    });
    of_boards.collect()
}

impl Line {
    fn cells(&self) -> [String; 7] {
        let why = self
            .quarantine
            .as_ref()
            .map(|set| format!("{} ({})", set.reason, set.author));
        [
            self.told.name.clone(),
            self.told.pool.clone(),
            self.told.state.clone(),
            self.told.worker.clone().unwrap_or_default(),
            self.told.job.map(|job| job.to_string()).unwrap_or_default(),
            self.last_day.to_string(),
            why.unwrap_or_default(),
        ]
    }
}
