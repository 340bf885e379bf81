//! The environment variables, under the names of the replaced service. Each may also be given as `<NAME>_FILE`, the path
//! of a file that holds the value. An empty variable counts as missing. Values of secrets never reach a message.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

use super::problem::Problem;

/// A variable that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Variable {
    /// Production or staging.
    Prod,
    /// Where production hands deliveries to.
    StagingUrl,
    /// The database.
    PostgresUrl,
    /// The secret that signs deliveries.
    GhappWebhookSecret,
    /// The bearer token of traces.
    TraceApiSecret,
    /// The private key of the App for organisations.
    GhappOrgPrivateKey,
    /// The private key of the App for personal accounts.
    GhappPersonalPrivateKey,
    /// Where GitHub's API is.
    GithubApiUrl,
    /// Who it is that changes things by commands.
    RiseOperator,
    /// A token for GitHub's public API.
    GithubToken,
    /// Where webhook intake is.
    RiseUrl,
    /// The same of production, by the replaced service's name.
    ProdUrl,
    /// The text of a kubeconfig.
    K8sKubeconfig,
    /// The path of a kubeconfig.
    Kubeconfig,
    /// Who brings it sees everything on the scheduler's pages.
    DashboardToken,
    /// The port to listen on.
    Port,
    /// How much is logged.
    Loglevel,
    /// The path of the configuration file.
    RiseConfig,
    /// Configuration as text, over the file.
    RiseConfigToml,
}

impl Variable {
    /// All of them, in the order in which they are told.
    pub(crate) const ALL: [Self; 19] = [
        Self::Prod,
        Self::StagingUrl,
        Self::PostgresUrl,
        Self::GhappWebhookSecret,
        Self::TraceApiSecret,
        Self::GhappOrgPrivateKey,
        Self::GhappPersonalPrivateKey,
        Self::GithubApiUrl,
        Self::GithubToken,
        Self::RiseUrl,
        Self::ProdUrl,
        Self::K8sKubeconfig,
        Self::Kubeconfig,
        Self::DashboardToken,
        Self::Port,
        Self::Loglevel,
        Self::RiseConfig,
        Self::RiseConfigToml,
        Self::RiseOperator,
    ];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Prod => "PROD",
            Self::StagingUrl => "STAGING_URL",
            Self::PostgresUrl => "POSTGRES_URL",
            Self::GhappWebhookSecret => "GHAPP_WEBHOOK_SECRET",
            Self::TraceApiSecret => "TRACE_API_SECRET",
            Self::GhappOrgPrivateKey => "GHAPP_ORG_PRIVATE_KEY",
            Self::GhappPersonalPrivateKey => "GHAPP_PERSONAL_PRIVATE_KEY",
            Self::GithubApiUrl => "GITHUB_API_URL",
            Self::GithubToken => "GITHUB_TOKEN",
            Self::RiseUrl => "RISE_URL",
            Self::ProdUrl => "PROD_URL",
            Self::K8sKubeconfig => "K8S_KUBECONFIG",
            Self::Kubeconfig => "KUBECONFIG",
            Self::DashboardToken => "DASHBOARD_TOKEN",
            Self::Port => "PORT",
            Self::Loglevel => "LOGLEVEL",
            Self::RiseConfig => "RISE_CONFIG",
            Self::RiseConfigToml => "RISE_CONFIG_TOML",
            Self::RiseOperator => "RISE_OPERATOR",
        }
    }

    /// Whether its value may be shown.
    pub(crate) fn secrecy(self) -> Secrecy {
        match self {
            Self::PostgresUrl
            | Self::GhappWebhookSecret
            | Self::TraceApiSecret
            | Self::GhappOrgPrivateKey
            | Self::GhappPersonalPrivateKey
            | Self::GithubToken
            | Self::K8sKubeconfig
            | Self::DashboardToken
            | Self::RiseConfigToml => Secrecy::Hidden,
            Self::Prod
            | Self::StagingUrl
            | Self::GithubApiUrl
            | Self::RiseUrl
            | Self::ProdUrl
            | Self::Kubeconfig
            | Self::Port
            | Self::Loglevel
            | Self::RiseConfig
            | Self::RiseOperator => Secrecy::Shown,
        }
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a value may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secrecy {
    /// Never.
    Hidden,
    /// It is no secret.
    Shown,
}

/// Where a variable's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The variable itself.
    Variable,
    /// The file that `<NAME>_FILE` names.
    File(PathBuf),
}

/// A value and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    /// The value.
    pub(crate) text: String,
    /// Where it comes from.
    pub(crate) source: Source,
}

/// The environment of a process.
pub(crate) struct Variables(BTreeMap<OsString, OsString>);

impl Variables {
    /// That of this process.
    pub(crate) fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// One made of pairs.
    #[cfg(test)]
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(k, v)| (k.into(), v.into())).collect())
    }

    /// Whether a name that is none of ours is set and not empty.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// The value of a name that is none of ours, if it is text.
    pub(crate) fn plain(&self, name: &str) -> Option<&str> {
        self.raw(name)?.to_str()
    }

    fn raw(&self, name: &str) -> Option<&OsString> {
        self.0
            .get(&OsString::from(name))
            .filter(|value| !value.is_empty())
    }

    /// The value of a variable, from itself or from its file.
    pub(crate) fn get(&self, variable: Variable) -> Result<Option<Value>, Problem> {
        let name = variable.name();
        let file_name = format!("{name}_FILE");
        match (self.raw(name), self.raw(&file_name)) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(Problem::new(format!("both {name} and {file_name} are set"))
                .hint("unset one of them")),
            (Some(value), None) => match value.to_str() {
                Some(text) => Ok(Some(Value {
                    text: text.to_owned(),
                    source: Source::Variable,
                })),
                None => Err(Problem::new(format!("{name} is not UTF-8"))),
            },
            (None, Some(path)) => {
                let path = PathBuf::from(path);
                let text = std::fs::read_to_string(&path).map_err(|error| {
                    Problem::new(format!(
                        "{file_name}: {} cannot be read: {error}",
                        path.display()
                    ))
                })?;
                let text = text.strip_suffix('\n').unwrap_or(&text);
                let text = text.strip_suffix('\r').unwrap_or(text);
                if text.is_empty() {
                    return Err(Problem::new(format!(
                        "{file_name}: {} is empty",
                        path.display()
                    )));
                }
                Ok(Some(Value {
                    text: text.to_owned(),
                    source: Source::File(path),
                }))
            }
        }
    }
}

/// Asks for variables and keeps what is missing or wrong, to say it at the end.
pub(crate) struct Asking<'a> {
    variables: &'a Variables,
    missing: Vec<&'static str>,
    problems: Vec<Problem>,
}

impl<'a> Asking<'a> {
    /// Nothing was asked yet.
    pub(crate) fn of(variables: &'a Variables) -> Self {
        Self {
            variables,
            missing: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// A value that may be missing.
    pub(crate) fn optional(&mut self, variable: Variable) -> Option<String> {
        match self.variables.get(variable) {
            Ok(value) => value.map(|value| value.text),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// A secret that must be there.
    pub(crate) fn secret(&mut self, variable: Variable) -> Option<SecretString> {
        match self.variables.get(variable) {
            Ok(Some(value)) => Some(value.text.into()),
            Ok(None) => {
                self.missing(variable.name());
                None
            }
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// A value that must be read into something.
    pub(crate) fn parsed<T>(
        &mut self,
        variable: Variable,
        parse: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Option<T> {
        let text = self.optional(variable)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// Whether a name is set at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.variables.has(name)
    }

    /// Notes that a variable is missing.
    pub(crate) fn missing(&mut self, name: &'static str) {
        self.missing.push(name);
    }

    /// Notes another problem.
    pub(crate) fn wrong(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// All that was missing or wrong.
    pub(crate) fn problems(self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.missing.is_empty() {
            let names = self.missing.join(", ");
            let plural = if self.missing.len() == 1 { "" } else { "s" };
            problems.push(
                Problem::new(format!("missing environment variable{plural}: {names}"))
                    .hint("each may also be given as a file: <NAME>_FILE=PATH"),
            );
        }
        problems.extend(self.problems);
        problems
    }
}
