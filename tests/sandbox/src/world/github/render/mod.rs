//! GitHub's JSON, with the full set of fields that its payloads and answers carry, noise included: a reader that trips
//! over the noise shall do so here.

mod accounts;
mod jobs;
mod repositories;
mod runners;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::GitHub;
use crate::world::Time;

/// Where GitHub's objects say that they are.
#[derive(Debug, Clone)]
pub(super) struct Urls {
    api: String,
    html: String,
    avatars: String,
}

impl Default for Urls {
    fn default() -> Self {
        Self {
            api: "https://api.github.com".to_owned(),
            html: "https://github.com".to_owned(),
            avatars: "https://avatars.githubusercontent.com".to_owned(),
        }
    }
}

/// A time as GitHub writes it: whole seconds, UTC.
#[must_use]
pub fn timestamp(at: Time) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A date long before the world begins, for things that are older than it.
fn long_ago() -> String {
    timestamp(DateTime::<Utc>::UNIX_EPOCH + chrono::TimeDelta::days(18_600))
}

/// Adds `base` + suffix for each `(key, suffix)` to an object.
fn add_urls(object: &mut Map<String, Value>, base: &str, urls: &[(&str, &str)]) {
    for (key, suffix) in urls {
        object.insert((*key).to_owned(), format!("{base}{suffix}").into());
    }
}

/// The fields of an object; anything else has none.
fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

impl GitHub {
    /// From now on objects say that the API is at `url` (without a slash at the end).
    pub fn set_api_url(&mut self, url: &str) {
        url.clone_into(&mut self.urls.api);
    }

    /// Where objects say that the API is.
    #[must_use]
    pub fn api_url(&self) -> &str {
        &self.urls.api
    }
}
