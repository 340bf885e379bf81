//! Where a job runs: labels and repository in, pool and image out, with the reason.

use std::fmt;

use crate::config::{LabelMatch, Route, Routing};
use crate::{EntityId, Image, LabelSet, PoolName};

/// What a route needs to know of a job.
#[derive(Debug, Clone, Copy)]
pub struct RouteQuery<'a> {
    /// The account that owns the repository.
    pub entity: EntityId,
    /// The repository's name without its owner.
    pub repository: &'a str,
    /// The job's labels.
    pub labels: &'a LabelSet,
}

/// What the routes say of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteDecision {
    /// It runs there.
    Routed {
        /// The pool.
        pool: PoolName,
        /// The image's reference.
        image: Image,
        /// Which route, counted from 1 as people read the file.
        route: usize,
    },
    /// A route has its labels, but not for this entity.
    NotAllowed {
        /// Which route, counted from 1.
        route: usize,
    },
    /// No route has its labels.
    NoRoute,
}

/// Why one route did not take a job; for people who ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// The labels differ.
    Labels,
    /// It is for others.
    NotFor,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Labels => "other labels",
            Self::NotFor => "for other entities or repositories",
        })
    }
}

/// Where a job runs. The first route that fits decides.
#[must_use]
pub fn route(routing: &Routing, tag: &str, query: RouteQuery<'_>) -> RouteDecision {
    for (index, rule) in routing.routes.iter().enumerate() {
        if mismatch(rule, query).is_some() {
            continue;
        }
        let route = index + 1;
        if !rule.allow.is_empty() && !rule.allow.contains(&query.entity) {
            return RouteDecision::NotAllowed { route };
        }
        // A route without its image is refused when the configuration is read.
        if let Some(image) = routing.image(&rule.image, tag) {
            return RouteDecision::Routed {
                pool: rule.pool.clone(),
                image,
                route,
            };
        }
    }
    RouteDecision::NoRoute
}

/// The labels that an entity may use in all of its repositories, in the order of the routes.
#[must_use]
pub fn labels_open_to<'a>(routing: &'a Routing, tag: &str, entity: EntityId) -> Vec<&'a LabelSet> {
    let takes = |index: usize, labels: &LabelSet| {
        let query = RouteQuery {
            entity,
            // No repository has this name: a route for some repositories only does not fit.
            repository: "",
            labels,
        };
        matches!(route(routing, tag, query), RouteDecision::Routed { route, .. } if route == index + 1)
    };
    let routes = routing.routes.iter().enumerate();
    routes
        .filter(|(index, rule)| takes(*index, &rule.labels))
        .map(|(_, rule)| &rule.labels)
        .collect()
}

/// Why a route does not take a job, or nothing when it does.
#[must_use]
pub fn mismatch(rule: &Route, query: RouteQuery<'_>) -> Option<Mismatch> {
    let labels_fit = match rule.label_match {
        LabelMatch::Exact => {
            query.labels.without(&rule.implied) == rule.labels.without(&rule.implied)
                && query.labels.contains_all(&rule.labels)
        }
        LabelMatch::Contains => query.labels.contains_all(&rule.labels),
    };
    if !labels_fit {
        return Some(Mismatch::Labels);
    }
    let is_for = rule.only_for.is_empty()
        || rule.only_for.iter().any(|who| {
            who.entity == query.entity
                && (who.repositories.is_empty()
                    || who
                        .repositories
                        .iter()
                        .any(|r| r.eq_ignore_ascii_case(query.repository)))
        });
    (!is_for).then_some(Mismatch::NotFor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Pool, RouteFor};
    use std::collections::BTreeMap;

    const GGML: EntityId = EntityId(134_263_123);
    const RISE: EntityId = EntityId(152_654_596);

    fn rule(labels: &[&str], pool: &str) -> Route {
        Route {
            labels: LabelSet::new(labels),
            label_match: LabelMatch::Exact,
            implied: LabelSet::default(),
            only_for: Vec::new(),
            allow: Vec::new(),
            pool: pool.into(),
            image: "24".into(),
        }
    }

    fn routing(routes: Vec<Route>) -> Routing {
        Routing {
            images: BTreeMap::from([("24".to_owned(), "example/runner:24-{tag}".to_owned())]),
            pools: vec![Pool {
                name: "a".into(),
                node_selector: BTreeMap::new(),
                ephemeral_storage: None,
            }],
            routes,
        }
    }

    fn pool_of(routing: &Routing, entity: EntityId, repository: &str, labels: &[&str]) -> String {
        let labels = LabelSet::new(labels);
        match route(
            routing,
            "latest",
            RouteQuery {
                entity,
                repository,
                labels: &labels,
            },
        ) {
            RouteDecision::Routed { pool, .. } => pool.to_string(),
            RouteDecision::NotAllowed { route } => format!("not allowed by {route}"),
            RouteDecision::NoRoute => "none".to_owned(),
        }
    }

    #[test]
    fn the_first_route_that_fits_decides() {
        let mut special = rule(&["ubuntu-24.04-riscv"], "jupiter");
        special.only_for = vec![
            RouteFor {
                entity: GGML,
                repositories: vec![],
            },
            RouteFor {
                entity: RISE,
                repositories: vec!["llama.cpp".into()],
            },
        ];
        let routing = routing(vec![special, rule(&["ubuntu-24.04-riscv"], "em-rv1")]);
        let label = ["ubuntu-24.04-riscv"];
        assert_eq!(pool_of(&routing, GGML, "anything", &label), "jupiter");
        assert_eq!(pool_of(&routing, RISE, "llama.cpp", &label), "jupiter");
        assert_eq!(pool_of(&routing, RISE, "other", &label), "em-rv1");
        assert_eq!(
            pool_of(&routing, EntityId(1), "llama.cpp", &["Ubuntu-24.04-RISCV"]),
            "em-rv1"
        );
        assert_eq!(
            pool_of(&routing, EntityId(1), "x", &["ubuntu-24.04-riscv", "extra"]),
            "none"
        );
        assert_eq!(pool_of(&routing, EntityId(1), "x", &[]), "none");
    }

    #[test]
    fn implied_labels_may_be_there_or_not() {
        let mut with_implied = rule(&["riscv"], "a");
        with_implied.implied = LabelSet::new(["self-hosted"]);
        let routing = routing(vec![with_implied]);
        assert_eq!(pool_of(&routing, GGML, "x", &["riscv"]), "a");
        assert_eq!(pool_of(&routing, GGML, "x", &["self-hosted", "riscv"]), "a");
        assert_eq!(pool_of(&routing, GGML, "x", &["self-hosted"]), "none");
        assert_eq!(
            pool_of(&routing, GGML, "x", &["self-hosted", "riscv", "gpu"]),
            "none"
        );
    }

    #[test]
    fn an_allow_list_ends_the_search() {
        let mut closed = rule(&["riscv"], "a");
        closed.allow = vec![GGML];
        let mut contains = rule(&["riscv"], "b");
        contains.label_match = LabelMatch::Contains;
        let routing = routing(vec![closed, contains]);
        assert_eq!(pool_of(&routing, GGML, "x", &["riscv"]), "a");
        assert_eq!(pool_of(&routing, RISE, "x", &["riscv"]), "not allowed by 1");
        assert_eq!(pool_of(&routing, RISE, "x", &["riscv", "more"]), "b");
    }

    #[test]
    fn the_tag_of_the_environment_is_put_in() {
        let routing = routing(vec![rule(&["riscv"], "a")]);
        assert_eq!(
            routing.image("24", "staging"),
            Some(Image::from("example/runner:24-staging"))
        );
    }

    #[test]
    fn an_entity_is_told_the_labels_of_all_its_repositories() {
        let mut some = rule(&["some"], "a");
        some.only_for = vec![RouteFor {
            entity: RISE,
            repositories: vec!["x".into()],
        }];
        let mut ggml = rule(&["all"], "b");
        ggml.only_for = vec![RouteFor {
            entity: GGML,
            repositories: Vec::new(),
        }];
        let mut closed = rule(&["closed"], "a");
        closed.allow = vec![GGML];
        let routing = routing(vec![some, ggml, rule(&["all"], "a"), closed]);
        let told = |entity| {
            let labels = labels_open_to(&routing, "latest", entity);
            labels.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let text = |labels: &[&str]| LabelSet::new(labels).to_string();
        assert_eq!(told(RISE), [text(&["all"])]);
        assert_eq!(told(GGML), [text(&["all"]), text(&["closed"])]);
    }
}
