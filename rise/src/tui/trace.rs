//! What was logged of an account, an installation or a job.

use services::store::story::LogLine;

use super::grid::{Cell, Column, Grid, Id, Row, Shape};
use super::theme::Tone;

/// A whole answer.
#[derive(Debug)]
pub(super) struct Traced {
    /// What that is.
    pub(super) subject: String,
    /// The words that the rows are narrowed to at first.
    pub(super) narrowed: String,
    /// The rows, the oldest first.
    pub(super) events: Vec<LogLine>,
    pub(super) grid: Grid,
}

impl Traced {
    pub(super) fn new(subject: String, narrowed: String, events: Vec<LogLine>) -> Self {
        let grid = Grid::new(COLUMNS, events.iter().map(row).collect());
        Self {
            subject,
            narrowed,
            events,
            grid,
        }
    }

    pub(super) fn event(&self, id: i64) -> Option<&LogLine> {
        self.events.iter().find(|event| event.id == id)
    }
}

const fn column(name: &'static str, gives_way: u8, least: u16, most: u16, shape: Shape) -> Column {
    Column {
        name,
        gives_way,
        least,
        most,
        shape,
    }
}

pub(super) const COLUMNS: &[Column] = &[
    column("WHEN", 0, 19, 19, Shape::Head),
    column("AGO", 3, 7, 8, Shape::Right),
    column("EVENT", 1, 20, 34, Shape::Ends),
    column("OUTCOME", 2, 16, 28, Shape::Ends),
    column("JOB", 4, 11, 14, Shape::Right),
    column("INSTALLATION", 6, 12, 14, Shape::Right),
    column("REPOSITORY", 5, 12, 60, Shape::Rest),
];

fn row(event: &LogLine) -> Row {
    let tone = match event.outcome.as_str() {
        outcome
            if outcome.contains("fail")
                || outcome.contains("banned")
                || outcome.contains("not_allowed") =>
        {
            Tone::Bad
        }
        outcome if outcome.starts_with("ignored") => Tone::Quiet,
        _ => Tone::Plain,
    };
    Row::new(
        Id::Event(event.id),
        vec![
            Cell::Text(event.received_at.format("%Y-%m-%d %H:%M:%S").to_string()),
            Cell::Age(event.received_at),
            Cell::text(&event.event),
            Cell::Word(super::text::clean(&event.outcome), tone),
            event.job_id.map_or(Cell::Empty, Cell::Number),
            event.installation_id.map_or(Cell::Empty, Cell::Number),
            Cell::maybe(event.repo_full_name.as_deref()),
        ],
        &[
            &event.source,
            &event.job_id.map(|id| id.to_string()).unwrap_or_default(),
            event.entity_name.as_deref().unwrap_or_default(),
        ],
    )
}
