//! `rise db migrate|status`.

use secrecy::ExposeSecret;
use serde::Serialize;
use services::store::migrate::{self, Migrated, MigrationStatus};

use super::Context;
use crate::block_on;
use crate::cli::{Db, Show};
use crate::exit::{Exit, Outcome};
use crate::output::{Format, Output};

/// Does one of them.
pub(super) fn run(context: &Context, command: Db) -> Outcome {
    match command {
        Db::Migrate(show) => migrate(context, show),
        Db::Status(show) => status(context, show),
    }
}

#[derive(Serialize)]
struct Report<'a> {
    schema: &'a str,
    missing: usize,
    /// Columns that tables of an older service lacked.
    #[serde(skip_serializing_if = "Option::is_none")]
    added: Option<&'a [String]>,
    migrations: &'a [MigrationStatus],
}

impl<'a> Report<'a> {
    fn of(schema: &'a str, migrations: &'a [MigrationStatus]) -> Self {
        Self {
            schema,
            added: None,
            missing: migrations.iter().filter(|m| !m.applied).count(),
            migrations,
        }
    }
}

fn migrate(context: &Context, show: Show) -> Outcome {
    let database = context.configuration()?.database(&context.variables)?;
    let url = database.url.expose_secret();
    let schema = &database.schema;
    let (before, after) = block_on(async {
        let before = migrate::status(url, schema).await?;
        let after = migrate::migrate(url, schema).await?;
        Ok((before, after))
    })?;
    let Migrated { added, migrations } = after;
    let mut output = Output::stdout();
    match show.format() {
        Format::Json => output.json(&Report {
            added: Some(&added),
            ..Report::of(schema, &migrations)
        })?,
        Format::Text => {
            for column in &added {
                output.line(format!("added {column}, which these tables lacked"))?;
            }
            let new: Vec<_> = before.iter().filter(|m| !m.applied).collect();
            for migration in &new {
                output.line(format!(
                    "applied {} {}",
                    migration.version, migration.description
                ))?;
            }
            let known = migrations.len();
            output.line(match new.len() {
                0 => format!("the schema {schema} has all {known} migrations already"),
                _ => format!("the schema {schema} now has all {known} migrations"),
            })?;
        }
    }
    Ok(Exit::Done)
}

fn status(context: &Context, show: Show) -> Outcome {
    let database = context.configuration()?.database(&context.variables)?;
    let schema = &database.schema;
    let migrations =
        block_on(async { Ok(migrate::status(database.url.expose_secret(), schema).await?) })?;
    let report = Report::of(schema, &migrations);
    let mut output = Output::stdout();
    match show.format() {
        Format::Json => output.json(&report)?,
        Format::Text => {
            output.table(
                ["MIGRATION", "WHAT", "STATE"],
                migrations.iter().map(|m| {
                    let state = if m.applied { "applied" } else { "missing" };
                    [
                        m.version.to_string(),
                        m.description.clone(),
                        state.to_owned(),
                    ]
                }),
            )?;
        }
    }
    if report.missing == 0 {
        return Ok(Exit::Done);
    }
    if show.format() == Format::Text {
        crate::output::warning(&format!(
            "the schema {schema} lacks {} of {} migrations: `rise db migrate` adds them",
            report.missing,
            migrations.len()
        ));
    }
    Ok(Exit::Failed)
}
