//! `rise set`, `rise unset`, `rise settings`, `rise ban`, `rise unban`, `rise pause`, `rise resume`: what operators change
//! while everything runs.
//!
//! Each change is one transaction with a row of the log. Then the command says what is in force, and since when the
//! scheduler goes by it.

mod change;
mod list;
mod subject;

use rise_model::settings::{KeyError, ScopeKind, SettingKey, SettingValue, ValueError};
use services::store::settings::Until;

use super::Context;
use crate::cli::{Ban, Named, Pause, Resume, Set, Settings, Show, Unban, Unset};
use crate::config::nearest;
use crate::exit::{Exit, Failure, Outcome};

pub(super) use list::{Line, lines};

/// What is to be changed.
pub(super) struct Request<'a> {
    /// Of what.
    pub(super) named: &'a Named,
    /// Which key.
    pub(super) key: SettingKey,
    /// To which value; `None` ends the setting.
    pub(super) value: Option<SettingValue>,
    /// Until when.
    pub(super) until: Option<Until>,
    /// Why.
    pub(super) reason: &'a str,
    /// How the answer looks.
    pub(super) show: Show,
}

impl Request<'_> {
    /// Does it.
    pub(super) fn run(&self, context: &Context) -> Outcome {
        self.key
            .allowed_in(self.named.kind)
            .map_err(|error| wrong_key(self.key.as_str(), &error, self.named.kind))?;
        change::run(context, self)
    }
}

/// `rise set`.
pub(super) fn set(context: &Context, set: &Set) -> Outcome {
    let key = key(&set.key, set.scope.kind)?;
    let value = SettingValue::parse(key, &set.value).map_err(|error| wrong_value(&error))?;
    let request = Request {
        named: &set.scope,
        key,
        value: Some(value),
        until: set.until.until,
        reason: &set.why.reason,
        show: set.show,
    };
    request.run(context)
}

/// `rise unset`.
pub(super) fn unset(context: &Context, unset: &Unset) -> Outcome {
    let request = Request {
        named: &unset.scope,
        key: key(&unset.key, unset.scope.kind)?,
        value: None,
        until: None,
        reason: &unset.why.reason,
        show: unset.show,
    };
    request.run(context)
}

/// `rise settings`.
pub(super) fn list(context: &Context, settings: Settings) -> Outcome {
    list::run(context, settings)
}

/// `rise ban`.
pub(super) fn ban(context: &Context, ban: &Ban) -> Outcome {
    let request = Request {
        named: &ban.whom.account,
        key: SettingKey::Ban,
        value: Some(SettingValue::Ban),
        until: ban.until.until,
        reason: &ban.why.reason,
        show: ban.show,
    };
    request.run(context)
}

/// `rise unban`.
pub(super) fn unban(context: &Context, unban: &Unban) -> Outcome {
    let request = Request {
        named: &unban.whom.account,
        key: SettingKey::Ban,
        value: None,
        until: None,
        reason: &unban.why.reason,
        show: unban.show,
    };
    request.run(context)
}

/// `rise pause`.
pub(super) fn pause(context: &Context, pause: &Pause) -> Outcome {
    let request = Request {
        named: &pause.what.scope,
        key: SettingKey::Pause,
        value: Some(SettingValue::Pause),
        until: pause.until.until,
        reason: &pause.why.reason,
        show: pause.show,
    };
    request.run(context)
}

/// `rise resume`.
pub(super) fn resume(context: &Context, resume: &Resume) -> Outcome {
    let request = Request {
        named: &resume.what.scope,
        key: SettingKey::Pause,
        value: None,
        until: None,
        reason: &resume.why.reason,
        show: resume.show,
    };
    request.run(context)
}

fn key(word: &str, kind: ScopeKind) -> Result<SettingKey, Failure> {
    SettingKey::parse(word).map_err(|error| wrong_key(word, &error, kind))
}

fn wrong_key(word: &str, error: &KeyError, kind: ScopeKind) -> Failure {
    let failure = Failure::new(Exit::Usage, error.to_string());
    let known = SettingKey::of(kind).iter().map(|key| key.as_str());
    match nearest(word, known) {
        Some(near) if near != word => failure.hint(format!("did you mean {near}?")),
        _ => failure,
    }
}

fn wrong_value(error: &ValueError) -> Failure {
    let failure = Failure::new(Exit::Usage, error.to_string());
    match error.key {
        SettingKey::Ban | SettingKey::Pause | SettingKey::Quarantine | SettingKey::Staging
            if error.value == "off" =>
        {
            failure.hint(format!("`rise unset SCOPE {}` switches it off", error.key))
        }
        SettingKey::Cap => match nearest(&error.value, ["unlimited"]) {
            Some(near) => failure.hint(format!("did you mean {near}?")),
            None => failure,
        },
        SettingKey::Ban
        | SettingKey::Pause
        | SettingKey::Quarantine
        | SettingKey::Staging
        | SettingKey::Reserved
        | SettingKey::Weight => failure,
    }
}
