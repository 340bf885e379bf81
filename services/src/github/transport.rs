//! One request and its answer: credentials, time limit, redirects of reads, pages of lists.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{ACCEPT, LINK, LOCATION};
use http::uri::Authority;
use http::{HeaderMap, Method, StatusCode, Uri};
use octocrab::Octocrab;
use rise_model::budget::Budget;
use rise_model::dependencies::Party;
use rise_model::{EntityKind, Time};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::budget;
use super::calls::CallAnswer;
use super::error::{GitHubError, GitHubErrorKind, Operation, refusal};
use super::{Access, GitHub};

/// The most that GitHub gives on one page.
const PER_PAGE: u32 = 100;
/// A list is given up after this many pages: 10 000 entries are no list of ours.
const MAX_PAGES: u32 = 100;
/// A read is redirected at most this often.
const MAX_REDIRECTS: usize = 3;

/// Now, by this machine's clock.
pub(super) fn now() -> Time {
    SystemTime::now().into()
}

/// What is asked for.
pub(super) struct Request {
    pub(super) operation: Operation,
    pub(super) subject: String,
    method: Method,
    path: String,
    body: Option<Value>,
}

impl Request {
    pub(super) fn get(operation: Operation, subject: impl Into<String>, path: String) -> Self {
        Self {
            operation,
            subject: subject.into(),
            method: Method::GET,
            path,
            body: None,
        }
    }

    pub(super) fn post(
        operation: Operation,
        subject: impl Into<String>,
        path: String,
        body: Option<Value>,
    ) -> Self {
        Self {
            method: Method::POST,
            body,
            ..Self::get(operation, subject, path)
        }
    }

    pub(super) fn delete(operation: Operation, subject: impl Into<String>, path: String) -> Self {
        Self {
            method: Method::DELETE,
            ..Self::get(operation, subject, path)
        }
    }

    pub(super) fn failed(&self, kind: GitHubErrorKind) -> GitHubError {
        GitHubError::new(self.operation, self.subject.clone(), kind)
    }
}

/// What came back, whatever the status.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    /// The body of a success.
    pub(super) fn success<T: DeserializeOwned>(self, request: &Request) -> Result<T, GitHubError> {
        self.check(request)?;
        self.read(request)
    }

    /// An error unless the answer is a success.
    pub(super) fn check(&self, request: &Request) -> Result<(), GitHubError> {
        if self.status.is_success() {
            Ok(())
        } else {
            Err(request.failed(self.refusal()))
        }
    }

    pub(super) fn refusal(&self) -> GitHubErrorKind {
        refusal(self.status, &self.headers, &self.body, now())
    }

    fn read<T: DeserializeOwned>(&self, request: &Request) -> Result<T, GitHubError> {
        // serde's message can quote a value, and a value can be a secret: only the place is told.
        serde_json::from_str(&self.body).map_err(|error| {
            request.failed(GitHubErrorKind::Unexpected {
                status: self.status.as_u16(),
                message: format!(
                    "the body is not as described, line {} column {}",
                    error.line(),
                    error.column()
                ),
            })
        })
    }

    /// What the answer says of its caller's hourly calls.
    pub(super) fn budget(&self) -> Option<Budget> {
        budget::told(&self.headers)
    }

    fn has_next_page(&self) -> bool {
        self.headers
            .get_all(LINK)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|links| links.contains(r#"rel="next""#))
    }

    /// Path and query of the next page, as the answer links to it. Its host is not looked at: it is asked for where this one
    /// was.
    pub(super) fn next_page(&self) -> Option<String> {
        let links = self.headers.get_all(LINK).iter();
        let link = links
            .filter_map(|value| value.to_str().ok())
            .flat_map(|links| links.split(','))
            .find(|link| link.contains(r#"rel="next""#))?;
        let url: Uri = link.split_once('<')?.1.split_once('>')?.0.parse().ok()?;
        Some(url.path_and_query()?.as_str().to_owned())
    }
}

/// Sends a request and reads the whole answer, in at most `within`. Reads follow redirects within `authority`.
pub(super) async fn send(
    client: &Octocrab,
    request: &Request,
    authority: Option<&Authority>,
    within: Duration,
) -> Result<Answer, GitHubError> {
    match tokio::time::timeout(within, follow(client, request, authority)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(request.failed(GitHubErrorKind::Transport(Arc::new(error)))),
        Err(_) => Err(request.failed(GitHubErrorKind::TimedOut)),
    }
}

async fn follow(
    client: &Octocrab,
    request: &Request,
    authority: Option<&Authority>,
) -> Result<Answer, octocrab::Error> {
    let mut path = request.path.clone();
    for _ in 0..MAX_REDIRECTS {
        let answer = once(client, request, &path).await?;
        match redirect(request, &answer, authority) {
            Some(elsewhere) => path = elsewhere,
            None => return Ok(answer),
        }
    }
    once(client, request, &path).await
}

async fn once(client: &Octocrab, request: &Request, path: &str) -> Result<Answer, octocrab::Error> {
    let builder = http::request::Builder::new()
        .method(request.method.clone())
        .uri(path)
        .header(ACCEPT, "application/vnd.github+json");
    let built = client.build_request(builder, request.body.as_ref())?;
    let response = client.execute(built).await?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = client.body_to_string(response).await?;
    Ok(Answer {
        status,
        headers,
        body,
    })
}

/// Where a read goes on. After a rename GitHub redirects; what changes something must not be sent elsewhere, and a
/// token must not go to another host.
fn redirect(request: &Request, answer: &Answer, authority: Option<&Authority>) -> Option<String> {
    let moved = matches!(answer.status.as_u16(), 301 | 302 | 307 | 308);
    if !moved || request.method != Method::GET {
        return None;
    }
    let location: Uri = answer.headers.get(LOCATION)?.to_str().ok()?.parse().ok()?;
    if location.authority().is_some() && location.authority() != authority {
        return None;
    }
    Some(location.path_and_query()?.as_str().to_owned())
}

impl GitHub {
    /// A call on behalf of an installation; with a fresh token once more if GitHub does not take the held one.
    pub(super) async fn call(
        &self,
        access: Access,
        request: &Request,
    ) -> Result<Answer, GitHubError> {
        let answer = self.attempt(access, request).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return self.attempt(access, request).await;
        }
        Ok(answer)
    }

    async fn attempt(&self, access: Access, request: &Request) -> Result<Answer, GitHubError> {
        let authorized = self.authorized(access).await?;
        let answer = self.counted(&authorized.client, request).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.token_refused(access, &authorized);
        }
        if let Some(budget) = answer.budget() {
            let party = Party::Installation(access.kind, access.installation);
            self.usage.budgets.note(party, budget);
        }
        Ok(answer)
    }

    /// A call with the App's own key.
    pub(super) async fn call_as_app(
        &self,
        kind: EntityKind,
        request: &Request,
    ) -> Result<Answer, GitHubError> {
        let answer = self.counted(self.app(kind), request).await?;
        if let Some(budget) = answer.budget() {
            self.usage.budgets.note(Party::App(kind), budget);
        }
        Ok(answer)
    }

    async fn counted(&self, client: &Octocrab, request: &Request) -> Result<Answer, GitHubError> {
        let within = self.section.call_timeout.std();
        let result = send(client, request, self.authority.as_ref(), within).await;
        let answer = CallAnswer::of(&result);
        self.usage.calls.note(request.operation, answer);
        result
    }

    /// A list through all of its pages. `path` has no query of its own but `query`; `entries` is the field that holds
    /// them.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        access: Access,
        list: List<'_>,
    ) -> Result<Vec<T>, GitHubError> {
        let mut items: Vec<T> = Vec::new();
        let mut expected = None;
        for page in 1..=MAX_PAGES {
            let path = format!(
                "{}?{}per_page={PER_PAGE}&page={page}",
                list.path, list.query
            );
            let request = Request::get(list.operation, list.subject.clone(), path);
            let answer = self.call(access, &request).await?;
            answer.check(&request)?;
            let last = !answer.has_next_page();
            let (entries, total) = page_of(&answer, &request, list.entries)?;
            items.extend(entries);
            if list.completeness == Completeness::Whole {
                check_total(&mut expected, total, &items, last)
                    .map_err(|kind| request.failed(kind))?;
            }
            if last {
                return Ok(items);
            }
        }
        Err(GitHubError::new(
            list.operation,
            list.subject,
            GitHubErrorKind::Incomplete {
                got: items.len() as u64,
                expected: expected.unwrap_or_default(),
            },
        ))
    }
}

/// Whether a list whose entries move from page to page while it is read may be returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Completeness {
    /// It must be whole: what is missing from it counts as absent.
    Whole,
    /// What is there is good enough.
    Best,
}

pub(super) struct List<'a> {
    pub(super) operation: Operation,
    pub(super) subject: String,
    pub(super) path: String,
    /// Empty, or `name=value&`.
    pub(super) query: String,
    pub(super) entries: &'a str,
    pub(super) completeness: Completeness,
}

fn page_of<T: DeserializeOwned>(
    answer: &Answer,
    request: &Request,
    entries: &str,
) -> Result<(Vec<T>, u64), GitHubError> {
    let mut page: serde_json::Map<String, Value> = answer.read(request)?;
    let odd = |message: String| {
        request.failed(GitHubErrorKind::Unexpected {
            status: answer.status.as_u16(),
            message,
        })
    };
    let total = page
        .get("total_count")
        .and_then(|total| serde_json::from_value::<f64>(total.clone()).ok())
        .ok_or_else(|| odd("the list has no total_count".to_owned()))?;
    let items = page
        .remove(entries)
        .ok_or_else(|| odd(format!("the list has no {entries}")))?;
    let items = serde_json::from_value(items).map_err(|error| {
        odd(format!(
            "an entry of {entries} is not as described: {error}"
        ))
    })?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count; the description calls it a number"
    )]
    Ok((items, total as u64))
}

/// An entry that leaves while pages are read moves the next one to a page that was read already: the total falls. One
/// that comes first pushes one onto a page twice: fewer came than there are, or than were counted.
fn check_total<T>(
    expected: &mut Option<u64>,
    total: u64,
    items: &[T],
    last: bool,
) -> Result<(), GitHubErrorKind> {
    let got = items.len() as u64;
    let fell = expected.is_some_and(|before| total < before);
    *expected = Some(total);
    if fell || (last && got < total) {
        return Err(GitHubErrorKind::Incomplete {
            got,
            expected: total,
        });
    }
    Ok(())
}

/// One segment of a path, or one value of a query.
pub(super) fn encoded(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// `owner/name` as two segments.
pub(super) fn encoded_repository(full_name: &str) -> String {
    match full_name.split_once('/') {
        Some((owner, name)) => format!("{}/{}", encoded(owner), encoded(name)),
        None => encoded(full_name),
    }
}
