//! The database's clock, carried on by this machine's monotonic one between two looks at it. It never goes back.

use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;
use rise_model::Time;
use tokio::time::Instant;

/// Tells the database's time.
#[derive(Debug, Default)]
pub(super) struct Clock(Mutex<Option<(Instant, Time)>>);

impl Clock {
    /// The database said that it is `time`, and `asked` was the moment of the question.
    pub(super) fn set(&self, time: Time, asked: Instant) {
        let answered = Instant::now();
        // The answer was true about halfway between question and answer.
        let half = (answered - asked) / 2;
        let time = time + delta(half);
        let mut base = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let not_before = base.map(|(at, known)| known + delta(answered - at));
        *base = Some((answered, not_before.map_or(time, |least| time.max(least))));
    }

    /// The database's time now; nothing before it was asked once.
    pub(super) fn now(&self) -> Option<Time> {
        let base = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        base.map(|(at, known)| known + delta(at.elapsed()))
    }
}

impl Clock {
    /// How long ago the database was last heard.
    pub(super) fn silent_for(&self) -> std::time::Duration {
        let base = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        base.map_or(std::time::Duration::MAX, |(at, _)| at.elapsed())
    }
}

fn delta(duration: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeZone, Utc};

    #[test]
    fn it_never_goes_back() {
        let clock = Clock::default();
        assert_eq!(clock.now(), None);
        assert_eq!(clock.silent_for(), std::time::Duration::MAX);
        let noon = Utc
            .with_ymd_and_hms(2026, 11, 24, 12, 0, 0)
            .single()
            .expect("a time");
        clock.set(noon, Instant::now());
        clock.set(noon - TimeDelta::seconds(5), Instant::now());
        assert!(clock.now().is_some_and(|now| now >= noon));
        clock.set(noon + TimeDelta::seconds(5), Instant::now());
        assert!(
            clock
                .now()
                .is_some_and(|now| now >= noon + TimeDelta::seconds(5))
        );
    }
}
