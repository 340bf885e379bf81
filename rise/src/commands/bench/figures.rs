//! What was measured, as a table of figures beside their targets.

use std::time::Duration;

use serde::Serialize;

use super::report::Machine;
use crate::cli::Show;
use crate::exit::{Exit, Outcome};
use crate::output::{Format, Output};

/// One figure.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    what: &'static str,
    figure: f64,
    unit: &'static str,
    target: &'static str,
}

/// A table of them.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    title: &'static str,
    machine: Machine,
    circumstances: String,
    figures: Vec<Figure>,
}

impl Figures {
    pub(super) fn new(title: &'static str, machine: Machine, circumstances: String) -> Self {
        Self {
            title,
            machine,
            circumstances,
            figures: Vec::new(),
        }
    }

    pub(super) fn time(&mut self, what: &'static str, time: Duration, target: &'static str) {
        self.add(what, time.as_secs_f64() * 1_000.0, "ms", target);
    }

    /// The middle, the slowest twentieth and the slowest of them.
    pub(super) fn times(
        &mut self,
        names: [&'static str; 3],
        mut times: Vec<Duration>,
        targets: [&'static str; 3],
    ) {
        times.sort_unstable();
        let at = |percent: usize| {
            let index = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times.get(index).copied().unwrap_or_default()
        };
        for ((what, percent), target) in names.into_iter().zip([50, 95, 100]).zip(targets) {
            self.time(what, at(percent), target);
        }
    }

    pub(super) fn add(
        &mut self,
        what: &'static str,
        figure: f64,
        unit: &'static str,
        target: &'static str,
    ) {
        // More than a thousandth would be noise.
        let figure = (figure * 1_000.0).round() / 1_000.0;
        self.figures.push(Figure {
            what,
            figure,
            unit,
            target,
        });
    }

    /// Puts another table's figures behind these.
    pub(super) fn join(&mut self, other: Self) {
        self.circumstances = format!("{}; {}", self.circumstances, other.circumstances);
        self.figures.extend(other.figures);
    }

    /// Shows them.
    pub(super) fn show(&self, show: Show) -> Outcome {
        let mut output = Output::stdout();
        if show.format() == Format::Json {
            output.json_line(self)?;
            return Ok(Exit::Done);
        }
        output.heading(self.title)?;
        output.line(format!("{}; {}", self.machine, self.circumstances))?;
        output.table(
            ["what", "figure", "target"],
            self.figures.iter().map(|it| {
                let figure = format!("{} {}", it.figure, it.unit);
                [
                    it.what.to_owned(),
                    figure.trim_end().to_owned(),
                    it.target.to_owned(),
                ]
            }),
        )?;
        if self.machine.is_debug() {
            output.line("This is a debug build: only its relations to itself say anything.")?;
        }
        Ok(Exit::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_measured() {
        let mut figures = Figures::new("t", Machine::default(), String::new());
        let times = [5, 1, 4, 2, 3].map(Duration::from_millis).to_vec();
        figures.times(["p50", "p95", "most"], times, ["", "", ""]);
        let found: Vec<f64> = figures.figures.iter().map(|it| it.figure).collect();
        assert_eq!(found, [3.0, 5.0, 5.0]);
        figures.times(["p50", "p95", "most"], Vec::new(), ["", "", ""]);
        assert_eq!(figures.figures.len(), 6);
    }
}
