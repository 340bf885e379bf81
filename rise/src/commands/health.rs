//! `rise health`: asks a service whether it is alive, for images that hold no other program.
//!
//! What stands in an image's HEALTHCHECK: it needs no configuration, says nothing when all is well, and gives up before
//! the one who runs it does.

use std::time::Duration;

use reqwest::StatusCode;

use super::Context;
use crate::block_on;
use crate::cli::Health;
use crate::config::{DEFAULT_PORT, Problem, Variable, failure};
use crate::exit::{Exit, Failure, Outcome, chain};

/// The images' checks are given up after 5 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// Asks once.
pub(super) fn run(context: &Context, health: Health) -> Outcome {
    let url = match health.url {
        Some(url) => url,
        None => own(context)?,
    };
    let status = block_on(ask(&url))?;
    if status == StatusCode::OK {
        Ok(Exit::Done)
    } else {
        Err(Failure::new(
            Exit::Failed,
            format!("{url} answered {status}"),
        ))
    }
}

/// The service that is started with the same environment.
fn own(context: &Context) -> Result<reqwest::Url, Failure> {
    let port = match context.variables.get(Variable::Port) {
        Ok(Some(port)) => port.text,
        Ok(None) => DEFAULT_PORT.to_string(),
        Err(problem) => return Err(failure(vec![problem])),
    };
    reqwest::Url::parse(&format!("http://127.0.0.1:{port}/health")).map_err(|_| {
        failure(vec![
            Problem::new(format!("PORT is `{port}`")).hint("write a number from 1 to 65535"),
        ])
    })
}

async fn ask(url: &reqwest::Url) -> Result<StatusCode, Failure> {
    // No proxy: it is asked where it runs.
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(ANSWER_WITHIN)
        .build()
        .map_err(|error| Failure::new(Exit::Failed, chain(&error)))?;
    let answer = client.get(url.clone()).send().await;
    answer.map(|answer| answer.status()).map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("{url} does not answer: {}", chain(&error.without_url())),
        )
    })
}
