//! Small things that views are put together from.

mod spark;
mod table;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

pub(super) use spark::spark;
pub(super) use table::{Table, rows_in};

use super::document::Line;
use super::text;
use super::theme::FOUND;

/// Writes a text, cut with a mark at its width. Gives the columns that it took.
pub(super) fn put(to: &mut Buffer, x: u16, y: u16, columns: u16, words: &str, style: Style) -> u16 {
    if columns == 0 || !to.area.contains((x, y).into()) {
        return 0;
    }
    let columns = columns.min(to.area.right().saturating_sub(x));
    let cut = text::head(words, usize::from(columns));
    let (end, _) = to.set_stringn(x, y, &cut, usize::from(columns), style);
    end.saturating_sub(x)
}

/// Writes a text so that it ends at the right edge of an area's first line.
pub(super) fn put_right(to: &mut Buffer, area: Rect, words: &str, style: Style) -> u16 {
    let columns = u16::try_from(text::width(words))
        .unwrap_or(u16::MAX)
        .min(area.width);
    put(to, area.right() - columns, area.y, columns, words, style)
}

/// Writes lines, with what was searched for marked.
pub(super) fn put_lines(to: &mut Buffer, area: Rect, lines: &[Line], search: &str) {
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        let mut x = area.x;
        for (words, tone) in &line.spans {
            x += put(
                to,
                x,
                y,
                area.right().saturating_sub(x),
                words,
                tone.style(),
            );
        }
        if !search.is_empty() {
            mark(to, area.x, y, &line.plain(), search);
        }
    }
}

/// Marks every place where a text stands in a line.
fn mark(to: &mut Buffer, x: u16, y: u16, line: &str, search: &str) {
    let (line, search) = (line.to_lowercase(), search.to_lowercase());
    let mut from = 0;
    while let Some(at) = line.get(from..).and_then(|rest| rest.find(&search)) {
        let begin = from + at;
        let end = begin + search.len();
        let columns = |text: &str| u16::try_from(text::width(text)).unwrap_or(u16::MAX);
        let place = Rect {
            x: x.saturating_add(columns(&line[..begin])),
            y,
            width: columns(&line[begin..end]),
            height: 1,
        };
        to.set_style(place.intersection(to.area), FOUND);
        from = end;
    }
}
