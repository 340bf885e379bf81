//! What a list is asked for: the replaced service's `start`, `end`, `page` and `per_page`, filters of our own, and the
//! `Link` header that leads from page to page.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use rise_model::span::Span;
use rise_model::{EntityId, Status};

use crate::store::operator::EntityFilter;
use crate::store::pages::{Created, Filter, Slice};

/// The most rows that one answer has.
const MAX_PER_PAGE: u32 = 1_000;

/// Why a list was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidParameter {
    #[error("invalid parameter start, must be YYYY-MM-DD")]
    Start,
    #[error("invalid parameter end, must be YYYY-MM-DD")]
    End,
    #[error("invalid parameter page, must be >= 0")]
    Page,
    #[error("invalid parameter per_page, must be > 0")]
    PerPage,
    #[error("invalid parameter per_page, must be <= {MAX_PER_PAGE}")]
    PerPageTooLarge,
    #[error("invalid parameter since, must be a time such as 30m, 2h or 3d")]
    Since,
    #[error("invalid parameter status, must be pending, running, completed or failed")]
    Status,
    #[error("invalid parameter job, must be a number")]
    Job,
}

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Params {
    start: Option<Day>,
    end: Option<Day>,
    page: u64,
    per_page: u32,
    /// The filters of our own as they were sent: name and value, in the order of [`FILTERS`].
    sent: Vec<(&'static str, String)>,
    filter: Filter,
}

/// Filters that the replaced service did not have.
const FILTERS: [&str; 7] = ["since", "status", "entity", "repo", "pool", "worker", "job"];

/// A day, and how the request named it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Day {
    sent: String,
    date: NaiveDate,
}

impl Params {
    /// Rows on a page when the request does not say.
    pub(super) const DEFAULT_PER_PAGE: u32 = 100;

    /// Reads a query string. A parameter that is empty is as good as absent, of one that comes twice the first counts,
    /// an unknown one is ignored.
    pub(super) fn parse(query: &str, now: DateTime<Utc>) -> Result<Self, InvalidParameter> {
        // Any text is a list of pairs to this parser, so the fallback is never taken.
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        let value = |name: &str| {
            let first = pairs.iter().find(|(key, _)| key == name);
            first
                .map(|(_, value)| value.as_str())
                .filter(|value| !value.is_empty())
        };
        let day = |name, invalid| match value(name) {
            Some(sent) => Day::parse(sent, now.date_naive()).ok_or(invalid).map(Some),
            None => Ok(None),
        };
        let (start, end) = (
            day("start", InvalidParameter::Start)?,
            day("end", InvalidParameter::End)?,
        );
        let page = match value("page") {
            Some(text) => text.parse().map_err(|_| InvalidParameter::Page)?,
            None => 0,
        };
        let per_page = match value("per_page") {
            Some(text) => per_page(text)?,
            None => Self::DEFAULT_PER_PAGE,
        };
        let since = match value("since") {
            Some(text) => Some(since(text, now).ok_or(InvalidParameter::Since)?),
            None => None,
        };
        let filter = Filter {
            created: Created {
                from: start.as_ref().map(Day::begin).max(since),
                before: end.as_ref().map(Day::begin),
            },
            statuses: statuses(value("status").unwrap_or_default())?,
            entity: value("entity").map(entity),
            repository: value("repo").map(stored),
            pool: value("pool").map(stored),
            worker: value("worker").map(stored),
            job: match value("job") {
                Some(text) => Some(text.parse().map_err(|_| InvalidParameter::Job)?),
                None => None,
            },
        };
        let sent = FILTERS
            .into_iter()
            .filter_map(|name| Some((name, value(name)?.to_owned())));
        Ok(Self {
            start,
            end,
            page,
            per_page,
            sent: sent.collect(),
            filter,
        })
    }

    /// Which rows.
    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// A parameter as it was sent, to be shown again.
    pub(super) fn sent(&self, name: &str) -> &str {
        match name {
            "start" => self.start.as_ref().map_or("", |day| &day.sent),
            "end" => self.end.as_ref().map_or("", |day| &day.sent),
            _ => self
                .sent
                .iter()
                .find(|(sent, _)| *sent == name)
                .map_or("", |(_, value)| value),
        }
    }

    /// Whether anything but the page is asked for.
    pub(super) fn filters_anything(&self) -> bool {
        self.start.is_some() || self.end.is_some() || !self.sent.is_empty()
    }

    /// The number of this page.
    pub(super) fn page(&self) -> u64 {
        self.page
    }

    /// Rows on a page.
    pub(super) fn per_page(&self) -> u32 {
        self.per_page
    }

    /// The rows of this page. A page number beyond all counting is an empty page.
    pub(super) fn slice(&self) -> Slice {
        let offset = self.page.saturating_mul(u64::from(self.per_page));
        Slice {
            offset: i64::try_from(offset).unwrap_or(i64::MAX),
            limit: i64::from(self.per_page),
        }
    }

    /// What a page with that many rows says of the whole list's length: one that is not full is the end of it, as far as
    /// links go. A full one says nothing.
    pub(super) fn total_if_last(&self, rows: usize) -> Option<i64> {
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        let slice = self.slice();
        (rows < slice.limit).then(|| slice.offset.saturating_add(rows))
    }

    /// The number of the last page of a list with `total` rows.
    pub(super) fn last_page(&self, total: i64) -> u64 {
        let total = u64::try_from(total).unwrap_or(0);
        total.div_ceil(u64::from(self.per_page)).saturating_sub(1)
    }

    /// The `Link` header of this page of a list with `total` rows at `path`; none when there is no other page.
    pub(super) fn link(&self, path: &str, total: i64) -> Option<String> {
        let last = self.last_page(total);
        let mut links = Vec::new();
        let mut add = |page, relation| {
            links.push(format!("<{}>; rel=\"{relation}\"", self.target(path, page)));
        };
        if self.page > 0 {
            add(0, "first");
            add(self.page - 1, "prev");
        }
        if self.page < last {
            add(self.page + 1, "next");
            add(last, "last");
        }
        (!links.is_empty()).then(|| links.join(", "))
    }

    /// Another page of the same list.
    pub(super) fn target(&self, path: &str, page: u64) -> String {
        format!(
            "{path}?page={page}&per_page={}{}",
            self.per_page,
            self.kept(&[])
        )
    }

    /// The first page of this list with another state.
    pub(super) fn with_status(&self, path: &str, status: &str) -> String {
        let mut query = self.kept(&["status"]);
        if self.per_page != Self::DEFAULT_PER_PAGE {
            query.push_str(&format!("&per_page={}", self.per_page));
        }
        if !status.is_empty() {
            query.push_str(&format!("&status={status}"));
        }
        match query.strip_prefix('&') {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        }
    }

    /// Days and filters as they were sent, but for some.
    fn kept(&self, without: &[&str]) -> String {
        let days = [("start", &self.start), ("end", &self.end)];
        let days = days
            .into_iter()
            .filter_map(|(name, day)| Some((name, day.as_ref()?.sent.as_str())));
        let filters = self.sent.iter().map(|(name, sent)| (*name, sent.as_str()));
        let mut query = String::new();
        for (name, sent) in days
            .chain(filters)
            .filter(|(name, _)| !without.contains(name))
        {
            query.push_str(&format!("&{name}={}", encoded(sent)));
        }
        query
    }
}

/// One value of a query.
pub(super) fn encoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' | b',' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// `30m`, `2h`, `3d`: so long ago.
fn since(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let span = match text.strip_suffix('d').filter(|days| !days.is_empty()) {
        Some(days) if days.bytes().all(|byte| byte.is_ascii_digit()) => {
            Span::seconds(days.parse::<u64>().ok()?.checked_mul(86_400)?)
        }
        Some(_) | None => Span::parse(text).ok()?,
    };
    now.checked_sub_signed(span.delta())
        .filter(|moment| moment.date_naive() >= year_zero())
}

/// One or several, with commas between them.
fn statuses(text: &str) -> Result<Vec<Status>, InvalidParameter> {
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(|word| Status::parse(word).ok_or(InvalidParameter::Status))
        .collect()
}

/// Digits are an id; anything else is a login.
fn entity(text: &str) -> EntityFilter {
    match text.parse() {
        Ok(id) => EntityFilter::Id(EntityId(id)),
        Err(_) => EntityFilter::Login(stored(text)),
    }
}

/// As the tables could hold it: they have no NUL.
fn stored(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn per_page(text: &str) -> Result<u32, InvalidParameter> {
    match text.parse::<u64>() {
        Ok(0) | Err(_) => Err(InvalidParameter::PerPage),
        Ok(rows) => u32::try_from(rows)
            .ok()
            .filter(|rows| *rows <= MAX_PER_PAGE)
            .ok_or(InvalidParameter::PerPageTooLarge),
    }
}

impl Day {
    /// `YYYY-MM-DD`, or `-Nd`: so many days before today.
    fn parse(sent: &str, today: NaiveDate) -> Option<Self> {
        let days_ago = sent.strip_prefix('-').and_then(|s| s.strip_suffix('d'));
        let date = match days_ago {
            Some(days) => today.checked_sub_days(Days::new(digits(days)?))?,
            None => calendar_day(sent)?,
        };
        // What is before the year 0 is before the database's calendar, or soon would be.
        (date >= year_zero()).then(|| Self {
            sent: sent.to_owned(),
            date,
        })
    }

    fn begin(&self) -> DateTime<Utc> {
        self.date.and_time(NaiveTime::MIN).and_utc()
    }
}

fn year_zero() -> NaiveDate {
    NaiveDate::from_ymd_opt(0, 1, 1).unwrap_or_default()
}

/// Exactly ten characters: chrono alone would also take `2026-1-2`.
fn calendar_day(text: &str) -> Option<NaiveDate> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let number = |text| u32::try_from(digits(text)?).ok();
    NaiveDate::from_ymd_opt(
        i32::try_from(digits(year)?).ok()?,
        number(month)?,
        number(day)?,
    )
}

/// A number without a sign.
fn digits(text: &str) -> Option<u64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Params, InvalidParameter> {
        Params::parse(query, "2026-03-01T12:00:00Z".parse().unwrap())
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn pages_are_read() {
        let cases = [
            ("", 0, 100),
            ("page=&per_page=", 0, 100),
            ("page=0&per_page=1", 0, 1),
            ("page=3&per_page=1000", 3, 1000),
            ("per_page=10&page=2&other=x&page=9", 2, 10),
            ("%70age=%32&=&&%ff=%", 2, 100),
            ("page=18446744073709551615", u64::MAX, 100),
        ];
        for (query, page, per_page) in cases {
            let params = parse(query).unwrap();
            assert_eq!((params.page, params.per_page), (page, per_page), "{query}");
        }
    }

    #[test]
    fn days_are_read() {
        let cases = [
            ("start=2026-02-28", Some("2026-02-28"), None),
            ("end=2024-02-29", None, Some("2024-02-29")),
            ("start=-0d&end=-1d", Some("2026-03-01"), Some("2026-02-28")),
            ("start=-007d", Some("2026-02-22"), None),
            ("start=-365d&end=", Some("2025-03-01"), None),
            ("start=0000-01-01", Some("0000-01-01"), None),
            ("start=2026%2D02%2D28", Some("2026-02-28"), None),
        ];
        for (query, start, end) in cases {
            let begin =
                |text: Option<&str>| text.map(|t| day(t).and_time(NaiveTime::MIN).and_utc());
            let expected = Created {
                from: begin(start),
                before: begin(end),
            };
            assert_eq!(parse(query).unwrap().filter().created, expected, "{query}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        use InvalidParameter::{End, Job, Page, PerPage, PerPageTooLarge, Since, Start, Status};
        let cases = [
            ("start=yesterday", Start),
            ("start=2026-13-01", Start),
            ("start=2026-02-29", Start),
            ("start=2026-2-28", Start),
            ("start=%2B026-02-28", Start),
            ("start=2026-02-28T00:00:00Z", Start),
            ("start=2026-02-28%20", Start),
            ("start=-d", Start),
            ("start=--1d", Start),
            ("start=-1", Start),
            ("start=-1.5d", Start),
            ("start=-800000d", Start),
            ("start=-99999999999999999999d", Start),
            ("end=1", End),
            ("end=x&start=2026-01-01", End),
            ("page=-1", Page),
            ("page=1.0", Page),
            ("page=one", Page),
            ("page=18446744073709551616", Page),
            ("per_page=0", PerPage),
            ("per_page=-5", PerPage),
            ("per_page=all", PerPage),
            ("per_page=1001", PerPageTooLarge),
            ("per_page=4294967297", PerPageTooLarge),
            ("per_page=0&page=-1&end=x&start=x", Start),
            ("since=yesterday", Since),
            ("since=d", Since),
            ("since=-2h", Since),
            ("since=99999999999999999999d", Since),
            ("since=9999999999d", Since),
            ("status=done", Status),
            ("status=pending,Running", Status),
            ("job=x", Job),
            ("job=9223372036854775808", Job),
        ];
        for (query, expected) in cases {
            assert_eq!(parse(query), Err(expected), "{query}");
        }
    }

    #[test]
    fn the_texts_are_those_that_clients_know() {
        use InvalidParameter::{End, Page, PerPage, PerPageTooLarge, Start};
        let texts = [Start, End, Page, PerPage, PerPageTooLarge].map(|invalid| invalid.to_string());
        assert_eq!(
            texts,
            [
                "invalid parameter start, must be YYYY-MM-DD",
                "invalid parameter end, must be YYYY-MM-DD",
                "invalid parameter page, must be >= 0",
                "invalid parameter per_page, must be > 0",
                "invalid parameter per_page, must be <= 1000",
            ]
        );
    }

    #[test]
    fn links_lead_to_the_pages_that_there_are() {
        let first = r#"</x?page=0&per_page=10>; rel="first""#;
        let last = r#"</x?page=4&per_page=10>; rel="last""#;
        let to = |page: u64, relation| format!(r#"</x?page={page}&per_page=10>; rel="{relation}""#);
        let cases = [
            (0, 0, None),
            (0, 10, None),
            (0, 41, Some(format!("{}, {last}", to(1, "next")))),
            (
                2,
                50,
                Some(format!(
                    "{first}, {}, {}, {last}",
                    to(1, "prev"),
                    to(3, "next")
                )),
            ),
            (4, 50, Some(format!("{first}, {}", to(3, "prev")))),
            (7, 50, Some(format!("{first}, {}", to(6, "prev")))),
            (1, 0, Some(format!("{first}, {}", to(0, "prev")))),
        ];
        for (page, total, expected) in cases {
            let params = parse(&format!("page={page}&per_page=10")).unwrap();
            assert_eq!(params.link("/x", total), expected, "page {page} of {total}");
        }
    }

    #[test]
    fn links_keep_the_days_as_they_were_sent() {
        let params = parse("end=2026-02-28&start=-7d&per_page=50").unwrap();
        assert_eq!(
            params.link("/jobs.json", 51).unwrap(),
            concat!(
                r#"</jobs.json?page=1&per_page=50&start=-7d&end=2026-02-28>; rel="next", "#,
                r#"</jobs.json?page=1&per_page=50&start=-7d&end=2026-02-28>; rel="last""#
            )
        );
    }

    #[test]
    fn a_page_that_is_not_full_is_the_last() {
        let params = parse("page=2&per_page=10").unwrap();
        assert_eq!(params.total_if_last(10), None);
        assert_eq!(params.total_if_last(9), Some(29));
        assert_eq!(params.total_if_last(0), Some(20));
        let beyond = parse("page=18446744073709551615&per_page=1000").unwrap();
        assert_eq!(beyond.slice().offset, i64::MAX);
        assert_eq!(beyond.total_if_last(3), Some(i64::MAX));
    }

    #[test]
    fn filters_are_read_and_kept_from_page_to_page() {
        let query = "pool=a%26b&since=2h&status=failed,pending&entity=%3Cx%3E&repo=o/r&worker=w-1&job=7&start=-1d";
        let params = parse(query).unwrap();
        let filter = params.filter();
        assert_eq!(filter.statuses, [Status::Failed, Status::Pending]);
        assert_eq!(filter.entity, Some(EntityFilter::Login("<x>".into())));
        assert_eq!(filter.repository.as_deref(), Some("o/r"));
        assert_eq!(filter.pool.as_deref(), Some("a&b"));
        assert_eq!(
            (filter.worker.as_deref(), filter.job),
            (Some("w-1"), Some(7))
        );
        // Of two beginnings the later counts.
        let from = "2026-03-01T10:00:00Z".parse().unwrap();
        assert_eq!(filter.created.from, Some(from));
        assert_eq!(
            params.target("/jobs", 1),
            "/jobs?page=1&per_page=100&start=-1d&since=2h&status=failed,pending&entity=%3Cx%3E&repo=o/r&pool=a%26b&worker=w-1&job=7"
        );
        let params = parse("entity=42&status=running&per_page=5").unwrap();
        let entity = params.filter().entity.clone();
        assert_eq!(entity, Some(EntityFilter::Id(EntityId(42))));
        assert_eq!(
            params.with_status("/jobs", "failed"),
            "/jobs?entity=42&per_page=5&status=failed"
        );
        let plain = parse("status=running").unwrap();
        assert_eq!(plain.with_status("/jobs", ""), "/jobs");
        let from = "2026-02-26T12:00:00Z".parse().unwrap();
        assert_eq!(parse("since=3d").unwrap().filter().created.from, Some(from));
    }
}
