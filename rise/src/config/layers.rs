//! The texts that make up the configuration, one over the other: the built-in default, a file, the text of a variable.
//!
//! Tables are merged key by key, lists are replaced whole. Every value keeps its origin: which text, which line.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::path::{KeyPath, Step};
use super::problem::Problem;

/// The built-in default. It names every key, apart from optional ones of pools, routes and entities.
pub(crate) const DEFAULT: &str = include_str!("../../../assets/config/default.toml");

/// Which text a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub(crate) enum Origin {
    /// The built-in default.
    Default,
    /// A file, by its path as it was given.
    File(String),
    /// The text of this variable.
    Variable(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => f.write_str(path),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// One text, read.
#[derive(Debug)]
pub(crate) struct Layer {
    /// Which text.
    pub(crate) origin: Origin,
    text: Cow<'static, str>,
    tree: Spanned<DeTable<'static>>,
    table: toml::Table,
}

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Place {
    /// The text.
    pub(crate) origin: Origin,
    /// The line in it, counted from 1.
    pub(crate) line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.origin, self.line)
    }
}

impl Layer {
    /// Reads a text.
    pub(crate) fn parse(origin: Origin, text: Cow<'static, str>) -> Result<Self, Problem> {
        let read = DeTable::parse(&text).and_then(|tree| {
            // A second read, because a spanned tree and a plain one share no type.
            Ok((own(tree), toml::from_str(&text)?))
        });
        match read {
            Ok((tree, table)) => Ok(Self {
                origin,
                text,
                tree,
                table,
            }),
            Err(error) => {
                let line = error.span().map_or(1, |span| line_at(&text, span.start));
                let message = error.message().replace('\n', " ");
                Err(Problem::new(format!(
                    "{origin}:{line}: not TOML: {message}"
                )))
            }
        }
    }

    /// The line of a value, if this text has it.
    fn line(&self, path: &KeyPath) -> Option<usize> {
        let mut line = None;
        let mut here: Option<&DeValue<'_>> = None;
        for step in &path.0 {
            let (start, value) = match (step, here) {
                (Step::Key(key), None) => entry(self.tree.get_ref(), key)?,
                (Step::Key(key), Some(DeValue::Table(table))) => entry(table, key)?,
                (Step::Index(index), Some(DeValue::Array(list))) => {
                    let value = list.get(*index)?;
                    (value.span().start, value.get_ref())
                }
                _ => return None,
            };
            line = Some(line_at(&self.text, start));
            here = Some(value);
        }
        line
    }
}

/// The tree without its borrowed text.
fn own(tree: Spanned<DeTable<'_>>) -> Spanned<DeTable<'static>> {
    let span = tree.span();
    Spanned::new(span, own_table(tree.into_inner()))
}

fn own_table(table: DeTable<'_>) -> DeTable<'static> {
    table
        .into_iter()
        .map(|(key, value)| {
            let (key_span, value_span) = (key.span(), value.span());
            let key = Cow::Owned(key.into_inner().into_owned());
            (
                Spanned::new(key_span, key),
                Spanned::new(value_span, own_value(value.into_inner())),
            )
        })
        .collect()
}

/// Only the shape and the places are looked at; scalars keep their place and lose their value.
fn own_value(value: DeValue<'_>) -> DeValue<'static> {
    match value {
        DeValue::Table(table) => DeValue::Table(own_table(table)),
        DeValue::Array(list) => DeValue::Array(
            list.into_iter()
                .map(|item| {
                    let span = item.span();
                    Spanned::new(span, own_value(item.into_inner()))
                })
                .collect(),
        ),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => DeValue::Boolean(true),
    }
}

fn entry<'a>(table: &'a DeTable<'static>, key: &str) -> Option<(usize, &'a DeValue<'static>)> {
    let (name, value) = table.iter().find(|(name, _)| name.get_ref() == key)?;
    Some((name.span().start, value.get_ref()))
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|&b| b == b'\n').count() + 1
}

/// All texts, the strongest last.
#[derive(Debug)]
pub(crate) struct Layers(pub(crate) Vec<Layer>);

impl Layers {
    /// What is in force.
    pub(crate) fn merged(&self) -> toml::Table {
        let mut merged = toml::Table::new();
        for layer in &self.0 {
            lay_over(&mut merged, layer.table.clone());
        }
        merged
    }

    /// Where the value at a path, or the nearest thing above it, was written.
    pub(crate) fn place(&self, path: &KeyPath) -> Option<Place> {
        let mut path = path.clone();
        loop {
            // A list comes whole from the strongest text that has it, so its items must not be looked for further down.
            let list = path
                .0
                .iter()
                .position(|step| matches!(step, Step::Index(_)))
                .unwrap_or(path.0.len());
            let whole = KeyPath(path.0.iter().take(list).cloned().collect());
            let strongest = self.0.iter().rev().find(|l| l.line(&whole).is_some())?;
            if let Some(line) = strongest.line(&path) {
                return Some(Place {
                    origin: strongest.origin.clone(),
                    line,
                });
            }
            path.0.pop()?;
        }
    }
}

fn lay_over(under: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(toml::Value::Table(under)), toml::Value::Table(over)) => lay_over(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(origin: Origin, text: &'static str) -> Layer {
        Layer::parse(origin, text.into()).unwrap()
    }

    fn layers() -> Layers {
        Layers(vec![
            layer(
                Origin::Default,
                "[a]\nx = 1\ny = 2\n[[list]]\nn = 1\n[[list]]\nn = 2\n",
            ),
            layer(
                Origin::File("f.toml".into()),
                "[a]\n\ny = 3\n[[list]]\nn = 9\n",
            ),
            layer(Origin::Variable("RISE_CONFIG_TOML"), "a.z = 4"),
        ])
    }

    #[test]
    fn tables_are_merged_and_lists_replaced() {
        insta::assert_snapshot!(layers().merged(), @r"
        [a]
        x = 1
        y = 3
        z = 4

        [[list]]
        n = 9
        ");
    }

    #[test]
    fn every_value_knows_its_text_and_line() {
        let layers = layers();
        let place = |path: KeyPath| layers.place(&path).map(|p| p.to_string());
        assert_eq!(
            place(KeyPath::keys(&["a", "x"])).as_deref(),
            Some("default:2")
        );
        assert_eq!(
            place(KeyPath::keys(&["a", "y"])).as_deref(),
            Some("f.toml:3")
        );
        assert_eq!(
            place(KeyPath::keys(&["a", "z"])).as_deref(),
            Some("RISE_CONFIG_TOML:1")
        );
        let list = KeyPath::keys(&["list"]);
        assert_eq!(place(list.index(0).key("n")).as_deref(), Some("f.toml:5"));
        assert_eq!(
            place(list.index(0).key("missing")).as_deref(),
            Some("f.toml:4"),
            "what is not there is looked for where it should stand"
        );
        assert_eq!(place(KeyPath::keys(&["nowhere"])), None);
    }
}
