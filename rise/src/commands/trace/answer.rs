//! Showing the answer to people.

use std::io;

use rise_model::Time;
use serde::Deserialize;
use serde_json::Value;

use super::ask::Received;
use crate::cli::Trace;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::when;

/// What is shown of intake's answer.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    now: Time,
    verdict: Verdict,
    account: Account,
    events: Vec<Event>,
}

#[derive(Debug, Deserialize)]
struct Verdict {
    cause: String,
    headline: String,
    proof: Vec<Value>,
    answer: String,
    #[serde(default)]
    looked_at: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Account {
    as_of: Time,
    id: Option<i64>,
    kind: Option<String>,
    login: Option<String>,
    #[serde(default)]
    renames: Vec<Rename>,
    #[serde(default)]
    installations: std::collections::BTreeMap<String, Installation>,
}

#[derive(Debug, Deserialize)]
struct Rename {
    from: Option<String>,
    to: String,
    at: Time,
}

#[derive(Debug, Deserialize)]
struct Installation {
    id: i64,
    app: Option<i64>,
    standing: String,
    since: Time,
    selection: Option<String>,
    #[serde(default)]
    repositories: std::collections::BTreeMap<String, Presence>,
}

#[derive(Debug, Deserialize)]
struct Presence {
    full_name: String,
    selected: bool,
}

#[derive(Debug, Deserialize)]
struct Event {
    id: i64,
    received_at: Time,
    event: String,
    outcome: String,
    installation_id: Option<i64>,
    entity_name: Option<String>,
    repo_full_name: Option<String>,
    job_id: Option<String>,
    payload: Option<Value>,
}

impl Answer {
    pub(super) fn read(received: &Received) -> Result<Self, Failure> {
        serde_path_to_error::deserialize(&received.whole).map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("webhook intake's answer is not understood: {error}"),
            )
            .hint("this program and the service should be of the same version; --json shows it as it came")
        })
    }

    /// Verdict, proof, what to answer, the log, the state.
    pub(super) fn print(&self, output: &mut Output, trace: &Trace) -> io::Result<()> {
        output.heading(&sentence(&self.verdict.headline))?;
        output.line(format!("cause: {}", self.verdict.cause))?;
        if !self.verdict.proof.is_empty() {
            output.line("")?;
            output.heading("Proof")?;
            for proof in &self.verdict.proof {
                output.line(self.proven_by(proof))?;
            }
        }
        if !self.verdict.looked_at.is_empty() {
            output.line(format!(
                "looked at before, and found nothing: {}",
                self.verdict.looked_at.join(", ")
            ))?;
        }
        output.line("")?;
        output.heading("What to answer")?;
        output.line(&self.verdict.answer)?;
        output.line("")?;
        output.heading("Log")?;
        self.print_log(output)?;
        output.line("")?;
        self.print_state(output, trace)
    }

    fn proven_by(&self, proof: &Value) -> String {
        let named = |name: &str| proof.get(name);
        if let Some(id) = named("event").and_then(Value::as_i64) {
            let row = self.events.iter().find(|event| event.id == id);
            return match row {
                Some(row) => format!(
                    "  row {id} of the log: {} {} ({}), {}",
                    row.event,
                    row.outcome,
                    when::exact(row.received_at),
                    when::ago(row.received_at, self.now)
                ),
                None => format!("  row {id} of the log"),
            };
        }
        if let Some(id) = named("job").and_then(Value::as_i64) {
            return format!("  the row of job {id}");
        }
        if let Some(setting) = named("setting").and_then(Value::as_str) {
            return format!("  the setting {setting}");
        }
        if let Some(guid) = named("delivery").and_then(Value::as_str) {
            return format!("  the delivery {guid}, which did not arrive");
        }
        "  what the scheduler last wrote of itself".to_owned()
    }

    fn print_log(&self, output: &mut Output) -> io::Result<()> {
        if self.events.is_empty() {
            return output.line("nothing");
        }
        output.list(
            [
                "RECEIVED",
                "EVENT",
                "OUTCOME",
                "ACCOUNT",
                "REPOSITORY",
                "JOB",
                "INSTALLATION",
            ],
            &["INSTALLATION", "ACCOUNT"],
            self.events.iter().map(|event| {
                [
                    when::exact(event.received_at),
                    event.event.clone(),
                    event.outcome.clone(),
                    event.entity_name.clone().unwrap_or_default(),
                    event.repo_full_name.clone().unwrap_or_default(),
                    event.job_id.clone().unwrap_or_default(),
                    event
                        .installation_id
                        .map(|id| id.to_string())
                        .unwrap_or_default(),
                ]
            }),
        )?;
        for event in &self.events {
            if let Some(payload) = &event.payload {
                output.line(format!("payload of row {}: {payload}", event.id))?;
            }
        }
        Ok(())
    }

    fn print_state(&self, output: &mut Output, trace: &Trace) -> io::Result<()> {
        let account = &self.account;
        let as_of = match trace.at {
            Some(_) => format!("as of {}", when::exact(account.as_of)),
            None => "now".to_owned(),
        };
        let name = account.login.as_deref().unwrap_or("unknown account");
        let kind = account.kind.as_deref().unwrap_or("kind unknown");
        let id = account.id.map(|id| id.to_string()).unwrap_or_default();
        output.heading(&format!("{name} ({kind} {id}) {as_of}"))?;
        for rename in &account.renames {
            let from = rename.from.as_deref().unwrap_or("another name");
            output.line(format!(
                "  renamed from {from} to {} {}",
                rename.to,
                when::ago(rename.at, self.now)
            ))?;
        }
        if account.installations.is_empty() {
            return output.line("  no installation is known");
        }
        for installation in account.installations.values() {
            output.line(installation.told(self.now))?;
        }
        Ok(())
    }
}

impl Installation {
    fn told(&self, now: Time) -> String {
        let app = match self.app {
            Some(app) => format!(" of App {app}"),
            None => String::new(),
        };
        let repositories = match self.selection.as_deref() {
            Some("all") => "all repositories".to_owned(),
            _ => {
                let selected = self.repositories.values().filter(|it| it.selected);
                let names: Vec<&str> = selected.map(|it| it.full_name.as_str()).collect();
                match (names.is_empty(), self.selection.is_some()) {
                    (true, true) => "no repository that is known".to_owned(),
                    (true, false) => "repositories unknown".to_owned(),
                    (false, _) => names.join(", "),
                }
            }
        };
        format!(
            "  installation {}{app}: {} since {} ({}); {repositories}",
            self.id,
            self.standing,
            when::exact(self.since),
            when::ago(self.since, now)
        )
    }
}

/// With a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters
        .next()
        .map(|first| first.to_uppercase().to_string())
        .unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
