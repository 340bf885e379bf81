//! What is wrong with a configuration: collected, then said all at once.

use serde::Serialize;

use super::layers::Layers;
use super::path::KeyPath;
use crate::exit::{Detail, Exit, Failure};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// What is wrong and where: a file and line, or the name of a variable.
    pub(crate) text: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// Its line in its text, to tell problems in the order in which a person meets them.
    #[serde(skip)]
    pub(crate) line: Option<usize>,
}

impl Problem {
    /// A problem without a hint.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            hint: None,
            line: None,
        }
    }

    /// A problem with a value of the file.
    pub(super) fn at(layers: &Layers, path: &KeyPath, text: &str) -> Self {
        let place = layers.place(path);
        let start = match &place {
            Some(place) => place.to_string(),
            // What stands nowhere is missing from the whole.
            None => layers
                .0
                .last()
                .map_or_else(String::new, |layer| layer.origin.to_string()),
        };
        Self {
            text: format!("{start}: {text}"),
            hint: None,
            line: place.map(|place| place.line),
        }
    }

    /// The same with a hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// All of them as one failure.
pub(crate) fn failure(mut problems: Vec<Problem>) -> Failure {
    if problems.len() == 1
        && let Some(Problem { text, hint, .. }) = problems.pop()
    {
        let failure = Failure::new(Exit::Usage, text);
        return match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        };
    }
    let mut failure = Failure::new(
        Exit::Usage,
        format!("the configuration has {} problems", problems.len()),
    );
    failure.details = problems
        .into_iter()
        .map(|Problem { text, hint, .. }| Detail { text, hint })
        .collect();
    failure
}
