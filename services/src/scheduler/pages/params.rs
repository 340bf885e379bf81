//! `start`, `end`, `page` and `per_page` of a list, and the `Link` header that leads from page to page.
//!
//! What gets through is safe to show again: a day is digits and dashes, a number is a number.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};

use crate::store::pages::{Created, Slice};

/// Rows on a page when the request does not say.
const DEFAULT_PER_PAGE: u32 = 100;
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
}

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Params {
    start: Option<Day>,
    end: Option<Day>,
    page: u64,
    per_page: u32,
}

/// A day, and how the request named it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Day {
    sent: String,
    date: NaiveDate,
}

impl Params {
    /// Reads a query string. A parameter that is empty is as good as absent, of one that comes twice the first counts,
    /// an unknown one is ignored.
    pub(super) fn parse(query: &str, today: NaiveDate) -> Result<Self, InvalidParameter> {
        // Any text is a list of pairs to this parser, so the fallback is never taken.
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
        let value = |name: &str| {
            let first = pairs.iter().find(|(key, _)| key == name);
            first
                .map(|(_, value)| value.as_str())
                .filter(|value| !value.is_empty())
        };
        let day = |name, invalid| match value(name) {
            Some(sent) => Day::parse(sent, today).ok_or(invalid).map(Some),
            None => Ok(None),
        };
        Ok(Self {
            start: day("start", InvalidParameter::Start)?,
            end: day("end", InvalidParameter::End)?,
            page: match value("page") {
                Some(text) => text.parse().map_err(|_| InvalidParameter::Page)?,
                None => 0,
            },
            per_page: match value("per_page") {
                Some(text) => per_page(text)?,
                None => DEFAULT_PER_PAGE,
            },
        })
    }

    /// The stretch of time: `end` itself is not part of it.
    pub(super) fn created(&self) -> Created {
        Created {
            from: self.start.as_ref().map(Day::begin),
            before: self.end.as_ref().map(Day::begin),
        }
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

    /// The `Link` header of this page of a list with `total` rows at `path`; none when there is no other page.
    pub(super) fn link(&self, path: &str, total: i64) -> Option<String> {
        let total = u64::try_from(total).unwrap_or(0);
        let last = total.div_ceil(u64::from(self.per_page)).saturating_sub(1);
        let mut links = Vec::new();
        if self.page > 0 {
            links.push(self.target(path, 0, "first"));
            links.push(self.target(path, self.page - 1, "prev"));
        }
        if self.page < last {
            links.push(self.target(path, self.page + 1, "next"));
            links.push(self.target(path, last, "last"));
        }
        (!links.is_empty()).then(|| links.join(", "))
    }

    fn target(&self, path: &str, page: u64, relation: &str) -> String {
        let mut query = format!("page={page}&per_page={}", self.per_page);
        for (name, day) in [("start", &self.start), ("end", &self.end)] {
            if let Some(day) = day {
                query.push_str(&format!("&{name}={}", day.sent));
            }
        }
        format!("<{path}?{query}>; rel=\"{relation}\"")
    }
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
        (date >= NaiveDate::from_ymd_opt(0, 1, 1)?).then(|| Self {
            sent: sent.to_owned(),
            date,
        })
    }

    fn begin(&self) -> DateTime<Utc> {
        self.date.and_time(NaiveTime::MIN).and_utc()
    }
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
        Params::parse(query, day("2026-03-01"))
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
            assert_eq!(parse(query).unwrap().created(), expected, "{query}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        use InvalidParameter::{End, Page, PerPage, PerPageTooLarge, Start};
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
}
