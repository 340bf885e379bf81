//! Rules of `[images]`, `[[pools]]` and `[[routes]]`.

use std::collections::BTreeMap;

use rise_model::LabelSet;
use rise_model::config::{Pool, Route};

use super::Findings;
use crate::config::{File, KeyPath, nearest};

/// A reference is one word, and `{tag}` is all that is replaced in it.
pub(super) fn images(file: &File, rules: &mut Findings<'_>) {
    let root = KeyPath::keys(&["images"]);
    for (name, reference) in &file.images {
        let here = root.key(name);
        if reference.is_empty() || reference.contains(char::is_whitespace) {
            rules.wrong(&here, format!("`{reference}` is no image reference"));
        } else if reference.replace("{tag}", "").contains(['{', '}']) {
            rules.wrong(
                &here,
                format!("`{reference}` has braces besides {{tag}}, which is all that is replaced"),
            );
        }
    }
}

/// A pool's name is the value of a node label, and names one pool.
pub(super) fn pools(file: &File, rules: &mut Findings<'_>) {
    let root = KeyPath::keys(&["pools"]);
    if file.pools.is_empty() {
        rules.wrong(&root, "there is no pool");
    }
    let mut names = BTreeMap::new();
    for (index, pool) in file.pools.iter().enumerate() {
        let here = root.index(index);
        if !is_label_value(pool.name.as_str()) {
            rules.wrong(
                &here.key("name"),
                format!(
                    "`{}` cannot be the value of a node label: letters, digits, - _ and ., at most 63 characters, \
                     a letter or digit first and last",
                    pool.name
                ),
            );
        }
        if let Some(first) = names.insert(&pool.name, index) {
            rules.wrong(
                &here.key("name"),
                format!("`{}` is the name of `{}` too", pool.name, root.index(first)),
            );
        }
        pool_options(pool, &here, rules);
    }
}

fn pool_options(pool: &Pool, here: &KeyPath, rules: &mut Findings<'_>) {
    for (key, value) in &pool.node_selector {
        if key.is_empty() || !(value.is_empty() || is_label_value(value)) {
            rules.wrong(
                &here.key("node_selector").key(key),
                format!("`{key}={value}` is no node label"),
            );
        }
    }
    if let Some(quantity) = &pool.ephemeral_storage
        && !is_quantity(quantity)
    {
        rules.wrong(
            &here.key("ephemeral_storage"),
            format!("`{quantity}` is no quantity; write it as in `90Gi`"),
        );
    }
}

/// A route names labels, a pool and an image that exist, and can be reached.
pub(super) fn routes(file: &File, rules: &mut Findings<'_>) {
    let root = KeyPath::keys(&["routes"]);
    for (index, route) in file.routes.iter().enumerate() {
        let here = root.index(index);
        labels(route, &here, rules);
        if !file.pools.iter().any(|pool| pool.name == route.pool) {
            let known: Vec<&str> = file.pools.iter().map(|pool| pool.name.as_str()).collect();
            unknown(
                rules,
                &here.key("pool"),
                "pool",
                route.pool.as_str(),
                &known,
            );
        }
        if !file.images.contains_key(&route.image) {
            let known: Vec<&str> = file.images.keys().map(String::as_str).collect();
            unknown(rules, &here.key("image"), "image", &route.image, &known);
        }
        whom(route, &here, rules);
        let hidden_by = file.routes[..index].iter().position(|earlier| {
            earlier.only_for.is_empty()
                && earlier.labels == route.labels
                && earlier.label_match == route.label_match
                && earlier.implied == route.implied
        });
        if let Some(earlier) = hidden_by {
            rules.wrong(
                &here,
                format!(
                    "no job gets here: `{}` takes the same labels for everybody",
                    root.index(earlier)
                ),
            );
        }
    }
}

fn labels(route: &Route, here: &KeyPath, rules: &mut Findings<'_>) {
    if route.labels.as_slice().is_empty() {
        rules.wrong(&here.key("labels"), "there is no label");
    }
    for (key, set) in [("labels", &route.labels), ("implied", &route.implied)] {
        if has_blank(set) {
            rules.wrong(&here.key(key), "a label is empty");
        }
    }
    if let Some(both) = route
        .implied
        .as_slice()
        .iter()
        .find(|label| route.labels.as_slice().contains(label))
    {
        rules.wrong(
            &here.key("implied"),
            format!("`{both}` is among the labels that must be there"),
        );
    }
}

fn whom(route: &Route, here: &KeyPath, rules: &mut Findings<'_>) {
    for (index, who) in route.only_for.iter().enumerate() {
        let here = here.key("for").index(index);
        if who.entity.0 <= 0 {
            rules.wrong(
                &here.key("entity"),
                format!("{} is no account id: ids are above zero", who.entity),
            );
        }
        for (position, repository) in who.repositories.iter().enumerate() {
            if repository.trim().is_empty() || repository.contains('/') {
                rules.wrong(
                    &here.key("repositories").index(position),
                    format!("`{repository}` is no repository name without its owner"),
                );
            }
        }
    }
    for (index, entity) in route.allow.iter().enumerate() {
        if entity.0 <= 0 {
            rules.wrong(
                &here.key("allow").index(index),
                format!("{entity} is no account id: ids are above zero"),
            );
        }
    }
}

fn unknown(rules: &mut Findings<'_>, path: &KeyPath, what: &str, name: &str, known: &[&str]) {
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known: {}", known.join(", ")),
    };
    rules.wrong_hint(path, format!("there is no {what} `{name}`"), hint);
}

fn has_blank(set: &LabelSet) -> bool {
    set.as_slice().iter().any(|label| label.trim().is_empty())
}

fn is_label_value(value: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    value.len() <= 63
        && edge(value.chars().next())
        && edge(value.chars().last())
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// A number and one of Kubernetes' suffixes.
fn is_quantity(text: &str) -> bool {
    const SUFFIXES: [&str; 13] = [
        "", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
    ];
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    SUFFIXES.contains(&suffix) && number.parse::<f64>().is_ok_and(|n| n > 0.0)
}
