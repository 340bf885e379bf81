//! Durations as people say them.

use chrono::TimeDelta;

/// `40 s`, `12 min`, `3 h`, `5 d`: one unit, rounded down.
#[must_use]
pub fn spell(time: TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    match seconds {
        0..90 => format!("{seconds} s"),
        90..5_400 => format!("{} min", seconds / 60),
        5_400..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}
