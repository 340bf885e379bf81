//! `workflow_job`: the deliveries that everything else lives on.

use super::read::Part;
use super::{
    Delivery, EventEntity, EventRow, Intake, IntakeRules, JobAction, Refusal, Short,
    WebhookOutcome, stored,
};
use crate::route::{RouteDecision, RouteQuery, route};
use crate::{
    EntityId, EntityKind, Image, InstallationId, JobId, PodName, PoolName, RepoId, RunId,
    SentLabels, Time,
};

/// A job as one delivery tells it. Whatever comes first makes the row, so each delivery tells everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// The job.
    pub id: JobId,
    /// The account that owns the repository.
    pub entity: EntityId,
    /// Its login.
    pub entity_name: String,
    /// Its kind.
    pub entity_kind: EntityKind,
    /// The App's installation.
    pub installation: InstallationId,
    /// The repository.
    pub repository: RepoId,
    /// `owner/name`.
    pub repository_name: String,
    /// Whether only some may see it.
    pub private: Option<bool>,
    /// The labels as sent.
    pub labels: SentLabels,
    /// Where it runs.
    pub pool: PoolName,
    /// In which image.
    pub image: Image,
    /// The page of the job.
    pub html_url: Option<String>,
    /// The run it belongs to.
    pub run: Option<RunId>,
    /// Which attempt of the run.
    pub run_attempt: Option<i32>,
    /// The workflow's name.
    pub workflow_name: Option<String>,
    /// The job's name.
    pub name: Option<String>,
    /// The branch.
    pub head_branch: Option<String>,
    /// Who caused it.
    pub sender: Option<EntityId>,
    /// That one's login.
    pub sender_login: Option<String>,
    /// When GitHub queued it.
    pub queued_at: Option<Time>,
    /// The runner that has or had it; never of a queued job.
    pub runner: Option<PodName>,
    /// When it began; GitHub fills this in for jobs that did not begin, where we do not take it.
    pub started_at: Option<Time>,
    /// When it ended.
    pub finished_at: Option<Time>,
    /// How it ended.
    pub conclusion: Option<String>,
}

/// The parts that every `workflow_job` delivery has.
struct Parts<'a> {
    repository: Part<'a>,
    installation: Part<'a>,
    job: Part<'a>,
    owner: Part<'a>,
}

/// What must be known of a job before a route is looked for.
struct Subject {
    entity: EntityId,
    kind: EntityKind,
    job: JobId,
    repository: RepoId,
    repository_name: String,
}

pub(super) fn workflow_job(
    rules: &IntakeRules<'_>,
    delivery: &Delivery<'_>,
) -> Result<Intake, Refusal> {
    let payload = &delivery.payload;
    let repository = payload.needed_part("repository")?;
    let parts = Parts {
        installation: payload.needed_part("installation")?,
        job: payload.needed_part("workflow_job")?,
        owner: repository.needed_part("repository.owner")?,
        repository,
    };
    if let Some(banned) = banned(rules, delivery, &parts) {
        let kept = stored::minimal(&parts.job, &parts.repository, delivery.limit)?;
        return Ok(Intake::Log {
            row: log_row(delivery, &parts, delivery.named_if_it_acts(), kept),
            outcome: banned.outcome,
            answer: banned.answer.to_owned(),
        });
    }
    if is_staging_s(rules, &parts) {
        return staging(delivery, &parts);
    }
    let word = payload.text("action")?;
    let word = word.ok_or(Refusal::MissingPart("action"))?;
    let Some(action) = JobAction::parse(&word) else {
        let kept = stored::trimmed(payload, delivery.limit)?;
        return Ok(Intake::Log {
            row: log_row(delivery, &parts, delivery.named(&word), kept),
            outcome: WebhookOutcome::IgnoredAction,
            answer: format!("Ignoring action: {}", Short(&word)),
        });
    };
    let subject = subject(&parts)?;
    let labels = SentLabels::new(parts.job.value("labels")?.unwrap_or_default());
    let (pool, image) = match placed(rules, &parts, &subject, &labels) {
        Ok(placed) => placed,
        Err(ignored) => {
            let kept = stored::minimal(&parts.job, &parts.repository, delivery.limit)?;
            return Ok(Intake::Log {
                row: log_row(delivery, &parts, delivery.named(&word), kept),
                outcome: ignored.outcome,
                answer: ignored.answer.to_owned(),
            });
        }
    };
    let job = job_row(&parts, action, subject, labels, (pool, image), payload)?;
    let kept = stored::trimmed(payload, delivery.limit)?;
    Ok(Intake::Job {
        row: log_row(delivery, &parts, delivery.named(&word), kept),
        action,
        job: Box::new(job),
    })
}

/// Whether the jobs of the owner, or of who caused this one, are not taken, whatever the delivery says of it.
fn banned(rules: &IntakeRules<'_>, delivery: &Delivery<'_>, parts: &Parts<'_>) -> Option<Ignored> {
    let owner = parts.owner.extra("id").map(EntityId);
    if owner.is_some_and(|owner| rules.in_force.is_banned(owner)) {
        return Some(Ignored {
            outcome: WebhookOutcome::BannedEntity,
            answer: "Ignoring job: entity is banned",
        });
    }
    let sender = delivery.payload.part("sender").ok().flatten()?;
    let sender = sender.extra("id").map(EntityId)?;
    rules.in_force.is_banned_sender(sender).then_some(Ignored {
        outcome: WebhookOutcome::BannedSender,
        answer: "Ignoring job: sender is banned",
    })
}

/// By the owner's id and the repository's name, or the repository's id, before anything else in the payload is looked at.
fn is_staging_s(rules: &IntakeRules<'_>, parts: &Parts<'_>) -> bool {
    let repository: Option<i64> = parts.repository.extra("id");
    if repository.is_some_and(|id| rules.in_force.is_staging(RepoId(id))) {
        return true;
    }
    let owner: Option<i64> = parts.owner.extra("id");
    let full_name: Option<String> = parts.repository.extra("full_name");
    let (Some(owner), Some(full_name)) = (owner, full_name) else {
        return false;
    };
    let name = full_name.split_once('/').map(|(_, name)| name);
    name.is_some_and(|name| rules.staging.has(EntityId(owner), name))
}

/// What is missing or odd in the rest is for staging to say.
fn staging(delivery: &Delivery<'_>, parts: &Parts<'_>) -> Result<Intake, Refusal> {
    let kept = stored::trimmed(&delivery.payload, delivery.limit)?;
    Ok(Intake::Staging {
        row: log_row(delivery, parts, delivery.named_if_it_acts(), kept),
    })
}

/// In the order in which the replaced service looks.
fn subject(parts: &Parts<'_>) -> Result<Subject, Refusal> {
    let entity = parts.owner.id("id")?;
    let entity = EntityId(entity.ok_or(Refusal::MissingValue("Owner ID"))?);
    let word: String = parts.owner.value("type")?.unwrap_or_default();
    let kind = EntityKind::parse(&word)
        .ok_or_else(|| Refusal::UnsupportedOwner(Short(&word).to_string()))?;
    let job = parts.job.id("id")?;
    let job = JobId(job.ok_or(Refusal::MissingValue("Job ID"))?);
    let name = parts.repository.text("full_name")?;
    let repository_name = name.ok_or(Refusal::MissingValue("Repository full name"))?;
    let repository = parts.repository.id("id")?;
    let repository = RepoId(repository.ok_or(Refusal::MissingValue("Repository ID"))?);
    Ok(Subject {
        entity,
        kind,
        job,
        repository,
        repository_name,
    })
}

/// Why a job is none of ours.
struct Ignored {
    outcome: WebhookOutcome,
    answer: &'static str,
}

fn placed(
    rules: &IntakeRules<'_>,
    parts: &Parts<'_>,
    subject: &Subject,
    labels: &SentLabels,
) -> Result<(PoolName, Image), Ignored> {
    let full = subject.repository_name.as_str();
    let query = RouteQuery {
        entity: subject.entity,
        repository: full.split_once('/').map_or(full, |(_, name)| name),
        labels: &labels.set(),
    };
    match route(rules.routing, rules.image_tag, query) {
        RouteDecision::NoRoute => Err(Ignored {
            outcome: WebhookOutcome::IgnoredNoLabel,
            answer: "Ignoring job: missing required platform label",
        }),
        RouteDecision::NotAllowed { .. } => Err(Ignored {
            outcome: WebhookOutcome::NotAllowed,
            answer: "Ignoring job: entity may not use these labels",
        }),
        // A payload that does not say whether the repository is private is not taken for public.
        RouteDecision::Routed { .. }
            if rules.public_only && parts.repository.extra("private") != Some(false) =>
        {
            Err(Ignored {
                outcome: WebhookOutcome::IgnoredPrivate,
                answer: "Ignoring job: repository is private",
            })
        }
        RouteDecision::Routed { pool, image, .. } => Ok((pool, image)),
    }
}

fn job_row(
    parts: &Parts<'_>,
    action: JobAction,
    subject: Subject,
    labels: SentLabels,
    (pool, image): (PoolName, Image),
    payload: &Part<'_>,
) -> Result<JobRow, Refusal> {
    let job = &parts.job;
    let installation = parts.installation.id("id")?;
    let installation = installation.ok_or(Refusal::MissingValue("Installation ID"))?;
    let entity_name = parts.owner.text("login")?;
    let entity_name = entity_name.ok_or(Refusal::MissingValue("Entity name"))?;
    let html_url = job.text("html_url")?;
    if action == JobAction::Queued && html_url.is_none() {
        return Err(Refusal::MissingValue("HTML URL"));
    }
    let named = job.text("runner_name")?.map(PodName::new);
    let sender = payload.part("sender").ok().flatten();
    let mut row = JobRow {
        id: subject.job,
        entity: subject.entity,
        entity_name,
        entity_kind: subject.kind,
        installation: InstallationId(installation),
        repository: subject.repository,
        repository_name: subject.repository_name,
        private: parts.repository.extra("private"),
        labels,
        pool,
        image,
        html_url,
        run: job.extra("run_id").map(RunId),
        run_attempt: job.extra("run_attempt"),
        workflow_name: job.extra("workflow_name"),
        name: job.extra("name"),
        head_branch: job.extra("head_branch"),
        sender: sender.as_ref().and_then(|s| s.extra("id")).map(EntityId),
        sender_login: sender.as_ref().and_then(|s| s.extra("login")),
        queued_at: job.extra("created_at"),
        runner: None,
        started_at: None,
        finished_at: None,
        conclusion: None,
    };
    tell_progress(&mut row, job, action, named);
    Ok(row)
}

/// What the delivery says of runner, beginning and end.
fn tell_progress(row: &mut JobRow, job: &Part<'_>, action: JobAction, named: Option<PodName>) {
    match action {
        JobAction::Queued => {}
        JobAction::InProgress => {
            row.runner = named;
            row.started_at = job.extra("started_at");
        }
        JobAction::Completed => {
            // A job that was cancelled before a runner had it carries a start all the same.
            row.started_at = named.is_some().then(|| job.extra("started_at")).flatten();
            row.runner = named;
            row.finished_at = job.extra("completed_at");
            row.conclusion = job.extra("conclusion");
        }
    }
}

fn log_row(
    delivery: &Delivery<'_>,
    parts: &Parts<'_>,
    event: String,
    kept: serde_json::Value,
) -> EventRow {
    let mut row = delivery.row(event, kept);
    let kind: Option<String> = parts.owner.extra("type");
    row.installation = parts.installation.extra("id").map(InstallationId);
    row.entity = EventEntity {
        kind: kind.as_deref().and_then(EntityKind::parse),
        id: parts.owner.extra("id").map(EntityId),
        name: parts.owner.extra("login"),
    };
    row.job = parts.job.extra("id").map(JobId);
    row
}
