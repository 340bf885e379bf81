//! What is set, by whom, why, until when.

use rise_model::Time;
use rise_model::settings::{Scope, Setting};
use serde::Serialize;
use services::store::Store;

use super::subject::words;
use crate::block_on;
use crate::cli::Settings;
use crate::commands::Context;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Format, Output};
use crate::when::{self, Times};

/// Lines of the history, at most.
const HISTORY: u32 = 500;

/// A setting with the name of what it is about.
#[derive(Debug, Clone, Serialize)]
pub(in crate::commands) struct Line {
    /// How that is called, where it has only an id.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    key: &'static str,
    #[serde(flatten)]
    setting: Setting,
    in_force: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    now: Time,
    settings: &'a [Line],
}

/// Lists them.
pub(super) fn run(context: &Context, command: Settings) -> Outcome {
    let database = context.configuration()?.database(&context.variables)?;
    let (now, found) = block_on(async {
        let store = database.store()?;
        let (now, settings) = if command.all {
            store.read_all_settings(HISTORY).await?
        } else {
            let (now, settings) = store.read_settings().await?;
            let in_force = settings.into_iter().filter(|set| set.is_in_force(now));
            (now, in_force.collect())
        };
        let lines = lines(&store, settings, now).await?;
        store.close().await;
        Ok((now, lines))
    })?;
    let mut output = Output::stdout();
    match command.show.format() {
        Format::Json => output.json(&Report {
            now,
            settings: &found,
        })?,
        Format::Text if found.is_empty() => {
            output::warning("nothing is set; what the configuration says is in force");
        }
        Format::Text => {
            let times = command.times();
            output.list(
                ["WHAT", "KEY", "VALUE", "BY", "SET", "UNTIL", "REASON"],
                &["SET"],
                found.iter().map(|line| line.cells(times, now)),
            )?;
        }
    }
    Ok(Exit::Done)
}

/// Settings with names.
pub(in crate::commands) async fn lines(
    store: &Store,
    settings: Vec<Setting>,
    now: Time,
) -> Result<Vec<Line>, Failure> {
    let scopes: Vec<&Scope> = settings.iter().map(|setting| &setting.scope).collect();
    let names = store.names_of(&scopes).await?;
    let line = |setting: Setting| Line {
        name: names.of(&setting.scope).map(str::to_owned),
        key: setting.value.key().as_str(),
        in_force: setting.is_in_force(now),
        setting,
    };
    Ok(settings.into_iter().map(line).collect())
}

impl Line {
    /// What it is about, key, value, who, when, until when, why.
    pub(in crate::commands) fn cells(&self, times: Times, now: Time) -> [String; 7] {
        let setting = &self.setting;
        let until = match (setting.ended_at, setting.until) {
            (Some(ended), _) => format!("ended {}", times.show(ended, now)),
            (None, Some(until)) => when::end(until, now, times),
            (None, None) => "unset".to_owned(),
        };
        [
            words(&setting.scope, self.name.as_deref()),
            self.key.to_owned(),
            setting.value.to_string(),
            setting.author.clone(),
            times.show(setting.set_at, now),
            until,
            setting.reason.clone(),
        ]
    }
}
