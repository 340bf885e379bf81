//! `rise bench intake`: deliveries to a real `rise serve ghfe` over a private PostgreSQL that waits for the disk, and in
//! turns pgbench with intake's own statement there. What was answered 200 and is not in the tables is a failure.

use std::sync::Arc;
use std::time::Duration;

use rise_model::config::StagingRepositories;
use rise_model::intake::{Headers, Intake, IntakeRules, clean, decide};
use rise_model::settings::InForce;
use sandbox::pg::Postgres;
use services::store::bench::{JobStatement, job_statement};
use services::store::{Store, migrate};
use tokio::time::Instant;
use uuid::Uuid;

use crate::cli::BenchIntake;
use crate::commands::sandbox::child::{self, Child, Environment, Listener, Role};
use crate::commands::sandbox::folder::Folder;
use crate::config::Configuration;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Format, Output};

use super::deliveries::{Batch, Template};
use super::load::{Load, Pace};
use super::pgbench::{Clients, Pgbench};
use super::report::{Compared, Machine, Report, Round};
use super::usage::{self, Usage};
use super::{failed, with_postgres};

/// Both sides are measured this often, in turns, so that a machine that gets slower hits both.
const ROUNDS: u32 = 2;
/// Job ids of one part of a round; more than any machine writes in it.
const IDS_A_PART: i64 = 1_000_000_000;
/// GitHub's ids have about eleven digits.
const FIRST_ID: i64 = 40_000_000_000;
/// The latency of the statement alone is measured this long.
const ALONE: Duration = Duration::from_secs(5);
/// ghfe must be ready within this.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Measures.
pub(super) async fn run(options: BenchIntake, configuration: &Configuration) -> Outcome {
    let measured = with_postgres(&[], async |folder, postgres| {
        Box::pin(measure(options, configuration, folder, postgres)).await
    });
    let Some(report) = measured.await? else {
        return Ok(Exit::Cancelled);
    };
    let mut output = Output::stdout();
    match options.show.format() {
        Format::Json => output.json_line(&report)?,
        Format::Text => report.print(&mut output)?,
    }
    Ok(if report.all_taken() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// What takes part in every round.
struct Rig<'a> {
    options: BenchIntake,
    template: Arc<Template>,
    secret: String,
    address: String,
    ghfe: Option<u32>,
    store: &'a Store,
    pgbench: Result<Pgbench, String>,
}

async fn measure(
    options: BenchIntake,
    configuration: &Configuration,
    folder: &Folder,
    postgres: &Postgres,
) -> Result<Report, Failure> {
    let url = postgres.url();
    let schema = &configuration.file.environment.staging.schema;
    migrate::migrate(&url, schema).await?;
    let store = Store::new(&url, schema, &configuration.file.database)?;
    let template = Template::make().map_err(failed)?;
    let statement = statement_of(configuration, &template)?;
    let secret = Uuid::new_v4().to_string();
    let environment: Environment = vec![
        ("POSTGRES_URL", (&url).into()),
        (
            "RISE_CONFIG",
            folder.config(configuration.path.clone())?.into(),
        ),
        ("GHAPP_WEBHOOK_SECRET", (&secret).into()),
        ("TRACE_API_SECRET", Uuid::new_v4().to_string().into()),
    ];
    let log = folder.log("ghfe")?;
    let mut ghfe = Child::start(Role::Ghfe, environment, log, Listener::Nobody).await?;
    let ready = format!("{}/ready", ghfe.url());
    child::answers(Role::Ghfe, &ready, Instant::now() + READY_WITHIN).await?;
    let pgbench = match postgres.tool("pgbench") {
        Some(program) => Ok(Pgbench::new(program, &url, schema, &statement, folder)?),
        None => Err("this PostgreSQL came without pgbench".to_owned()),
    };
    let bench = Rig {
        options,
        template: Arc::new(template),
        secret,
        address: ghfe.address().to_owned(),
        ghfe: ghfe.id(),
        store: &store,
        pgbench,
    };
    let report = tokio::select! {
        report = bench.rounds(Machine::of(postgres)) => report,
        died = ghfe.died() => Err(died),
    };
    ghfe.stop().await;
    store.close().await;
    report
}

/// Intake's statement for a delivery of ours, with what ghfe binds.
fn statement_of(
    configuration: &Configuration,
    template: &Template,
) -> Result<JobStatement, Failure> {
    let file = &configuration.file;
    let rules = IntakeRules {
        apps: &file.apps,
        routing: &file.routing(),
        image_tag: &file.environment.staging.image_tag,
        public_only: file.ghfe.public_only,
        in_force: &InForce::default(),
        staging: &StagingRepositories::default(),
        stored_payload_bytes: file.ghfe.stored_payload_bytes,
    };
    let delivery = Uuid::new_v4().to_string();
    let app = template.app().to_string();
    let headers = Headers {
        app: Some(&app),
        delivery: Some(&delivery),
    };
    let body = template.body(FIRST_ID);
    let decided: Result<Intake, _> = decide(&rules, "workflow_job", headers, &clean(&body));
    decided
        .ok()
        .as_ref()
        .and_then(job_statement)
        .ok_or_else(|| {
            failed("the configuration routes no job of the pretend GitHub")
                .hint("run it with the built-in configuration: without --config and RISE_CONFIG")
        })
}

impl Rig<'_> {
    async fn rounds(&self, machine: Machine) -> Result<Report, Failure> {
        let rounds = match self.options.rate {
            None => ROUNDS,
            Some(_) => 1,
        };
        let mut measured = Vec::new();
        for round in 0..rounds {
            let part = i64::from(round) * 2;
            output::aside(&format!("round {} of {rounds}: deliveries", round + 1));
            let mut it = self.deliveries(FIRST_ID + part * IDS_A_PART).await?;
            if let Ok(pgbench) = &self.pgbench {
                output::aside(&format!("round {} of {rounds}: pgbench", round + 1));
                let first = FIRST_ID + (part + 1) * IDS_A_PART;
                it.compared = Some(pgbench.run(self.clients(), first).await?);
            }
            measured.push(it);
        }
        Ok(Report::of(
            self.options,
            machine,
            self.template.body(FIRST_ID).len(),
            measured,
            self.ghfe.and_then(usage::peak_memory),
            self.pgbench.as_ref().err().cloned(),
        ))
    }

    /// As many clients as there are connections; at a set rate the statement alone.
    fn clients(&self) -> Clients {
        let time = self.options.time.std();
        match self.options.rate {
            None => Clients {
                count: self.options.connections,
                time,
            },
            Some(_) => Clients {
                count: 1,
                time: time.min(ALONE),
            },
        }
    }

    async fn deliveries(&self, first: i64) -> Result<Round, Failure> {
        let options = self.options;
        let (template, secret) = (Arc::clone(&self.template), self.secret.clone());
        let (address, ghfe) = (self.address.clone(), self.ghfe);
        // A thread of its own, so that the load costs one core as little as it can.
        let sent = tokio::task::spawn_blocking(move || {
            let pace = Pace::of(options);
            let batch = Batch::sign(template, &secret, &address, first, pace.expected());
            let before = ghfe.and_then(usage::of);
            let sent = Load::run(batch, &address, options.connections, pace)?;
            let after = ghfe.and_then(usage::of);
            Ok((sent, Usage::between(before, after)))
        });
        let sent: Result<(Load, Option<Duration>), std::io::Error> =
            sent.await.map_err(|error| failed(error.to_string()))?;
        let (sent, cpu) =
            sent.map_err(|error| failed(format!("a delivery was not answered: {error}")))?;
        let stored = self
            .store
            .jobs_stored_of(first..=first + IDS_A_PART - 1)
            .await?;
        Ok(Round {
            lost: sent.lost(&stored),
            sent,
            cpu,
            compared: None::<Compared>,
        })
    }
}
