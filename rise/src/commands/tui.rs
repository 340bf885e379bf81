//! `rise tui`: what the screen is made of, and who owns the terminal meanwhile.

use std::io::IsTerminal;

use services::config::KubernetesSection;
use services::kubernetes::{KubeSource, Kubernetes};

use super::Context;
use crate::block_on;
use crate::cli::{Command, Tui};
use crate::config::{Configuration, Database};
use crate::exit::{Exit, Failure, Outcome, chain};
use crate::logging;
use crate::output::{Format, Output};
use crate::tui::{self, Acting, Known, Settings, Source};

/// Whether a command takes the terminal, so that nobody else may write on it.
pub(super) fn takes_terminal(command: &Command) -> bool {
    match command {
        Command::Tui(options) => options.once().is_none(),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(options) => super::sandbox::opens_screen(options),
        Command::Serve(_)
        | Command::Db(_)
        | Command::Config(_)
        | Command::Status(_)
        | Command::Jobs(_)
        | Command::Workers(_)
        | Command::Job(_)
        | Command::Worker(_)
        | Command::Events(_)
        | Command::Trace(_)
        | Command::Set(_)
        | Command::Unset(_)
        | Command::Settings(_)
        | Command::Ban(_)
        | Command::Unban(_)
        | Command::Pause(_)
        | Command::Resume(_)
        | Command::Board(_)
        | Command::Health(_)
        | Command::Completions { .. }
        | Command::Man => false,
        #[cfg(feature = "sandbox")]
        Command::Bench(_) => false,
    }
}

/// Shows the screen, or prints a view.
pub(super) fn run(context: &Context, options: &Tui) -> Outcome {
    let parts = parts(context)?;
    if let Some(view) = options.once() {
        let mut output = Output::stdout();
        let columns = output.columns();
        let once = block_on(async {
            let settings = settings(&parts, Acting::ReadOnly);
            let source = parts.source().await?;
            tui::once(source, settings, view, columns).await
        })?;
        match options.show().format() {
            Format::Json => output.json(&once.json)?,
            Format::Text => {
                for line in once.text {
                    output.line(line)?;
                }
            }
        }
        return Ok(Exit::Done);
    }
    if !is_on_terminal() {
        return Err(Failure::new(Exit::Usage, "`rise tui` needs a terminal")
            .hint("`rise tui --once overview` prints a view; --json for programs"));
    }
    log_to_file(context)?;
    block_on(async {
        let settings = settings(&parts, options.acting());
        let source = parts.source().await?;
        source.store.ping().await?;
        source.store.check_migrated().await?;
        tui::run(source, settings, options.view(), std::future::pending()).await
    })?;
    Ok(Exit::Done)
}

/// Whether keys can be read and a picture shown.
pub(super) fn is_on_terminal() -> bool {
    std::io::stdin().is_terminal() && Output::stdout().columns().is_some()
}

/// From now on logs go to a file.
pub(super) fn log_to_file(context: &Context) -> Result<(), Failure> {
    let path = logging::file();
    logging::start_in_file(logging::command_level(context.cli.loudness()), &path).map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("the log {} cannot be written: {error}", path.display()),
        )
    })
}

/// What does not change while the screen is open.
pub(super) fn known(configuration: &Configuration) -> Known {
    Known {
        environment: configuration.name.as_str(),
        pools: configuration
            .file
            .pools
            .iter()
            .map(|pool| pool.name.to_string())
            .collect(),
        caps: configuration.file.caps.clone(),
    }
}

/// What is in force for whoever reads tables and, where one is known, looks at the cluster.
pub(super) fn parts(context: &Context) -> Result<Parts, Failure> {
    let configuration = context.configuration()?;
    let (database, cluster) = configuration.database_and_cluster(&context.variables)?;
    Ok(Parts {
        known: known(&configuration),
        namespace: configuration.environment().namespace.clone(),
        kubernetes: configuration.file.kubernetes,
        database,
        cluster,
    })
}

/// What the screen reads from.
pub(super) struct Parts {
    pub(super) known: Known,
    pub(super) namespace: String,
    pub(super) kubernetes: KubernetesSection,
    pub(super) database: Database,
    pub(super) cluster: Option<KubeSource>,
}

impl Parts {
    /// The clients. Must be called inside a tokio runtime.
    pub(super) async fn source(self) -> Result<Source, Failure> {
        let cluster = match &self.cluster {
            Some(source) => Some(
                Kubernetes::new(source, &self.namespace, self.kubernetes)
                    .await
                    .map_err(|error| Failure::new(Exit::Usage, chain(&error)).hint(error.hint()))?,
            ),
            None => None,
        };
        Ok(Source {
            store: self.database.store()?,
            known: self.known,
            cluster,
        })
    }
}

/// How the screen is set up.
pub(super) fn settings(parts: &Parts, acting: Acting) -> Settings {
    Settings {
        environment: parts.known.environment,
        acting,
        cluster: parts.cluster.is_some(),
        log_file: logging::file().display().to_string(),
    }
}
