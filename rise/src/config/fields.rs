//! Which keys a section may have, so that an unknown one can be answered with the nearest known one.
//!
//! The keys are asked from the types themselves: a type that is given to `fields` names them to its deserializer.

use std::fmt;

use rise_model::config::{
    Apps, Caps, EntitySettings, Environment, Pool, Route, RouteFor, Rules, Sharing,
};
use rise_model::deliveries::DeliveryRules;
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use services::config::{
    DatabaseSection, GhfeSection, GitHubSection, KubernetesSection, PagesSection, SchedulerSection,
    SetupSection,
};

use super::path::{KeyPath, Step};
use super::{Environments, File};

/// The keys that may stand below a path; none where any may.
pub(crate) fn known_below(path: &KeyPath) -> &'static [&'static str] {
    let steps: Vec<&str> = path
        .0
        .iter()
        .map(|step| match step {
            Step::Key(key) => key.as_str(),
            Step::Index(_) => "[]",
        })
        .collect();
    match steps.as_slice() {
        [] => fields::<File>(),
        ["apps"] => fields::<Apps>(),
        ["environment"] => fields::<Environments>(),
        ["environment", _] => fields::<Environment>(),
        ["pools", "[]"] => fields::<Pool>(),
        ["routes", "[]"] => fields::<Route>(),
        ["routes", "[]", "for", "[]"] => fields::<RouteFor>(),
        ["caps"] => fields::<Caps>(),
        ["caps", "entities", "[]"] => fields::<EntitySettings>(),
        ["sharing"] => fields::<Sharing>(),
        ["rules"] => fields::<Rules>(),
        ["deliveries"] => fields::<DeliveryRules>(),
        ["ghfe"] => fields::<GhfeSection>(),
        ["setup"] => fields::<SetupSection>(),
        ["scheduler"] => fields::<SchedulerSection>(),
        ["scheduler", "pages"] => fields::<PagesSection>(),
        ["github"] => fields::<GitHubSection>(),
        ["kubernetes"] => fields::<KubernetesSection>(),
        ["database"] => fields::<DatabaseSection>(),
        _ => &[],
    }
}

/// The sections in which a key is known.
pub(crate) fn sections_with(key: &str) -> Vec<&'static str> {
    known_below(&KeyPath::default())
        .iter()
        .copied()
        .filter(|section| known_below(&KeyPath::keys(&[section])).contains(&key))
        .collect()
}

/// The candidate that a person most likely meant, if any is near enough.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    /// Below this two words have little in common.
    const NEAR_ENOUGH: f64 = 0.8;
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= NEAR_ENOUGH)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// The fields of a struct, which its `Deserialize` gives away when it asks for them.
fn fields<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    match T::deserialize(Ask) {
        Err(Fields(fields)) => fields,
        Ok(_) => &[],
    }
}

struct Ask;

#[derive(Debug)]
struct Fields(&'static [&'static str]);

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for Fields {}

impl serde::de::Error for Fields {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }
}

impl<'de> Deserializer<'de> for Ask {
    type Error = Fields;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fields> {
        Err(Fields(&[]))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Fields> {
        Err(Fields(fields))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_of_the_default_has_known_keys() {
        let default: toml::Table = super::super::layers::DEFAULT.parse().unwrap();
        let sections = known_below(&KeyPath::default());
        for (section, value) in &default {
            assert!(sections.contains(&section.as_str()), "{section}");
            let path = KeyPath::keys(&[section]);
            match value {
                toml::Value::Table(_) if section == "images" => {}
                toml::Value::Array(_) => {
                    assert!(!known_below(&path.index(0)).is_empty(), "{section}");
                }
                _ => assert!(!known_below(&path).is_empty(), "{section}"),
            }
        }
        assert!(!known_below(&KeyPath::keys(&["environment", "prod"])).is_empty());
    }

    #[test]
    fn the_nearest_word_is_near() {
        assert_eq!(
            nearest("lease_last", ["lease_lasts", "state_every"]),
            Some("lease_lasts")
        );
        assert_eq!(nearest("zebra", ["lease_lasts"]), None);
    }
}
