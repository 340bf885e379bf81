//! The only door to standard output and standard error.
//!
//! On a terminal there are aligned tables and colours; piped, each row is one line with tabs between its cells, for `cut`
//! and `awk`; with `--json` one JSON value. Text that strangers wrote is stripped of control characters before it is
//! printed. Colours go away by themselves when piped or with `NO_COLOR`.

mod fit;

use std::io::{self, IsTerminal, Write};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::exit::Failure;

/// How a command answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Standard output.
pub(crate) struct Output {
    stream: AutoStream<io::Stdout>,
    shape: Shape,
}

/// What a table looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Aligned, with a header, within this many columns.
    Terminal(u16),
    /// Tabs between cells, no header.
    Pipe,
}

const BOLD: Style = Style::new().bold();
#[cfg(feature = "sandbox")]
const DIM: Style = Style::new().dimmed();
const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

impl Output {
    /// The standard output of this process.
    pub(crate) fn stdout() -> Self {
        let stdout = io::stdout();
        let shape = match rustix::termios::tcgetwinsize(&stdout) {
            // A terminal that does not know its width is taken for a usual one.
            Ok(size) if stdout.is_terminal() && size.ws_col == 0 => Shape::Terminal(80),
            Ok(size) if stdout.is_terminal() => Shape::Terminal(size.ws_col.max(40)),
            _ => Shape::Pipe,
        };
        Self {
            stream: AutoStream::auto(stdout),
            shape,
        }
    }

    /// How wide the terminal is; nothing when there is none.
    pub(crate) fn columns(&self) -> Option<u16> {
        match self.shape {
            Shape::Terminal(columns) => Some(columns),
            Shape::Pipe => None,
        }
    }

    /// One line.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.stream, "{}", clean(text.as_ref()))
    }

    /// A line that heads what follows.
    pub(crate) fn heading(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.stream, "{BOLD}{}{BOLD:#}", clean(text))
    }

    /// Text as it is: a completion script, a manual page.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Rows under a header, each on one line: on a narrow terminal the columns that are named give way, one after the
    /// other, then long cells lose their middle. Piped, everything is there.
    pub(crate) fn list<const N: usize>(
        &mut self,
        header: [&str; N],
        give_way: &[&str],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> io::Result<()> {
        let Shape::Terminal(width) = self.shape else {
            return self.table(header, rows);
        };
        let rows = rows.into_iter().map(|row| row.map(|cell| clean(&cell)));
        let rows: Vec<[String; N]> = rows.collect();
        for line in fit::lines(&header, give_way, &rows, usize::from(width)) {
            let style = if line.is_header { BOLD } else { Style::new() };
            writeln!(self.stream, "{style}{}{style:#}", line.text)?;
        }
        Ok(())
    }

    /// Rows under a header. Piped, the header is left out.
    pub(crate) fn table<const N: usize>(
        &mut self,
        header: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> io::Result<()> {
        let rows = rows.into_iter().map(|row| row.map(|cell| clean(&cell)));
        match self.shape {
            Shape::Pipe => {
                for row in rows {
                    writeln!(self.stream, "{}", row.join("\t"))?;
                }
                Ok(())
            }
            Shape::Terminal(width) => {
                let mut table = Table::new();
                table
                    .load_style(presets::NOTHING)
                    .set_content_arrangement(ContentArrangement::Dynamic)
                    .set_width(width)
                    .set_header(header.map(Cell::new));
                for row in rows {
                    table.add_row(row.map(Cell::new));
                }
                for column in table.column_iter_mut() {
                    column.set_padding((0, 2));
                }
                for (index, line) in table.lines().enumerate() {
                    let line = line.trim_end();
                    if index == 0 {
                        writeln!(self.stream, "{BOLD}{line}{BOLD:#}")?;
                    } else {
                        writeln!(self.stream, "{line}")?;
                    }
                }
                Ok(())
            }
        }
    }

    /// One JSON value, indented.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer_pretty(&mut self.stream, value)?;
        writeln!(self.stream)?;
        Ok(())
    }

    /// One JSON value on one line.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.stream, value)?;
        writeln!(self.stream)?;
        Ok(())
    }
}

/// A line of a story: when, who, what. It goes to standard error where standard output belongs to JSON. That its reader
/// is gone does not stop what is told of.
#[cfg(feature = "sandbox")]
pub(crate) fn story(format: Format, time: &str, who: &str, what: &str) {
    let _ = match format {
        Format::Text => write_story(&mut AutoStream::auto(io::stdout()), time, who, what),
        Format::Json => write_story(&mut AutoStream::auto(io::stderr()), time, who, what),
    };
}

#[cfg(feature = "sandbox")]
fn write_story(to: &mut impl Write, time: &str, who: &str, what: &str) -> io::Result<()> {
    let troubled = ["warn: ", "error: "]
        .iter()
        .any(|word| what.starts_with(word));
    let style = if troubled { WARNING } else { Style::new() };
    writeln!(
        to,
        "{DIM}{time}{DIM:#}  {BOLD}{who:<9}{BOLD:#}  {style}{}{style:#}",
        clean(what)
    )
}

/// What a command is doing, on standard error: standard output belongs to its answer.
#[cfg(feature = "sandbox")]
pub(crate) fn aside(line: &str) {
    let _ = writeln!(AutoStream::auto(io::stderr()), "{}", clean(line));
}

/// Says on standard error why a command failed, and what to do. That the reader of standard error is gone is nobody's
/// trouble.
pub(crate) fn failure(failure: &Failure) {
    let _ = write_failure(&mut AutoStream::auto(io::stderr()), failure);
}

/// A remark on standard error, beside the answer.
pub(crate) fn warning(text: &str) {
    let mut stderr = AutoStream::auto(io::stderr());
    let _ = writeln!(stderr, "{WARNING}warning:{WARNING:#} {}", clean(text));
}

fn write_failure(to: &mut impl Write, failure: &Failure) -> io::Result<()> {
    let Some(message) = &failure.message else {
        return Ok(());
    };
    writeln!(to, "{ERROR}error:{ERROR:#} {}", clean(message))?;
    for detail in &failure.details {
        writeln!(to, "  {}", clean(&detail.text))?;
        if let Some(hint) = &detail.hint {
            writeln!(to, "    {HINT}hint:{HINT:#} {}", clean(hint))?;
        }
    }
    for hint in &failure.hints {
        writeln!(to, "{HINT}hint:{HINT:#} {}", clean(hint))?;
    }
    Ok(())
}

/// The text without control characters: they could move the cursor or lie about what stands there.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// What a failure looks like without colours.
#[cfg(test)]
pub(crate) fn failure_text(failure: &Failure) -> String {
    let mut text = anstream::StripStream::new(Vec::new());
    write_failure(&mut text, failure).unwrap();
    String::from_utf8(text.into_inner()).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn a_failure_is_one_line_with_hints_below() {
        let failure =
            Failure::new(Exit::Failed, "the board \u{1b}[31mx\n is gone").hint("try another");
        insta::assert_snapshot!(failure_text(&failure), @r"
        error: the board  [31mx  is gone
        hint: try another
        ");
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(failure.exit, Exit::Done);
        assert_eq!(failure_text(&failure), "");
    }
}
