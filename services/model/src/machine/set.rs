//! What operators set, as the machine goes by it.

use std::collections::BTreeSet;

use crate::config::Pool;
use crate::plan::{PoolSlots, slots};
use crate::settings::{InForce, Setting, Settings};
use crate::state::{SettingReport, SettingsReport};
use crate::{EntityId, NodeName, PoolName, Time};

use super::Machine;

impl Machine {
    pub(super) fn observe_settings(
        &mut self,
        settings: Vec<Setting>,
        newcomers: BTreeSet<EntityId>,
        begun: Time,
    ) {
        if self.settings_as_of.is_some_and(|as_of| as_of > begun) {
            return;
        }
        self.settings = Settings::new(settings);
        self.newcomers = newcomers;
        self.settings_as_of = Some(begun);
    }

    /// What is in force in this round.
    pub(super) fn apply_settings(&mut self, now: Time) {
        self.in_force = self.settings.in_force(now);
        let in_force = self.settings.at(now).map(|setting| SettingReport {
            scope: setting.scope.to_string(),
            key: setting.value.key().as_str().to_owned(),
            set_at: setting.set_at,
        });
        let in_force: Vec<SettingReport> = in_force.collect();
        if self.settings_report.since.is_none() || self.settings_report.in_force != in_force {
            self.settings_report = SettingsReport {
                since: Some(now),
                in_force,
            };
        }
    }

    /// The settings in force, for whoever wants to know whether the scheduler goes by one.
    pub(crate) fn settings_report(&self) -> SettingsReport {
        self.settings_report.clone()
    }

    /// The boards of a pool that get no pods.
    pub(super) fn quarantined_of(&self, pool: &PoolName) -> Vec<NodeName> {
        let Some(pool) = self.config.pools.iter().find(|known| known.name == *pool) else {
            return Vec::new();
        };
        let of_pool = self
            .cluster
            .nodes()
            .filter(|node| pool.selects(&node.labels));
        let quarantined = of_pool.filter(|node| self.in_force.is_quarantined(&node.name));
        quarantined.map(|node| node.name.clone()).collect()
    }

    /// A pool's boards, counted.
    #[must_use]
    pub fn slots(&self, pool: &Pool) -> PoolSlots {
        slots(pool, &self.workers, &self.cluster, &self.in_force)
    }

    /// What operators set, as of the last round.
    #[must_use]
    pub fn in_force(&self) -> &InForce {
        &self.in_force
    }
}
