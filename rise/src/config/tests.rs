//! What people read when the configuration is wrong, and where values come from when it is not.

use std::io::Write;

use rise_model::config::Cap;

use super::*;
use crate::output::failure_text;

const DATABASE: (&str, &str) = ("POSTGRES_URL", "postgresql://rise:hunter2@db/rise");
const WEBHOOK: (&str, &str) = ("GHAPP_WEBHOOK_SECRET", "webhook-hunter2");
const TRACE: (&str, &str) = ("TRACE_API_SECRET", "trace-hunter2");

/// A file that is named as it would be on a person's disk.
struct Named(tempfile::NamedTempFile);

impl Named {
    fn with(text: &str) -> Self {
        let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Self(file)
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }
}

fn loaded(file: &Named, variables: &[(&str, &str)]) -> Configuration {
    let choice = Choice {
        file: Some(file.path().into()),
        environment: None,
    };
    Configuration::load(&choice, &Variables::of(variables)).unwrap()
}

/// What is said about a file when everything else is right. The file is called rise.toml.
fn said(text: &str) -> String {
    let file = Named::with(text);
    said_with(&file, &[DATABASE, WEBHOOK, TRACE])
}

fn said_with(file: &Named, variables: &[(&str, &str)]) -> String {
    let configuration = loaded(file, variables);
    match configuration.ghfe(&Variables::of(variables), None) {
        Ok(_) => "nothing is wrong".to_owned(),
        Err(failure) => failure_text(&failure).replace(file.path(), "rise.toml"),
    }
}

/// What is said about variables when the built-in default is in force.
fn said_of(variables: &[(&str, &str)]) -> String {
    said_with(&Named::with(""), variables)
}

#[test]
fn the_default_is_right_and_asks_for_three_secrets() {
    assert_eq!(said(""), "nothing is wrong");
    insta::assert_snapshot!(said_of(&[]), @r"
    error: missing environment variables: POSTGRES_URL, GHAPP_WEBHOOK_SECRET, TRACE_API_SECRET
    hint: each may also be given as a file: <NAME>_FILE=PATH
    ");
}

#[test]
fn all_that_is_missing_or_wrong_is_said_at_once() {
    let file = Named::with(
        "[scheduler]\n\
         lease_last = \"9s\"\n\
         rounds_per_second = \"five\"\n\
         [caps]\n\
         default_max_workers = -1\n",
    );
    insta::assert_snapshot!(said_with(&file, &[("PROD", "yes"), TRACE]), @r#"
    error: the configuration has 5 problems
      rise.toml:2: unknown key `scheduler.lease_last`
        hint: did you mean `lease_lasts`?
      rise.toml:3: `scheduler.rounds_per_second`: invalid type: string "five", expected a whole number
      rise.toml:5: `caps.default_max_workers`: invalid value: integer `-1`, expected a number of workers, or "unlimited"
      PROD is `yes`
        hint: write PROD=true for production, PROD=false for staging
      missing environment variables: POSTGRES_URL, GHAPP_WEBHOOK_SECRET
        hint: each may also be given as a file: <NAME>_FILE=PATH
    "#);
}

#[test]
fn an_unknown_key_names_the_nearest_one() {
    insta::assert_snapshot!(said("[scheduler]\nlease_last = \"9s\"\n"), @r"
    error: rise.toml:2: unknown key `scheduler.lease_last`
    hint: did you mean `lease_lasts`?
    ");
    insta::assert_snapshot!(said("[schedular]\n"), @r"
    error: rise.toml:1: unknown key `schedular`
    hint: did you mean `scheduler`?
    ");
    insta::assert_snapshot!(said("[ghfe]\nlease_lasts = \"9s\"\n"), @r"
    error: rise.toml:2: unknown key `ghfe.lease_lasts`
    hint: `lease_lasts` belongs to [scheduler]
    ");
    insta::assert_snapshot!(said("[apps]\norganisation = 5\n"), @r"
    error: rise.toml:2: unknown key `apps.organisation`
    hint: did you mean `organization`?
    ");
    insta::assert_snapshot!(said("[github]\nzebra = 1\n"), @r"
    error: rise.toml:2: unknown key `github.zebra`
    hint: known here: call_timeout, token_reuse_until
    ");
    insta::assert_snapshot!(
        said("[[pools]]\nname = \"scw-em-rv1\"\nephemeral = 1\n[[pools]]\nname = \"cloudv10x-jupiter\"\n"),
        @r"
        error: rise.toml:3: unknown key `pools[0].ephemeral`
        hint: did you mean `ephemeral_storage`?
        "
    );
}

#[test]
fn a_wrong_type_names_key_and_line() {
    insta::assert_snapshot!(said("\n\n[database]\nconnections = \"ten\"\n"), @r#"error: rise.toml:4: `database.connections`: invalid type: string "ten", expected a whole number"#);
    insta::assert_snapshot!(said("[rules]\npod_grace = 6\n"), @"error: rise.toml:2: `rules.pod_grace`: invalid type: integer `6`, expected a string");
    insta::assert_snapshot!(said("[rules]\npod_grace = \"six hours\"\n"), @"error: rise.toml:2: `rules.pod_grace`: `six hours` is not a duration; write a number with its unit, as in `15s`, `2m 30s` or `6h`");
    insta::assert_snapshot!(said("scheduler = 5\n"), @"error: rise.toml:1: `scheduler`: invalid type: integer `5`, expected a table");
    insta::assert_snapshot!(said("[[caps.entities]]\nid = 5\n"), @"error: rise.toml:1: `caps.entities[0]`: missing field `name`");
    insta::assert_snapshot!(
        said("[[routes]]\nlabels = [\"x\"]\nmatch = \"near\"\npool = \"scw-em-rv1\"\nimage = \"ubuntu-24.04\"\n"),
        @"error: rise.toml:3: `routes[0].match`: unknown variant `near`, expected `exact` or `contains`"
    );
}

#[test]
fn a_cap_is_a_number_or_unlimited() {
    insta::assert_snapshot!(said("[caps]\ndefault_max_workers = \"many\"\n"), @r#"error: rise.toml:2: `caps.default_max_workers`: invalid value: string "many", expected a number of workers, or "unlimited""#);
    insta::assert_snapshot!(said("[caps]\ndefault_max_workers = -3\n"), @r#"error: rise.toml:2: `caps.default_max_workers`: invalid value: integer `-3`, expected a number of workers, or "unlimited""#);
    let unlimited = loaded(
        &Named::with("[caps]\ndefault_max_workers = \"unlimited\"\n"),
        &[],
    );
    assert_eq!(unlimited.file.caps.default_max_workers, Cap::Unlimited);
}

#[test]
fn text_that_is_no_toml_names_its_line() {
    insta::assert_snapshot!(said("[caps]\ndefault_max_workers 20\n"), @"error: rise.toml:2: not TOML: key with no value, expected `=`");
    insta::assert_snapshot!(
        said_of(&[DATABASE, WEBHOOK, TRACE, ("RISE_CONFIG_TOML", "[caps")]),
        @"error: RISE_CONFIG_TOML:1: not TOML: unclosed table, expected `]`"
    );
}

#[test]
fn routes_name_what_exists() {
    insta::assert_snapshot!(
        said(
            "[[routes]]\nlabels = [\"x\"]\npool = \"scw-em-rv2\"\nimage = \"ubuntu-2404\"\n\
             [[routes]]\nlabels = []\npool = \"mars\"\nimage = \"ubuntu-24.04\"\n\
             [[routes]]\nlabels = [\"y\", \" \"]\nimplied = [\"y\"]\nallow = [0]\npool = \"scw-em-rv1\"\nimage = \"ubuntu-24.04\"\n\
             for = [{ entity = -5, repositories = [\"a/b\"] }]\n\
             [[routes]]\nlabels = [\"X\"]\npool = \"scw-em-rv1\"\nimage = \"ubuntu-24.04\"\n"
        ),
        @r"
        error: the configuration has 10 problems
          rise.toml:3: `routes[0].pool`: there is no pool `scw-em-rv2`
            hint: did you mean `scw-em-rv1`?
          rise.toml:4: `routes[0].image`: there is no image `ubuntu-2404`
            hint: did you mean `ubuntu-24.04`?
          rise.toml:6: `routes[1].labels`: there is no label
          rise.toml:7: `routes[1].pool`: there is no pool `mars`
            hint: known: scw-em-rv1, cloudv10x-jupiter
          rise.toml:10: `routes[2].labels`: a label is empty
          rise.toml:11: `routes[2].implied`: `y` is among the labels that must be there
          rise.toml:12: `routes[2].allow[0]`: 0 is no account id: ids are above zero
          rise.toml:15: `routes[2].for[0].entity`: -5 is no account id: ids are above zero
          rise.toml:15: `routes[2].for[0].repositories[0]`: `a/b` is no repository name without its owner
          rise.toml:16: `routes[3]`: no job gets here: `routes[0]` takes the same labels for everybody
        "
    );
}

#[test]
fn pools_and_images_are_what_kubernetes_takes() {
    insta::assert_snapshot!(
        said(
            "[images]\n\"ubuntu-26.04\" = \"registry/runner:{branch}\"\nspare = \"two words\"\n\
             [[pools]]\nname = \"scw-em-rv1\"\nephemeral_storage = \"lots\"\n\
             [[pools]]\nname = \"cloudv10x-jupiter\"\nnode_selector = { \"a/b\" = \"c d\" }\n\
             [[pools]]\nname = \"scw-em-rv1\"\n\
             [[pools]]\nname = \"-edge\"\n"
        ),
        @r#"
        error: the configuration has 6 problems
          rise.toml:2: `images."ubuntu-26.04"`: `registry/runner:{branch}` has braces besides {tag}, which is all that is replaced
          rise.toml:3: `images.spare`: `two words` is no image reference
          rise.toml:6: `pools[0].ephemeral_storage`: `lots` is no quantity; write it as in `90Gi`
          rise.toml:9: `pools[1].node_selector."a/b"`: `a/b=c d` is no node label
          rise.toml:11: `pools[2].name`: `scw-em-rv1` is the name of `pools[0]` too
          rise.toml:13: `pools[3].name`: `-edge` cannot be the value of a node label: letters, digits, - _ and ., at most 63 characters, a letter or digit first and last
        "#
    );
}

#[test]
fn the_environments_are_safe_and_apart() {
    insta::assert_snapshot!(
        said(
            "[apps]\npersonal = 2167633\n\
             [environment.prod]\nschema = \"prod; drop\"\nrunner_prefix = \"Rise_\"\nrunner_group = \" \"\n\
             [environment.staging]\nimage_tag = \"a:b\"\nnamespace = \"-x\"\nrunner_prefix = \"rise-.*-\"\n"
        ),
        @r"
        error: the configuration has 7 problems
          rise.toml:2: `apps.personal`: it is the same App as `apps.organization`
          rise.toml:4: `environment.prod.schema`: `prod; drop` is no plain schema name: a to z, digits and _, at most 51 characters, no digit first
          rise.toml:5: `environment.prod.runner_prefix`: `Rise_` cannot begin a pod's name: a to z, digits and -, a letter or digit first, - last, at most 54 characters
          rise.toml:6: `environment.prod.runner_group`: it is empty
          rise.toml:8: `environment.staging.image_tag`: `a:b` is no image tag: letters, digits, _ . and -, at most 128 characters
          rise.toml:9: `environment.staging.namespace`: `-x` is no namespace: a to z, digits and -, at most 63 characters
          rise.toml:10: `environment.staging.runner_prefix`: `rise-.*-` cannot begin a pod's name: a to z, digits and -, a letter or digit first, - last, at most 54 characters
        "
    );
    insta::assert_snapshot!(
        said("[environment.staging]\nschema = \"prod\"\nrunner_prefix = \"rise-riscv-runner-\"\n"),
        @r"
        error: the configuration has 2 problems
          rise.toml:2: `environment.staging.schema`: it is the same as in [environment.prod]: the two would take each other's work
          rise.toml:3: `environment.staging.runner_prefix`: it is the same as in [environment.prod]: the two would take each other's work
        "
    );
}

#[test]
fn entities_are_listed_once() {
    insta::assert_snapshot!(
        said(
            "[[caps.entities]]\nid = 5\nname = \"one\"\n[[caps.entities]]\nid = 5\nname = \"ONE\"\n\
             [[caps.entities]]\nid = 0\nname = \"\"\nstaging = [\"a/b\"]\n"
        ),
        @r"
        error: the configuration has 5 problems
          rise.toml:5: `caps.entities[1].id`: 5 is listed before, at `caps.entities[0]`
          rise.toml:6: `caps.entities[1].name`: `ONE` is listed before, at `caps.entities[0]`
          rise.toml:8: `caps.entities[2].id`: 0 is no account id: ids are above zero
          rise.toml:9: `caps.entities[2].name`: it is empty
          rise.toml:10: `caps.entities[2].staging[0]`: `a/b` is no repository name without its owner
        "
    );
}

#[test]
fn limits_that_depend_on_one_another_fit() {
    insta::assert_snapshot!(
        said(
            "[scheduler]\nlease_renew_every = \"5s\"\nlease_stop_after = \"8s\"\nstate_every = \"2m\"\n\
             stop_actions_within = \"9s\"\nrounds_per_second = 0\n\
             [scheduler.pages]\nconnections = 0\ndatabase_within = \"10s\"\nready_within = \"0s\"\n\
             round_may_be_old = \"15s\"\n\
             [ghfe]\nmax_bytes_in_flight = 1000\nread_timeout = \"0s\"\nintake_connections = 0\n\
             [rules]\nreserve_at_once = 0\nimage_pull_within = \"1h\"\n\
             [database]\nconnections = 0\n"
        ),
        @r"
        error: the configuration has 14 problems
          rise.toml:3: `scheduler.lease_stop_after`: 8s is not below `scheduler.lease_lasts`, 8s
          rise.toml:4: `scheduler.state_every`: 2m is not below 1m, after which a scheduler counts as silent
          rise.toml:5: `scheduler.stop_actions_within`: 9s is longer than `scheduler.drain_within`, 8s
          rise.toml:6: `scheduler.rounds_per_second`: it must be at least 1
          rise.toml:8: `scheduler.pages.connections`: it must be at least 1
          rise.toml:9: `scheduler.pages.database_within`: 10s is not below `scheduler.pages.answer_within`, 10s
          rise.toml:10: `scheduler.pages.ready_within`: it must be longer than zero
          rise.toml:11: `scheduler.pages.round_may_be_old`: 15s is not above `scheduler.round_at_least_every`, 15s: an idle leader would not be ready
          rise.toml:13: `ghfe.max_bytes_in_flight`: 1000 is less than `ghfe.max_body_bytes`, 26214400: the largest body would never be read
          rise.toml:14: `ghfe.read_timeout`: it must be longer than zero
          rise.toml:15: `ghfe.intake_connections`: it must be at least 1
          rise.toml:17: `rules.reserve_at_once`: it must be at least 1
          rise.toml:18: `rules.image_pull_within`: 1h is not below `rules.pod_running_within`, 10m
          rise.toml:20: `database.connections`: it must be at least 1
        "
    );
}

#[test]
fn a_section_that_cannot_be_read_is_not_judged_too() {
    insta::assert_snapshot!(
        said(
            "[[pools]]\nname = 5\n[[routes]]\nlabels = [\"x\"]\npool = \"other\"\nimage = \"ubuntu-24.04\"\n\
             [database]\nconnections = 0\n"
        ),
        @r"
        error: the configuration has 2 problems
          rise.toml:2: `pools[0].name`: invalid type: integer `5`, expected a string
          rise.toml:8: `database.connections`: it must be at least 1
        "
    );
}

#[test]
fn a_variable_and_its_file_cannot_both_be_set() {
    let secret = Named::with("from-a-file\n");
    let both = [
        DATABASE,
        WEBHOOK,
        TRACE,
        ("TRACE_API_SECRET_FILE", secret.path()),
    ];
    insta::assert_snapshot!(said_of(&both), @r"
    error: both TRACE_API_SECRET and TRACE_API_SECRET_FILE are set
    hint: unset one of them
    ");
    let missing = [
        DATABASE,
        WEBHOOK,
        ("TRACE_API_SECRET_FILE", "/nowhere/secret"),
    ];
    insta::assert_snapshot!(said_of(&missing), @"error: TRACE_API_SECRET_FILE: /nowhere/secret cannot be read: No such file or directory (os error 2)");
    let empty = Named::with("\n");
    let empty = [DATABASE, WEBHOOK, ("TRACE_API_SECRET_FILE", empty.path())];
    assert!(said_of(&empty).contains("is empty"));
}

#[test]
fn a_secret_comes_from_a_file_without_its_last_line_break() {
    use secrecy::ExposeSecret;
    let secret = Named::with("one\ntwo\n");
    let pairs = [
        DATABASE,
        TRACE,
        ("GHAPP_WEBHOOK_SECRET_FILE", secret.path()),
    ];
    let configuration = loaded(&Named::with(""), &pairs);
    let ghfe = configuration.ghfe(&Variables::of(&pairs), None).unwrap();
    assert_eq!(ghfe.config.webhook_secret.expose_secret(), "one\ntwo");
}

#[test]
fn variables_of_the_wrong_kind_say_what_is_right() {
    let right = [WEBHOOK, TRACE];
    let with = |pair| said_of(&[right[0], right[1], DATABASE, pair]);
    insta::assert_snapshot!(with(("PORT", "http")), @r"
    error: PORT is `http`
    hint: write a number from 0 to 65535; 0 takes any free port
    ");
    insta::assert_snapshot!(with(("PROD", "yes")), @r"
    error: PROD is `yes`
    hint: write PROD=true for production, PROD=false for staging
    ");
    insta::assert_snapshot!(said_of(&[right[0], right[1], ("POSTGRES_URL", "db.example/rise")]), @r"
    error: POSTGRES_URL is not a PostgreSQL URL: error with configuration: it begins neither with postgresql:// nor with postgres://
    hint: write it as postgresql://USER:PASSWORD@HOST:5432/DATABASE?sslmode=require
    ");
    insta::assert_snapshot!(
        said_of(&[right[0], right[1], ("POSTGRES_URL", "postgres://u:hunter2@db:port/rise")]),
        @r"
        error: POSTGRES_URL is not a PostgreSQL URL: error with configuration: invalid port number
        hint: write it as postgresql://USER:PASSWORD@HOST:5432/DATABASE?sslmode=require
        "
    );
}

#[test]
fn the_scheduler_asks_for_its_own() {
    let configuration = loaded(&Named::with(""), &[]);
    let said = |pairs: &[(&str, &str)]| match configuration.scheduler(&Variables::of(pairs), None) {
        Ok(_) => "nothing is wrong".to_owned(),
        Err(failure) => failure_text(&failure),
    };
    insta::assert_snapshot!(said(&[]), @r"
    error: missing environment variables: POSTGRES_URL, GHAPP_ORG_PRIVATE_KEY, GHAPP_PERSONAL_PRIVATE_KEY, K8S_KUBECONFIG (or KUBECONFIG, a path)
    hint: each may also be given as a file: <NAME>_FILE=PATH
    ");
    let key = "-----BEGIN RSA PRIVATE KEY-----\nx";
    insta::assert_snapshot!(
        said(&[
            DATABASE,
            ("GHAPP_ORG_PRIVATE_KEY", "hunter2"),
            ("GHAPP_PERSONAL_PRIVATE_KEY", key),
            ("GITHUB_API_URL", "api.github.com"),
            ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
        ]),
        @r"
        error: the configuration has 2 problems
          GHAPP_ORG_PRIVATE_KEY is no private key
            hint: it is the text of the .pem file that GitHub made for the App, with its line breaks
          GITHUB_API_URL is `api.github.com`
            hint: write a URL such as https://api.github.com
        "
    );
    let in_cluster = [
        DATABASE,
        ("GHAPP_ORG_PRIVATE_KEY", key),
        ("GHAPP_PERSONAL_PRIVATE_KEY", key),
        ("K8S_KUBECONFIG", "apiVersion: v1"),
    ];
    assert_eq!(said(&in_cluster), "nothing is wrong");
}

#[test]
fn ghfe_in_production_asks_where_staging_is() {
    let said = |file: &str, pairs: &[(&str, &str)]| {
        let mut pairs = pairs.to_vec();
        pairs.extend([DATABASE, WEBHOOK, TRACE]);
        let configuration = loaded(&Named::with(file), &pairs);
        match configuration.ghfe(&Variables::of(&pairs), None) {
            Ok(ghfe) => ghfe
                .config
                .staging
                .map_or("nothing is handed on".to_owned(), |staging| {
                    staging.url.to_string()
                }),
            Err(failure) => failure_text(&failure),
        }
    };
    let prod = ("PROD", "true");
    let there = |url| ("STAGING_URL", url);
    insta::assert_snapshot!(said("", &[prod]), @r"
    error: missing environment variable: STAGING_URL (for the repositories in caps.entities.staging)
    hint: each may also be given as a file: <NAME>_FILE=PATH
    ");
    assert_eq!(said("", &[]), "nothing is handed on");
    assert_eq!(
        said("", &[there("no url at all")]),
        "nothing is handed on",
        "staging itself does not read it"
    );
    let none = "[caps]\nentities = []\n";
    assert_eq!(said(none, &[prod]), "nothing is handed on");
    for url in [
        "https://staging.example",
        "https://staging.example/",
        "https://staging.example//",
    ] {
        assert_eq!(said("", &[prod, there(url)]), "https://staging.example/");
    }
    assert_eq!(
        said("", &[prod, there("http://127.0.0.1:8080/hook")]),
        "http://127.0.0.1:8080/hook/"
    );
    insta::assert_snapshot!(said("", &[prod, there("https://u:hunter2@staging.example")]), @r"
    error: STAGING_URL is no plain URL
    hint: write a URL such as https://staging.example, without user, query or fragment
    ");
    for url in [
        "staging.example",
        "ftp://staging.example",
        "https://staging.example?a",
        "https://staging.example#a",
    ] {
        let said = said("", &[prod, there(url)]);
        assert!(said.contains("no plain URL"), "{url}: {said}");
    }
}

#[test]
fn ghfe_takes_the_apps_keys_if_they_are_there() {
    let with = |pairs: &[(&str, &str)]| {
        let mut pairs = pairs.to_vec();
        pairs.extend([DATABASE, WEBHOOK, TRACE]);
        said_of(&pairs)
    };
    let key = (
        "GHAPP_ORG_PRIVATE_KEY",
        "-----BEGIN RSA PRIVATE KEY-----\nx",
    );
    assert_eq!(with(&[]), "nothing is wrong");
    assert_eq!(with(&[key]), "nothing is wrong");
    insta::assert_snapshot!(with(&[("GHAPP_PERSONAL_PRIVATE_KEY", "hunter2")]), @r"
    error: GHAPP_PERSONAL_PRIVATE_KEY is no private key
    hint: it is the text of the .pem file that GitHub made for the App, with its line breaks
    ");
}

#[test]
fn setup_links_lead_to_https() {
    insta::assert_snapshot!(
        said(
            "[setup]\norganization_install_url = \"javascript:alert(1)\"\npersonal_install_url = \"x\"\n\
             lookups_per_minute = 0\n[ghfe]\nstaging_timeout = \"0s\"\n"
        ),
        @r"
    error: the configuration has 4 problems
      rise.toml:2: `setup.organization_install_url`: `javascript:alert(1)` is no https:// URL
      rise.toml:3: `setup.personal_install_url`: `x` is no https:// URL
      rise.toml:4: `setup.lookups_per_minute`: it must be at least 1
      rise.toml:6: `ghfe.staging_timeout`: it must be longer than zero
    "
    );
}

#[test]
fn secrets_are_in_no_debug_text() {
    let pairs = [DATABASE, WEBHOOK, TRACE];
    let configuration = loaded(&Named::with(""), &pairs);
    let ghfe = configuration.ghfe(&Variables::of(&pairs), None).unwrap();
    assert!(!format!("{ghfe:?} {configuration:?}").contains("hunter2"));
}

#[test]
fn the_environment_follows_prod_and_the_command_line_is_stronger() {
    let named = |environment, prod: &str| {
        let choice = Choice {
            file: None,
            environment,
        };
        let configuration =
            Configuration::load(&choice, &Variables::of(&[("PROD", prod)])).unwrap();
        (
            configuration.name,
            configuration.environment().schema.clone(),
        )
    };
    assert_eq!(
        named(None, "TRUE"),
        (EnvironmentName::Prod, "prod".to_owned())
    );
    assert_eq!(
        named(None, "false"),
        (EnvironmentName::Staging, "staging".to_owned())
    );
    assert_eq!(
        named(None, ""),
        (EnvironmentName::Staging, "staging".to_owned())
    );
    let staging = Some(EnvironmentName::Staging);
    assert_eq!(
        named(staging, "true"),
        (EnvironmentName::Staging, "staging".to_owned())
    );
}

#[test]
fn the_text_lies_over_the_file_and_the_file_over_the_default() {
    let file = Named::with("[ghfe]\npublic_only = true\nread_timeout = \"3s\"\n");
    let configuration = loaded(&file, &[("RISE_CONFIG_TOML", "ghfe.read_timeout = \"4s\"")]);
    assert!(configuration.problems.is_empty());
    let from = |key: &str| {
        let mut values = configuration.values().into_iter();
        let (_, value, place) = values.find(|(path, ..)| path.to_string() == key).unwrap();
        format!("{value} from {}", place.unwrap()).replace(file.path(), "rise.toml")
    };
    assert_eq!(from("ghfe.read_timeout"), "\"4s\" from RISE_CONFIG_TOML:1");
    assert_eq!(from("ghfe.public_only"), "true from rise.toml:2");
    assert!(from("ghfe.drain_within").starts_with("\"8s\" from default:"));
    assert!(from("pools[0].name").starts_with("\"scw-em-rv1\" from default:"));
}

#[test]
fn the_default_equals_the_replaced_service() {
    let configuration = loaded(&Named::with(""), &[]);
    let file = &configuration.file;
    assert_eq!(file.apps.organization.0, 2_167_633);
    assert_eq!(file.apps.personal.0, 3_131_217);
    assert_eq!(file.environment.prod.runner_prefix, "rise-riscv-runner-");
    assert_eq!(
        file.environment.staging.runner_group,
        "RISE RISC-V Runners (staging)"
    );
    let image = file
        .routing()
        .image("ubuntu-24.04", &file.environment.prod.image_tag);
    assert_eq!(
        image.unwrap().as_str(),
        "rg.fr-par.scw.cloud/funcscwriseriscvrunnerappqdvknz9s/riscv-runner:ubuntu-24.04-latest"
    );
}
