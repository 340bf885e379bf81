//! The replaced service's SQL recipes, as they are printed, on the sandbox's database.

use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};

use super::{Sandbox, until};

/// Workers as they fail, of an entity that has no jobs.
const FAILED: &str = r#"
    INSERT INTO staging.workers (pod_name, provider, entity_id, entity_name, entity_type, installation_id, k8s_pool,
        k8s_image, status, failure_info, completed_at)
    VALUES
        ('old', 'github', 5, 'somebody', 'Organization', 1, 'scw-em-rv1', 'i', 'failed',
         '{"version": 2, "reason": "recipe_old"}', now() - interval '25 hours'),
        ('silent-1', 'github', 5, 'somebody', 'Organization', 1, 'scw-em-rv1', 'i', 'failed',
         '{"version": 2, "reason": "runner_never_registered"}', now() + interval '1 minute'),
        ('silent-2', 'github', 5, 'somebody', 'Organization', 1, 'scw-em-rv1', 'i', 'failed',
         '{"version": 2, "reason": "runner_never_registered"}', now() + interval '2 minutes'),
        ('stuck', 'github', 5, 'somebody', 'Organization', 1, 'scw-em-rv1', 'i', 'failed',
         '{"version": 2, "reason": "pod_stuck_pending"}', now() + interval '3 minutes')"#;

struct Recipes(PgPool);

impl Recipes {
    async fn rows(&self, recipe: &str) -> Vec<Value> {
        let recipe = recipe.trim_end_matches(';');
        sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT to_jsonb(answer) FROM ({recipe}) AS answer"
        )))
        .fetch_all(&self.0)
        .await
        .unwrap_or_else(|error| panic!("{recipe}: {error}"))
    }

    async fn count(&self, recipe: &str) -> i64 {
        self.rows(recipe).await[0]["count"].as_i64().unwrap()
    }
}

/// One field of each row.
fn field<'a>(rows: &'a [Value], name: &str) -> Vec<&'a Value> {
    rows.iter().map(|row| &row[name]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn recipes_of_the_replaced_service_give_its_answers() {
    let mut sandbox = Sandbox::start("");
    let terminal = sandbox.joined();
    let workers = until("a worker runs", || {
        let workers = terminal.rows("workers --status running");
        (!workers.is_empty()).then_some(workers)
    });
    let entity = workers[0]["entity_id"].as_i64().unwrap();
    let pool = PgPoolOptions::new()
        .connect(&terminal.variable("POSTGRES_URL"))
        .await
        .unwrap();
    let recipes = Recipes(pool);

    for table in ["jobs", "workers"] {
        let recipe = format!(
            r#"SELECT COUNT(*) FROM staging.{table} WHERE entity_id = {entity} AND job_labels = '["ubuntu-24.04-riscv"]' AND (status = 'pending' OR status = 'running');"#
        );
        let deadline = std::time::Instant::now() + super::PATIENCE;
        while recipes.count(&recipe).await == 0 {
            assert!(
                std::time::Instant::now() < deadline,
                "no {table} of entity {entity}"
            );
            tokio::time::sleep(super::LOOK_EVERY).await;
        }
        let nobody = recipe.replace(&format!("entity_id = {entity}"), "entity_id = -1");
        assert_eq!(recipes.count(&nobody).await, 0);
    }

    let job = terminal.rows("jobs --limit 1")[0]["job_id"]
        .as_i64()
        .unwrap();
    let rows = recipes
        .rows(&format!("SELECT * FROM staging.jobs WHERE job_id = {job};"))
        .await;
    assert_eq!(field(&rows, "job_id"), [&json!(job)]);
    assert_eq!(rows[0]["job_labels"], json!(["ubuntu-24.04-riscv"]));
    assert_eq!(rows[0]["provider"], "github");

    sqlx::query(FAILED).execute(&recipes.0).await.unwrap();
    let rows = recipes
        .rows("SELECT pod_name, entity_id, k8s_pool, failure_info FROM staging.workers WHERE status = 'failed' ORDER BY completed_at DESC LIMIT 10;")
        .await;
    assert_eq!(
        field(&rows, "pod_name")[..3],
        ["stuck", "silent-2", "silent-1"]
    );
    assert_eq!(rows[0]["failure_info"]["reason"], "pod_stuck_pending");

    let rows = recipes
        .rows("SELECT pod_name, entity_name, completed_at FROM staging.workers WHERE status = 'failed' AND failure_info->>'reason' = 'runner_never_registered' ORDER BY completed_at DESC LIMIT 20;")
        .await;
    assert_eq!(field(&rows, "pod_name")[..2], ["silent-2", "silent-1"]);
    assert_eq!(rows[0]["entity_name"], "somebody");

    let rows = recipes
        .rows("SELECT failure_info->>'reason' AS reason, COUNT(*) FROM staging.workers WHERE status = 'failed' AND completed_at > now() - interval '24 hours' GROUP BY 1;")
        .await;
    let of = |reason: &str| {
        rows.iter()
            .find(|row| row["reason"] == reason)
            .map(|row| &row["count"])
    };
    assert!(
        of("runner_never_registered").unwrap().as_i64() >= Some(2),
        "{rows:?}"
    );
    assert!(
        of("pod_stuck_pending").unwrap().as_i64() >= Some(1),
        "{rows:?}"
    );
    assert_eq!(of("recipe_old"), None);
}
