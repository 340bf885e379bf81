//! The services that the sandbox runs as its children.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{join_all, select_all};
use tokio::time::Instant;

use crate::exit::Failure;

use super::chaos::Chaos;
use super::child::{self, Child, Role};
use super::story::Story;

/// Everything must answer within this.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// The services: one scheduler, or two.
pub(super) struct Services {
    pub(super) ghfe: Child,
    pub(super) schedulers: Vec<Child>,
}

impl Services {
    /// Returns when both are ready. Borrows nothing, so that their deaths can be waited for meanwhile.
    pub(super) fn ready(&self) -> impl Future<Output = Result<(), Failure>> + use<> {
        let (ghfe, scheduler) = (self.ghfe.url(), self.scheduler_url());
        async move {
            let deadline = Instant::now() + READY_WITHIN;
            child::answers(Role::Ghfe, &format!("{ghfe}/ready"), deadline).await?;
            child::answers(Role::Scheduler, &format!("{scheduler}/ready"), deadline).await
        }
    }

    /// The first scheduler's address.
    pub(super) fn scheduler_url(&self) -> String {
        self.schedulers.first().map(Child::url).unwrap_or_default()
    }

    pub(super) async fn died(&mut self) -> Failure {
        let schedulers = self.schedulers.iter_mut().map(|it| Box::pin(it.died()));
        let any_scheduler = async {
            match schedulers.len() {
                0 => std::future::pending().await,
                _ => select_all(schedulers).await.0,
            }
        };
        tokio::select! {
            failure = self.ghfe.died() => failure,
            failure = any_scheduler => failure,
        }
    }

    /// Ends them all.
    pub(super) async fn stop(self) {
        let schedulers = join_all(self.schedulers.into_iter().map(Child::stop));
        tokio::join!(schedulers, self.ghfe.stop());
    }
}

/// The services until one of them ends by itself, and what chaos does to them meanwhile.
pub(super) async fn disturbed(
    services: &mut Services,
    chaos: Option<&Chaos>,
    story: &Arc<Story>,
    start: impl AsyncFn(&str) -> Result<Child, Failure>,
) -> Failure {
    match chaos {
        Some(chaos) => chaos.rage(services, story, start).await,
        None => services.died().await,
    }
}
