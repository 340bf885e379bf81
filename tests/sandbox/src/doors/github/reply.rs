//! What the door answers: a status, a JSON body, and GitHub's headers; pages of lists and their `Link` header.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::world::Time;
use crate::world::github::RateLimit;

/// Where errors point to.
const DOCUMENTATION: &str = "https://docs.github.com/rest";
/// A page without `per_page`.
const DEFAULT_PER_PAGE: usize = 30;
/// The largest page.
const MAX_PER_PAGE: usize = 100;

/// An answer before it is HTTP.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Option<Value>,
    pub(super) link: Option<String>,
    pub(super) retry_after_seconds: Option<i64>,
}

/// The query of a request.
pub(super) type Query = BTreeMap<String, String>;

impl Reply {
    pub(super) fn ok(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body: Some(body),
            link: None,
            retry_after_seconds: None,
        }
    }

    pub(super) fn created(body: Value) -> Self {
        Self {
            status: StatusCode::CREATED,
            ..Self::ok(body)
        }
    }

    pub(super) fn accepted() -> Self {
        Self {
            status: StatusCode::ACCEPTED,
            ..Self::ok(json!({}))
        }
    }

    pub(super) fn no_content() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: None,
            ..Self::ok(Value::Null)
        }
    }

    pub(super) fn error(status: StatusCode, message: &str) -> Self {
        let body = json!({
            "message": message,
            "documentation_url": DOCUMENTATION,
            "status": status.as_str(),
        });
        Self {
            status,
            ..Self::ok(body)
        }
    }

    pub(super) fn unauthorized(message: &str) -> Self {
        Self::error(StatusCode::UNAUTHORIZED, message)
    }

    pub(super) fn forbidden(message: &str) -> Self {
        Self::error(StatusCode::FORBIDDEN, message)
    }

    /// The caller's App was not granted what this needs.
    pub(super) fn inaccessible() -> Self {
        Self::forbidden("Resource not accessible by integration")
    }

    pub(super) fn not_found() -> Self {
        Self::not_found_with("Not Found")
    }

    pub(super) fn not_found_with(message: &str) -> Self {
        Self::error(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn bad_request(message: &str) -> Self {
        Self::error(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn unprocessable(message: &str) -> Self {
        Self::error(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    pub(super) fn conflict(message: &str) -> Self {
        Self::error(StatusCode::CONFLICT, message)
    }

    /// The answer as it goes out.
    pub(super) fn into_response(self, etag: Option<&str>, limit: Option<RateLimit>) -> Response {
        let not_modified = self.status == StatusCode::NOT_MODIFIED;
        let body = self.body.filter(|_| !not_modified);
        let body = body.map(|body| body.to_string());
        let mut response = Response::new(Body::from(body.clone().unwrap_or_default()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if body.is_some() {
            put(
                headers,
                header::CONTENT_TYPE,
                "application/json; charset=utf-8",
            );
        }
        put(headers, header::SERVER, "github.com");
        put(
            headers,
            HeaderName::from_static("x-github-media-type"),
            "github.v3; format=json",
        );
        if let Some(link) = &self.link {
            put(headers, header::LINK, link);
        }
        if let Some(seconds) = self.retry_after_seconds {
            put(headers, header::RETRY_AFTER, &seconds.to_string());
        }
        if let Some(etag) = etag {
            put(headers, header::ETAG, etag);
            put(
                headers,
                header::CACHE_CONTROL,
                "private, max-age=60, s-maxage=60",
            );
        }
        if let Some(limit) = limit {
            put_limit(headers, limit);
        }
        response
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn put_limit(headers: &mut HeaderMap, limit: RateLimit) {
    for (name, value) in [
        ("x-ratelimit-limit", i64::from(limit.limit)),
        ("x-ratelimit-remaining", i64::from(limit.remaining())),
        ("x-ratelimit-used", i64::from(limit.used)),
        ("x-ratelimit-reset", limit.reset.timestamp()),
    ] {
        put(headers, HeaderName::from_static(name), &value.to_string());
    }
    put(
        headers,
        HeaderName::from_static("x-ratelimit-resource"),
        "core",
    );
}

/// One page of a list.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) total: usize,
    pub(super) link: Option<String>,
}

fn number(query: &Query, name: &str) -> Option<usize> {
    query.get(name)?.parse().ok()
}

/// How many entries a page has.
pub(super) fn per_page(query: &Query) -> usize {
    match number(query, "per_page") {
        None | Some(0) => DEFAULT_PER_PAGE,
        Some(wanted) => wanted.min(MAX_PER_PAGE),
    }
}

/// The page of `all` that the query asks for. `url` is the list's own, without a query.
pub(super) fn page_of<T>(all: Vec<T>, query: &Query, url: &str) -> Page<T> {
    let per_page = per_page(query);
    let page = number(query, "page").unwrap_or(1).max(1);
    let total = all.len();
    let last = total.div_ceil(per_page).max(1);
    let at = |page: usize, rel: &str| {
        format!(
            "<{}>; rel=\"{rel}\"",
            url_with(url, query, "page", &page.to_string())
        )
    };
    let mut links = Vec::new();
    if page > 1 {
        links.push(at(page - 1, "prev"));
    }
    if page < last {
        links.extend([at(page + 1, "next"), at(last, "last")]);
    }
    if page > 1 {
        links.push(at(1, "first"));
    }
    let items = all
        .into_iter()
        .skip((page - 1) * per_page)
        .take(per_page)
        .collect();
    Page {
        items,
        total,
        link: (!links.is_empty()).then(|| links.join(", ")),
    }
}

/// `url` with the query, in which `name` has another value. Values here are words and numbers that need no escapes.
pub(super) fn url_with(url: &str, query: &Query, name: &str, value: &str) -> String {
    let others = query.iter().filter(|(key, _)| *key != name);
    let others = others
        .map(|(key, value)| format!("{key}={value}&"))
        .collect::<String>();
    format!("{url}?{others}{name}={value}")
}

/// The limit as the body of `GET /rate_limit` shows it.
pub(super) fn limit_json(limit: u32, used: u32, reset: Time) -> Value {
    json!({
        "limit": limit,
        "used": used,
        "remaining": limit.saturating_sub(used),
        "reset": reset.timestamp(),
        "resource": "core",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Query {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_list_is_cut_into_pages_that_link_to_each_other() {
        let url = "http://api/things";
        let middle = page_of((0..70).collect(), &query(&[("page", "2")]), url);
        assert_eq!(
            (middle.items.first(), middle.items.len(), middle.total),
            (Some(&30), 30, 70)
        );
        assert_eq!(
            middle.link.as_deref(),
            Some(
                "<http://api/things?page=1>; rel=\"prev\", <http://api/things?page=3>; rel=\"next\", \
                 <http://api/things?page=3>; rel=\"last\", <http://api/things?page=1>; rel=\"first\""
            )
        );
        let whole = page_of((0..70).collect(), &query(&[("per_page", "1000")]), url);
        assert_eq!((whole.items.len(), whole.link), (70, None));
        let beyond = page_of((0..70).collect::<Vec<i32>>(), &query(&[("page", "9")]), url);
        assert_eq!(beyond.items.len(), 0);
    }
}
