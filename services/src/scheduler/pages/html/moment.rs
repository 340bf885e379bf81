//! Times for people: how long ago, with the exact one beside it, and how long something took.

use askama::Template;
use askama::filters::HtmlSafe;
use chrono::{DateTime, SecondsFormat, Utc};

/// A moment, seen from another one.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    source = r#"<time datetime="{{ machine }}" title="{{ exact }}">{{ ago }}</time>"#,
    ext = "html"
)]
pub(super) struct Moment {
    machine: String,
    exact: String,
    ago: String,
}

/// It is a template of its own, made of digits and our words.
impl HtmlSafe for Moment {}

impl Moment {
    /// `3 min ago`.
    pub(super) fn ago(time: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        let seconds = (now - time).num_seconds();
        let ago = match seconds {
            ..5 => "just now".to_owned(),
            5..2_592_000 => format!("{} ago", length(time, now)),
            2_592_000.. => time.format("%Y-%m-%d").to_string(),
        };
        Self::saying(time, ago)
    }

    /// `since 3 min`, without the word before it.
    pub(super) fn length(time: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self::saying(time, length(time, now))
    }

    /// `2026-01-02 03:04:05 UTC`.
    pub(super) fn exact(&self) -> &str {
        &self.exact
    }

    fn saying(time: DateTime<Utc>, ago: String) -> Self {
        Self {
            machine: time.to_rfc3339_opts(SecondsFormat::Millis, true),
            exact: time.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
            ago,
        }
    }
}

/// How long from one moment to another. A clock that runs ahead makes zero of it.
pub(super) fn length(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let seconds = (to - from).num_seconds().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if days >= 3 {
        format!("{days} d")
    } else if hours > 0 {
        match minutes % 60 {
            0 => format!("{hours} h"),
            rest => format!("{hours} h {rest} min"),
        }
    } else if minutes >= 10 {
        format!("{minutes} min")
    } else if minutes > 0 {
        match seconds % 60 {
            0 => format!("{minutes} min"),
            rest => format!("{minutes} min {rest} s"),
        }
    } else {
        format!("{seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + second, 0).unwrap()
    }

    #[test]
    fn lengths_are_as_exact_as_they_need_to_be() {
        let cases = [
            (-5, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (719, "11 min"),
            (3600, "1 h"),
            (7260, "2 h 1 min"),
            (200_000, "55 h 33 min"),
            (259_200, "3 d"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(length(at(0), at(seconds)), expected);
        }
    }

    #[test]
    fn a_moment_carries_the_exact_time() {
        assert_eq!(
            Moment::ago(at(0), at(90)).to_string(),
            r#"<time datetime="2026-09-21T14:13:20.000Z" title="2026-09-21 14:13:20 UTC">1 min 30 s ago</time>"#
        );
        assert!(Moment::ago(at(9), at(0)).to_string().contains(">just now<"));
        assert!(
            Moment::ago(at(0), at(9_999_999))
                .to_string()
                .contains(">2026-09-21<")
        );
    }
}
