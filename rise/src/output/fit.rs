//! A list within a terminal's width: one line a row. Columns give way in the order that their list names; then the widest
//! cells lose their middle, because names differ at their ends.

/// Between two columns.
const GAP: usize = 2;
/// No cell is made shorter than this.
const SHORTEST: usize = 8;

/// A line, ready to be printed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) is_header: bool,
}

/// The header and the rows.
pub(super) fn lines<const N: usize>(
    header: &[&str; N],
    give_way: &[&str],
    rows: &[[String; N]],
    width: usize,
) -> Vec<Line> {
    let mut columns: Vec<Column<'_>> = (0..N)
        .map(|index| Column::new(header[index], rows.iter().map(|row| row[index].as_str())))
        .collect();
    for name in give_way {
        if total(&columns) <= width {
            break;
        }
        columns.retain(|column| column.name != *name);
    }
    shorten(&mut columns, width);
    (0..=rows.len())
        .map(|line| Line {
            text: text(&columns, line),
            is_header: line == 0,
        })
        .collect()
}

struct Column<'a> {
    name: &'a str,
    /// The header's and the rows'.
    cells: Vec<&'a str>,
    width: usize,
}

impl<'a> Column<'a> {
    fn new(name: &'a str, rows: impl Iterator<Item = &'a str>) -> Self {
        let cells: Vec<&str> = std::iter::once(name).chain(rows).collect();
        let widths = cells.iter().map(|cell| cell.chars().count());
        Self {
            name,
            width: widths.max().unwrap_or(0),
            cells,
        }
    }
}

fn total(columns: &[Column<'_>]) -> usize {
    let gaps = columns.len().saturating_sub(1) * GAP;
    columns.iter().map(|column| column.width).sum::<usize>() + gaps
}

/// Takes from the widest column until all fit, or none can give any more.
fn shorten(columns: &mut [Column<'_>], width: usize) {
    while total(columns) > width {
        let widest = columns.iter_mut().max_by_key(|column| column.width);
        match widest {
            Some(column) if column.width > SHORTEST => column.width -= 1,
            _ => return,
        }
    }
}

fn text(columns: &[Column<'_>], line: usize) -> String {
    let mut text = String::new();
    for column in columns {
        let cell = without_middle(column.cells[line], column.width);
        let padding = column.width.saturating_sub(cell.chars().count()) + GAP;
        text.push_str(&cell);
        text.extend(std::iter::repeat_n(' ', padding));
    }
    text.truncate(text.trim_end().len());
    text
}

fn without_middle(cell: &str, width: usize) -> String {
    let length = cell.chars().count();
    if length <= width {
        return cell.to_owned();
    }
    let kept = width.saturating_sub(1);
    let tail = kept.div_ceil(2);
    let head = cell.chars().take(kept - tail);
    let tail = cell.chars().skip(length - tail);
    head.chain(['…']).chain(tail).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(width: usize) -> String {
        let row = |job: &str, labels: &str, worker: &str| [job, labels, worker].map(str::to_owned);
        let rows = [
            row(
                "43718000662",
                "ubuntu-24.04-riscv",
                "rise-riscv-runner-staging-5qwa9wv6l",
            ),
            row("7", "größe", ""),
        ];
        let lines = lines(&["JOB", "LABELS", "WORKER"], &["LABELS"], &rows, width);
        let texts: Vec<String> = lines.into_iter().map(|line| line.text).collect();
        texts.join("\n")
    }

    #[test]
    fn columns_give_way_before_cells_lose_their_middle() {
        insta::assert_snapshot!(shown(68), @r"
        JOB          LABELS              WORKER
        43718000662  ubuntu-24.04-riscv  rise-riscv-runner-staging-5qwa9wv6l
        7            größe
        ");
        insta::assert_snapshot!(shown(67), @r"
        JOB          WORKER
        43718000662  rise-riscv-runner-staging-5qwa9wv6l
        7
        ");
        insta::assert_snapshot!(shown(40), @r"
        JOB          WORKER
        43718000662  rise-riscv-ru…ing-5qwa9wv6l
        7
        ");
    }

    #[test]
    fn no_terminal_is_too_narrow() {
        let widest = shown(1).lines().map(|line| line.chars().count()).max();
        assert_eq!(widest, Some(2 * SHORTEST + GAP));
    }
}
