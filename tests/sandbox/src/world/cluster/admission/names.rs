//! What names, label keys and label values may look like.

use serde_json::{Value, json};

use super::super::error::Cause;

const SUBDOMAIN_RULE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
     and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
     '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const VALUE_RULE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
     and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used \
     for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const KEY_RULE: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
     alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
     '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_LIMIT: usize = 63;
const SUBDOMAIN_LIMIT: usize = 253;

/// Lower case letters, digits and hyphens, at most 63, no hyphen at an end.
pub(super) fn is_label(name: &str) -> bool {
    name.len() <= LABEL_LIMIT && has_label_form(name)
}

fn has_label_form(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty() && name.chars().all(fits) && !name.starts_with('-') && !name.ends_with('-')
}

/// Parts of such letters joined by dots, at most 253 characters in all.
fn is_subdomain(name: &str) -> bool {
    name.len() <= SUBDOMAIN_LIMIT && name.split('.').all(has_label_form)
}

fn is_name_part(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    name.len() <= LABEL_LIMIT
        && name.chars().all(fits)
        && ends(name.chars().next())
        && ends(name.chars().next_back())
}

/// A name with an optional domain before a slash.
pub(super) fn is_qualified(key: &str) -> bool {
    match key.split_once('/') {
        Some((domain, name)) => is_subdomain(domain) && is_name_part(name),
        None => is_name_part(key),
    }
}

/// Checks keys and values of labels (or of a node selector).
pub(in super::super) fn check_labels(labels: &Value, field: &str, causes: &mut Vec<Cause>) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        if !is_qualified(key) {
            causes.push(Cause::invalid(field, &json!(key), KEY_RULE));
        }
        match value.as_str() {
            Some("") => {}
            Some(text) if text.len() > LABEL_LIMIT => {
                causes.push(Cause::invalid(
                    field,
                    value,
                    "must be no more than 63 characters",
                ));
            }
            Some(text) if is_name_part(text) => {}
            _ => causes.push(Cause::invalid(field, value, VALUE_RULE)),
        }
    }
}

pub(super) fn check_name(metadata: &Value, causes: &mut Vec<Cause>) {
    match metadata["name"].as_str().unwrap_or_default() {
        "" => causes.push(Cause::required(
            "metadata.name",
            "name or generateName is required",
        )),
        name if !is_subdomain(name) => causes.push(Cause::invalid(
            "metadata.name",
            &json!(name),
            SUBDOMAIN_RULE,
        )),
        _ => {}
    }
}

pub(super) fn check_env_name(name: &Value, field: &str, causes: &mut Vec<Cause>) {
    let fits = |c: char| (' '..='~').contains(&c) && c != '=';
    match name.as_str().unwrap_or_default() {
        "" => causes.push(Cause::required(field, "")),
        text if !text.chars().all(fits) => {
            let why = "a valid environment variable name must consist only of printable ASCII characters other than '='";
            causes.push(Cause::invalid(field, name, why));
        }
        _ => {}
    }
}
