//! The whole command surface in one place, and how wrong input is answered.

#[cfg(feature = "sandbox")]
mod bench;
mod help;
mod lists;
mod screen;
mod settings;
mod stories;
mod trace;
mod usage;
mod words;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use rise_model::EntityId;
#[cfg(feature = "sandbox")]
use rise_model::span::Span;

use crate::config::{Choice, EnvironmentName};
use crate::exit::Failure;
use crate::logging::Loudness;
use crate::output::Format;

#[cfg(feature = "sandbox")]
pub(crate) use bench::{Bench, BenchIntake, BenchLatency, BenchRound, BenchTurnaround};
pub(crate) use help::command;
pub(crate) use lists::{Filter, Jobs, Workers};
pub(crate) use screen::Tui;
pub(crate) use settings::{
    Ban, Board, Named, Pause, Quarantine, Release, Resume, Set, Settings, Unban, Unset,
};
pub(crate) use stories::{Events, Job, Worker};
pub(crate) use trace::Trace;
pub(crate) use words::Repository;

/// Free, native RISC-V CI for every GitHub project.
#[derive(Debug, Parser)]
#[command(
    name = "rise",
    version,
    max_term_width = 80,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// Configuration file, over the built-in default [RISE_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Environment [PROD=true|false]
    #[arg(
        long,
        global = true,
        value_name = "prod|staging",
        hide_possible_values = true
    )]
    env: Option<EnvironmentName>,
    /// Say more; twice: still more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Say only what fails
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

impl Global {
    /// What was chosen for the configuration.
    pub(crate) fn choice(&self) -> Choice {
        Choice {
            file: self.config.clone(),
            environment: self.env,
        }
    }

    /// How much is logged.
    pub(crate) fn loudness(&self) -> Loudness {
        match (self.quiet, self.verbose) {
            (true, _) => Loudness::Quiet,
            (false, 0) => Loudness::Usual,
            (false, 1) => Loudness::Verbose,
            (false, _) => Loudness::VeryVerbose,
        }
    }
}

/// The families of commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a service
    #[command(subcommand)]
    Serve(Serve),
    /// Create, extend and inspect the tables
    #[command(subcommand)]
    Db(Db),
    /// Check the configuration, ask where a job would run
    #[command(subcommand)]
    Config(Config),
    /// Show pools, queue, failures and alerts on one screen
    #[command(after_long_help = "\
Exits 1 when something is unhealthy.

Example:
  rise status
  rise status --json --env staging")]
    Status(Show),
    /// Watch everything on one screen, live
    #[command(after_long_help = "\
Needs POSTGRES_URL; reading rights are enough. With KUBECONFIG or K8S_KUBECONFIG
it shows pods and their logs too. `?` tells what keys do.

Example:
  rise tui
  rise tui --view workers --env prod
  rise tui --once jobs --json")]
    Tui(Tui),
    /// List jobs, the newest first
    #[command(after_long_help = "\
A narrow terminal leaves out columns; piped, and with --json, all are there.

Example:
  rise jobs --status pending,running
  rise jobs --entity ggml-org --since 2h --json")]
    Jobs(Jobs),
    /// List workers, the newest first
    #[command(after_long_help = "\
A narrow terminal leaves out columns; piped, and with --json, all are there.

Example:
  rise workers --pool scw-em-rv1 --status failed --since 1d
  rise workers --entity 134263123 --json")]
    Workers(Workers),
    /// Change a cap, a weight, a ban, a pause while everything runs
    #[command(after_long_help = "\
In force within a second, until it is unset, replaced, or its time is over. What
the configuration file says stands below. It is written down who did it and why.

  cap         workers at once: entity, or global for who has no cap of its own
  reserved    boards that an entity gets before all others
  weight      an entity's part beside others, who have 1
  pause       nothing new is begun: global, pool, entity, image
  ban         jobs are not taken: entity, sender
  quarantine  no more pods: board
  staging     production hands its deliveries to staging: repo

Example:
  rise set entity:134263123 cap 30 --reason release --until 3d
  rise set entity:134263123 weight 0.5 --reason backlog
  rise set global cap unlimited --reason weekend --until 2d --json")]
    Set(Set),
    /// End what was set; the configuration file is in force again
    #[command(after_long_help = "\
Example:
  rise unset entity:134263123 cap --reason released")]
    Unset(Unset),
    /// List what is set, by whom, why, until when
    #[command(after_long_help = "\
Example:
  rise settings
  rise settings --all --json")]
    Settings(Settings),
    /// Take no more jobs of an account, or of who causes them
    #[command(after_long_help = "\
Deliveries are answered and logged, no job is stored; what waits gets no board.
What runs goes on. An account that the tables do not know is named by its id.

Example:
  rise ban 134263123 --reason mining
  rise ban sender:660779 --reason mining --until 7d")]
    Ban(Ban),
    /// Take jobs of an account again
    #[command(after_long_help = "\
Example:
  rise unban 134263123 --reason apologised")]
    Unban(Unban),
    /// Begin nothing new in a pool, for an entity, with an image, or at all
    #[command(after_long_help = "\
What runs goes on, and runners that are up may still take a job. Jobs that wait
say so.

Example:
  rise pause pool:scw-em-rv1 --reason maintenance --until 2h
  rise pause all --reason incident")]
    Pause(Pause),
    /// Begin again
    #[command(after_long_help = "\
Example:
  rise resume pool:scw-em-rv1 --reason done
  rise resume all --reason over")]
    Resume(Resume),
    /// List boards, quarantine one, release it
    #[command(subcommand)]
    Board(Board),
    /// Tell a job's whole story: deliveries, waiting, worker, outcome
    #[command(after_long_help = "\
Example:
  rise job 43718000662
  rise job 43718000662 --json")]
    Job(Job),
    /// Tell a worker's whole story, and how its pod stands
    #[command(after_long_help = "\
The pod is looked at where KUBECONFIG or K8S_KUBECONFIG names a cluster.

Example:
  rise worker rise-riscv-runner-5qwa9wv6l
  rise worker rise-riscv-runner-5qwa9wv6l --json")]
    Worker(Worker),
    /// Print the log of deliveries and decisions
    #[command(after_long_help = "\
With --json one object a line.

Example:
  rise events -f
  rise events --entity ggml-org --event workflow_job -n 100
  rise events --job 43718000662 --json")]
    Events(Events),
    /// Tell why a job never started, with proof and what to answer
    #[command(after_long_help = "\
Asks webhook intake, so it needs RISE_URL (or PROD_URL) and TRACE_API_SECRET, and
no database. GitHub's public API gives names their ids; GITHUB_TOKEN is optional.
--verbose adds the payloads of the log, 4 KiB each.

Example:
  rise trace --job-id 43718000123
  rise trace --repo ggml-org/llama.cpp
  rise trace --entity-name ggml-org --at 2026-11-24T22:10:00Z --json")]
    Trace(Trace),
    /// Run everything here, with a pretend GitHub and Kubernetes
    #[cfg(feature = "sandbox")]
    #[command(after_long_help = "\
A private PostgreSQL, a pretend GitHub, a pretend Kubernetes with eight boards,
webhook intake and scheduler, and a job every two seconds. Nothing is installed
and nothing outside this machine is spoken to. Ctrl-C ends and cleans up. On a
terminal it opens `rise tui` once all answers; --no-tui follows the story.

Once everything answers it says what other terminals source to join it. With
--data DIR that is DIR/env, and the tables stay for the next time.

Example:
  rise sandbox
  rise sandbox --data target/sandbox
  rise sandbox --exit-after 60s --seed 1 --json
  rise sandbox --chaos --speed 10 --exit-after 90s")]
    Sandbox(Sandbox),
    /// Measure how fast it is, against a peer in the same run
    #[cfg(feature = "sandbox")]
    #[command(subcommand)]
    Bench(Bench),
    /// Print a completion script for a shell
    #[command(after_long_help = "\
Example:
  rise completions bash")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(after_long_help = "\
Example:
  rise man")]
    Man,
    /// Ask a service whether it is alive, where there is no other program to ask with
    #[command(
        hide = true,
        after_long_help = "\
Exits 0 when it answers 200, and 1 otherwise. For the HEALTHCHECK of an image.

Example:
  rise health
  rise health http://127.0.0.1:8080/ready"
    )]
    Health(Health),
}

/// `rise health`.
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// What to ask [the service on this machine, by PORT, else 8080]
    #[arg(value_name = "URL")]
    pub(crate) url: Option<reqwest::Url>,
}

/// How the answer looks.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Show {
    /// Answer with JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    /// The format.
    pub(crate) fn format(self) -> Format {
        if self.json {
            Format::Json
        } else {
            Format::Text
        }
    }
}

/// `rise serve …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Serve {
    /// Take GitHub's webhooks and answer questions about them
    #[command(after_long_help = "\
Needs POSTGRES_URL, GHAPP_WEBHOOK_SECRET and TRACE_API_SECRET, and tables that
`rise db migrate` made; in production also STAGING_URL, if the configuration has
repositories for staging. GHAPP_ORG_PRIVATE_KEY and GHAPP_PERSONAL_PRIVATE_KEY
are for the setup pages. Logs go to standard error; the first line says the
address.

Example:
  rise serve ghfe --listen 127.0.0.1:0")]
    Ghfe(Listen),
    /// Give waiting jobs their boards
    #[command(after_long_help = "\
Needs POSTGRES_URL, GHAPP_ORG_PRIVATE_KEY, GHAPP_PERSONAL_PRIVATE_KEY, a cluster
(K8S_KUBECONFIG, KUBECONFIG, or a pod's service account), and tables that
`rise db migrate` made. Several may run: one leads, the others take over.

Example:
  rise serve scheduler --listen 127.0.0.1:0")]
    Scheduler(Listen),
}

/// What the sandbox is like.
#[cfg(feature = "sandbox")]
#[derive(Debug, Args)]
pub(crate) struct Sandbox {
    /// No jobs come by themselves
    #[arg(long)]
    pub(crate) no_traffic: bool,
    /// Boards in the pool scw-em-rv1
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub(crate) boards: u32,
    /// Seed of everything that is left to chance
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// So many times as fast: rules, polls, the world's work, not lease or HTTP
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) speed: u16,
    /// Trouble of every sort: lost deliveries, failing calls, killed schedulers
    #[arg(long)]
    pub(crate) chaos: bool,
    /// Keep the data in this folder, and go on from what is there
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Follow the story, line by line, where there is a terminal for the screen
    #[arg(long)]
    pub(crate) no_tui: bool,
    /// End after this time, from the moment when everything answers
    #[arg(long, value_name = "TIME", value_parser = Span::parse)]
    pub(crate) exit_after: Option<Span>,
    /// Print the report as JSON, on the last line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where a service listens.
#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// Address and port; port 0 takes any free one [PORT, else 0.0.0.0:8080]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,
    /// End when standard input closes, so that a killed parent leaves no service
    #[arg(long, hide = true)]
    exit_with_stdin: bool,
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "write it as IP:PORT, such as 127.0.0.1:8080 or [::1]:8080")
}

/// What ends a service, besides signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndsWith {
    /// Nothing.
    SignalsOnly,
    /// The parent, which holds the other end of standard input.
    Stdin,
}

impl Listen {
    /// What ends the service.
    pub(crate) fn ends_with(&self) -> EndsWith {
        if self.exit_with_stdin {
            EndsWith::Stdin
        } else {
            EndsWith::SignalsOnly
        }
    }
}

/// `rise db …`.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Db {
    /// Create the schema, or add what it lacks
    #[command(after_long_help = "\
Only adds; running it again changes nothing. Needs POSTGRES_URL.

Example:
  rise db migrate --env staging")]
    Migrate(Show),
    /// Tell which migrations the schema has
    #[command(after_long_help = "\
Exits 1 when some are missing. Needs POSTGRES_URL.

Example:
  rise db status --env staging --json")]
    Status(Show),
}

/// `rise config …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Print what is in force and where each value comes from
    #[command(after_long_help = "\
Exits 2 when something is wrong, and lists all of it.

Example:
  rise config check
  rise config check --json --env prod")]
    Check(Check),
    /// Tell which pool and image a job would get, and why
    #[command(after_long_help = "\
Exits 1 when no route takes the job.

Example:
  rise config route ggml-org/llama.cpp ubuntu-24.04-riscv
  rise config route --entity-id 99 someone/project ubuntu-24.04-riscv --json")]
    Route(Route),
    /// Print which files are read and written
    #[command(after_long_help = "\
Example:
  rise config paths")]
    Paths(Show),
}

/// `rise config check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Ask also for the variables that this service needs
    #[arg(long = "for", value_name = "SERVICE")]
    pub(crate) service: Option<Service>,
    #[command(flatten)]
    pub(crate) show: Show,
}

/// A service, by what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    /// Webhook intake.
    Ghfe,
    /// The scheduler.
    Scheduler,
}

/// `rise config route`.
#[derive(Debug, Args)]
pub(crate) struct Route {
    /// The job's repository
    #[arg(value_name = "OWNER/REPO")]
    pub(crate) repository: Repository,
    /// The job's labels, as in `runs-on`
    #[arg(value_name = "LABEL", required = true)]
    pub(crate) labels: Vec<String>,
    /// The owner's account id, when the configuration does not list it
    #[arg(long, value_name = "ID", value_parser = words::entity_id)]
    pub(crate) entity_id: Option<EntityId>,
    #[command(flatten)]
    pub(crate) show: Show,
}

/// Reads the command line of this process. Help and version are printed and end the process.
pub(crate) fn parse() -> Result<Cli, Failure> {
    command()
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| usage::failure(&error))
}

/// The command as derived, without our help page.
fn derived() -> clap::Command {
    Cli::command()
}
