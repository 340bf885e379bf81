//! What is in force: the configuration file and the environment variables.
//!
//! The file is made of layers: the built-in default, then the file of `--config` or `RISE_CONFIG`, then the text of
//! `RISE_CONFIG_TOML`. Nothing stops at the first mistake: all that is missing or wrong is said at once. Each process asks
//! only for the variables that it uses.

mod fields;
mod layers;
mod path;
mod problem;
mod processes;
mod read;
mod rules;
#[cfg(test)]
mod tests;
mod variables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rise_model::Image;
use rise_model::config::{Apps, Caps, Environment, Pool, Route, Routing, Rules, Sharing};
use rise_model::deliveries::DeliveryRules;
use serde::{Deserialize, Serialize};
use services::config::{
    DatabaseSection, GhfeSection, GitHubSection, KubernetesSection, SchedulerSection, SetupSection,
};

pub(crate) use fields::nearest;
pub(crate) use layers::Place;
use layers::{DEFAULT, Layer, Layers, Origin};
pub(crate) use path::KeyPath;
pub(crate) use problem::{Problem, failure};
pub(crate) use processes::{DEFAULT_PORT, Database, TraceAccess};
use variables::Asking;
pub(crate) use variables::{Secrecy, Source, Variable, Variables};

/// The root of the file. Each crate owns the sections that it reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct File {
    /// The two GitHub Apps.
    pub(crate) apps: Apps,
    /// What follows the environment.
    pub(crate) environment: Environments,
    /// Image references by name.
    pub(crate) images: BTreeMap<String, String>,
    /// The pools.
    pub(crate) pools: Vec<Pool>,
    /// The routes, in order.
    pub(crate) routes: Vec<Route>,
    /// Caps of entities.
    pub(crate) caps: Caps,
    /// How boards are shared.
    pub(crate) sharing: Sharing,
    /// Times and limits of the scheduler's decisions.
    pub(crate) rules: Rules,
    /// How missed deliveries are recovered.
    pub(crate) deliveries: DeliveryRules,
    /// Limits of webhook intake.
    pub(crate) ghfe: GhfeSection,
    /// The pages that GitHub sends people to.
    pub(crate) setup: SetupSection,
    /// The scheduler's rhythm.
    pub(crate) scheduler: SchedulerSection,
    /// How GitHub is called.
    pub(crate) github: GitHubSection,
    /// How the cluster is called.
    pub(crate) kubernetes: KubernetesSection,
    /// The pool of connections.
    pub(crate) database: DatabaseSection,
}

impl File {
    /// Everything that decides where a job runs.
    pub(crate) fn routing(&self) -> Routing {
        Routing {
            images: self.images.clone(),
            pools: self.pools.clone(),
            routes: self.routes.clone(),
        }
    }
}

/// The two environments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Environments {
    /// `PROD=true`.
    pub(crate) prod: Environment,
    /// Otherwise.
    pub(crate) staging: Environment,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EnvironmentName {
    /// The tables, runners and images of production.
    Prod,
    /// The tables, runners and images of staging.
    Staging,
}

impl EnvironmentName {
    /// Its key in the file.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Prod => "prod",
            Self::Staging => "staging",
        }
    }
}

/// What the command line says about the configuration; it is stronger than the environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choice {
    /// `--config`.
    pub(crate) file: Option<PathBuf>,
    /// `--env`.
    pub(crate) environment: Option<EnvironmentName>,
}

/// What is in force, or as much of it as could be read.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// The values; where something is wrong, the default's.
    pub(crate) file: File,
    /// Which environment.
    pub(crate) name: EnvironmentName,
    /// Where that comes from.
    pub(crate) name_from: &'static str,
    /// The configuration file, if one was named.
    pub(crate) path: Option<PathBuf>,
    /// What is wrong.
    pub(crate) problems: Vec<Problem>,
    layers: Layers,
}

impl Configuration {
    /// Reads everything that was named. Only a broken built-in default is an error here; all else is kept as a problem.
    pub(crate) fn load(choice: &Choice, variables: &Variables) -> Result<Self, Problem> {
        let mut layers = vec![Layer::parse(Origin::Default, DEFAULT.into())?];
        let mut unread = Vec::new();
        let mut asking = Asking::of(variables);
        let path = match &choice.file {
            Some(path) => Some(path.clone()),
            None => asking.optional(Variable::RiseConfig).map(PathBuf::from),
        };
        if let Some(path) = &path {
            match read_file(path) {
                Ok(layer) => layers.push(layer),
                Err(problem) => unread.push(problem),
            }
        }
        if let Some(text) = asking.optional(Variable::RiseConfigToml) {
            let origin = Origin::Variable(Variable::RiseConfigToml.name());
            match Layer::parse(origin, text.into()) {
                Ok(layer) => layers.push(layer),
                Err(problem) => unread.push(problem),
            }
        }
        let (name, name_from) = environment_name(choice, &mut asking);
        let layers = Layers(layers);
        let read = read::read(&layers)?;
        let mut problems = read.problems;
        problems.extend(rules::check(&read.file, &layers, &read.spoilt));
        problems.sort_by_key(|problem| problem.line);
        problems.splice(0..0, unread);
        problems.extend(asking.problems());
        Ok(Self {
            file: read.file,
            name,
            name_from,
            path,
            problems,
            layers,
        })
    }

    /// The environment's keys.
    pub(crate) fn environment(&self) -> &Environment {
        match self.name {
            EnvironmentName::Prod => &self.file.environment.prod,
            EnvironmentName::Staging => &self.file.environment.staging,
        }
    }

    /// The images of the environment, by their names.
    pub(crate) fn images(&self) -> BTreeMap<String, Image> {
        let tag = &self.environment().image_tag;
        let image = |reference: &String| Image::new(reference.replace("{tag}", tag));
        let images = self.file.images.iter();
        images
            .map(|(name, reference)| (name.clone(), image(reference)))
            .collect()
    }

    /// Every value in force with its path, in the order of the file's sections.
    pub(crate) fn values(&self) -> Vec<(KeyPath, String, Option<Place>)> {
        let mut values = Vec::new();
        flatten(
            &KeyPath::default(),
            &toml::Value::Table(self.layers.merged()),
            &mut |path, value| {
                let place = self.layers.place(&path);
                values.push((path, value, place));
            },
        );
        values
    }
}

fn read_file(path: &Path) -> Result<Layer, Problem> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        Problem::new(format!(
            "{name}: the configuration file cannot be read: {error}"
        ))
        .hint(
            "it is named by --config or RISE_CONFIG; without one the built-in default is in force",
        )
    })?;
    Layer::parse(Origin::File(name), text.into())
}

fn environment_name(choice: &Choice, asking: &mut Asking<'_>) -> (EnvironmentName, &'static str) {
    if let Some(name) = choice.environment {
        return (name, "--env");
    }
    let prod = asking.parsed(Variable::Prod, |text| match text.to_lowercase().as_str() {
        "true" => Ok(EnvironmentName::Prod),
        "false" => Ok(EnvironmentName::Staging),
        _ => Err(Problem::new(format!("PROD is `{text}`"))
            .hint("write PROD=true for production, PROD=false for staging")),
    });
    match prod {
        Some(name) => (name, "PROD"),
        None => (EnvironmentName::Staging, "default"),
    }
}

/// Lists of plain values are one value; all other lists and tables are walked through.
fn flatten(path: &KeyPath, value: &toml::Value, found: &mut impl FnMut(KeyPath, String)) {
    match value {
        toml::Value::Table(table) if !table.is_empty() => {
            for (key, value) in table {
                flatten(&path.key(key), value, found);
            }
        }
        toml::Value::Array(list) if list.iter().any(|v| v.is_table() || v.is_array()) => {
            for (index, value) in list.iter().enumerate() {
                flatten(&path.index(index), value, found);
            }
        }
        plain => found(path.clone(), plain.to_string()),
    }
}
