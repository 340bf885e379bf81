//! `rise tui --once VIEW`: a view as text or JSON, without taking the terminal.

use std::sync::Arc;
use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde_json::Value;

use super::app::{App, Message, Published, Settings, View};
use super::data::{Source, read_once};
use super::export;
use super::snapshot::{List, Snapshot};
use super::views;
use crate::exit::Failure;

/// Lines of a view without rows of its own.
const SCREEN: u16 = 60;
/// Columns where nobody says how many there are.
const COLUMNS: u16 = 160;

/// A view that was looked at once.
pub(crate) struct Once {
    /// As lines.
    pub(crate) text: Vec<String>,
    /// As data.
    pub(crate) json: Value,
}

/// Reads once.
pub(crate) async fn once(
    source: Source,
    settings: Settings,
    view: View,
    columns: Option<u16>,
) -> Result<Once, Failure> {
    source.store.ping().await?;
    source.store.check_migrated().await?;
    let snapshot = read_once(&source).await?;
    source.store.close().await;
    let json = export::view(&snapshot, view);
    Ok(Once {
        text: text(snapshot, settings, view, columns.unwrap_or(COLUMNS)),
        json,
    })
}

fn text(snapshot: Snapshot, settings: Settings, view: View, columns: u16) -> Vec<String> {
    let rows = |list: List| snapshot.grid(list).map_or(0, |grid| grid.rows.len());
    let rows = match view {
        View::Overview | View::Trace => 0,
        View::Pools => 2 * rows(List::Demand).max(rows(List::Boards)) + 8,
        View::Workers => rows(List::Workers) + 8,
        View::Jobs => rows(List::Jobs) + 8,
        View::Failures => rows(List::Failures) + 8,
    };
    let lines = u16::try_from(rows).unwrap_or(u16::MAX).max(SCREEN);
    let mut app = App::new(settings, view, (columns, lines));
    let now = Instant::now();
    app.update(Message::Tick(now));
    app.update(Message::Data(Arc::new(Published {
        snapshot: Some(Arc::new(snapshot)),
        read_at: Some(now),
        trouble: None,
    })));
    app.forget_selection();
    let mut buffer = Buffer::empty(Rect::new(0, 0, columns, lines));
    views::draw(&app, &mut buffer);
    let mut text = lines_of(&buffer);
    // The bar of keys and the tabs mean nothing here.
    text.pop();
    text.remove(1);
    while text.last().is_some_and(String::is_empty) {
        text.pop();
    }
    text
}

/// The text of a buffer, line by line.
pub(super) fn lines_of(buffer: &Buffer) -> Vec<String> {
    let area = buffer.area;
    (area.y..area.bottom())
        .map(|y| {
            let mut line = String::new();
            let mut x = area.x;
            while x < area.right() {
                let symbol = buffer.cell((x, y)).map_or(" ", |cell| cell.symbol());
                line.push_str(symbol);
                // A wide character's second column holds nothing of its own.
                x += u16::try_from(super::text::width(symbol))
                    .unwrap_or(1)
                    .max(1);
            }
            line.trim_end().to_owned()
        })
        .collect()
}
