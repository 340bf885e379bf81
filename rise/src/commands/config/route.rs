//! `rise config route`: where a job would run, and why.

use rise_model::config::{LabelMatch, Route, RouteFor};
use rise_model::route::{self, RouteDecision, RouteQuery};
use rise_model::{EntityId, LabelSet};
use serde::Serialize;

use crate::cli;
use crate::commands::Context;
use crate::config::{Configuration, failure, nearest};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Format, Output};

#[derive(Serialize)]
struct Answer {
    environment: &'static str,
    entity_id: EntityId,
    owner: String,
    repository: String,
    labels: LabelSet,
    #[serde(flatten)]
    decision: Decision,
    routes: Vec<Considered>,
}

#[derive(Serialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
enum Decision {
    Routed {
        route: usize,
        pool: String,
        image: String,
        max_workers: String,
    },
    NotAllowed {
        route: usize,
    },
    NoRoute,
}

/// One route, and what it made of the job.
#[derive(Serialize)]
struct Considered {
    route: usize,
    asks_for: String,
    result: String,
}

/// Answers the question.
pub(super) fn run(context: &Context, question: &cli::Route) -> Outcome {
    let configuration = context.configuration()?;
    if !configuration.problems.is_empty() {
        return Err(failure(configuration.problems));
    }
    let entity = entity(&configuration, question)?;
    let answer = answer(&configuration, question, entity);
    let mut output = Output::stdout();
    match question.show.format() {
        Format::Json => output.json(&answer)?,
        Format::Text => print(&mut output, &answer)?,
    }
    match &answer.decision {
        Decision::Routed { .. } => Ok(Exit::Done),
        Decision::NotAllowed { .. } => Ok(Exit::Failed),
        Decision::NoRoute => {
            if let Some(label) = near_label(&configuration, &answer.labels) {
                crate::output::warning(&format!("the nearest label that a route knows is {label}"));
            }
            Ok(Exit::Failed)
        }
    }
}

fn entity(configuration: &Configuration, question: &cli::Route) -> Result<EntityId, Failure> {
    if let Some(id) = question.entity_id {
        return Ok(id);
    }
    let owner = &question.repository.owner;
    let listed = &configuration.file.caps.entities;
    if let Some(entity) = listed.iter().find(|e| e.name.eq_ignore_ascii_case(owner)) {
        return Ok(entity.id);
    }
    let failure = Failure::new(
        Exit::Usage,
        format!("the account id of {owner} is not in the configuration, and routes go by id"),
    )
    .hint(format!(
        "add --entity-id ID; `id` in the answer of {}/users/{owner} is the number",
        "https://api.github.com"
    ));
    let names = listed.iter().map(|entity| entity.name.as_str());
    Err(match nearest(owner, names) {
        Some(near) => failure.hint(format!("did you mean {near}?")),
        None => failure,
    })
}

fn answer(configuration: &Configuration, question: &cli::Route, entity: EntityId) -> Answer {
    let routing = configuration.file.routing();
    let labels = LabelSet::new(&question.labels);
    let query = RouteQuery {
        entity,
        repository: &question.repository.name,
        labels: &labels,
    };
    let decided = route::route(&routing, &configuration.environment().image_tag, query);
    let last = match &decided {
        RouteDecision::Routed { route, .. } | RouteDecision::NotAllowed { route } => *route,
        RouteDecision::NoRoute => routing.routes.len(),
    };
    let routes = routing.routes.iter().enumerate().map(|(index, rule)| {
        let number = index + 1;
        let result = match (number > last, route::mismatch(rule, query)) {
            (true, _) => "not reached".to_owned(),
            (false, Some(mismatch)) => mismatch.to_string(),
            (false, None) if matches!(decided, RouteDecision::NotAllowed { .. }) => {
                "not on its allow list".to_owned()
            }
            (false, None) => "takes it".to_owned(),
        };
        Considered {
            route: number,
            asks_for: asks_for(rule),
            result,
        }
    });
    let decision = match &decided {
        RouteDecision::Routed { pool, image, route } => Decision::Routed {
            route: *route,
            pool: pool.to_string(),
            image: image.to_string(),
            max_workers: configuration.file.caps.of(entity).to_string(),
        },
        RouteDecision::NotAllowed { route } => Decision::NotAllowed { route: *route },
        RouteDecision::NoRoute => Decision::NoRoute,
    };
    Answer {
        environment: configuration.name.as_str(),
        entity_id: entity,
        owner: question.repository.owner.clone(),
        repository: question.repository.name.clone(),
        routes: routes.collect(),
        labels,
        decision,
    }
}

fn asks_for(rule: &Route) -> String {
    let mut text = match rule.label_match {
        LabelMatch::Exact => format!("exactly {}", rule.labels),
        LabelMatch::Contains => format!("at least {}", rule.labels),
    };
    if !rule.implied.as_slice().is_empty() {
        text.push_str(&format!(", perhaps {}", rule.implied));
    }
    if !rule.only_for.is_empty() {
        let whom: Vec<String> = rule.only_for.iter().map(whom).collect();
        text.push_str(&format!(", for {}", whom.join(" or ")));
    }
    text
}

fn whom(who: &RouteFor) -> String {
    if who.repositories.is_empty() {
        who.entity.to_string()
    } else {
        format!("{}/{{{}}}", who.entity, who.repositories.join(","))
    }
}

fn print(output: &mut Output, answer: &Answer) -> std::io::Result<()> {
    let Answer {
        owner,
        repository,
        labels,
        environment,
        entity_id,
        ..
    } = answer;
    output.line(format!(
        "a job of {owner}/{repository} (account {entity_id}) with {labels} in {environment}:"
    ))?;
    output.line(match &answer.decision {
        Decision::Routed { route, pool, image, max_workers } => format!(
            "route {route} takes it: pool {pool}, image {image}, at most {max_workers} workers of this account at once"
        ),
        Decision::NotAllowed { route } => {
            format!("route {route} has these labels, but {owner} is not on its allow list: it is ignored")
        }
        Decision::NoRoute => "no route takes it: it is ignored".to_owned(),
    })?;
    output.line("")?;
    output.table(
        ["ROUTE", "ASKS FOR", "RESULT"],
        answer.routes.iter().map(|considered| {
            [
                considered.route.to_string(),
                considered.asks_for.clone(),
                considered.result.clone(),
            ]
        }),
    )
}

fn near_label<'a>(configuration: &'a Configuration, labels: &LabelSet) -> Option<&'a str> {
    let known = || {
        let routes = configuration.file.routes.iter();
        routes
            .flat_map(|route| route.labels.as_slice())
            .map(String::as_str)
    };
    labels
        .as_slice()
        .iter()
        .find_map(|label| nearest(label, known()))
}
