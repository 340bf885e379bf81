//! What the sandbox itself tells: where everything answers, what to try next, and now and then how it stands.

use std::convert::Infallible;
use std::env;
use std::path::Path;
use std::time::Duration;

use sandbox::doors::{Doors, SharedWorld};
use sandbox::world::cluster::Cluster;
use sandbox::world::github::{GitHub, JobState};
use tokio::time::{Instant, sleep_until};

use super::folder::Folder;
use super::services::Services;
use super::story::Story;

/// Between two counts.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// Says where everything answers and what to try.
pub(super) fn greet(story: &Story, folder: &Folder, doors: &Doors, services: &Services) {
    let rise = program();
    let scheduler = format!("{}/usage.json", services.scheduler_url());
    let lines = [
        "everything answers; Ctrl-C ends it and cleans up".to_owned(),
        format!("  webhooks     {}", services.ghfe.url()),
        format!("  scheduler    {scheduler}"),
        format!("  GitHub       {}", doors.github_url()),
        format!("  Kubernetes   {}", doors.kubernetes().url()),
        format!("  logs         {}", folder.path().display()),
        "try in another terminal:".to_owned(),
        format!("  . {}", folder.env_path().display()),
        format!("  {rise} status"),
        format!("  {rise} jobs --status pending,running"),
        "  kubectl get pods,nodes".to_owned(),
        "  psql \"$POSTGRES_URL\" -c 'SELECT status, count(*) FROM staging.jobs GROUP BY 1'"
            .to_owned(),
    ];
    for line in lines {
        story.tell("sandbox", &line);
    }
}

/// Tells every few seconds how it stands.
pub(super) async fn count(world: SharedWorld, story: &Story) -> Infallible {
    loop {
        sleep_until(Instant::now() + COUNT_EVERY).await;
        let counts = world.read(|world| counts(&world.github, &world.cluster));
        story.tell("sandbox", &counts);
    }
}

fn counts(github: &GitHub, cluster: &Cluster) -> String {
    let (mut done, mut running, mut queued) = (0, 0, 0);
    for job in github.jobs() {
        match job.state {
            JobState::Completed(_) => done += 1,
            JobState::InProgress => running += 1,
            JobState::Queued => queued += 1,
        }
    }
    let pods = cluster
        .pods()
        .iter()
        .filter(|pod| !pod.is_terminal())
        .count();
    format!("so far {done} jobs done, {running} running, {queued} queued; {pods} pods at work")
}

/// This program as a person can type it: its name if the shell finds it, else where it is.
fn program() -> String {
    let Ok(program) = env::current_exe() else {
        return "rise".to_owned();
    };
    let on_path = env::var_os("PATH").is_some_and(|path| {
        let same =
            |folder: &Path| folder.join("rise").canonicalize().ok() == program.canonicalize().ok();
        env::split_paths(&path).any(|folder| same(&folder))
    });
    if on_path {
        "rise".to_owned()
    } else {
        program.display().to_string()
    }
}
