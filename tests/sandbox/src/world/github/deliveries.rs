//! Webhook deliveries: an outbox that a door or a simulation drains, and the log of attempts that GitHub's API shows.
//!
//! Every attempt is a delivery with an id of its own; attempts at the same event share a GUID. GitHub never tries
//! again by itself.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use super::GitHub;
use super::accounts::{InstallationState, Unknown};
use super::ids::{DeliveryId, InstallationId, JobId, RepositoryId};
use crate::world::Time;

/// How an attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// The receiver answered with this status code.
    Answered(u16),
    /// No answer in time.
    TimedOut,
    /// No connection.
    FailedToConnect,
}

impl DeliveryStatus {
    /// Whether GitHub calls it a success.
    #[must_use]
    pub fn ok(self) -> bool {
        matches!(self, Self::Answered(200..=299))
    }

    /// The code that GitHub's API shows. What it shows without an answer is not known; here 0.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Answered(code) => code,
            Self::TimedOut | Self::FailedToConnect => 0,
        }
    }

    /// The text that GitHub's API shows.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Answered(200) => "OK".to_owned(),
            Self::Answered(202) => "Accepted".to_owned(),
            Self::Answered(code @ 200..=299) => format!("HTTP {code}"),
            Self::Answered(code) => format!("Invalid HTTP Response: {code}"),
            Self::TimedOut => "timed out".to_owned(),
            Self::FailedToConnect => "failed to connect to host".to_owned(),
        }
    }
}

/// How and when an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryAnswer {
    /// How.
    pub status: DeliveryStatus,
    /// When.
    pub at: Time,
    /// How long it took from when it was handed to the sender.
    pub took: TimeDelta,
}

/// An attempt to deliver an event.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The attempt's id.
    pub id: DeliveryId,
    /// The event's GUID.
    pub guid: Uuid,
    /// The App that it is for.
    pub app_id: i64,
    /// The event's name.
    pub event: &'static str,
    /// The event's action.
    pub action: &'static str,
    /// The installation that it concerns.
    pub installation: InstallationId,
    /// The repository that it concerns.
    pub repository: Option<RepositoryId>,
    /// The body.
    pub payload: Arc<Value>,
    /// When the attempt was due.
    pub at: Time,
    /// Whether somebody asked for it after an earlier attempt.
    pub redelivery: bool,
    /// How it went, once that is known.
    pub answer: Option<DeliveryAnswer>,
}

/// The outbox and the log.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    last: u64,
    outbox: VecDeque<DeliveryId>,
    log: BTreeMap<DeliveryId, Delivery>,
}

/// The outbox and the log.
impl GitHub {
    /// Takes what is to be delivered now, in order.
    #[must_use]
    pub fn take_outbox(&mut self) -> Vec<Delivery> {
        let due = std::mem::take(&mut self.deliveries.outbox);
        due.iter()
            .filter_map(|id| self.deliveries.log.get(id))
            .cloned()
            .collect()
    }

    /// How many deliveries nobody has taken yet.
    #[must_use]
    pub fn outbox_len(&self) -> usize {
        self.deliveries.outbox.len()
    }

    /// Records how an attempt went. Only then does GitHub's API show it.
    pub fn delivery_answered(&mut self, id: DeliveryId, status: DeliveryStatus, now: Time) {
        if let Some(delivery) = self.deliveries.log.get_mut(&id) {
            let took = now - delivery.at;
            delivery.answer = Some(DeliveryAnswer {
                status,
                at: now,
                took,
            });
        }
    }

    /// The attempts for an App that were made, newest first.
    pub fn deliveries(&self, app_id: i64) -> impl Iterator<Item = &Delivery> {
        let all = self.deliveries.log.values().rev();
        all.filter(move |delivery| delivery.app_id == app_id && delivery.answer.is_some())
    }

    /// Delivers an event again, as somebody asked by one of its attempts; returns the new attempt's id.
    ///
    /// # Errors
    /// When the App has no such attempt (any more).
    pub fn redeliver(
        &mut self,
        app_id: i64,
        id: DeliveryId,
        now: Time,
    ) -> Result<DeliveryId, Unknown> {
        let known = self
            .deliveries
            .log
            .get(&id)
            .filter(|it| it.app_id == app_id);
        let known = known.ok_or_else(|| Unknown(format!("delivery {}", id.0)))?;
        let again = Delivery {
            at: now,
            redelivery: true,
            answer: None,
            ..known.clone()
        };
        Ok(self.post(again))
    }

    /// Puts a delivery in the outbox under a new id.
    fn post(&mut self, delivery: Delivery) -> DeliveryId {
        self.deliveries.last += self.chance.between(1, 5_000).unsigned_abs();
        let id = DeliveryId(self.deliveries.last);
        self.deliveries.log.insert(id, Delivery { id, ..delivery });
        self.deliveries.outbox.push_back(id);
        if self.deliveries.log.len() > self.rules.deliveries_kept {
            self.deliveries.log.pop_first();
        }
        id
    }
}

/// Events.
impl GitHub {
    /// `workflow_job`, to every working installation that covers the repository.
    pub(super) fn announce_job(&mut self, job: JobId, action: &'static str, now: Time) {
        let Some(job) = self.jobs.get(&job) else {
            return;
        };
        let Some(repository) = self.repositories.get(&job.repository) else {
            return;
        };
        let receivers: Vec<_> = self
            .installations
            .values()
            .filter(|it| it.account == repository.owner && it.state == InstallationState::Active)
            .filter(|it| it.covers(repository.id))
            .map(|it| (it.id, it.app_id))
            .collect();
        let repository = repository.id;
        let Some(payload) = self.job_payload(job, action) else {
            return;
        };
        for (installation, app_id) in receivers {
            let mut payload = payload.clone();
            payload["installation"] = Self::installation_lite_json(installation);
            let subject = (installation, Some(repository));
            self.announce(app_id, ("workflow_job", action), subject, payload, now);
        }
    }

    /// `installation`, to its App.
    pub(super) fn announce_installation(
        &mut self,
        id: InstallationId,
        action: &'static str,
        now: Time,
    ) {
        let Some(installation) = self.installations.get(&id) else {
            return;
        };
        let repositories: Vec<_> = self
            .covered_repositories(installation)
            .into_iter()
            .map(|repository| self.repository_lite_json(repository))
            .collect();
        let app_id = installation.app_id;
        let payload = json!({
            "action": action,
            "installation": self.installation_json(installation),
            "repositories": repositories,
            "sender": self.sender_json(installation.account),
        });
        self.announce(app_id, ("installation", action), (id, None), payload, now);
    }

    /// `installation_repositories.removed`, to its App.
    pub(super) fn announce_repository_removed(
        &mut self,
        id: InstallationId,
        repository: RepositoryId,
        now: Time,
    ) {
        let Some(installation) = self.installations.get(&id) else {
            return;
        };
        let Some(repository) = self.repositories.get(&repository) else {
            return;
        };
        let app_id = installation.app_id;
        let payload = json!({
            "action": "removed",
            "installation": self.installation_json(installation),
            "repository_selection": "selected",
            "repositories_added": [],
            "repositories_removed": [self.repository_lite_json(repository)],
            "requester": null,
            "sender": self.sender_json(installation.account),
        });
        self.announce(
            app_id,
            ("installation_repositories", "removed"),
            (id, None),
            payload,
            now,
        );
    }

    /// `installation_target.renamed`, to its App.
    pub(super) fn announce_renamed(&mut self, id: InstallationId, from: &str, now: Time) {
        let Some(installation) = self.installations.get(&id) else {
            return;
        };
        let Some(account) = self.accounts.get(&installation.account) else {
            return;
        };
        let app_id = installation.app_id;
        let payload = json!({
            "action": "renamed",
            "account": self.user_json(account),
            "changes": {"login": {"from": from}},
            "installation": Self::installation_lite_json(id),
            "sender": self.sender_json(account.id),
            "target_type": account.kind.as_str(),
        });
        self.announce(
            app_id,
            ("installation_target", "renamed"),
            (id, None),
            payload,
            now,
        );
    }

    fn announce(
        &mut self,
        app_id: i64,
        (event, action): (&'static str, &'static str),
        (installation, repository): (InstallationId, Option<RepositoryId>),
        payload: Value,
        now: Time,
    ) {
        let delivery = Delivery {
            id: DeliveryId(0),
            guid: self.chance.uuid(),
            app_id,
            event,
            action,
            installation,
            repository,
            payload: Arc::new(payload),
            at: now,
            redelivery: false,
            answer: None,
        };
        self.post(delivery);
    }
}
