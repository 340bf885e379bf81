//! Trouble by chance, for a sandbox that is meant to be hard on the services: seeded, and off unless asked for.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What goes wrong with requests to GitHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ApiTrouble {
    /// One request in so many is answered 502 and does nothing; 0 for none.
    pub refuse_one_in: u32,
    /// One request in so many does what it asks and is answered 502; 0 for none.
    pub garble_one_in: u32,
    /// One request in so many meets the secondary limit and does nothing; 0 for none.
    pub limit_one_in: u32,
    /// How long that one is asked to wait (GitHub: a minute).
    pub retry_after: Duration,
}

/// What goes wrong with webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WebhookTrouble {
    /// One delivery in so many never arrives, and GitHub knows; 0 for none.
    pub lose_one_in: u32,
    /// One delivery in so many arrives twice; 0 for none.
    pub double_one_in: u32,
    /// One delivery in so many is late, so that others overtake it; 0 for none.
    pub delay_one_in: u32,
    /// How late, at most.
    pub delay_up_to: Duration,
}

/// A kind of trouble, and the chance that decides.
#[derive(Debug)]
pub(super) struct Trouble<T>(Mutex<(T, ChaCha8Rng)>);

impl<T: Copy + Default> Trouble<T> {
    /// None yet. `stream` keeps the chance of one door apart from another's.
    pub(super) fn none(seed: u64, stream: u64) -> Self {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        chance.set_stream(stream);
        Self(Mutex::new((T::default(), chance)))
    }

    pub(super) fn set(&self, trouble: T) {
        self.lock().0 = trouble;
    }

    /// Lets chance decide something about the present trouble.
    pub(super) fn draw<R>(&self, decide: impl FnOnce(T, &mut ChaCha8Rng) -> R) -> R {
        let (trouble, chance) = &mut *self.lock();
        decide(*trouble, chance)
    }

    fn lock(&self) -> MutexGuard<'_, (T, ChaCha8Rng)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether this one is the one in so many.
pub(super) fn one_in(many: u32, chance: &mut ChaCha8Rng) -> bool {
    many > 0 && chance.random_range(1..=many) == 1
}
