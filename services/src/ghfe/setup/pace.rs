//! How often something may be done that everybody on the internet can ask for.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// So many in a minute, all at once or one by one.
pub(super) struct Pace {
    most: u32,
    minute: Mutex<Minute>,
}

struct Minute {
    began: Instant,
    admitted: u32,
}

impl Pace {
    pub(super) fn per_minute(most: u32) -> Self {
        let minute = Minute {
            began: Instant::now(),
            admitted: 0,
        };
        Self {
            most,
            minute: Mutex::new(minute),
        }
    }

    /// Whether one more may be done now; if so it counts.
    pub(super) fn admits(&self) -> bool {
        self.admits_at(Instant::now())
    }

    fn admits_at(&self, now: Instant) -> bool {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(minute.began) >= MINUTE {
            *minute = Minute {
                began: now,
                admitted: 0,
            };
        }
        let admits = minute.admitted < self.most;
        minute.admitted += u32::from(admits);
        admits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_the_limit_waits_for_the_next_minute() {
        let pace = Pace::per_minute(2);
        let began = Instant::now();
        let admitted = |now| (0..3).map(|_| pace.admits_at(now)).collect::<Vec<_>>();
        assert_eq!(admitted(began), [true, true, false]);
        assert_eq!(admitted(began + MINUTE / 2), [false; 3]);
        assert_eq!(admitted(began + MINUTE * 2), [true, true, false]);
    }
}
