//! The rows of a grid that are on the screen. Nothing is done for rows that are not.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use rise_model::Time;

use super::{put, put_right};
use crate::tui::grid::{Cursor, Direction, Grid, Shape};
use crate::tui::text;
use crate::tui::theme::{HEADER, SELECTED, Tone};

/// Lines above the rows: the caption and the columns' names.
const HEAD: u16 = 2;
/// Columns between two columns.
const GAP: u16 = 2;

/// Rows in an area.
pub(in crate::tui) fn rows_in(area: Rect) -> u16 {
    area.height.saturating_sub(HEAD)
}

/// A grid on the screen.
pub(in crate::tui) struct Table<'a> {
    pub(in crate::tui) grid: &'a Grid,
    pub(in crate::tui) cursor: &'a Cursor,
    pub(in crate::tui) title: &'a str,
    pub(in crate::tui) rows_are: &'a str,
    pub(in crate::tui) focused: bool,
    pub(in crate::tui) now: Time,
    /// What is said instead of rows.
    pub(in crate::tui) empty: &'a str,
}

impl Table<'_> {
    pub(in crate::tui) fn draw(&self, area: Rect, to: &mut Buffer) {
        if area.height == 0 {
            return;
        }
        self.caption(Rect { height: 1, ..area }, to);
        let inner = Rect {
            x: area.x + 1,
            width: area.width.saturating_sub(2),
            ..area
        };
        let layout = self.grid.layout(inner.width);
        self.names(inner, &layout, to);
        let lines = rows_in(area);
        let mut y = area.y + HEAD;
        for row in self.cursor.visible(self.grid, usize::from(lines)) {
            let selected = self.cursor.selected.as_ref() == Some(&row.id);
            let mut x = inner.x;
            for (index, width) in &layout {
                let Some(cell) = row.cells.get(*index) else {
                    continue;
                };
                let style = if selected && self.focused {
                    Style::new()
                } else {
                    cell.tone().style()
                };
                let shape = self.grid.columns[*index].shape;
                place(to, x, y, *width, &cell.shown(self.now), shape, style);
                x += width + GAP;
            }
            if selected {
                let line = Rect {
                    y,
                    height: 1,
                    ..area
                };
                let style = if self.focused {
                    SELECTED
                } else {
                    Style::new().add_modifier(Modifier::UNDERLINED)
                };
                to.set_style(line, style);
            }
            y += 1;
        }
        if self.cursor.len() == 0 && lines > 0 {
            let words = if self.grid.rows.is_empty() {
                self.empty
            } else {
                "no row has these words; Esc shows all"
            };
            put(
                to,
                inner.x,
                area.y + HEAD,
                inner.width,
                words,
                Tone::Quiet.style(),
            );
        }
    }

    fn caption(&self, area: Rect, to: &mut Buffer) {
        let style = if self.focused {
            Tone::Strong.style()
        } else {
            Tone::Plain.style()
        };
        let mut x = area.x + 1;
        x += put(
            to,
            x,
            area.y,
            area.right().saturating_sub(x),
            self.title,
            style,
        ) + GAP;
        let (shown, all) = (self.cursor.len(), self.grid.rows.len());
        let count = if shown == all {
            format!("{all} {}", self.rows_are)
        } else {
            format!("{shown} of {all} {}", self.rows_are)
        };
        x += put(
            to,
            x,
            area.y,
            area.right().saturating_sub(x),
            &count,
            Tone::Quiet.style(),
        ) + GAP;
        if !self.cursor.filter.text.is_empty() {
            let words = format!("/{}", self.cursor.filter.text);
            let room = area.right().saturating_sub(x + 14);
            put(to, x, area.y, room, &words, Tone::Accent.style());
        }
        if shown > 0 {
            let place = format!("{}/{shown} ", self.cursor.position() + 1);
            put_right(to, area, &place, Tone::Quiet.style());
        }
    }

    fn names(&self, inner: Rect, layout: &[(usize, u16)], to: &mut Buffer) {
        if inner.height < HEAD {
            return;
        }
        let mut x = inner.x;
        for (index, width) in layout {
            let column = &self.grid.columns[*index];
            let name = match self.cursor.sort {
                Some((sorted, Direction::Up)) if sorted == *index => format!("{}↑", column.name),
                Some((sorted, Direction::Down)) if sorted == *index => format!("{}↓", column.name),
                Some(_) | None => column.name.to_owned(),
            };
            place(to, x, inner.y + 1, *width, &name, column.shape, HEADER);
            x += width + GAP;
        }
    }
}

fn place(to: &mut Buffer, x: u16, y: u16, columns: u16, words: &str, shape: Shape, style: Style) {
    let room = usize::from(columns);
    let (words, indent) = match shape {
        Shape::Head | Shape::Rest => (text::head(words, room), 0),
        Shape::Ends => (text::ends(words, room), 0),
        Shape::Right => {
            let words = text::head(words, room);
            let indent = room.saturating_sub(text::width(&words));
            (words, u16::try_from(indent).unwrap_or(0))
        }
    };
    put(
        to,
        x + indent,
        y,
        columns - indent.min(columns),
        &words,
        style,
    );
}
