//! What operators set in a history, and whether the schedulers go by it.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use rise_model::config::Cap;
use rise_model::rows::Demand;
use rise_model::settings::{InForce, Scope, Setting, SettingValue, Settings, Weight};
use rise_model::{EntityId, NodeName, PodName, Time};

use crate::chance::Draw;
use crate::history;
use crate::setup;
use crate::sim::Sim;

/// A scheduler goes by what it read when it began a round: that may be so old when a call of the round takes effect.
const KNOWN_WITHIN: TimeDelta = TimeDelta::seconds(40);

/// What is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    PauseAll,
    PausePool(usize),
    PauseImage(usize),
    PauseEntity,
    Cap(u32),
    CapOfAll(u32),
    Reserved(u32),
    Weight(u32),
    Quarantine(usize),
}

impl Set {
    pub(crate) fn of(setting: history::Setting, draw: &mut Draw) -> Self {
        let boards = i64::try_from(setting.boards + setting.other_boards).unwrap_or(1);
        let board = usize::try_from(draw.between(0, boards - 1)).unwrap_or_default();
        draw.one_of(&[
            Self::PauseAll,
            Self::PausePool(0),
            Self::PausePool(1),
            Self::PauseImage(0),
            Self::PauseEntity,
            Self::Cap(1),
            Self::Cap(5),
            Self::CapOfAll(1),
            Self::Reserved(2),
            Self::Weight(25),
            Self::Quarantine(board),
            Self::Quarantine(board),
        ])
    }

    fn setting(self, set_at: Time) -> Setting {
        let first_org = Scope::Entity(EntityId(setup::FIRST_ORG));
        let (scope, value) = match self {
            Self::PauseAll => (Scope::Global, SettingValue::Pause),
            Self::PausePool(pool) => (Scope::Pool(setup::POOLS[pool].into()), SettingValue::Pause),
            Self::PauseImage(image) => (
                Scope::Image(setup::POOLS[image].to_owned()),
                SettingValue::Pause,
            ),
            Self::PauseEntity => (first_org, SettingValue::Pause),
            Self::Cap(most) => (first_org, SettingValue::Cap(Cap::Workers(most))),
            Self::CapOfAll(most) => (Scope::Global, SettingValue::Cap(Cap::Workers(most))),
            Self::Reserved(boards) => (first_org, SettingValue::Reserved(boards)),
            Self::Weight(weight) => (first_org, SettingValue::Weight(Weight::hundredths(weight))),
            Self::Quarantine(board) => {
                let board = setup::board(board);
                (
                    Scope::Board(board.as_str().into()),
                    SettingValue::Quarantine,
                )
            }
        };
        Setting {
            scope,
            value,
            author: "operator".to_owned(),
            reason: "a history".to_owned(),
            set_at,
            until: None,
            ended_at: None,
        }
    }
}

/// The table of settings, with its past.
#[derive(Debug, Default)]
pub(crate) struct SetTable {
    /// By the event that set it.
    rows: Vec<(usize, Setting)>,
    /// What came into force when, oldest first.
    past: Vec<(Time, InForce)>,
    /// Boards that a pod should keep away from.
    away: Vec<(PodName, BTreeSet<NodeName>)>,
}

impl SetTable {
    pub(crate) fn read(&self) -> Vec<Setting> {
        self.rows
            .iter()
            .map(|(_, setting)| setting.clone())
            .collect()
    }
}

impl Sim {
    /// Somebody sets something; `event` is how it is ended.
    pub(crate) fn set(&mut self, event: usize, set: Set) {
        let setting = set.setting(self.now);
        self.set.rows.push((event, setting));
        self.settings_changed();
    }

    /// Somebody ends what an event set.
    pub(crate) fn unset(&mut self, event: usize) {
        self.set.rows.retain(|(by, _)| *by != event);
        self.settings_changed();
    }

    fn settings_changed(&mut self) {
        let in_force = Settings::new(self.set.read()).in_force(self.now);
        self.set.past.push((self.now, in_force));
        self.wake_all();
    }

    /// What is in force.
    pub(crate) fn in_force(&self) -> InForce {
        let last = self.set.past.last();
        last.map(|(_, in_force)| in_force.clone())
            .unwrap_or_default()
    }

    /// Whatever a scheduler may go by whose call takes effect now.
    fn in_force_lately(&self) -> Vec<InForce> {
        let since = self.now - KNOWN_WITHIN;
        let older = self.set.past.iter().rev().find(|(at, _)| *at <= since);
        let older = older
            .map(|(_, in_force)| in_force.clone())
            .unwrap_or_default();
        let newer = self.set.past.iter().filter(|(at, _)| *at > since);
        std::iter::once(older)
            .chain(newer.map(|(_, in_force)| in_force.clone()))
            .collect()
    }

    /// The highest cap that a scheduler may go by; `None` is without limit.
    pub(crate) fn cap_lately(&self, entity: EntityId) -> Option<usize> {
        let lately = self.in_force_lately();
        let caps = lately
            .iter()
            .map(|in_force| in_force.cap(entity, &self.config.caps).left(0));
        caps.max_by_key(|cap| cap.unwrap_or(usize::MAX)).flatten()
    }

    /// Whether a job's kind is paused now.
    pub(crate) fn is_paused(&self, demand: &Demand) -> bool {
        self.pauses(&self.in_force(), demand)
    }

    /// Whether a board was reserved although every scheduler must know of the pause.
    pub(crate) fn must_be_paused(&self, demand: &Demand) -> bool {
        let lately = self.in_force_lately();
        lately.iter().all(|in_force| self.pauses(in_force, demand))
    }

    fn pauses(&self, in_force: &InForce, demand: &Demand) -> bool {
        let (pool, image) = (&demand.pool, &demand.image);
        in_force
            .pause(demand.entity, pool, image, &self.config.images)
            .is_some()
    }

    /// A pod was made: it keeps away from boards that every scheduler knows to be quarantined.
    pub(crate) fn remember_quarantine(&mut self, pod: &PodName) {
        let lately = self.in_force_lately();
        let Some(first) = lately.first() else {
            return;
        };
        let away = first
            .quarantined()
            .filter(|board| lately.iter().all(|then| then.is_quarantined(board)));
        let away: BTreeSet<NodeName> = away.cloned().collect();
        if !away.is_empty() {
            self.set.away.push((pod.clone(), away));
        }
    }

    pub(crate) fn check_quarantine(&mut self) {
        let mut broken = None;
        for (pod, away) in &self.set.away {
            let Some(seen) = self.world.cluster.pod(pod.as_str()) else {
                continue;
            };
            if let Some(board) = seen
                .node
                .as_deref()
                .filter(|node| away.contains(&NodeName::from(*node)))
            {
                broken = Some(format!(
                    "pod {pod} was put on {board}, which is quarantined"
                ));
            }
        }
        if let Some(broken) = broken {
            self.violated(broken);
        }
    }
}
