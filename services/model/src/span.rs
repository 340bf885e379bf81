//! Durations in the configuration: `15s`, `2m 30s`, `6h`, as people write them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration that is read and written with its unit, and is never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);

impl Span {
    /// A span of whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A span of milliseconds.
    #[must_use]
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// For clocks and timers.
    #[must_use]
    pub const fn std(self) -> Duration {
        self.0
    }

    /// For arithmetic with moments.
    #[must_use]
    pub fn delta(self) -> chrono::TimeDelta {
        chrono::TimeDelta::from_std(self.0).unwrap_or(chrono::TimeDelta::MAX)
    }

    /// Reads `1h 30m`, `90s`, `250ms`, `PT5M`.
    ///
    /// # Errors
    /// Says what was expected when the text is no duration or a negative one.
    pub fn parse(text: &str) -> Result<Self, SpanError> {
        let signed: jiff::SignedDuration = text
            .parse()
            .map_err(|_| SpanError::NotADuration(text.to_owned()))?;
        Duration::try_from(signed)
            .map(Self)
            .map_err(|_| SpanError::Negative(text.to_owned()))
    }
}

/// Why a text is no [`Span`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// Not written as a duration.
    #[error("`{0}` is not a duration; write a number with its unit, as in `15s`, `2m 30s` or `6h`")]
    NotADuration(String),
    /// Below zero.
    #[error("`{0}` is negative; a duration here is zero or more")]
    Negative(String),
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::SignedDuration::try_from(self.0) {
            Ok(signed) => write!(f, "{signed:#}"),
            Err(_) => write!(f, "{}s", self.0.as_secs()),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!(Span::parse("15s"), Ok(Span::seconds(15)));
        assert_eq!(Span::parse("2m 30s"), Ok(Span::seconds(150)));
        assert_eq!(Span::parse("250ms"), Ok(Span::millis(250)));
        assert_eq!(
            Span::parse("6h").map(|s| s.to_string()),
            Ok("6h".to_owned())
        );
        assert!(matches!(Span::parse("15"), Err(SpanError::NotADuration(_))));
        assert!(matches!(Span::parse("-5s"), Err(SpanError::Negative(_))));
    }
}
