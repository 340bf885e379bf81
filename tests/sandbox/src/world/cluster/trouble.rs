//! Trouble on demand, for tests and chaos: boards that go away, are slow or do not let go, pods that misbehave, images
//! that are not there, watches that end or fall silent.

use chrono::TimeDelta;
use serde_json::json;

use super::Cluster;
use super::board::{Board, BoardLoss};
use super::config::NodeConfig;
use super::error::ApiError;
use super::pod::{Behaviour, PodId};
use super::store::{Key, Kind};
use crate::world::Time;

/// What the door does with watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WatchWeather {
    /// Watches that began under another number than this end.
    pub epoch: u64,
    /// Watches stay open and say nothing.
    pub silent: bool,
}

impl Cluster {
    fn board_mut(&mut self, name: &str) -> Result<&mut Board, ApiError> {
        self.boards
            .get_mut(name)
            .ok_or_else(|| ApiError::not_found(Kind::Node, name))
    }

    /// A board goes away; the control plane finds out after the node grace (45 s unless configured otherwise).
    ///
    /// # Errors
    /// When there is no such board.
    pub fn lose_board(&mut self, name: &str, loss: BoardLoss, now: Time) -> Result<(), ApiError> {
        self.board_mut(name)?;
        self.board_away(name, loss, self.config.timings.node_grace, now);
        Ok(())
    }

    /// A board that was away is back.
    ///
    /// # Errors
    /// When there is no such board.
    pub fn restore_board(&mut self, name: &str, now: Time) -> Result<(), ApiError> {
        self.board_mut(name)?;
        self.board_back(name, now);
        Ok(())
    }

    /// Not ready: the board's power is gone and the control plane knows it at once. Ready: it is back.
    ///
    /// # Errors
    /// When there is no such board.
    pub fn set_node_ready(&mut self, name: &str, ready: bool, now: Time) -> Result<(), ApiError> {
        self.board_mut(name)?;
        if ready {
            self.board_back(name, now);
        } else {
            self.board_away(name, BoardLoss::PoweredOff, TimeDelta::zero(), now);
            self.node_lost(name, now);
        }
        Ok(())
    }

    /// Cordons or uncordons a node.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn set_cordoned(&mut self, name: &str, cordoned: bool, now: Time) -> Result<(), ApiError> {
        self.board_mut(name)?;
        self.edit_node(name, now, |node| match cordoned {
            true => node["spec"]["unschedulable"] = json!(true),
            false => {
                node["spec"]
                    .as_object_mut()
                    .map(|spec| spec.remove("unschedulable"));
            }
        });
        Ok(())
    }

    /// A board joins.
    pub fn add_board(&mut self, config: NodeConfig, now: Time) {
        self.join(config, now);
    }

    /// Sets what a node offers of `riseproject.com/runner`; a device plugin's roll-out shows 0 for minutes.
    ///
    /// # Errors
    /// When there is no such board.
    pub fn set_allocatable(&mut self, name: &str, slots: u32, now: Time) -> Result<(), ApiError> {
        self.board_mut(name)?;
        self.edit_node(name, now, |node| {
            node["status"]["allocatable"][super::SLOT] = json!(slots.to_string());
        });
        Ok(())
    }

    /// Everything that begins on the board from now on takes `times` as long.
    ///
    /// # Errors
    /// When there is no such board.
    pub fn set_slow(&mut self, name: &str, times: u32) -> Result<(), ApiError> {
        self.board_mut(name)?.slow = i32::try_from(times.max(1)).unwrap_or(i32::MAX);
        Ok(())
    }

    /// Whether pulls fail on the board.
    ///
    /// # Errors
    /// When there is no such board.
    pub fn set_pull_fails(&mut self, name: &str, fails: bool) -> Result<(), ApiError> {
        let board = self.board_mut(name)?;
        board.pull_fails = fails;
        if fails {
            // Otherwise what is there already would start.
            board.images.clear();
        }
        Ok(())
    }

    /// Whether kills take on the board. Kills that did not are tried again when they do.
    ///
    /// # Errors
    /// When there is no such board.
    pub fn set_kill_stuck(&mut self, name: &str, stuck: bool, now: Time) -> Result<(), ApiError> {
        self.board_mut(name)?.kill_stuck = stuck;
        let wanted: Vec<_> = self
            .pods
            .iter()
            .filter(|(_, pod)| pod.node() == Some(name))
            .filter_map(|(id, pod)| pod.kill.map(|cause| (*id, cause)))
            .collect();
        for (id, cause) in wanted.into_iter().filter(|_| !stuck) {
            self.kill(id, cause, now);
        }
        Ok(())
    }

    /// How runners' pods behave that start on the board from now on; `None` leaves it to chance.
    ///
    /// # Errors
    /// When there is no such board.
    pub fn set_behaviour(
        &mut self,
        name: &str,
        behaviour: Option<Behaviour>,
    ) -> Result<(), ApiError> {
        self.board_mut(name)?.behaviour = behaviour;
        Ok(())
    }

    /// What a container that is no runner prints on the board, and its exit status; `None`: as configured.
    ///
    /// # Errors
    /// When there is no such board.
    pub fn set_plain_output(
        &mut self,
        name: &str,
        output: Option<(Vec<String>, i32)>,
    ) -> Result<(), ApiError> {
        self.board_mut(name)?.plain = output;
        Ok(())
    }

    /// The runner's pod that starts next, wherever, behaves so. Several queue up.
    pub fn next_pod_behaves(&mut self, behaviour: Behaviour) {
        self.next_behaviours.push_back(behaviour);
    }

    /// Runners that connect from now on say in their log that their version will end on `day`, and go on working.
    pub fn set_version_warning(&mut self, day: Option<&str>) {
        self.version_ends = day.map(str::to_owned);
    }

    /// Whether pulls of `image` fail everywhere. Boards that have it keep it.
    pub fn set_image_broken(&mut self, image: &str, broken: bool) {
        if broken {
            self.broken_images.insert(image.to_owned());
        } else {
            self.broken_images.remove(image);
        }
    }

    /// The log of a pod of the namespace `default` loses all but its last `keep` lines.
    ///
    /// # Errors
    /// When there is no such pod.
    pub fn rotate_log(&mut self, pod: &str, keep: usize) -> Result<(), ApiError> {
        let id: Option<PodId> = self.names.get(&Key::new("default", pod)).copied();
        let found = id.and_then(|id| self.pods.get_mut(&id));
        found
            .ok_or_else(|| ApiError::not_found(Kind::Pod, pod))?
            .log
            .rotate(keep);
        Ok(())
    }

    /// Forgets all past changes: whoever watches from before now is told that its version expired.
    pub fn compact(&mut self) {
        self.store.compact();
    }

    /// Ends every open watch.
    pub fn cut_watches(&mut self) {
        self.weather.epoch += 1;
    }

    /// Watches stay open but say nothing, until told otherwise; then they tell what they held back.
    pub fn set_watches_silent(&mut self, silent: bool) {
        self.weather.silent = silent;
    }

    /// What the door does with watches.
    #[must_use]
    pub fn watch_weather(&self) -> WatchWeather {
        self.weather
    }

    /// Takes or gives back a right: a verb (`watch`) on a resource (`nodes`, `pods/log`).
    pub fn set_forbidden(&mut self, verb: &str, resource: &str, forbidden: bool) {
        let right = (verb.to_owned(), resource.to_owned());
        if forbidden {
            self.forbidden.insert(right);
        } else {
            self.forbidden.remove(&right);
        }
    }

    /// Whether callers have no right to `verb` on `resource`.
    #[must_use]
    pub fn is_forbidden(&self, verb: &str, resource: &str) -> bool {
        self.forbidden
            .contains(&(verb.to_owned(), resource.to_owned()))
    }
}
