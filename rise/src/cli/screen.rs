//! `rise tui`: which view, and what may be done in it.

use clap::{Args, ValueEnum};

use super::Show;
use crate::tui::{Acting, View};

/// `rise tui`.
#[derive(Debug, Args)]
pub(crate) struct Tui {
    /// Begin with this view
    #[arg(long, value_name = "VIEW", default_value = "overview")]
    view: Named,
    /// Print this view and end
    #[arg(long, value_name = "VIEW", conflicts_with_all = ["view", "allow_actions"])]
    once: Option<Printed>,
    /// Print it as JSON
    #[arg(long, requires = "once")]
    json: bool,
    /// Let keys change things: each is asked about and logged with your reason
    #[arg(long)]
    allow_actions: bool,
}

/// A view, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Named {
    Overview,
    Pools,
    Workers,
    Jobs,
    Failures,
    Trace,
}

/// A view that can be printed: a trace is `rise events` and `rise job`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Printed {
    Overview,
    Pools,
    Workers,
    Jobs,
    Failures,
}

impl Tui {
    /// The view to begin with.
    pub(crate) fn view(&self) -> View {
        match self.view {
            Named::Overview => View::Overview,
            Named::Pools => View::Pools,
            Named::Workers => View::Workers,
            Named::Jobs => View::Jobs,
            Named::Failures => View::Failures,
            Named::Trace => View::Trace,
        }
    }

    /// The view to print.
    pub(crate) fn once(&self) -> Option<View> {
        Some(match self.once? {
            Printed::Overview => View::Overview,
            Printed::Pools => View::Pools,
            Printed::Workers => View::Workers,
            Printed::Jobs => View::Jobs,
            Printed::Failures => View::Failures,
        })
    }

    /// How it is printed.
    pub(crate) fn show(&self) -> Show {
        Show { json: self.json }
    }

    /// Whether anything may be changed.
    pub(crate) fn acting(&self) -> Acting {
        if self.allow_actions {
            Acting::Allowed
        } else {
            Acting::ReadOnly
        }
    }
}
