//! What happened, line by line; kept only when somebody reads it.

use std::fmt::Write;

use chrono::TimeDelta;
use rise_model::effects::{Effect, Outcome};

#[derive(Debug, Default)]
pub(crate) struct Trace {
    text: Option<String>,
}

impl Trace {
    pub(crate) fn kept() -> Self {
        Self {
            text: Some(String::new()),
        }
    }

    pub(crate) fn note(&mut self, since: TimeDelta, line: impl FnOnce() -> String) {
        if let Some(text) = &mut self.text {
            let millis = since.num_milliseconds();
            let (seconds, millis) = (millis / 1000, millis % 1000);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{seconds:>5}.{millis:03} {}", line());
        }
    }

    pub(crate) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }
}

/// An effect in a few words.
pub(crate) fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Reserve { asks, known } => {
            let keys: Vec<String> = asks.iter().map(|a| a.demand.key().to_string()).collect();
            format!("reserve {keys:?} knowing {}", known.len())
        }
        Effect::EnsureRunnerGroup { demand } => format!("runner group of {}", demand.entity_name),
        Effect::CreateJitConfig { worker, .. } => format!("JIT config {worker}"),
        Effect::FindRunner { worker, .. } => format!("find runner {worker}"),
        Effect::DeleteRunner { worker, runner, .. } => format!("delete runner {runner} {worker}"),
        Effect::ListRunners { demand, .. } => format!("list runners of {}", demand.scope_name()),
        Effect::GetJob { job, .. } => format!("get job {job}"),
        Effect::AskInstallation { demand, by } => {
            format!("ask installation of {} by {by:?}", demand.entity_name)
        }
        Effect::MoveInstallation { entity, from, to } => {
            format!("move {entity} from installation {from} to {to}")
        }
        Effect::ReadInstallationLog { demand } => {
            format!("read log of installation {}", demand.installation)
        }
        Effect::LogAuthAttempt { attempt } => {
            format!("log auth attempt {} × {}", attempt.status, attempt.count)
        }
        Effect::GetRun { run, .. } => format!("get run {run}"),
        Effect::RecordJob { job, change } => format!("record job {job}: {change:?}"),
        Effect::KillPod { worker } => format!("kill pod {worker}"),
        Effect::CreatePod { worker, .. } => format!("create pod {}", worker.name),
        Effect::GetPod { worker } => format!("get pod {worker}"),
        Effect::DeletePod { worker, .. } => format!("delete pod {worker}"),
        Effect::ReadLog { worker } => format!("read log {worker}"),
        Effect::Diagnose { worker } => format!("diagnose {worker}"),
        Effect::RecordDiagnostics { worker, .. } => format!("record diagnostics {worker}"),
        Effect::RecordPod { worker, runner, .. } => format!("record pod {worker} {runner:?}"),
        Effect::MarkRunning { worker, .. } => format!("mark running {worker}"),
        Effect::MarkFinished { worker, finish } => match &finish.failure {
            Some((reason, message)) => {
                format!("mark failed {worker}: {} ({message})", reason.as_str())
            }
            None => format!("mark completed {worker}"),
        },
        Effect::Condemn { worker, reason, .. } => format!("condemn {worker}: {}", reason.as_str()),
        Effect::TakeBack { worker } => format!("take back {worker}"),
        Effect::RecordDeregistered { worker } => format!("record deregistered {worker}"),
        Effect::DropPod { worker, .. } => format!("drop pod {worker}"),
        Effect::FindJobOf { worker } => format!("find the job of {worker}"),
        Effect::AdoptWorker { row } => format!("adopt {} {:?}", row.name, row.condemned),
        Effect::SetAlerts { alerts } => {
            let keys: Vec<String> = alerts
                .iter()
                .map(|alert| format!("{} {}", alert.key.name, alert.key.subject))
                .collect();
            format!("alerts {keys:?}")
        }
        Effect::Deliveries(app, effect) => format!("deliveries of {app}: {effect:?}"),
        Effect::SetWaiting { reasons } => {
            let told: Vec<String> = reasons
                .iter()
                .map(|(job, reason)| format!("{job} {}", reason.as_deref().unwrap_or("-")))
                .collect();
            format!("waiting: {}", told.join(", "))
        }
    }
}

/// An outcome in a few words.
pub(crate) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Reserved(rows) => {
            let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
            format!("reserved {names:?}")
        }
        Outcome::Pod(pod) => format!("pod {} {:?} on {:?}", pod.name, pod.phase, pod.node),
        Outcome::Log(log) => format!("log: {:?}, {:?}", log.job, log.exit_cause()),
        Outcome::Diagnostics(_) => "diagnostics".to_owned(),
        other => format!("{other:?}"),
    }
}
