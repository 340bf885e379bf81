//! Effects about installations: which one an account has now, whose one is, and what the tables keep of it.

use rise_model::EntityKind;
use rise_model::effects::{AuthAttempt, InstallationFacts, LookUp, Outcome};
use rise_model::rows::Demand;

use crate::github::{GitHubError, Installation};
use crate::store::{Lease, StoreError, Write};

use super::act::Doors;
use super::trouble;

/// Asks GitHub with the App's own key.
pub(super) async fn ask(doors: &Doors, demand: &Demand, by: LookUp) -> Outcome {
    match asked(doors, demand, by).await {
        Ok(installation) => Outcome::Installation(InstallationFacts {
            id: installation.id,
            login: installation
                .account
                .map(|account| account.login)
                .unwrap_or_default(),
            suspended: installation.suspended_at.is_some(),
        }),
        Err(error) => trouble::by_app_key(&doors.clock, demand.kind, &error),
    }
}

async fn asked(doors: &Doors, demand: &Demand, by: LookUp) -> Result<Installation, GitHubError> {
    let github = &doors.github;
    match (by, demand.kind) {
        (LookUp::Id, kind) => github.installation(kind, demand.installation).await,
        (LookUp::Account, EntityKind::Organization) => {
            github.org_installation(&demand.entity_name).await
        }
        (LookUp::Account, EntityKind::User) => github.user_installation(&demand.entity_name).await,
    }
}

/// Whether the log tells of an installation's end.
pub(super) async fn read_log(doors: &Doors, demand: &Demand) -> Outcome {
    match doors.store.installation_deleted(demand.installation).await {
        Ok(deleted) => Outcome::InstallationDeleted(deleted),
        Err(error) => trouble::database(&error),
    }
}

/// Writes that no token could be had.
pub(super) async fn log_attempt(
    doors: &Doors,
    lease: Lease,
    attempt: &AuthAttempt,
) -> Result<Write, StoreError> {
    let app = doors.github.app_id(attempt.demand.kind);
    let written = doors.store.log_auth_attempt(lease, app, attempt).await?;
    if written == Write::Written {
        let demand = &attempt.demand;
        tracing::warn!(
            installation.id = demand.installation.0,
            entity.name = demand.entity_name,
            http.status = attempt.status,
            error = attempt.message,
            "GitHub gives no token for installation {} of {}",
            demand.installation,
            demand.entity_name
        );
    }
    Ok(written)
}
