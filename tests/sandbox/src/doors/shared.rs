//! The one world that every door opens on, and the driver that keeps it at the present time.
//!
//! Whoever calls [`SharedWorld::with`] finds a world that has been brought to the present; the driver sees to it that
//! timers also run while nobody calls. The lock is a plain one: nothing can be awaited while it is held.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use chrono::TimeDelta;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::world::{Time, World, WorldConfig};

/// A handle on the world. Clones share it.
#[derive(Debug, Clone)]
pub struct SharedWorld(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    clock: Clock,
    changes: watch::Sender<u64>,
}

/// The world's clock: the wall clock at the beginning, and from there on one that never steps.
#[derive(Debug)]
struct Clock {
    began: Time,
    since: Instant,
}

impl Clock {
    fn now(&self) -> Time {
        self.began + TimeDelta::from_std(self.since.elapsed()).unwrap_or(TimeDelta::MAX)
    }
}

impl SharedWorld {
    /// A world that begins now.
    #[must_use]
    pub fn new(config: &WorldConfig) -> Self {
        let clock = Clock {
            began: Time::from(SystemTime::now()),
            since: Instant::now(),
        };
        let world = World::new(config, clock.began);
        Self(Arc::new(Shared {
            world: Mutex::new(world),
            clock,
            changes: watch::Sender::new(0),
        }))
    }

    /// Acts on the world, brought to the present, and tells everybody who waits for a change.
    pub fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.lock();
        world.advance(self.0.clock.now());
        let result = act(&mut world);
        drop(world);
        self.0.changes.send_modify(|count| *count += 1);
        result
    }

    /// Looks at the world, brought to the present. Nobody is woken unless a timer ran.
    pub fn read<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        let mut world = self.lock();
        let moved = self.catch_up(&mut world);
        let result = look(&world);
        drop(world);
        if moved {
            self.0.changes.send_modify(|count| *count += 1);
        }
        result
    }

    /// Runs what is due; says whether anything was.
    fn catch_up(&self, world: &mut World) -> bool {
        let now = self.0.clock.now();
        let due = world.next_due().is_some_and(|due| due <= now);
        world.advance(now);
        due
    }

    /// The number of changes so far, to be waited on.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Waits until `holds` says so; asked again after every change.
    pub async fn until(&self, mut holds: impl FnMut(&World) -> bool) {
        let mut changes = self.changes();
        loop {
            changes.mark_unchanged();
            if self.read(&mut holds) {
                return;
            }
            // The sender lives as long as `self`: this cannot fail.
            let _ = changes.changed().await;
        }
    }

    /// Keeps the world at the present until `shutdown`: sleeps until something is due, and looks again after every
    /// change, which may have set an earlier timer.
    pub async fn drive(self, shutdown: CancellationToken) {
        let mut changes = self.changes();
        loop {
            changes.mark_unchanged();
            let due = self.read(World::next_due);
            let pause = due.map_or(Duration::MAX, |due| {
                // A timer of less than a millisecond would be slept short and asked again at once.
                (due - self.0.clock.now()).to_std().unwrap_or_default() + Duration::from_millis(1)
            });
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = changes.changed() => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
