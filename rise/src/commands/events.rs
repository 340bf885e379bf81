//! `rise events`: the log, and what is added to it.

use std::collections::VecDeque;
use std::time::Duration;

use services::store::Store;
use services::store::story::{LogFilter, LogLine};
use tokio::time::sleep;

use super::Context;
use crate::block_on;
use crate::cli::Events;
use crate::exit::{Exit, Failure, Outcome, chain};
use crate::output::{self, Format, Output};
use crate::when;

/// The log is looked at again after this.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Rows that are read at once.
const AT_ONCE: u32 = 10_000;
/// Rows that are known to be told already. More than are logged in the minute that is looked at again.
const REMEMBERED: usize = 20_000;

/// Prints the log.
pub(super) fn run(context: &Context, command: &Events) -> Outcome {
    let filter = LogFilter::from(command);
    let database = context.configuration()?.database(&context.variables)?;
    block_on(async {
        let store = database.store()?;
        store.ping().await?;
        store.check_migrated().await?;
        let told = tokio::select! {
            told = tell(&store, command, &filter) => told,
            // How it is meant to end.
            _ = tokio::signal::ctrl_c(), if command.follow => Ok(()),
        };
        store.close().await;
        told.map(|()| Exit::Done)
    })
}

async fn tell(store: &Store, command: &Events, filter: &LogFilter) -> Result<(), Failure> {
    let mut output = Output::stdout();
    let format = command.show.format();
    let last = store.last_log(filter, command.last).await?;
    let mut seen: VecDeque<i64> = last.iter().map(|line| line.id).collect();
    print(&mut output, format, &last)?;
    if !command.follow {
        if last.is_empty() && command.last > 0 {
            output::warning("nothing in the log fits");
        }
        return Ok(());
    }
    // What was logged before and is not wanted is not new.
    let now = store.log_after(filter, &[], AT_ONCE).await?;
    seen.extend(now.iter().map(|line| line.id));
    let mut lost = false;
    loop {
        sleep(LOOK_EVERY).await;
        match store
            .log_after(filter, seen.make_contiguous(), AT_ONCE)
            .await
        {
            Ok(lines) => {
                lost = false;
                print(&mut output, format, &lines)?;
                seen.extend(lines.iter().map(|line| line.id));
                let old = seen.len().saturating_sub(REMEMBERED);
                seen.drain(..old);
            }
            Err(error) if !lost => {
                lost = true;
                output::warning(&format!("{}; trying again", chain(&error)));
            }
            Err(_) => {}
        }
    }
}

fn print(output: &mut Output, format: Format, lines: &[LogLine]) -> Result<(), Failure> {
    for line in lines {
        match format {
            Format::Json => output.json_line(line)?,
            Format::Text => {
                let cells = cells(line);
                let text = match output.columns() {
                    Some(_) => aligned(&cells),
                    None => cells.join("\t"),
                };
                output.line(text)?;
            }
        }
    }
    Ok(())
}

fn cells(line: &LogLine) -> [String; 6] {
    [
        when::exact(line.received_at),
        line.event.clone(),
        line.outcome.clone(),
        line.entity_name.clone().unwrap_or_default(),
        line.repo_full_name.clone().unwrap_or_default(),
        line.job_id.map(|id| id.to_string()).unwrap_or_default(),
    ]
}

/// Rows come one by one, so that their columns have a fixed width.
fn aligned([time, event, outcome, entity, repository, job]: &[String; 6]) -> String {
    let owner = if repository.is_empty() {
        entity
    } else {
        repository
    };
    format!("{time}  {event:<26}  {outcome:<22}  {job:<12}  {owner}")
        .trim_end()
        .to_owned()
}
