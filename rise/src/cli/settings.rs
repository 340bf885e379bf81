//! `rise set`, `rise ban`, `rise pause`, `rise board` and their kind: what operators change while everything runs.

use clap::{Args, Subcommand};
use rise_model::settings::ScopeKind;
use services::store::settings::Until;

use super::Show;
use crate::config::nearest;
use crate::when;

/// A scope as people name it: by kind and id or name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// Its kind.
    pub(crate) kind: ScopeKind,
    /// The id or name; empty where the kind is all there is.
    pub(crate) name: String,
}

/// `rise set`.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// global, or pool:NAME, entity:LOGIN, sender:LOGIN, image:NAME, board:NODE,
    /// repo:OWNER/NAME; ids are understood too
    #[arg(value_name = "SCOPE", value_parser = scope)]
    pub(crate) scope: Named,
    /// cap, reserved, weight, ban, pause, quarantine or staging
    #[arg(value_name = "KEY")]
    pub(crate) key: String,
    /// A number; of cap also `unlimited`; `on` for what is only on or off
    #[arg(value_name = "VALUE")]
    pub(crate) value: String,
    #[command(flatten)]
    pub(crate) why: Why,
    #[command(flatten)]
    pub(crate) until: Ends,
    #[command(flatten)]
    pub(crate) show: Show,
}

/// `rise unset`.
#[derive(Debug, Args)]
pub(crate) struct Unset {
    /// The scope, as in `rise set`
    #[arg(value_name = "SCOPE", value_parser = scope)]
    pub(crate) scope: Named,
    /// The key
    #[arg(value_name = "KEY")]
    pub(crate) key: String,
    #[command(flatten)]
    pub(crate) why: Why,
    #[command(flatten)]
    pub(crate) show: Show,
}

/// `rise settings`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Settings {
    /// Also those that are over, the newest first
    #[arg(long)]
    pub(crate) all: bool,
    /// Show exact times
    #[arg(long)]
    exact: bool,
    #[command(flatten)]
    pub(crate) show: Show,
}

impl Settings {
    /// How times are shown.
    pub(crate) fn times(self) -> when::Times {
        if self.exact {
            when::Times::Exact
        } else {
            when::Times::Relative
        }
    }
}

/// `rise ban`.
#[derive(Debug, Args)]
pub(crate) struct Ban {
    #[command(flatten)]
    pub(crate) whom: Whom,
    #[command(flatten)]
    pub(crate) why: Why,
    #[command(flatten)]
    pub(crate) until: Ends,
    #[command(flatten)]
    pub(crate) show: Show,
}

/// `rise unban`.
#[derive(Debug, Args)]
pub(crate) struct Unban {
    #[command(flatten)]
    pub(crate) whom: Whom,
    #[command(flatten)]
    pub(crate) why: Why,
    #[command(flatten)]
    pub(crate) show: Show,
}

/// Whom a ban is about.
#[derive(Debug, Args)]
pub(crate) struct Whom {
    /// An account by login or id: the owner of repositories, or sender:LOGIN for
    /// who causes jobs
    #[arg(value_name = "ACCOUNT", value_parser = account)]
    pub(crate) account: Named,
}

/// `rise pause`.
#[derive(Debug, Args)]
pub(crate) struct Pause {
    #[command(flatten)]
    pub(crate) what: What,
    #[command(flatten)]
    pub(crate) why: Why,
    #[command(flatten)]
    pub(crate) until: Ends,
    #[command(flatten)]
    pub(crate) show: Show,
}

/// `rise resume`.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    pub(crate) what: What,
    #[command(flatten)]
    pub(crate) why: Why,
    #[command(flatten)]
    pub(crate) show: Show,
}

/// What a pause is about.
#[derive(Debug, Args)]
pub(crate) struct What {
    /// pool:NAME, entity:LOGIN, image:NAME, or all
    #[arg(value_name = "WHAT", value_parser = scope)]
    pub(crate) scope: Named,
}

/// `rise board …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Board {
    /// List boards: what each does, and how its last workers ended
    #[command(after_long_help = "\
As the leading scheduler last told it.

Example:
  rise board list
  rise board list --json")]
    List(Show),
    /// Give a board no more pods
    #[command(after_long_help = "\
What runs on it goes on.

Example:
  rise board quarantine riscv-runner-3 --reason fan
  rise board quarantine riscv-runner-3 --reason memtest --until 2h")]
    Quarantine(Quarantine),
    /// Let a board have pods again
    #[command(after_long_help = "\
Example:
  rise board release riscv-runner-3 --reason repaired")]
    Release(Release),
}

/// `rise board quarantine`.
#[derive(Debug, Args)]
pub(crate) struct Quarantine {
    /// The board's node
    #[arg(value_name = "BOARD")]
    pub(crate) board: String,
    #[command(flatten)]
    pub(crate) why: Why,
    #[command(flatten)]
    pub(crate) until: Ends,
    #[command(flatten)]
    pub(crate) show: Show,
}

/// `rise board release`.
#[derive(Debug, Args)]
pub(crate) struct Release {
    /// The board's node
    #[arg(value_name = "BOARD")]
    pub(crate) board: String,
    #[command(flatten)]
    pub(crate) why: Why,
    #[command(flatten)]
    pub(crate) show: Show,
}

/// Why something is changed. It is kept with the change.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// Why; kept with your name [RISE_OPERATOR, else the login name]
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) reason: String,
}

/// When it ends by itself.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Ends {
    /// Until then: 2h, 3d, 2026-11-24, or an RFC 3339 time; without it for ever
    #[arg(long, value_name = "WHEN", value_parser = when::until)]
    pub(crate) until: Option<Until>,
}

/// Reads a scope. What an id or a name means is looked up later.
fn scope(text: &str) -> Result<Named, String> {
    if text == "all" {
        return Ok(Named {
            kind: ScopeKind::Global,
            name: String::new(),
        });
    }
    let (word, name) = match text.split_once(':') {
        Some((word, name)) => (word, Some(name)),
        None => (text, None),
    };
    let Some(kind) = ScopeKind::parse(word) else {
        return Err(no_scope(word, name));
    };
    match (kind, name) {
        (ScopeKind::Global, None) => Ok(Named {
            kind,
            name: String::new(),
        }),
        (ScopeKind::Global, Some(_)) => Err("`global` stands alone".to_owned()),
        (_, None | Some("")) => Err(format!("write which one, as in {word}:NAME")),
        (_, Some(name)) => Ok(Named {
            kind,
            name: name.to_owned(),
        }),
    }
}

fn no_scope(word: &str, name: Option<&str>) -> String {
    let words = ScopeKind::ALL.map(ScopeKind::as_str);
    let expected =
        "a scope is global, pool:, entity:, sender:, image:, board: or repo: with a name";
    match (nearest(word, words), name) {
        (Some(near), Some(name)) => format!("{expected}; did you mean {near}:{name}?"),
        (Some(near), None) => format!("{expected}; did you mean {near}?"),
        (None, Some(_)) => expected.to_owned(),
        (None, None) => format!("{expected}; did you mean entity:{word}?"),
    }
}

/// Reads an account: an entity unless it says otherwise.
fn account(text: &str) -> Result<Named, String> {
    if !text.contains(':') && !text.is_empty() {
        return Ok(Named {
            kind: ScopeKind::Entity,
            name: text.to_owned(),
        });
    }
    let named = scope(text)?;
    match named.kind {
        ScopeKind::Entity | ScopeKind::Sender => Ok(named),
        ScopeKind::Global
        | ScopeKind::Pool
        | ScopeKind::Image
        | ScopeKind::Board
        | ScopeKind::Repo => Err("write LOGIN, or sender:LOGIN for who causes jobs".to_owned()),
    }
}
