//! Text with headings and named values, in lines of a given width: what a detail shows.

use super::text;
use super::theme::Tone;

/// Columns of a name before its value.
const NAMES: usize = 18;

/// One line on the screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) spans: Vec<(String, Tone)>,
}

impl Line {
    pub(super) fn plain(&self) -> String {
        self.spans.iter().map(|(text, _)| text.as_str()).collect()
    }

    /// Whether it stands in the line, in whatever case.
    pub(super) fn contains(&self, wanted: &str) -> bool {
        self.plain().to_lowercase().contains(&wanted.to_lowercase())
    }
}

/// Lines, one after the other.
#[derive(Debug)]
pub(super) struct Document {
    lines: Vec<Line>,
    columns: usize,
    wrap: bool,
}

impl Document {
    pub(super) fn new(columns: usize, wrap: bool) -> Self {
        Self {
            lines: Vec::new(),
            columns,
            wrap,
        }
    }

    pub(super) fn finish(self) -> Vec<Line> {
        self.lines
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    fn push(&mut self, spans: Vec<(String, Tone)>) {
        self.lines.push(Line { spans });
    }

    /// A heading, with space above it.
    pub(super) fn heading(&mut self, text: &str) {
        if !self.lines.is_empty() {
            self.push(Vec::new());
        }
        self.push(vec![(text.to_owned(), Tone::Strong)]);
    }

    /// A name and its value; nothing without a value.
    pub(super) fn pair(&mut self, name: &str, value: &str, tone: Tone) {
        if value.is_empty() {
            return;
        }
        let value = text::clean(value);
        let room = self.columns.saturating_sub(NAMES + 2).max(8);
        let values = if self.wrap {
            text::wrap(&value, room)
        } else {
            vec![text::head(&value, room)]
        };
        for (index, value) in values.into_iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            self.push(vec![
                (format!("  {name:<NAMES$}"), Tone::Quiet),
                (value, tone),
            ]);
        }
    }

    /// Parts of one line, cut at the edge.
    pub(super) fn parts(&mut self, parts: Vec<(String, Tone)>) {
        let mut left = self.columns;
        let mut spans = Vec::new();
        for (part, tone) in parts {
            let part = text::head(&part, left);
            left -= text::width(&part);
            spans.push((part, tone));
        }
        self.push(spans);
    }

    /// A stranger's text, line by line.
    pub(super) fn text(&mut self, text: &str, tone: Tone) {
        for line in text.lines() {
            let line = text::clean(line);
            let lines = if self.wrap {
                text::wrap(&line, self.columns)
            } else {
                vec![text::head(&line, self.columns)]
            };
            for line in lines {
                self.push(vec![(line, tone)]);
            }
        }
    }
}
