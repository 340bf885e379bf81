//! What operators set, as the machine goes by it.

use std::collections::BTreeSet;

use crate::config::Pool;
use crate::plan::{PoolSlots, slots};
use crate::settings::{InForce, Setting, Settings};
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
        self.in_force = self.settings.in_force(begun);
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
