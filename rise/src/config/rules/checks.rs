//! Rules of `[apps]`, `[environment.…]`, `[caps]` and `[setup]`.

use std::collections::BTreeMap;

use rise_model::config::Environment;

use super::Findings;
use crate::config::{File, KeyPath};

/// A pod's name is a DNS label: 63 characters, of which nine tell one pod from another.
const LONGEST_PREFIX: usize = 63 - 9;
/// PostgreSQL cuts longer names; the longest of ours is the schema's with `_queue_event` behind it.
const LONGEST_SCHEMA: usize = 63 - "_queue_event".len();

/// Two Apps, not one.
pub(super) fn apps(file: &File, rules: &mut Findings<'_>) {
    let root = KeyPath::keys(&["apps"]);
    for (key, app) in [
        ("organization", file.apps.organization),
        ("personal", file.apps.personal),
    ] {
        if app.0 <= 0 {
            rules.wrong(
                &root.key(key),
                format!("{app} is no App id: ids are above zero"),
            );
        }
    }
    if file.apps.organization == file.apps.personal {
        rules.wrong(
            &root.key("personal"),
            "it is the same App as `apps.organization`",
        );
    }
}

/// The links stand in pages that everybody can open.
pub(super) fn setup(file: &File, rules: &mut Findings<'_>) {
    let root = KeyPath::keys(&["setup"]);
    for (key, url) in [
        (
            "organization_install_url",
            &file.setup.organization_install_url,
        ),
        ("personal_install_url", &file.setup.personal_install_url),
    ] {
        if !reqwest::Url::parse(url).is_ok_and(|url| url.scheme() == "https") {
            rules.wrong(&root.key(key), format!("`{url}` is no https:// URL"));
        }
    }
    if file.setup.lookups_per_minute == 0 {
        rules.wrong(&root.key("lookups_per_minute"), "it must be at least 1");
    }
}

/// Names that go into SQL, pod names and patterns must be safe there, and the two environments must not meet.
pub(super) fn environments(file: &File, rules: &mut Findings<'_>) {
    let environments = &file.environment;
    environment("prod", &environments.prod, rules);
    environment("staging", &environments.staging, rules);
    let staging = KeyPath::keys(&["environment", "staging"]);
    let (prod, own) = (&environments.prod, &environments.staging);
    for (key, prod, own) in [
        ("schema", &prod.schema, &own.schema),
        ("runner_prefix", &prod.runner_prefix, &own.runner_prefix),
        ("runner_group", &prod.runner_group, &own.runner_group),
    ] {
        if prod == own {
            rules.wrong(
                &staging.key(key),
                "it is the same as in [environment.prod]: the two would take each other's work",
            );
        }
    }
}

fn environment(name: &str, environment: &Environment, rules: &mut Findings<'_>) {
    let root = KeyPath::keys(&["environment", name]);
    let schema = &environment.schema;
    if !is_identifier(schema) || schema.len() > LONGEST_SCHEMA {
        rules.wrong(
            &root.key("schema"),
            format!(
                "`{schema}` is no plain schema name: a to z, digits and _, at most {LONGEST_SCHEMA} characters, \
                 no digit first"
            ),
        );
    }
    let prefix = &environment.runner_prefix;
    if !is_dns_label(prefix.strip_suffix('-').unwrap_or("")) || prefix.len() > LONGEST_PREFIX {
        rules.wrong(
            &root.key("runner_prefix"),
            format!(
                "`{prefix}` cannot begin a pod's name: a to z, digits and -, a letter or digit first, - last, \
                 at most {LONGEST_PREFIX} characters"
            ),
        );
    }
    if environment.runner_group.trim().is_empty() {
        rules.wrong(&root.key("runner_group"), "it is empty");
    }
    let tag = &environment.image_tag;
    let in_tag = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if tag.is_empty() || tag.len() > 128 || !tag.chars().all(in_tag) || tag.starts_with(['.', '-'])
    {
        rules.wrong(
            &root.key("image_tag"),
            format!("`{tag}` is no image tag: letters, digits, _ . and -, at most 128 characters"),
        );
    }
    let namespace = &environment.namespace;
    if !is_dns_label(namespace) || namespace.len() > 63 {
        rules.wrong(
            &root.key("namespace"),
            format!("`{namespace}` is no namespace: a to z, digits and -, at most 63 characters"),
        );
    }
}

/// An entity is listed once, under an id and a login.
pub(super) fn caps(file: &File, rules: &mut Findings<'_>) {
    let root = KeyPath::keys(&["caps", "entities"]);
    let mut ids = BTreeMap::new();
    let mut names = BTreeMap::new();
    for (index, entity) in file.caps.entities.iter().enumerate() {
        let here = root.index(index);
        if entity.id.0 <= 0 {
            rules.wrong(
                &here.key("id"),
                format!("{} is no account id: ids are above zero", entity.id),
            );
        }
        if let Some(first) = ids.insert(entity.id, index) {
            rules.wrong(
                &here.key("id"),
                format!("{} is listed before, at `{}`", entity.id, root.index(first)),
            );
        }
        if entity.name.trim().is_empty() {
            rules.wrong(&here.key("name"), "it is empty");
        } else if let Some(first) = names.insert(entity.name.to_lowercase(), index) {
            rules.wrong(
                &here.key("name"),
                format!(
                    "`{}` is listed before, at `{}`",
                    entity.name,
                    root.index(first)
                ),
            );
        }
        for (position, repository) in entity.staging.iter().enumerate() {
            if repository.trim().is_empty() || repository.contains('/') {
                rules.wrong(
                    &here.key("staging").index(position),
                    format!("`{repository}` is no repository name without its owner"),
                );
            }
        }
    }
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn is_dns_label(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}
