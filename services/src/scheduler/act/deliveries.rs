//! Performs the steps of recovering missed deliveries.

use rise_model::AppId;
use rise_model::deliveries::{DeliveryEffect, DeliveryOutcome, Missed};
use rise_model::effects::Outcome;

use super::{Doors, trouble};
use crate::store::{Lease, Looked, StoreError, Write};

pub(super) async fn perform(
    doors: &Doors,
    lease: Lease,
    app: AppId,
    effect: DeliveryEffect,
) -> Outcome {
    let (store, github) = (&doors.store, &doors.github);
    match effect {
        DeliveryEffect::ReadCursor => match store.delivery_cursor(app).await {
            Ok(seen_until) => Outcome::Deliveries(DeliveryOutcome::Cursor(seen_until)),
            Err(error) => trouble::database(&error),
        },
        DeliveryEffect::ReadLog { kind, since } => match github.delivery_log(kind, since).await {
            Ok(log) => Outcome::Deliveries(DeliveryOutcome::Log(log)),
            Err(error) => trouble::by_app_key(&doors.clock, kind, &error),
        },
        DeliveryEffect::Record { says, seen_until } => {
            match store.record_look(lease, app, &says, seen_until).await {
                Ok(Looked::Missing(missing)) => {
                    Outcome::Deliveries(DeliveryOutcome::Missing(missing))
                }
                Ok(Looked::Deposed) => Outcome::Deposed,
                Err(error) => trouble::database(&error),
            }
        }
        DeliveryEffect::CountTry { missed } => written(store.count_try(lease, missed.guid).await),
        DeliveryEffect::Redeliver { kind, missed } => {
            match github.redeliver(kind, missed.attempt).await {
                Ok(()) => {
                    told(app, &missed);
                    Outcome::Deliveries(DeliveryOutcome::Accepted)
                }
                Err(error) => trouble::by_app_key(&doors.clock, kind, &error),
            }
        }
        DeliveryEffect::GiveUp { missed } => {
            let written = written(store.give_up_deliveries(lease, &missed).await);
            if written == Outcome::Written {
                told_given_up(app, &missed);
            }
            written
        }
    }
}

fn written(write: Result<Write, StoreError>) -> Outcome {
    match write {
        Ok(Write::Written) => Outcome::Written,
        Ok(Write::NotWritten) => Outcome::NotWritten,
        Ok(Write::Deposed) => Outcome::Deposed,
        Err(error) => trouble::database(&error),
    }
}

fn told(app: AppId, missed: &Missed) {
    tracing::info!(
        app.id = app.0,
        delivery.id = %missed.guid,
        delivery.event = missed.event,
        "delivery {} of {} did not arrive and is asked for again",
        missed.guid,
        missed.event,
    );
}

fn told_given_up(app: AppId, missed: &[Missed]) {
    for missed in missed {
        tracing::warn!(
            app.id = app.0,
            delivery.id = %missed.guid,
            delivery.event = missed.event,
            "delivery {} of {} did not arrive, however often it was asked for",
            missed.guid,
            missed.event,
        );
    }
}
