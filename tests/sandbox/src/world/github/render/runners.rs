//! Runners and groups.

use serde_json::{Value, json};

use crate::world::Time;
use crate::world::github::GitHub;
use crate::world::github::accounts::Account;
use crate::world::github::runners::{DEFAULT_GROUP, Runner, RunnerGroup, RunnerState};

/// The version that connected runners report.
const RUNNER_VERSION: &str = "2.335.0";

impl GitHub {
    /// A runner, in the API.
    #[must_use]
    pub fn runner_json(&self, runner: &Runner, now: Time) -> Value {
        let labels = runner.labels.iter().enumerate().map(|(index, name)| {
            json!({"id": runner.id.0 * 100 + index as i64, "name": name, "type": "custom"})
        });
        let connected = runner.state != RunnerState::NeverConnected;
        json!({
            "id": runner.id.0,
            "runner_group_id": runner.group.0,
            "name": runner.name,
            "os": if connected { "linux" } else { "unknown" },
            "status": if runner.online() { "online" } else { "offline" },
            "busy": runner.reported_busy(self.rules.busy_lag, now),
            "ephemeral": true,
            "labels": labels.collect::<Value>(),
            "version": connected.then_some(RUNNER_VERSION),
        })
    }

    /// A runner group, in the API.
    #[must_use]
    pub fn group_json(&self, organization: &Account, group: &RunnerGroup) -> Value {
        let base = format!(
            "{}/orgs/{}/actions/runner-groups/{}",
            self.urls.api, organization.login, group.id.0
        );
        json!({
            "id": group.id.0,
            "name": group.name,
            "visibility": group.visibility.as_str(),
            "default": group.id == DEFAULT_GROUP,
            "runners_url": format!("{base}/runners"),
            "hosted_runners_url": format!("{base}/hosted-runners"),
            "inherited": false,
            "allows_public_repositories": group.allows_public_repositories,
            "restricted_to_workflows": false,
            "selected_workflows": [],
            "workflow_restrictions_read_only": false,
        })
    }
}
