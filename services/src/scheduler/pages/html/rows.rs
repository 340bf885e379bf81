//! What the lists of jobs and of workers have in common: the filter, the links between pages, labels, links to GitHub.

use rise_model::Status;

use super::super::params::Params;
use super::text::Shown;
use crate::store::pages::Stored;

/// The filter as a form that shows what is asked for.
#[derive(Debug)]
pub(super) struct FilterForm {
    pub(super) path: &'static str,
    pub(super) tabs: Vec<Tab>,
    pub(super) fields: Vec<Field>,
    /// Kept while the form is sent: name and value.
    pub(super) hidden: Vec<(&'static str, String)>,
    pub(super) is_set: bool,
}

/// A link to the same list with another state.
#[derive(Debug)]
pub(super) struct Tab {
    pub(super) name: &'static str,
    pub(super) status: &'static str,
    pub(super) href: String,
    pub(super) current: bool,
}

/// A field of the form.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) hint: &'static str,
    pub(super) kind: &'static str,
    pub(super) value: Shown,
}

const FIELDS: [(&str, &str, &str, &str); 6] = [
    ("entity", "Account", "login or id", "text"),
    ("repo", "Repository", "owner/name", "text"),
    ("pool", "Pool", "", "text"),
    ("since", "Since", "2h, 3d", "text"),
    ("start", "From day", "YYYY-MM-DD or -7d", "text"),
    ("end", "Before day", "YYYY-MM-DD or -1d", "text"),
];

impl FilterForm {
    pub(super) fn new(path: &'static str, params: &Params) -> Self {
        let current = params.sent("status");
        let tab = |name, status: &'static str| Tab {
            name,
            status,
            href: params.with_status(path, status),
            current: current == status,
        };
        let fields = FIELDS.map(|(name, label, hint, kind)| Field {
            name,
            label,
            hint,
            kind,
            value: Shown::line(params.sent(name)),
        });
        let mut hidden = Vec::new();
        if !current.is_empty() {
            hidden.push(("status", current.to_owned()));
        }
        if params.per_page() != Params::DEFAULT_PER_PAGE {
            hidden.push(("per_page", params.per_page().to_string()));
        }
        Self {
            path,
            tabs: vec![
                tab("All", ""),
                tab("Pending", Status::Pending.as_str()),
                tab("Running", Status::Running.as_str()),
                tab("Completed", Status::Completed.as_str()),
                tab("Failed", Status::Failed.as_str()),
            ],
            is_set: params.filters_anything(),
            fields: fields.into(),
            hidden,
        }
    }

    /// Something besides the state is asked for.
    pub(super) fn is_open(&self) -> bool {
        self.fields.iter().any(|field| !field.value.is_empty())
    }
}

/// Links to the other pages of a list.
#[derive(Debug)]
pub(super) struct Paging {
    pub(super) newer: Option<String>,
    pub(super) older: Option<String>,
    pub(super) newest: Option<String>,
    /// `Page 2 of 5`.
    pub(super) here: String,
}

impl Paging {
    /// None when all is on this page.
    pub(super) fn new(path: &str, params: &Params, total: i64) -> Option<Self> {
        let (page, last) = (params.page(), params.last_page(total));
        (page > 0 || last > 0).then(|| Self {
            newest: (page > 1).then(|| params.target(path, 0)),
            newer: (page > 0).then(|| params.target(path, (page - 1).min(last))),
            older: (page < last).then(|| params.target(path, page + 1)),
            here: if page > last {
                format!("Past the last of {} pages", last + 1)
            } else {
                format!("Page {} of {}", page + 1, last + 1)
            },
        })
    }
}

/// Labels as they were sent.
pub(super) fn labels(stored: &Stored) -> Vec<Shown> {
    let labels: Vec<String> = serde_json::from_str(stored.0.get()).unwrap_or_default();
    labels.iter().map(|label| Shown::line(label)).collect()
}

/// GitHub's page of a job, and of its repository. What is no plain address of the web is no link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct GitHubLinks {
    pub(super) job: Option<String>,
    pub(super) repository: Option<String>,
}

impl GitHubLinks {
    pub(super) fn of(html_url: Option<&str>, repository: &str) -> Self {
        let Some(job) = html_url.filter(|url| is_plain(url)) else {
            return Self::default();
        };
        let found = job
            .find(&format!("/{repository}/"))
            .filter(|_| !repository.is_empty());
        Self {
            repository: found.map(|at| job[..=at + repository.len()].to_owned()),
            job: Some(job.to_owned()),
        }
    }
}

fn is_plain(url: &str) -> bool {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        rest.starts_with(|first: char| first.is_ascii_alphanumeric())
            && !rest.contains(['\\', '"', '<', '>', '@'])
            && !rest
                .chars()
                .any(|letter| letter.is_whitespace() || letter.is_control())
    })
}

/// The class that colours a state.
pub(super) fn class(status: &str) -> &'static str {
    Status::parse(status).map_or("unknown", Status::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_web_are_links() {
        let of = |url| GitHubLinks::of(Some(url), "o/r");
        let links = of("https://github.com/o/r/actions/runs/1/job/2");
        assert_eq!(links.repository.as_deref(), Some("https://github.com/o/r"));
        assert!(links.job.is_some());
        let elsewhere = of("https://example.com");
        assert_eq!(
            (elsewhere.job.is_some(), elsewhere.repository),
            (true, None)
        );
        for url in [
            "javascript:alert(1)//o/r/",
            "data:text/html,x",
            "https://evil\"onclick=x",
            "https://a@evil.example/o/r/",
            "//github.com/o/r/",
            "https:///o/r/",
            "https://x/ y",
        ] {
            assert_eq!(of(url), GitHubLinks::default(), "{url}");
        }
        assert_eq!(GitHubLinks::of(None, "o/r"), GitHubLinks::default());
    }
}
