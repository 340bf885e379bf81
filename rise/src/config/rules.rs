//! What must hold beyond types: names that are used exist, names that name things are unique, limits that depend on one
//! another fit. Every rule is checked; a section with a value of the wrong type is left alone, because its rules would
//! only repeat that.

mod checks;
mod places;
mod times;

use std::collections::BTreeSet;

use super::File;
use super::layers::Layers;
use super::path::KeyPath;
use super::problem::Problem;

/// Everything that does not hold.
pub(super) fn check(file: &File, layers: &Layers, spoilt: &BTreeSet<String>) -> Vec<Problem> {
    let mut rules = Findings {
        layers,
        problems: Vec::new(),
    };
    let good = |sections: &[&str]| !sections.iter().any(|section| spoilt.contains(*section));
    if good(&["environment"]) {
        checks::environments(file, &mut rules);
    }
    if good(&["images"]) {
        places::images(file, &mut rules);
    }
    if good(&["pools"]) {
        places::pools(file, &mut rules);
    }
    if good(&["pools", "images", "routes"]) {
        places::routes(file, &mut rules);
    }
    if good(&["caps"]) {
        checks::caps(file, &mut rules);
    }
    if good(&["rules"]) {
        times::rules(file, &mut rules);
    }
    if good(&["deliveries"]) {
        times::deliveries(file, &mut rules);
    }
    if good(&["ghfe"]) {
        times::ghfe(file, &mut rules);
    }
    if good(&["setup"]) {
        checks::setup(file, &mut rules);
    }
    if good(&["scheduler"]) {
        times::scheduler(file, &mut rules);
        times::pages(file, &mut rules);
    }
    if good(&["github", "kubernetes", "database"]) {
        times::clients(file, &mut rules);
    }
    if good(&["apps"]) {
        checks::apps(file, &mut rules);
    }
    rules.problems
}

/// What was found so far.
struct Findings<'a> {
    layers: &'a Layers,
    problems: Vec<Problem>,
}

impl Findings<'_> {
    /// Notes that a key does not hold.
    fn wrong(&mut self, path: &KeyPath, text: impl AsRef<str>) {
        let problem = self.problem(path, text.as_ref());
        self.problems.push(problem);
    }

    /// The same with a hint.
    fn wrong_hint(&mut self, path: &KeyPath, text: impl AsRef<str>, hint: impl Into<String>) {
        let problem = self.problem(path, text.as_ref()).hint(hint);
        self.problems.push(problem);
    }

    fn problem(&self, path: &KeyPath, text: &str) -> Problem {
        Problem::at(self.layers, path, &format!("`{path}`: {text}"))
    }
}
