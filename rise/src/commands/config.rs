//! `rise config check|route|paths`.

mod route;

use serde::Serialize;

use super::Context;
use crate::cli::{Check, Config, Service, Show};
use crate::config::{Configuration, Place, Problem, Secrecy, Source, Variable, failure};
use crate::exit::{Detail, Exit, Failure, Outcome};
use crate::output::{Format, Output};

/// Does one of them.
pub(super) fn run(context: &Context, command: Config) -> Outcome {
    match command {
        Config::Check(check) => self::check(context, &check),
        Config::Route(question) => route::run(context, &question),
        Config::Paths(show) => paths(context, show),
    }
}

#[derive(Serialize)]
struct CheckReport {
    environment: &'static str,
    environment_from: &'static str,
    variables: Vec<VariableReport>,
    values: Vec<ValueReport>,
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct VariableReport {
    name: &'static str,
    /// `None` when it is not set, or secret.
    value: Option<String>,
    set: bool,
    from: Option<String>,
}

#[derive(Serialize)]
struct ValueReport {
    key: String,
    value: String,
    from: Option<Place>,
}

fn check(context: &Context, check: &Check) -> Outcome {
    let configuration = context.configuration()?;
    let report = CheckReport {
        environment: configuration.name.as_str(),
        environment_from: configuration.name_from,
        variables: variables(context),
        values: configuration
            .values()
            .into_iter()
            .map(|(path, value, from)| ValueReport {
                key: path.to_string(),
                value,
                from,
            })
            .collect(),
        problems: problems(context, &configuration, check.service),
    };
    let mut output = Output::stdout();
    match check.show.format() {
        Format::Json => {
            output.json(&report)?;
            Ok(if report.problems.is_empty() {
                Exit::Done
            } else {
                Exit::Usage
            })
        }
        Format::Text => {
            print(&mut output, &report)?;
            if report.problems.is_empty() {
                Ok(Exit::Done)
            } else {
                Err(failure(report.problems))
            }
        }
    }
}

fn print(output: &mut Output, report: &CheckReport) -> std::io::Result<()> {
    output.heading("Environment")?;
    output.line(format!(
        "{} (from {})",
        report.environment, report.environment_from
    ))?;
    output.line("")?;
    output.heading("Variables")?;
    let rows = report.variables.iter().map(|variable| {
        let value = match (&variable.value, variable.set) {
            (Some(value), _) => value.clone(),
            (None, true) => "(hidden)".to_owned(),
            (None, false) => "-".to_owned(),
        };
        let from = variable
            .from
            .clone()
            .unwrap_or_else(|| "not set".to_owned());
        [variable.name.to_owned(), value, from]
    });
    output.table(["NAME", "VALUE", "FROM"], rows)?;
    output.line("")?;
    output.heading("File")?;
    let rows = report.values.iter().map(|value| {
        let from = value.from.as_ref().map(ToString::to_string);
        [
            value.key.clone(),
            value.value.clone(),
            from.unwrap_or_default(),
        ]
    });
    output.table(["KEY", "VALUE", "FROM"], rows)
}

fn variables(context: &Context) -> Vec<VariableReport> {
    let report = |variable: Variable| {
        // What is wrong with it is among the problems.
        let value = context.variables.get(variable).ok().flatten();
        VariableReport {
            name: variable.name(),
            set: value.is_some(),
            from: value.as_ref().map(|value| match &value.source {
                Source::Variable => "environment".to_owned(),
                Source::File(path) => path.display().to_string(),
            }),
            value: match variable.secrecy() {
                Secrecy::Shown => value.map(|value| value.text),
                Secrecy::Hidden => None,
            },
        }
    };
    Variable::ALL.into_iter().map(report).collect()
}

/// Without a service, only variables that are set are looked at.
fn problems(
    context: &Context,
    configuration: &Configuration,
    service: Option<Service>,
) -> Vec<Problem> {
    let mut problems = match service {
        None => configuration.problems.clone(),
        Some(Service::Ghfe) => listed(configuration.ghfe(&context.variables, None).err()),
        Some(Service::Scheduler) => listed(configuration.scheduler(&context.variables, None).err()),
    };
    let level = crate::logging::service_level(context.cli.loudness(), &context.variables);
    problems.extend(level.err());
    for variable in Variable::ALL {
        if let Err(problem) = context.variables.get(variable)
            && !problems.contains(&problem)
        {
            problems.push(problem);
        }
    }
    problems
}

fn listed(failure: Option<Failure>) -> Vec<Problem> {
    let Some(failure) = failure else {
        return Vec::new();
    };
    if failure.details.is_empty() {
        let hint = failure.hints.into_iter().next();
        return failure
            .message
            .map(|text| {
                vec![Problem {
                    hint,
                    ..Problem::new(text)
                }]
            })
            .unwrap_or_default();
    }
    failure
        .details
        .into_iter()
        .map(|Detail { text, hint }| Problem {
            hint,
            ..Problem::new(text)
        })
        .collect()
}

#[derive(Serialize)]
struct Paths {
    configuration: Option<String>,
    cache: Option<String>,
    screen_log: String,
}

fn paths(context: &Context, show: Show) -> Outcome {
    let configuration = context.configuration()?;
    if !configuration.problems.is_empty() {
        return Err(failure(configuration.problems));
    }
    let paths = Paths {
        configuration: configuration.path.map(|path| path.display().to_string()),
        cache: cache_folder(),
        screen_log: crate::logging::file().display().to_string(),
    };
    let mut output = Output::stdout();
    match show.format() {
        Format::Json => output.json(&paths)?,
        Format::Text => {
            let none = "none: the built-in default is in force".to_owned();
            output.table(
                ["WHAT", "PATH"],
                [
                    [
                        "configuration".to_owned(),
                        paths.configuration.unwrap_or(none),
                    ],
                    [
                        "cache".to_owned(),
                        paths
                            .cache
                            .unwrap_or_else(|| "none: there is no home folder".to_owned()),
                    ],
                    ["log of rise tui".to_owned(), paths.screen_log],
                ],
            )?;
        }
    }
    Ok(Exit::Done)
}

/// Where a private PostgreSQL is kept that was fetched.
fn cache_folder() -> Option<String> {
    use etcetera::BaseStrategy;
    let folders = etcetera::choose_base_strategy().ok()?;
    Some(folders.cache_dir().join("rise").display().to_string())
}
