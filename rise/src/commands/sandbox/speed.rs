//! `--speed N`: the services' share of a world that goes N times as fast.
//!
//! The durations of the domain are divided: rules, back-offs, polls, a token's life. What keeps the machinery going is not:
//! lease, HTTP, SQL, shutdown.

use rise_model::span::Span;
use serde::Serialize;
use toml::{Table, Value};

use crate::config::File;
use crate::exit::{Exit, Failure};

/// The scheduler's own durations that are polls.
const POLLS: [&str; 2] = ["round_at_least_every", "list_every"];
/// How long a token lives is the world's, so what is left of it is too.
const OF_TOKENS: [&str; 1] = ["token_reuse_until"];

/// What is laid over the services' configuration: the sandbox recovers its deliveries, and goes so many times as fast.
pub(super) fn overlay(file: &File, speed: u16) -> Result<String, Failure> {
    let mut deliveries = divided(&file.deliveries, speed)?;
    deliveries.insert("recover".to_owned(), "always".into());
    let mut overlay = Table::new();
    overlay.insert("deliveries".to_owned(), deliveries.into());
    if speed > 1 {
        let scheduler = only(divided(&file.scheduler, speed)?, &POLLS);
        let github = only(divided(&file.github, speed)?, &OF_TOKENS);
        overlay.insert("rules".to_owned(), divided(&file.rules, speed)?.into());
        overlay.insert("scheduler".to_owned(), scheduler.into());
        overlay.insert("github".to_owned(), github.into());
    }
    Ok(overlay.to_string())
}

/// A section with every duration divided.
fn divided(section: &impl Serialize, speed: u16) -> Result<Table, Failure> {
    let mut table = Table::try_from(section).map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("a section of the configuration cannot be written: {error}"),
        )
    })?;
    for (_, value) in &mut table {
        if let Some(span) = value.as_str().and_then(|text| Span::parse(text).ok()) {
            *value = Value::String(faster(span, speed).to_string());
        }
    }
    Ok(table)
}

fn faster(span: Span, speed: u16) -> Span {
    let millis = span.std().as_millis() / u128::from(speed.max(1));
    // No time at all is no time that the rules allow.
    Span::millis(u64::try_from(millis).unwrap_or(u64::MAX).max(1))
}

fn only(table: Table, keys: &[&str]) -> Table {
    table
        .into_iter()
        .filter(|(key, _)| keys.contains(&key.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Choice, Configuration, Variables};

    /// The configuration with this text laid over it.
    fn with(overlay: &str) -> Configuration {
        let variables = Variables::of(&[("RISE_CONFIG_TOML", overlay)]);
        Configuration::load(&Choice::default(), &variables).expect("a configuration")
    }

    #[test]
    fn the_domain_goes_faster_and_the_machinery_does_not() {
        let before = with("").file;
        let overlay = overlay(&before, 10).expect("an overlay");
        let faster = with(&overlay);
        assert_eq!(faster.problems, []);
        let faster = faster.file;
        assert_eq!(faster.rules.provision_within, Span::millis(4_500));
        assert_eq!(faster.rules.retry_after, Span::millis(200));
        assert_eq!(faster.rules.effects_at_once, before.rules.effects_at_once);
        assert_eq!(faster.deliveries.look_every, Span::seconds(30));
        assert_eq!(faster.scheduler.list_every, Span::millis(1_500));
        assert_eq!(faster.scheduler.lease_lasts, before.scheduler.lease_lasts);
        assert_eq!(faster.scheduler.drain_within, before.scheduler.drain_within);
        assert_eq!(faster.github.token_reuse_until, Span::seconds(6));
        assert_eq!(faster.github.call_timeout, before.github.call_timeout);
    }

    #[test]
    fn at_the_usual_speed_only_recovery_is_switched_on() {
        let before = with("").file;
        let after = with(&overlay(&before, 1).expect("an overlay")).file;
        assert_eq!(after.rules, before.rules);
        assert_eq!(
            after.deliveries.recover,
            rise_model::deliveries::Recover::Always
        );
    }

    #[test]
    fn no_speed_makes_a_configuration_that_is_refused() {
        let before = with("").file;
        for speed in [2, 7, 60, 100] {
            let overlay = overlay(&before, speed).expect("an overlay");
            assert_eq!(with(&overlay).problems, [], "speed {speed}");
        }
    }
}
