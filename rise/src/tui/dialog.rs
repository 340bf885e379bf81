//! Asking before anything is changed: what is captured when the dialog opens stays captured, cancel is the default, Enter
//! never confirms.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};
use tui_input::Input;

use super::app::{App, edit};
use super::keys::Act;

/// What is to be done, to what, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) act: Act,
    pub(super) what: Object,
    pub(super) reason: String,
}

/// To what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Object {
    Worker(String),
    Job(i64),
    Entity(i64, String),
    Pool(String),
    Board(String),
}

impl Object {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Worker(name) | Self::Pool(name) | Self::Board(name) | Self::Entity(_, name) => {
                name.clone()
            }
            Self::Job(id) => id.to_string(),
        }
    }
}

/// A question.
#[derive(Debug)]
pub(super) struct Dialog {
    pub(super) act: Act,
    pub(super) what: Object,
    /// What it would hit; then its name is to be typed.
    pub(super) hits: Option<String>,
    pub(super) reason: Input,
    pub(super) name: Input,
    pub(super) field: Field,
}

/// Where the dialog's cursor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Cancel,
    Reason,
    Name,
    Confirm,
}

/// What a key came to.
#[derive(Debug)]
pub(super) enum Step {
    Stay,
    Cancel,
    Act(Order),
}

/// Why an act cannot be done although acts are allowed.
pub(super) fn hinders(_app: &App, act: Act) -> Option<&'static str> {
    match act {
        Act::KillWorker => Some("`rise worker kill` is not there yet"),
        Act::BanEntity => Some("`rise ban` is not there yet"),
        Act::Pause => Some("`rise pause` is not there yet"),
        Act::Recheck => Some("`rise job recheck` is not there yet"),
        Act::Quarantine => Some("`rise board quarantine` is not there yet"),
    }
}

impl Dialog {
    /// A dialog about what is looked at now.
    pub(super) fn open(app: &App, act: Act) -> Option<Self> {
        let (what, hits) = super::detail::object(app, act)?;
        Some(Self {
            act,
            what,
            hits,
            reason: Input::default(),
            name: Input::default(),
            field: Field::Cancel,
        })
    }

    pub(super) fn fields(&self) -> &'static [Field] {
        if self.hits.is_some() {
            &[Field::Cancel, Field::Reason, Field::Name, Field::Confirm]
        } else {
            &[Field::Cancel, Field::Reason, Field::Confirm]
        }
    }

    /// The line that is being written.
    pub(super) fn input(&mut self) -> Option<&mut Input> {
        match self.field {
            Field::Reason => Some(&mut self.reason),
            Field::Name => Some(&mut self.name),
            Field::Cancel | Field::Confirm => None,
        }
    }

    /// What is still missing.
    pub(super) fn missing(&self) -> Option<&'static str> {
        if self.reason.value().trim().is_empty() {
            return Some("say why");
        }
        if self.hits.is_some() && self.name.value().trim() != self.what.name() {
            return Some("type the name");
        }
        None
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Step {
        let fields = self.fields();
        let at = fields
            .iter()
            .position(|field| *field == self.field)
            .unwrap_or(0);
        match key.code {
            KeyCode::Esc => return Step::Cancel,
            KeyCode::Enter if self.field == Field::Cancel => return Step::Cancel,
            // Enter goes on, and never further than to the question.
            KeyCode::Enter | KeyCode::Tab | KeyCode::Down => {
                self.field = fields[(at + 1).min(fields.len() - 1)];
            }
            KeyCode::BackTab | KeyCode::Up => self.field = fields[at.saturating_sub(1)],
            KeyCode::Char('y')
                if self.field == Field::Confirm
                    && key.kind == KeyEventKind::Press
                    && self.missing().is_none() =>
            {
                return Step::Act(Order {
                    act: self.act,
                    what: self.what.clone(),
                    reason: self.reason.value().trim().to_owned(),
                });
            }
            KeyCode::Char('n') if matches!(self.field, Field::Confirm | Field::Cancel) => {
                return Step::Cancel;
            }
            _ => {
                if let (Some(request), Some(input)) = (edit(key), self.input()) {
                    let _ = input.handle(request);
                }
            }
        }
        Step::Stay
    }
}
