//! What `rise set` and its kind answer, on tables without a scheduler.

use serde_json::Value;

use crate::rise::{Answer, Tables, run};

fn type_in(tables: &Tables, line: &str) -> Answer {
    let variables = [
        ("POSTGRES_URL", tables.database.url()),
        ("RISE_OPERATOR", "ada"),
    ];
    run(line, &variables)
}

fn said(tables: &Tables, line: &str) -> String {
    let answer = type_in(tables, line);
    assert_eq!(answer.status, 0, "rise {line}: {}", answer.err);
    answer.out
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_is_made_replaced_and_ended() {
    let tables = Tables::migrated().await;
    let out = said(&tables, "set entity:134263123 cap 30 --reason release");
    assert_eq!(
        out,
        "entity ggml-org (134263123): cap is 30, was 20; ada: release\n\
         no scheduler leads now; the next one goes by it\n"
    );
    let out = said(
        &tables,
        "set entity:ggml-org cap unlimited --reason more --until 3d",
    );
    assert!(out.contains("cap is unlimited until "), "{out}");
    assert!(out.contains(" (3d), was 30; ada: more"), "{out}");
    let listed: Value = serde_json::from_str(&said(&tables, "settings --json")).unwrap();
    let settings = listed["settings"].as_array().unwrap();
    assert_eq!(settings.len(), 1);
    assert_eq!(settings[0]["value"], "unlimited");
    assert_eq!(settings[0]["name"], "ggml-org");

    let out = said(&tables, "unset entity:ggml-org cap --reason over");
    assert!(
        out.contains("cap is no longer unlimited; the configuration's is in force: 20"),
        "{out}"
    );
    let out = said(&tables, "unset entity:ggml-org cap --reason over");
    assert_eq!(out, "entity ggml-org (134263123): no cap was set\n");
    let all: Value = serde_json::from_str(&said(&tables, "settings --all --json")).unwrap();
    let all = all["settings"].as_array().unwrap();
    let values: Vec<&Value> = all.iter().map(|set| &set["value"]).collect();
    assert_eq!(values, [&Value::from("unlimited"), &Value::from(30)]);
    assert!(
        all.iter()
            .all(|set| set["in_force"] == false && set["ended_at"].is_string())
    );

    let query = "SELECT outcome FROM installation_events WHERE source = 'operator' AND event = 'settings.cap' ORDER BY id";
    let log: Vec<String> = sqlx::query_scalar(query)
        .fetch_all(&tables.sql)
        .await
        .unwrap();
    assert_eq!(log, ["set", "set", "unset"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_not_in_force() {
    let tables = Tables::migrated().await;
    said(&tables, "pause all --reason incident --until 1ms");
    let answer = type_in(&tables, "settings");
    assert_eq!((answer.status, answer.out.as_str()), (0, ""));
    assert!(answer.err.contains("nothing is set"), "{}", answer.err);
    assert_eq!(
        said(&tables, "resume all --reason over"),
        "everything: no pause was set\n"
    );
    let answer = type_in(&tables, "pause all --reason past --until 2020-01-01");
    assert_eq!(answer.status, 2);
    assert!(
        answer.err.contains("--until is not after now"),
        "{}",
        answer.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_those_that_the_tables_know() {
    let tables = Tables::migrated().await;
    tables
        .sql(
            "INSERT INTO jobs (job_id, provider, entity_id, entity_name, entity_type, repo_full_name, repo_id,
                 installation_id, k8s_pool, k8s_image, sender_id, sender_login)
             VALUES (1, 'github', 7, 'Some-Org', 'Organization', 'Some-Org/a', 70, 1, 'p', 'i', 9, 'miner'),
                    (2, 'github', 8, 'twice', 'User', 'twice/a', 80, 1, 'p', 'i', 9, 'miner'),
                    (3, 'github', 6, 'twice', 'User', 'twice/a', 60, 1, 'p', 'i', 9, 'miner');",
        )
        .await;
    assert!(said(&tables, "ban some-org --reason x").starts_with("entity some-org (7): ban is on"));
    assert!(
        said(&tables, "ban sender:Miner --reason x").starts_with("sender Miner (9): ban is on")
    );
    let out = said(&tables, "set repo:some-org/a staging on --reason x");
    assert!(
        out.starts_with("repo some-org/a (70): staging is on"),
        "{out}"
    );
    let answer = type_in(&tables, "ban twice --reason x");
    assert_eq!(answer.status, 2);
    for part in [
        "`twice` was the name of 2 of them",
        "entity:8 was last",
        "entity:6 was last",
    ] {
        assert!(answer.err.contains(part), "{}", answer.err);
    }
    let answer = type_in(&tables, "ban nobody --reason x");
    assert_eq!(answer.status, 2);
    assert!(
        answer.err.contains("no account `nobody` is known"),
        "{}",
        answer.err
    );
    assert!(
        answer.err.contains("write its id, as in entity:99"),
        "{}",
        answer.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_words_are_answered_with_the_nearest_right_ones() {
    let tables = Tables::migrated().await;
    for (line, parts) in [
        (
            "pause pol:scw-em-rv1 --reason x",
            &["did you mean pool:scw-em-rv1?"][..],
        ),
        (
            "pause pool:scw-em-rv2 --reason x",
            &["no pool `scw-em-rv2` is known", "did you mean scw-em-rv1?"],
        ),
        (
            "pause image:ubuntu-24.4 --reason x",
            &["did you mean ubuntu-24.04?"],
        ),
        (
            "pause board:b --reason x",
            &["`pause` cannot be set for `board`, only quarantine"],
        ),
        (
            "set entity:7 wieght 2 --reason x",
            &["`wieght` cannot be set", "did you mean weight?"],
        ),
        (
            "set entity:7 cap many --reason x",
            &["`many` is no value of `cap`; it is a number of workers"],
        ),
        (
            "set entity:7 ban off --reason x",
            &["`rise unset SCOPE ban` switches it off"],
        ),
        (
            "set ggml-org cap 3 --reason x",
            &["did you mean entity:ggml-org?"],
        ),
        ("ban pool:x --reason x", &["write LOGIN, or sender:LOGIN"]),
        (
            "board quarantine nowhere --reason x",
            &["no board `nowhere` is known", "`rise board list`"],
        ),
        ("ban 7", &["--reason <TEXT>"]),
    ] {
        let answer = type_in(&tables, line);
        assert_eq!(answer.status, 2, "{line}: {}", answer.err);
        for part in parts {
            assert!(answer.err.contains(part), "{part} is not in {}", answer.err);
        }
    }
    let nobody = run(
        "ban 7 --reason x",
        &[("POSTGRES_URL", tables.database.url())],
    );
    assert_eq!(nobody.status, 2);
    assert!(
        nobody.err.contains("set RISE_OPERATOR to your name"),
        "{}",
        nobody.err
    );
}
