//! From merged texts to typed values, without stopping at the first mistake.
//!
//! A value of the wrong type is noted, replaced by what the default has there, and reading begins again, until all of the
//! file has been read once.

use std::collections::BTreeSet;

use super::File;
use super::fields;
use super::layers::{DEFAULT, Layers};
use super::path::{KeyPath, Step};
use super::problem::Problem;

/// What a reading gave.
pub(crate) struct Read {
    /// The values; where something was wrong, the default's.
    pub(crate) file: File,
    /// What was wrong.
    pub(crate) problems: Vec<Problem>,
    /// Where something was wrong: the rules that read these sections would only repeat it.
    pub(crate) spoilt: BTreeSet<String>,
}

/// A file with more mistakes than this needs no longer list.
const MOST_MISTAKES: usize = 200;

/// Reads the merged texts.
pub(crate) fn read(layers: &Layers) -> Result<Read, Problem> {
    let default: toml::Table = toml::from_str(DEFAULT).map_err(in_default)?;
    let mut merged = layers.merged();
    let mut problems = Vec::new();
    let mut spoilt = BTreeSet::new();
    let mut unknown = BTreeSet::new();
    for _ in 0..MOST_MISTAKES {
        let (path, error) = match attempt(merged.clone(), &mut unknown) {
            Ok(file) => {
                problems.extend(unknown.iter().map(|path| unknown_key(layers, path)));
                return Ok(Read {
                    file,
                    problems,
                    spoilt,
                });
            }
            Err(error) => error,
        };
        let text = format!("`{path}`: {}", in_plain_words(error.message()));
        problems.push(Problem::at(layers, &path, &text));
        spoilt.extend(path.section().map(str::to_owned));
        if !mend(&mut merged, &default, &path) {
            merged.clone_from(&default);
        }
    }
    Ok(Read {
        file: attempt(default, &mut BTreeSet::new()).map_err(|(_, error)| in_default(error))?,
        problems,
        spoilt,
    })
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is an argument of map_err"
)]
fn in_default(error: toml::de::Error) -> Problem {
    Problem::new(format!(
        "the built-in default is broken: {}",
        error.message()
    ))
    .hint("this is a mistake in rise itself: please report it")
}

fn attempt(
    merged: toml::Table,
    unknown: &mut BTreeSet<KeyPath>,
) -> Result<File, (KeyPath, toml::de::Error)> {
    let mut note = |path: serde_ignored::Path<'_>| {
        unknown.insert(KeyPath::from(&path));
    };
    let ignored = serde_ignored::Deserializer::new(toml::Value::Table(merged), &mut note);
    serde_path_to_error::deserialize(ignored).map_err(|error| {
        let path = KeyPath::from(error.path());
        (path, error.into_inner())
    })
}

/// Puts the default's value where something was wrong. In a list the whole item is replaced by a good one, so that the
/// others keep their numbers.
fn mend(merged: &mut toml::Table, default: &toml::Table, path: &KeyPath) -> bool {
    let depth = path
        .0
        .iter()
        .position(|step| matches!(step, Step::Index(_)));
    let (whole, item) = match depth {
        Some(depth) => (&path.0[..depth], path.0.get(depth)),
        None => (&path.0[..], None),
    };
    let Some((Step::Key(last), above)) = whole.split_last() else {
        return false;
    };
    let mut here = merged;
    let mut good = Some(default);
    for step in above {
        let Step::Key(key) = step else { return false };
        good = good.and_then(|table| table.get(key)?.as_table());
        match here.get_mut(key) {
            Some(toml::Value::Table(table)) => here = table,
            _ => return false,
        }
    }
    let good = good.and_then(|table| table.get(last));
    if let (Some(Step::Index(index)), Some(toml::Value::Array(list))) = (item, here.get_mut(last)) {
        let sample = good.and_then(|good| good.as_array()?.first());
        match (sample, list.get_mut(*index)) {
            (Some(sample), Some(place)) => place.clone_from(sample),
            _ => list.clear(),
        }
        return true;
    }
    match good {
        Some(good) => {
            here.insert(last.clone(), good.clone());
            true
        }
        None => here.remove(last).is_some(),
    }
}

/// serde's words for what was expected, in words that do not ask for knowledge of Rust.
fn in_plain_words(message: &str) -> String {
    let message = message.replace('\n', " ");
    let Some((found, expected)) = message.rsplit_once(", expected ") else {
        return message;
    };
    let plain = match expected {
        "u32" | "u64" | "usize" | "i64" => "a whole number",
        "a sequence" => "a list",
        "a map" => "a table",
        table if table.starts_with("struct ") => "a table",
        other => other,
    };
    format!("{found}, expected {plain}")
}

fn unknown_key(layers: &Layers, path: &KeyPath) -> Problem {
    let problem = Problem::at(layers, path, &format!("unknown key `{path}`"));
    let Some((above, Step::Key(key))) = path.split_last() else {
        return problem;
    };
    let known = fields::known_below(&above);
    if let Some(near) = fields::nearest(key, known.iter().copied()) {
        return problem.hint(format!("did you mean `{near}`?"));
    }
    if let Some(section) = fields::sections_with(key).first() {
        return problem.hint(format!("`{key}` belongs to [{section}]"));
    }
    if known.is_empty() {
        return problem;
    }
    problem.hint(format!("known here: {}", known.join(", ")))
}
