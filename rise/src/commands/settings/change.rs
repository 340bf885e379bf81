//! Making a change, and telling what is in force now.

use std::time::Duration;

use rise_model::Time;
use rise_model::settings::{Scope, Setting, SettingKey};
use rise_model::state::StateReport;
use serde::{Deserialize, Serialize};
use services::store::Store;
use services::store::settings::{Change, ChangeOutcome, Changed};
use tokio::time::{Instant, sleep};

use super::Request;
use super::subject::{self, Subject};
use crate::block_on;
use crate::commands::{Context, operator};
use crate::config::Configuration;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Format, Output};
use crate::when;

/// The scheduler goes by a change within a second, and tells it a second later at most.
const SEEN_WITHIN: Duration = Duration::from_secs(3);
/// Between two looks at what it tells.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What came of it, for programs.
#[derive(Serialize)]
struct Report<'a> {
    scope: &'a Scope,
    name: Option<&'a str>,
    key: &'static str,
    before: Option<&'a Setting>,
    after: Option<&'a Setting>,
    /// Since when the scheduler goes by it, as far as could be seen.
    scheduler_since: Option<Time>,
}

/// Makes the change.
pub(super) fn run(context: &Context, request: &Request<'_>) -> Outcome {
    let configuration = context.configuration()?;
    let database = configuration.database(&context.variables)?;
    let author = operator::name(&context.variables)?;
    let (subject, outcome, seen) = block_on(async {
        let store = database.store()?;
        let subject = subject::find(&store, &configuration, request.named).await?;
        let change = Change {
            scope: &subject.scope,
            name: subject.name.as_deref(),
            key: request.key,
            value: request.value,
            until: request.until,
            author: &author,
            reason: request.reason,
        };
        let outcome = store.change_setting(&change).await?;
        let seen = match &outcome {
            ChangeOutcome::Done(changed) => seen(&store, &subject.scope, request, changed).await?,
            ChangeOutcome::OverAlready(_) | ChangeOutcome::NothingSet => Seen::Nobody,
        };
        store.close().await;
        Ok((subject, outcome, seen))
    })?;
    let changed = match outcome {
        ChangeOutcome::Done(changed) => Some(changed),
        ChangeOutcome::NothingSet => None,
        ChangeOutcome::OverAlready(now) => {
            let text = format!("--until is not after now, which is {}", when::exact(now));
            let hint = "write how long, as in 2h, or a moment to come";
            return Err(Failure::new(Exit::Usage, text).hint(hint));
        }
    };
    let mut output = Output::stdout();
    match request.show.format() {
        Format::Json => output.json(&Report {
            scope: &subject.scope,
            name: subject.name.as_deref(),
            key: request.key.as_str(),
            before: changed.as_ref().and_then(|changed| changed.before.as_ref()),
            after: changed.as_ref().and_then(|changed| changed.after.as_ref()),
            scheduler_since: match seen {
                Seen::Since(time) => Some(time),
                Seen::NotYet | Seen::Nobody => None,
            },
        })?,
        Format::Text => {
            let Some(changed) = changed else {
                let words = subject.words();
                output.line(format!("{words}: no {} was set", request.key))?;
                return Ok(Exit::Done);
            };
            output.line(told(&subject, request.key, &changed, &configuration))?;
            output.line(match seen {
                Seen::Since(time) => {
                    format!("the scheduler goes by it since {}", when::exact(time))
                }
                Seen::NotYet => "the scheduler has not said yet that it goes by it; `rise status` tells how it is".to_owned(),
                Seen::Nobody => "no scheduler leads now; the next one goes by it".to_owned(),
            })?;
        }
    }
    Ok(Exit::Done)
}

/// `entity ggml-org (134263123): cap is 30 until … (was 20); by ada: release`.
fn told(
    subject: &Subject,
    key: SettingKey,
    changed: &Changed,
    configuration: &Configuration,
) -> String {
    let was = changed
        .before
        .as_ref()
        .map(|before| before.value.to_string());
    match &changed.after {
        Some(setting) => {
            let until = setting.until.map(|until| {
                let left = when::length(changed.now, until);
                format!(" until {} ({left})", when::exact(until))
            });
            let was = was.or_else(|| below(&subject.scope, key, configuration));
            let was = was
                .filter(|was| *was != setting.value.to_string())
                .map(|was| format!(", was {was}"));
            format!(
                "{}: {key} is {}{}{}; {}: {}",
                subject.words(),
                setting.value,
                until.unwrap_or_default(),
                was.unwrap_or_default(),
                setting.author,
                setting.reason
            )
        }
        None => {
            let now = below(&subject.scope, key, configuration);
            let now = now.map(|now| format!("; the configuration's is in force: {now}"));
            format!(
                "{}: {key} is no longer {}{}",
                subject.words(),
                was.unwrap_or_default(),
                now.unwrap_or_default()
            )
        }
    }
}

/// What stands below a setting: the configuration's value, where it has one.
fn below(scope: &Scope, key: SettingKey, configuration: &Configuration) -> Option<String> {
    let caps = &configuration.file.caps;
    match (key, scope) {
        (SettingKey::Cap, Scope::Entity(id)) => {
            // Without one of its own, everybody's is in force, which may be set too.
            caps.listed(*id).map(|cap| cap.to_string())
        }
        (SettingKey::Cap, Scope::Global) => Some(caps.default_max_workers.to_string()),
        (SettingKey::Weight, _) => Some("1".to_owned()),
        (SettingKey::Reserved, _) => Some("0".to_owned()),
        (
            SettingKey::Cap
            | SettingKey::Ban
            | SettingKey::Pause
            | SettingKey::Quarantine
            | SettingKey::Staging,
            _,
        ) => None,
    }
}

/// Whether the scheduler goes by a change.
enum Seen {
    /// Since then.
    Since(Time),
    /// It leads, and has not said so.
    NotYet,
    /// None leads.
    Nobody,
}

/// Waits a little for the scheduler to tell it.
async fn seen(
    store: &Store,
    scope: &Scope,
    request: &Request<'_>,
    changed: &Changed,
) -> Result<Seen, Failure> {
    let began = Instant::now();
    loop {
        let overview = store.overview().await?;
        let silent = overview
            .scheduler
            .as_ref()
            .is_none_or(|row| overview.now - row.at > chrono::TimeDelta::seconds(60));
        if silent {
            return Ok(Seen::Nobody);
        }
        let state = overview.scheduler.map(|row| row.state).unwrap_or_default();
        if let Ok(report) = StateReport::deserialize(&state) {
            let mut told = report.settings.in_force.iter();
            let told = told
                .find(|told| told.scope == scope.to_string() && told.key == request.key.as_str());
            let agrees = match (&changed.after, told) {
                (None, None) => true,
                (Some(setting), Some(told)) => told.set_at == setting.set_at,
                (None, Some(_)) | (Some(_), None) => false,
            };
            if let (true, Some(since)) = (agrees, report.settings.since) {
                return Ok(Seen::Since(since));
            }
        }
        if began.elapsed() > SEEN_WITHIN {
            return Ok(Seen::NotYet);
        }
        sleep(LOOK_EVERY).await;
    }
}
