//! Times for people: how long ago, how long for, and since when.

use rise_model::Time;
use rise_model::span::Span;
use services::store::operator::Since;
use services::store::settings::Until;

/// How times are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    /// `3m ago`.
    Relative,
    /// `2026-11-24T22:10:00Z`.
    Exact,
}

impl Times {
    /// A moment, seen from another one.
    pub(crate) fn show(self, time: Time, now: Time) -> String {
        match self {
            Self::Exact => exact(time),
            Self::Relative => ago(time, now),
        }
    }
}

/// To the second.
pub(crate) fn exact(time: Time) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// `3m ago`.
pub(crate) fn ago(time: Time, now: Time) -> String {
    format!("{} ago", length(time, now))
}

/// How long from one moment to another, in at most two units. A clock that runs ahead makes zero of it.
pub(crate) fn length(from: Time, to: Time) -> String {
    let seconds = (to - from).num_seconds().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let two = |large: i64, unit: char, small: i64, small_unit: char| {
        if small == 0 {
            format!("{large}{unit}")
        } else {
            format!("{large}{unit} {small}{small_unit}")
        }
    };
    if days > 0 {
        two(days, 'd', hours % 24, 'h')
    } else if hours > 0 {
        two(hours, 'h', minutes % 60, 'm')
    } else if minutes > 0 {
        two(minutes, 'm', seconds % 60, 's')
    } else {
        format!("{seconds}s")
    }
}

/// Reads `2h`, `3d`, `2026-11-24`, or an RFC 3339 time.
pub(crate) fn since(text: &str) -> Result<Since, &'static str> {
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
        return Ok(Since::At(time.to_utc()));
    }
    if let Ok(date) = text.parse::<chrono::NaiveDate>() {
        return Ok(Since::At(date.and_time(chrono::NaiveTime::MIN).and_utc()));
    }
    if let Some(days) = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u32>().ok())
    {
        return Ok(Since::Ago(Span::seconds(u64::from(days) * 86400)));
    }
    Span::parse(text)
        .map(Since::Ago)
        .map_err(|_| "write 30m, 2h, 3d, 2026-11-24, or 2026-11-24T22:10:00Z")
}

/// Reads the same as an end: `2h` from now, or a moment.
pub(crate) fn until(text: &str) -> Result<Until, &'static str> {
    since(text).map(|read| match read {
        Since::At(time) => Until::At(time),
        Since::Ago(span) => Until::In(span),
    })
}

/// `in 3m`, or `3m ago` if it is past.
pub(crate) fn end(time: Time, now: Time, times: Times) -> String {
    if times == Times::Exact {
        exact(time)
    } else if time > now {
        format!("in {}", length(now, time))
    } else {
        ago(time, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn lengths_have_at_most_two_units() {
        let now = at("2026-11-24T12:00:00Z");
        for (then, expected) in [
            ("2026-11-24T12:00:05Z", "0s"),
            ("2026-11-24T11:59:18Z", "42s"),
            ("2026-11-24T11:57:00Z", "3m"),
            ("2026-11-24T11:56:55Z", "3m 5s"),
            ("2026-11-24T09:29:12Z", "2h 30m"),
            ("2026-11-21T10:30:12Z", "3d 1h"),
        ] {
            assert_eq!(length(at(then), now), expected, "{then}");
        }
    }

    #[test]
    fn since_reads_ages_and_dates() {
        assert_eq!(since("2h"), Ok(Since::Ago(Span::seconds(7200))));
        assert_eq!(since("3d"), Ok(Since::Ago(Span::seconds(3 * 86400))));
        assert_eq!(
            since("2026-11-24"),
            Ok(Since::At(at("2026-11-24T00:00:00Z")))
        );
        assert_eq!(
            since("2026-11-24T10:00:00+01:00"),
            Ok(Since::At(at("2026-11-24T09:00:00Z")))
        );
        assert!(since("yesterday").is_err());
        assert!(since("-2h").is_err());
    }
}
