//! What of a failure everybody may see while a token is set: its reason and exit statuses, no log, no event, and none of
//! the texts that logs and events leave their traces in.

use serde_json::{Map, Value};

use crate::store::pages::{JobEntry, Stored, Viewer, WorkerEntry, as_stored};

/// Fields of a failure that name a kind of trouble and nobody.
const HARMLESS: [&str; 3] = ["version", "reason", "pod_reason"];
/// The same of a container.
const HARMLESS_OF_CONTAINER: [&str; 2] = ["exit_code", "reason"];

/// Jobs as this viewer may see them. The message of a job's failure is ours and names only the job.
pub(super) fn jobs(viewer: Viewer, mut jobs: Vec<JobEntry>) -> Vec<JobEntry> {
    if viewer == Viewer::Anybody {
        for job in &mut jobs {
            job.failure_info = job
                .failure_info
                .take()
                .map(|info| reduced(&info, &["message"]));
            job.sender_login = None;
        }
    }
    jobs
}

/// Workers as this viewer may see them.
pub(super) fn workers(viewer: Viewer, mut workers: Vec<WorkerEntry>) -> Vec<WorkerEntry> {
    if viewer == Viewer::Anybody {
        for worker in &mut workers {
            worker.failure_info = worker.failure_info.take().map(|info| reduced(&info, &[]));
        }
    }
    workers
}

fn reduced(info: &Stored, also: &[&str]) -> Stored {
    let info: Value = serde_json::from_str(info.0.get()).unwrap_or_default();
    let mut kept = Map::new();
    for name in HARMLESS.iter().chain(also) {
        if let Some(value) = info.get(*name).filter(|value| !value.is_object()) {
            kept.insert((*name).to_owned(), value.clone());
        }
    }
    let containers = info.get("containers").and_then(Value::as_object);
    let containers: Map<String, Value> = containers
        .into_iter()
        .flatten()
        .map(|(name, container)| {
            let fields = HARMLESS_OF_CONTAINER
                .iter()
                .filter_map(|field| Some(((*field).to_owned(), container.get(*field)?.clone())));
            (name.clone(), Value::Object(fields.collect()))
        })
        .collect();
    if !containers.is_empty() {
        kept.insert("containers".to_owned(), Value::Object(containers));
    }
    as_stored(&Value::Object(kept))
}
