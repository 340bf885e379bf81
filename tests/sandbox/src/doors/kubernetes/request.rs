//! What a request to the API server is about: its place, its verb, and the name under which faults are armed for it.

use std::collections::BTreeMap;

use axum::http::{Method, Uri};

use crate::world::cluster::Kind;

/// A part of an object with an address of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subresource {
    Log,
    Eviction,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// `/healthz` and its like.
    Health,
    Version,
    /// Documents that say what there is, by their path.
    Discovery(String),
    /// The API's description, as far as `kubectl create` looks into it.
    Description(String),
    /// Asking what one may do.
    AccessReview,
    /// All objects of a kind, of one namespace or everywhere.
    Collection {
        kind: Kind,
        namespace: Option<String>,
    },
    /// One object, or a part of it.
    Object {
        kind: Kind,
        namespace: String,
        name: String,
        part: Option<Subresource>,
    },
    Unknown,
}

/// Kubernetes' verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

impl Verb {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

/// The query of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    pub(super) fn of(uri: &Uri) -> Self {
        let read = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri);
        Self(
            read.map(|query| query.0.into_iter().collect())
                .unwrap_or_default(),
        )
    }

    /// A parameter; empty when absent.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        matches!(self.get(name), "true" | "1" | "True" | "TRUE" | "t" | "T")
    }
}

impl Place {
    pub(super) fn of(path: &str) -> Self {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            ["healthz" | "livez" | "readyz", ..] => Self::Health,
            ["version"] => Self::Version,
            ["openapi", "v3", ..] => Self::Description(parts.join("/")),
            [
                "apis",
                "authorization.k8s.io",
                "v1",
                "selfsubjectaccessreviews",
            ] => Self::AccessReview,
            ["api" | "apis"] | ["api", "v1"] | ["apis", _] | ["apis", _, _] => {
                Self::Discovery(parts.join("/"))
            }
            ["api", "v1", "namespaces", namespace, rest @ ..] if !rest.is_empty() => {
                in_namespace(namespace, rest)
            }
            ["api", "v1", plural, rest @ ..] => everywhere(plural, rest),
            _ => Self::Unknown,
        }
    }
}

fn kind_of(plural: &str) -> Option<Kind> {
    [Kind::Pod, Kind::Node, Kind::Event, Kind::Namespace]
        .into_iter()
        .find(|kind| kind.plural() == plural)
}

fn is_namespaced(kind: Kind) -> bool {
    matches!(kind, Kind::Pod | Kind::Event)
}

fn in_namespace(namespace: &str, rest: &[&str]) -> Place {
    let Some(kind) = rest
        .first()
        .and_then(|plural| kind_of(plural))
        .filter(|kind| is_namespaced(*kind))
    else {
        return Place::Unknown;
    };
    let object = |name: &str, part| Place::Object {
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        part,
    };
    match rest {
        [_] => Place::Collection {
            kind,
            namespace: Some(namespace.to_owned()),
        },
        [_, name] => object(name, None),
        [_, name, "log"] if kind == Kind::Pod => object(name, Some(Subresource::Log)),
        [_, name, "eviction"] if kind == Kind::Pod => object(name, Some(Subresource::Eviction)),
        _ => Place::Unknown,
    }
}

fn everywhere(plural: &str, rest: &[&str]) -> Place {
    match (kind_of(plural), rest) {
        (Some(kind), []) => Place::Collection {
            kind,
            namespace: None,
        },
        (Some(kind), [name]) if !is_namespaced(kind) => Place::Object {
            kind,
            namespace: String::new(),
            name: (*name).to_owned(),
            part: None,
        },
        _ => Place::Unknown,
    }
}

/// The verb of a request, or none when the place does not have that method.
pub(super) fn verb_of(method: &Method, place: &Place, query: &Query) -> Option<Verb> {
    match (place, method.as_str()) {
        (Place::Collection { .. }, "GET") if query.is_true("watch") => Some(Verb::Watch),
        (Place::Collection { .. }, "GET") => Some(Verb::List),
        (
            Place::Collection {
                kind: Kind::Pod,
                namespace: Some(_),
            },
            "POST",
        ) => Some(Verb::Create),
        (
            Place::Collection {
                kind: Kind::Pod,
                namespace: Some(_),
            },
            "DELETE",
        ) => Some(Verb::DeleteCollection),
        (
            Place::Object {
                part: Some(Subresource::Eviction),
                ..
            },
            "POST",
        ) => Some(Verb::Create),
        (
            Place::Object {
                part: Some(Subresource::Eviction),
                ..
            },
            _,
        ) => None,
        (Place::Object { .. }, "GET") => Some(Verb::Get),
        (Place::Object { part: Some(_), .. }, _) => None,
        (
            Place::Object {
                kind: Kind::Pod | Kind::Node,
                ..
            },
            method,
        ) => match method {
            "PUT" => Some(Verb::Update),
            "PATCH" => Some(Verb::Patch),
            "DELETE" => Some(Verb::Delete),
            _ => None,
        },
        (Place::AccessReview, "POST") => Some(Verb::Create),
        (Place::Health | Place::Description(_) | Place::Version | Place::Discovery(_), "GET") => {
            Some(Verb::Get)
        }
        _ => None,
    }
}

/// The name under which faults are armed for a request: `list_pods`, `get_pod`, `pod_log`, …
pub(super) fn operation(method: &Method, place: &Place, query: &Query) -> String {
    match (place, verb_of(method, place, query)) {
        (Place::Health, _) => "health".to_owned(),
        (Place::Description(_) | Place::Version | Place::Discovery(_), _) => "discover".to_owned(),
        (Place::AccessReview, _) => "review_access".to_owned(),
        (
            Place::Object {
                part: Some(Subresource::Log),
                ..
            },
            _,
        ) => "pod_log".to_owned(),
        (
            Place::Object {
                part: Some(Subresource::Eviction),
                ..
            },
            _,
        ) => "evict_pod".to_owned(),
        (Place::Object { kind, .. }, Some(verb)) => format!("{}_{}", verb.word(), singular(*kind)),
        (Place::Collection { kind, .. }, Some(Verb::Create)) => {
            format!("create_{}", singular(*kind))
        }
        (Place::Collection { kind, .. }, Some(Verb::DeleteCollection)) => {
            format!("delete_{}", kind.plural())
        }
        (Place::Collection { kind, .. }, Some(verb)) => {
            format!("{}_{}", verb.word(), kind.plural())
        }
        (Place::Object { .. } | Place::Collection { .. } | Place::Unknown, _) => {
            "unknown".to_owned()
        }
    }
}

fn singular(kind: Kind) -> String {
    kind.name().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_have_names() {
        for (method, uri, name) in [
            (Method::GET, "/api/v1/namespaces/default/pods", "list_pods"),
            (Method::GET, "/api/v1/pods?watch=true", "watch_pods"),
            (Method::GET, "/api/v1/namespaces/default/pods/a", "get_pod"),
            (
                Method::GET,
                "/api/v1/namespaces/default/pods/a/log?follow=true",
                "pod_log",
            ),
            (
                Method::POST,
                "/api/v1/namespaces/default/pods",
                "create_pod",
            ),
            (
                Method::POST,
                "/api/v1/namespaces/default/pods/a/eviction",
                "evict_pod",
            ),
            (
                Method::PATCH,
                "/api/v1/namespaces/default/pods/a",
                "patch_pod",
            ),
            (
                Method::DELETE,
                "/api/v1/namespaces/default/pods/a",
                "delete_pod",
            ),
            (
                Method::DELETE,
                "/api/v1/namespaces/default/pods",
                "delete_pods",
            ),
            (Method::GET, "/api/v1/nodes", "list_nodes"),
            (Method::GET, "/api/v1/nodes?watch=1", "watch_nodes"),
            (Method::PATCH, "/api/v1/nodes/n", "patch_node"),
            (
                Method::GET,
                "/api/v1/namespaces/default/events",
                "list_events",
            ),
            (Method::GET, "/api/v1/namespaces/default", "get_namespace"),
            (Method::GET, "/apis", "discover"),
            (Method::GET, "/apis/apps/v1/deployments", "unknown"),
            (Method::GET, "/api/v1/namespaces/default/nodes", "unknown"),
            (
                Method::PUT,
                "/api/v1/namespaces/default/pods/a/log",
                "pod_log",
            ),
        ] {
            let uri: Uri = uri.parse().unwrap();
            let place = Place::of(uri.path());
            assert_eq!(
                operation(&method, &place, &Query::of(&uri)),
                name,
                "{method} {uri}"
            );
        }
    }
}
