//! Ids as GitHub numbers things, chance of a stream of its own, and the timers.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

use crate::world::Time;

/// An organisation's or a user's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub i64);

/// A repository's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryId(pub i64);

/// An App's installation on one account; a reinstallation has a new id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstallationId(pub i64);

/// A workflow run's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub i64);

/// A job's id. Later jobs have higher ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub i64);

/// A runner's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunnerId(pub i64);

/// A runner group's id, unique in its organisation; 1 is the default group of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub i64);

/// A delivery attempt's id. Later attempts have higher ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub u64);

/// GitHub's opaque global id, in its older shape.
pub(super) fn node_id(kind: &str, id: i64) -> String {
    STANDARD.encode(format!("{:03}:{kind}{id}", kind.len()))
}

/// Chance from the world's seed, in a stream of its own: what one part draws does not move another.
#[derive(Debug)]
pub(super) struct Chance(ChaCha8Rng);

impl Chance {
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// A whole number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high.max(low))
    }

    /// One of `choices`, if there are any.
    pub(super) fn one_of<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let last = choices.len().checked_sub(1)?;
        choices.get(self.0.random_range(0..=last))
    }

    pub(super) fn uuid(&mut self) -> Uuid {
        let mut bytes = [0_u8; 16];
        self.0.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// Text of `length` letters and digits.
    pub(super) fn text(&mut self, length: usize) -> String {
        self.draw(
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            length,
        )
    }

    /// Text of `length` hexadecimal digits.
    pub(super) fn hex(&mut self, length: usize) -> String {
        self.draw(b"0123456789abcdef", length)
    }

    fn draw(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length)
            .filter_map(|_| self.one_of(alphabet).map(|byte| char::from(*byte)))
            .collect()
    }
}

/// What happens by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The next job of the traffic.
    Traffic,
    /// A job whose runner fell silent is given up.
    LostJob(JobId),
    /// A job that no runner took is given up.
    WaitingJob(JobId),
    /// A registration that nobody uses is removed.
    UnusedRunner(RunnerId),
}

/// A set timer, to be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TimerKey(Time, u64);

/// The timers, in order of time and then of setting.
#[derive(Debug, Default)]
pub(super) struct Timers {
    set: u64,
    due: BTreeMap<TimerKey, Due>,
}

impl Timers {
    pub(super) fn set(&mut self, at: Time, due: Due) -> TimerKey {
        self.set += 1;
        let key = TimerKey(at, self.set);
        self.due.insert(key, due);
        key
    }

    pub(super) fn cancel(&mut self, key: Option<TimerKey>) {
        if let Some(key) = key {
            self.due.remove(&key);
        }
    }

    pub(super) fn next(&self) -> Option<Time> {
        self.due.first_key_value().map(|(key, _)| key.0)
    }

    /// Takes the first timer that is due by `now`.
    pub(super) fn pop(&mut self, now: Time) -> Option<(Time, Due)> {
        let entry = self
            .due
            .first_entry()
            .filter(|entry| entry.key().0 <= now)?;
        let (key, due) = entry.remove_entry();
        Some((key.0, due))
    }
}
