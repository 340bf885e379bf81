//! Rows under columns: what a view shows, made once when data comes, and where its cursor is.
//!
//! The cursor is on a row's identity, never on a number: it follows its row through new data, sorting and filtering. When
//! the row is gone it is on the nearest one that is left.

use std::cmp::Ordering;
use std::collections::HashMap;

use rise_model::Time;

use super::text;
use super::theme::Tone;
use crate::when;

/// What a row is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Id {
    /// A worker, by its name.
    Worker(String),
    /// A job.
    Job(i64),
    /// A board, by its node's name.
    Board(String),
    /// A demand key, as text.
    Demand(String),
    /// A group of failures, by what they have in common.
    Failure(String),
    /// A row of the log.
    Event(i64),
}

/// A column.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: &'static str,
    /// Columns with a higher number give way first.
    pub(super) gives_way: u8,
    /// It is never narrower.
    pub(super) least: u16,
    /// It is never wider, unless it takes what is left over.
    pub(super) most: u16,
    pub(super) shape: Shape,
}

/// How a column's cells are cut and placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The beginning matters.
    Head,
    /// Both ends matter.
    Ends,
    /// Numbers and times, to the right.
    Right,
    /// The beginning matters, and it takes the columns that are left over.
    Rest,
}

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Empty,
    Text(String),
    Word(String, Tone),
    Number(i64),
    /// How long ago.
    Age(Time),
    /// How long it took, or has taken so far.
    Lasted(Time, Option<Time>),
}

impl Cell {
    pub(super) fn text(text: &str) -> Self {
        if text.is_empty() {
            Self::Empty
        } else {
            Self::Text(text::clean(text))
        }
    }

    pub(super) fn maybe(text: Option<&str>) -> Self {
        text.map_or(Self::Empty, Self::text)
    }

    /// As it is shown now.
    pub(super) fn shown(&self, now: Time) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) | Self::Word(text, _) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Age(time) => when::length(*time, now),
            Self::Lasted(from, to) => when::length(*from, to.unwrap_or(now)),
        }
    }

    pub(super) fn tone(&self) -> Tone {
        match self {
            Self::Word(_, tone) => *tone,
            Self::Empty | Self::Text(_) | Self::Number(_) | Self::Age(_) | Self::Lasted(..) => {
                Tone::Plain
            }
        }
    }

    fn width(&self) -> usize {
        /// `23h 59m`.
        const LENGTH: usize = 7;
        match self {
            Self::Empty => 0,
            Self::Text(text) | Self::Word(text, _) => text::width(text),
            Self::Number(number) => number.to_string().len(),
            Self::Age(_) | Self::Lasted(..) => LENGTH,
        }
    }

    fn compare(&self, other: &Self, now: Time) -> Ordering {
        let seconds =
            |from: &Time, to: &Option<Time>| (to.unwrap_or(now) - *from).num_milliseconds();
        match (self, other) {
            (Self::Empty, Self::Empty) => Ordering::Equal,
            (Self::Empty, _) => Ordering::Greater,
            (_, Self::Empty) => Ordering::Less,
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            // The youngest first, as the shortest length.
            (Self::Age(a), Self::Age(b)) => b.cmp(a),
            (Self::Lasted(a, b), Self::Lasted(c, d)) => seconds(a, b).cmp(&seconds(c, d)),
            (Self::Text(a) | Self::Word(a, _), Self::Text(b) | Self::Word(b, _)) => a.cmp(b),
            (a, b) => a.shown(now).cmp(&b.shown(now)),
        }
    }
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) id: Id,
    pub(super) cells: Vec<Cell>,
    /// What a filter looks through.
    searched: String,
}

impl Row {
    /// `more` is looked through by filters beside the cells.
    pub(super) fn new(id: Id, cells: Vec<Cell>, more: &[&str]) -> Self {
        let mut searched = String::new();
        for cell in &cells {
            if let Cell::Text(text) | Cell::Word(text, _) = cell {
                searched.push_str(text);
                searched.push(' ');
            }
        }
        for text in more {
            searched.push_str(text);
            searched.push(' ');
        }
        Self {
            id,
            cells,
            searched: searched.to_lowercase(),
        }
    }
}

/// Rows under columns.
#[derive(Debug, PartialEq)]
pub(super) struct Grid {
    pub(super) columns: &'static [Column],
    pub(super) rows: Vec<Row>,
    /// The widest cell of each column.
    widest: Vec<usize>,
}

impl Grid {
    pub(super) fn new(columns: &'static [Column], rows: Vec<Row>) -> Self {
        let mut widest: Vec<usize> = columns.iter().map(|column| column.name.len()).collect();
        for row in &rows {
            for (width, cell) in widest.iter_mut().zip(&row.cells) {
                *width = (*width).max(cell.width());
            }
        }
        Self {
            columns,
            rows,
            widest,
        }
    }

    /// Which columns are shown within a width, and how wide each is.
    pub(super) fn layout(&self, width: u16) -> Vec<(usize, u16)> {
        /// Columns between two columns.
        const GAP: u16 = 2;
        let wanted = |index: usize, column: &Column| {
            let widest = u16::try_from(self.widest[index]).unwrap_or(u16::MAX);
            widest.clamp(column.least, column.most.max(column.least))
        };
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        let taken = |shown: &[usize]| {
            let least = |index: &usize| {
                let column = &self.columns[*index];
                wanted(*index, column).min(match column.shape {
                    Shape::Head | Shape::Right => wanted(*index, column),
                    Shape::Ends | Shape::Rest => column.least,
                })
            };
            shown.iter().map(least).sum::<u16>()
                + GAP * u16::try_from(shown.len().saturating_sub(1)).unwrap_or(0)
        };
        while taken(&shown) > width && shown.len() > 1 {
            let first = shown
                .iter()
                .enumerate()
                .max_by_key(|(_, index)| self.columns[**index].gives_way);
            let Some((at, _)) = first else { break };
            shown.remove(at);
        }
        let gaps = GAP * u16::try_from(shown.len().saturating_sub(1)).unwrap_or(0);
        let mut left = width.saturating_sub(gaps);
        let mut widths: Vec<(usize, u16)> = shown
            .iter()
            .map(|index| {
                let column = &self.columns[*index];
                let least = match column.shape {
                    Shape::Head | Shape::Right => wanted(*index, column),
                    Shape::Ends | Shape::Rest => column.least,
                };
                (*index, least.min(width))
            })
            .collect();
        left = left.saturating_sub(widths.iter().map(|(_, width)| width).sum());
        // First what names need, then all that is left for the last words.
        for shape in [Shape::Ends, Shape::Rest] {
            for (index, width) in &mut widths {
                let column = &self.columns[*index];
                if column.shape == shape {
                    let most = if shape == Shape::Rest {
                        u16::MAX
                    } else {
                        wanted(*index, column)
                    };
                    let more = most.saturating_sub(*width).min(left);
                    *width += more;
                    left -= more;
                }
            }
        }
        widths
    }
}

/// Which rows are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) text: String,
}

impl Filter {
    fn admits(&self, row: &Row) -> bool {
        let text = self.text.to_lowercase();
        match text.strip_prefix('!') {
            Some("") => true,
            Some(unwanted) => !unwanted
                .split_whitespace()
                .all(|word| row.searched.contains(word)),
            None => text
                .split_whitespace()
                .all(|word| row.searched.contains(word)),
        }
    }
}

/// In which direction rows are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// Where a grid's cursor is and what is shown of it.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    pub(super) selected: Option<Id>,
    pub(super) filter: Filter,
    pub(super) sort: Option<(usize, Direction)>,
    /// The first row on the screen.
    pub(super) first: usize,
    /// Rows of the grid in the order in which they are shown.
    order: Vec<usize>,
    /// Their ids when the order was made: to find a neighbour when a row is gone.
    position: usize,
    /// Somebody moved it. Until then it stays at the top, whatever comes there.
    moved: bool,
}

impl Cursor {
    /// How many rows pass the filter.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Where the selected row stands.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// The rows on a screen of so many lines.
    pub(super) fn visible<'a>(
        &'a self,
        grid: &'a Grid,
        lines: usize,
    ) -> impl Iterator<Item = &'a Row> + 'a {
        self.order
            .iter()
            .skip(self.first)
            .take(lines)
            .filter_map(|index| grid.rows.get(*index))
    }

    /// All rows that pass the filter, in order.
    pub(super) fn all<'a>(&'a self, grid: &'a Grid) -> impl Iterator<Item = &'a Row> + 'a {
        self.order.iter().filter_map(|index| grid.rows.get(*index))
    }

    /// Takes in a grid. `before` is the one that the order was made for.
    pub(super) fn take_in(&mut self, before: Option<&Grid>, grid: &Grid, now: Time) {
        let neighbours: Vec<Id> = before
            .map(|before| self.neighbours(before))
            .unwrap_or_default();
        self.order = (0..grid.rows.len())
            .filter(|index| self.filter.admits(&grid.rows[*index]))
            .collect();
        if let Some((column, direction)) = self.sort {
            self.order.sort_by(|a, b| {
                let (a, b) = (&grid.rows[*a].cells, &grid.rows[*b].cells);
                let (Some(a), Some(b)) = (a.get(column), b.get(column)) else {
                    return Ordering::Equal;
                };
                match direction {
                    Direction::Up => a.compare(b, now),
                    // What is not there stays last.
                    Direction::Down if matches!(a, Cell::Empty) != matches!(b, Cell::Empty) => {
                        a.compare(b, now)
                    }
                    Direction::Down => b.compare(a, now),
                }
            });
        }
        let same = |position: &usize| {
            self.order
                .get(*position)
                .is_some_and(|index| Some(&grid.rows[*index].id) == self.selected.as_ref())
        };
        if !self.moved {
            return self.go_to(grid, 0);
        }
        if same(&self.position) {
            return;
        }
        let places: HashMap<&Id, usize> = self
            .order
            .iter()
            .enumerate()
            .map(|(at, index)| (&grid.rows[*index].id, at))
            .collect();
        let kept = self
            .selected
            .iter()
            .chain(&neighbours)
            .find_map(|id| places.get(id).copied());
        self.go_to(grid, kept.unwrap_or(self.position));
    }

    /// The rows beside the selected one, the nearest first.
    fn neighbours(&self, grid: &Grid) -> Vec<Id> {
        let id = |at: usize| Some(grid.rows.get(*self.order.get(at)?)?.id.clone());
        let mut ids = Vec::new();
        for distance in 1..=200 {
            ids.extend(id(self.position + distance));
            ids.extend(self.position.checked_sub(distance).and_then(id));
        }
        ids
    }

    /// Moves the cursor to a place, or to the nearest there is.
    pub(super) fn go_to(&mut self, grid: &Grid, position: usize) {
        self.position = position.min(self.order.len().saturating_sub(1));
        let index = self.order.get(self.position);
        self.selected = index
            .and_then(|index| grid.rows.get(*index))
            .map(|row| row.id.clone());
    }

    /// Moves the cursor by some rows.
    pub(super) fn step(&mut self, grid: &Grid, by: isize) {
        self.moved = true;
        self.go_to(grid, self.position.saturating_add_signed(by));
    }

    /// Moves the cursor to a row, if it is shown.
    pub(super) fn select(&mut self, grid: &Grid, id: &Id) -> bool {
        let place = self
            .order
            .iter()
            .position(|index| grid.rows.get(*index).is_some_and(|row| row.id == *id));
        if let Some(place) = place {
            self.moved = true;
            self.go_to(grid, place);
        }
        place.is_some()
    }

    /// Moves the screen so that the cursor is on it.
    pub(super) fn scroll(&mut self, lines: usize) {
        let last = self.order.len().saturating_sub(lines.max(1));
        self.first = self.first.min(last).min(self.position);
        if self.position >= self.first + lines.max(1) {
            self.first = self.position + 1 - lines.max(1);
        }
    }
}
