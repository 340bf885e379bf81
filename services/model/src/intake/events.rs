//! Events that are logged: what happens to the Apps' installations, and what means nothing to us.

use super::read::Part;
use super::{Delivery, EventEntity, Intake, Refusal, Short, WebhookOutcome, stored};
use crate::{EntityId, EntityKind, InstallationId};

pub(super) fn ping(delivery: &Delivery<'_>) -> Result<Intake, Refusal> {
    let payload = stored::whole(&delivery.payload, delivery.limit)?;
    Ok(Intake::Log {
        row: delivery.row(delivery.event.to_owned(), payload),
        outcome: WebhookOutcome::Ok,
        answer: "pong".to_owned(),
    })
}

/// `installation` and `installation_repositories`.
pub(super) fn installation(delivery: &Delivery<'_>) -> Result<Intake, Refusal> {
    let installation = delivery.payload.needed_part("installation")?;
    let account = installation.needed_part("installation.account")?;
    let kind = match installation.extra::<String>("target_type") {
        Some(word) => Some(word),
        None => account.extra("type"),
    };
    let id = match installation.id("target_id")? {
        Some(id) => Some(id),
        None => account.id("id")?,
    };
    let entity = EventEntity {
        kind: kind.as_deref().and_then(EntityKind::parse),
        id: id.map(EntityId),
        name: account.text("login")?,
    };
    logged(delivery, &installation, entity)
}

/// `installation_target`: an account was renamed.
pub(super) fn installation_target(delivery: &Delivery<'_>) -> Result<Intake, Refusal> {
    const NEEDED: &str = "account or installation";
    let account = delivery.payload.part("account")?;
    let account = account.ok_or(Refusal::MissingPart(NEEDED))?;
    let installation = delivery.payload.part("installation")?;
    let installation = installation.ok_or(Refusal::MissingPart(NEEDED))?;
    let kind: Option<String> = delivery.payload.extra("target_type");
    let entity = EventEntity {
        kind: kind.as_deref().and_then(EntityKind::parse),
        id: account.id("id")?.map(EntityId),
        name: account.text("login")?,
    };
    logged(delivery, &installation, entity)
}

fn logged(
    delivery: &Delivery<'_>,
    installation: &Part<'_>,
    entity: EventEntity,
) -> Result<Intake, Refusal> {
    let action = delivery.payload.text("action")?;
    let event = delivery.named(&action.ok_or(Refusal::MissingPart("action"))?);
    let answer = format!("{event} logged");
    let payload = stored::whole(&delivery.payload, delivery.limit)?;
    let mut row = delivery.row(event, payload);
    row.installation = installation.id("id")?.map(InstallationId);
    row.entity = entity;
    Ok(Intake::Log {
        row,
        outcome: WebhookOutcome::Ok,
        answer,
    })
}

/// Any other event: its name is logged without the action.
pub(super) fn other(delivery: &Delivery<'_>) -> Result<Intake, Refusal> {
    let event = Short(delivery.event).to_string();
    let answer = format!("Ignoring {event} event");
    let payload = stored::whole(&delivery.payload, delivery.limit)?;
    Ok(Intake::Log {
        row: delivery.row(event, payload),
        outcome: WebhookOutcome::IgnoredEvent,
        answer,
    })
}

/// A delivery that some other App's hook sent with our secret.
pub(super) fn unknown_app(delivery: &Delivery<'_>) -> Result<Intake, Refusal> {
    let event = delivery.named_if_it_acts();
    let payload = match delivery.event {
        "workflow_job" => stored::trimmed(&delivery.payload, delivery.limit)?,
        _ => stored::whole(&delivery.payload, delivery.limit)?,
    };
    Ok(Intake::Log {
        row: delivery.row(event, payload),
        outcome: WebhookOutcome::UnknownApp,
        answer: format!("Ignoring delivery: unknown App {}", delivery.app),
    })
}
