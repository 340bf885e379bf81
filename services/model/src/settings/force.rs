//! What is in force at a time.

use std::collections::{BTreeMap, BTreeSet};

use super::{Scope, Setting, SettingValue, Weight};
use crate::config::{Cap, Caps};
use crate::{EntityId, Image, NodeName, PoolName, RepoId, Time};

/// All settings that are not ended, as they were last read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(Vec<Setting>);

impl Settings {
    /// These, in any order.
    #[must_use]
    pub fn new(settings: Vec<Setting>) -> Self {
        Self(settings)
    }

    /// Those in force.
    pub fn at(&self, now: Time) -> impl Iterator<Item = &Setting> {
        self.0
            .iter()
            .filter(move |setting| setting.is_in_force(now))
    }

    /// When the next of them ends by itself.
    #[must_use]
    pub fn next_end(&self, now: Time) -> Option<Time> {
        self.at(now).filter_map(|setting| setting.until).min()
    }

    /// What they come to.
    #[must_use]
    pub fn in_force(&self, now: Time) -> InForce {
        let mut in_force = InForce::default();
        for setting in self.at(now) {
            in_force.add(setting);
        }
        in_force
    }
}

/// What the settings in force come to. The default is that there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InForce {
    default_cap: Option<Cap>,
    caps: BTreeMap<EntityId, Cap>,
    reserved: BTreeMap<EntityId, u32>,
    weights: BTreeMap<EntityId, Weight>,
    banned: BTreeSet<EntityId>,
    banned_senders: BTreeSet<EntityId>,
    all_paused: bool,
    paused_pools: BTreeSet<PoolName>,
    paused_entities: BTreeSet<EntityId>,
    paused_images: BTreeSet<String>,
    quarantined: BTreeSet<NodeName>,
    staging: BTreeSet<RepoId>,
}

impl InForce {
    /// A pair that makes no sense is never in the table; were it, it would change nothing.
    fn add(&mut self, setting: &Setting) {
        match (&setting.scope, setting.value) {
            (Scope::Global, SettingValue::Cap(cap)) => self.default_cap = Some(cap),
            (Scope::Entity(id), SettingValue::Cap(cap)) => {
                self.caps.insert(*id, cap);
            }
            (Scope::Entity(id), SettingValue::Reserved(boards)) => {
                self.reserved.insert(*id, boards);
            }
            (Scope::Entity(id), SettingValue::Weight(weight)) => {
                self.weights.insert(*id, weight);
            }
            (Scope::Entity(id), SettingValue::Ban) => {
                self.banned.insert(*id);
            }
            (Scope::Sender(id), SettingValue::Ban) => {
                self.banned_senders.insert(*id);
            }
            (Scope::Global, SettingValue::Pause) => self.all_paused = true,
            (Scope::Pool(name), SettingValue::Pause) => {
                self.paused_pools.insert(name.clone());
            }
            (Scope::Entity(id), SettingValue::Pause) => {
                self.paused_entities.insert(*id);
            }
            (Scope::Image(name), SettingValue::Pause) => {
                self.paused_images.insert(name.clone());
            }
            (Scope::Board(name), SettingValue::Quarantine) => {
                self.quarantined.insert(name.clone());
            }
            (Scope::Repo(id), SettingValue::Staging) => {
                self.staging.insert(*id);
            }
            (
                _,
                SettingValue::Cap(_)
                | SettingValue::Reserved(_)
                | SettingValue::Weight(_)
                | SettingValue::Ban
                | SettingValue::Pause
                | SettingValue::Quarantine
                | SettingValue::Staging,
            ) => {}
        }
    }

    /// An entity's own cap, by a setting or by the file; `None` when what is for everybody is for it too.
    #[must_use]
    pub fn own_cap(&self, entity: EntityId, file: &Caps) -> Option<Cap> {
        let set = self.caps.get(&entity).copied();
        set.or_else(|| file.listed(entity))
    }

    /// The cap of everybody without one of its own.
    #[must_use]
    pub fn default_cap(&self, file: &Caps) -> Cap {
        self.default_cap.unwrap_or(file.default_max_workers)
    }

    /// The cap of an entity: its own, else everybody's.
    #[must_use]
    pub fn cap(&self, entity: EntityId, file: &Caps) -> Cap {
        self.own_cap(entity, file)
            .unwrap_or_else(|| self.default_cap(file))
    }

    /// How many boards an entity gets before all others.
    #[must_use]
    pub fn reserved(&self, entity: EntityId) -> usize {
        let boards = self.reserved.get(&entity).copied().unwrap_or(0);
        usize::try_from(boards).unwrap_or(usize::MAX)
    }

    /// An entity's part beside others.
    #[must_use]
    pub fn weight(&self, entity: EntityId) -> Weight {
        self.weights.get(&entity).copied().unwrap_or(Weight::ONE)
    }

    /// Whether the jobs of an account's repositories are not taken.
    #[must_use]
    pub fn is_banned(&self, entity: EntityId) -> bool {
        self.banned.contains(&entity)
    }

    /// Whether the jobs that an account causes are not taken.
    #[must_use]
    pub fn is_banned_sender(&self, sender: EntityId) -> bool {
        self.banned_senders.contains(&sender)
    }

    /// Whether production hands a repository's deliveries to staging.
    #[must_use]
    pub fn is_staging(&self, repo: RepoId) -> bool {
        self.staging.contains(&repo)
    }

    /// Lets nothing be handed to staging: there is no way there.
    pub fn forget_staging(&mut self) {
        self.staging.clear();
    }

    /// The widest pause that keeps a job of this entity, pool and image from a board. Images are paused by the name that
    /// the configuration gives them, or by their reference.
    #[must_use]
    pub fn pause(
        &self,
        entity: EntityId,
        pool: &PoolName,
        image: &Image,
        images: &BTreeMap<String, Image>,
    ) -> Option<Scope> {
        if self.all_paused {
            return Some(Scope::Global);
        }
        if self.paused_pools.contains(pool) {
            return Some(Scope::Pool(pool.clone()));
        }
        if self.paused_entities.contains(&entity) {
            return Some(Scope::Entity(entity));
        }
        let named = |name: &&String| {
            name.as_str() == image.as_str() || images.get(name.as_str()) == Some(image)
        };
        let name = self.paused_images.iter().find(named)?;
        Some(Scope::Image(name.clone()))
    }

    /// Whether a board gets no pods.
    #[must_use]
    pub fn is_quarantined(&self, board: &NodeName) -> bool {
        self.quarantined.contains(board)
    }

    /// The boards that get no pods.
    pub fn quarantined(&self) -> impl Iterator<Item = &NodeName> {
        self.quarantined.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, caps};

    fn setting(scope: Scope, value: SettingValue) -> Setting {
        Setting {
            scope,
            value,
            author: "ada".to_owned(),
            reason: "a test".to_owned(),
            set_at: at(0),
            until: None,
            ended_at: None,
        }
    }

    #[test]
    fn the_nearest_cap_counts() {
        let file = caps(99, 4);
        let (listed, other) = (EntityId(99), EntityId(7));
        let cap_of_everybody = setting(Scope::Global, SettingValue::Cap(Cap::Workers(2)));
        let own = setting(Scope::Entity(listed), SettingValue::Cap(Cap::Workers(30)));

        let none = Settings::default().in_force(at(1));
        assert_eq!(none.cap(listed, &file), Cap::Workers(4));
        assert_eq!(none.cap(other, &file), Cap::Unlimited);

        let everybody = Settings::new(vec![cap_of_everybody.clone()]).in_force(at(1));
        assert_eq!(everybody.cap(listed, &file), Cap::Workers(4), "its own");
        assert_eq!(everybody.cap(other, &file), Cap::Workers(2));

        let both = Settings::new(vec![cap_of_everybody, own]).in_force(at(1));
        assert_eq!(both.cap(listed, &file), Cap::Workers(30));
        assert_eq!(both.cap(other, &file), Cap::Workers(2));
    }

    #[test]
    fn the_widest_pause_is_the_reason() {
        let images = BTreeMap::from([("ubuntu".to_owned(), Image::new("registry/ubuntu:1"))]);
        let (entity, pool, image) = (
            EntityId(7),
            PoolName::from("p"),
            Image::new("registry/ubuntu:1"),
        );
        let mut rows = Vec::new();
        let pause = |rows: &[Setting]| {
            let in_force = Settings::new(rows.to_vec()).in_force(at(1));
            in_force.pause(entity, &pool, &image, &images)
        };
        assert_eq!(pause(&rows), None);
        for scope in [
            Scope::Image("ubuntu".to_owned()),
            Scope::Entity(entity),
            Scope::Pool(pool.clone()),
            Scope::Global,
        ] {
            rows.push(setting(scope.clone(), SettingValue::Pause));
            assert_eq!(pause(&rows), Some(scope));
        }
        for scope in [
            Scope::Image("debian".to_owned()),
            Scope::Entity(EntityId(8)),
            Scope::Pool("q".into()),
        ] {
            assert_eq!(pause(&[setting(scope, SettingValue::Pause)]), None);
        }
        let by_reference = Scope::Image("registry/ubuntu:1".to_owned());
        let paused = pause(&[setting(by_reference.clone(), SettingValue::Pause)]);
        assert_eq!(paused, Some(by_reference));
    }

    #[test]
    fn what_ends_by_itself_is_known_beforehand() {
        let ends = |until| Setting {
            until,
            ..setting(Scope::Global, SettingValue::Pause)
        };
        let settings = Settings::new(vec![ends(Some(at(50))), ends(Some(at(20))), ends(None)]);
        assert_eq!(settings.next_end(at(0)), Some(at(20)));
        assert_eq!(settings.next_end(at(20)), Some(at(50)));
        assert_eq!(settings.next_end(at(50)), None);
    }
}
