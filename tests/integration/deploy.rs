//! What deploys rise names only what is there: commands, variables, configuration, files. Each container is given all
//! that its service asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::docs::{root, understands};
use crate::rise::run;

/// What stands in the files for a person to fill in.
const SAMPLES: &[(&str, &str)] = &[
    ("POSTGRES_URL", "postgresql://rise:x@127.0.0.1:5432/rise"),
    ("GHAPP_WEBHOOK_SECRET", "signs"),
    ("GHAPP_ORG_PRIVATE_KEY", "-----BEGIN RSA PRIVATE KEY-----"),
    (
        "GHAPP_PERSONAL_PRIVATE_KEY",
        "-----BEGIN RSA PRIVATE KEY-----",
    ),
    ("TRACE_API_SECRET", "asks"),
    ("K8S_KUBECONFIG", "kind: Config"),
    ("STAGING_URL", "https://staging.example"),
    ("LOGLEVEL", "INFO"),
];

fn text(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn keys(value: &Value) -> BTreeSet<String> {
    let keys = value.as_object().into_iter().flat_map(|map| map.keys());
    keys.cloned().collect()
}

fn words(value: &Value) -> Vec<&str> {
    let list = value.as_array().into_iter().flatten();
    list.map(|word| word.as_str().unwrap()).collect()
}

fn sample(name: &str) -> String {
    let found = SAMPLES.iter().find(|(known, _)| *known == name);
    found
        .unwrap_or_else(|| panic!("{name} has no sample"))
        .1
        .to_owned()
}

/// Whether a service that is started with these variables has all that it asks for, and asks for all of them.
fn enough_for(service: &str, variables: &BTreeMap<String, String>) {
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let answer = run(&format!("config check --for {service} --json"), &variables);
    assert_eq!(answer.status, 0, "{service}: {}", answer.err);
    let report = answer.json();
    assert_eq!(report["problems"], serde_json::json!([]), "{service}");
    let read = report["variables"].as_array().unwrap();
    for (name, _) in variables {
        let name = name.strip_suffix("_FILE").unwrap_or(name);
        let known = read.iter().any(|variable| variable["name"] == name);
        assert!(known, "{service}: nobody reads {name}");
    }
}

#[test]
fn the_images_run_commands_that_the_program_understands() {
    let dockerfile = text("assets/container/Dockerfile");
    let mut seen = Vec::new();
    for line in dockerfile.lines().filter(|line| !line.starts_with('#')) {
        let Some((_, list)) = line.split_once("CMD ") else {
            continue;
        };
        let list: Value = serde_json::from_str(list).unwrap_or_else(|e| panic!("{line}: {e}"));
        let words = words(&list).join(" ");
        let arguments = words.strip_prefix("/usr/bin/rise ").unwrap_or(&words);
        assert_eq!(understands(arguments), Ok(()), "{line}");
        seen.push(arguments.to_owned());
    }
    assert_eq!(seen, ["health", "serve ghfe", "serve scheduler"]);
    for line in [
        "ENTRYPOINT [\"/usr/bin/rise\"]",
        "USER 65532:65532",
        "FROM scratch AS service",
    ] {
        assert!(dockerfile.lines().any(|other| other == line), "{line}");
    }
    let wanted = text("Cargo.toml");
    let wanted = wanted
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .unwrap()
        .trim_matches('"')
        .to_owned();
    assert!(
        dockerfile.contains(&format!(" rust:{wanted}-")),
        "Cargo.toml asks for Rust {wanted}"
    );
}

#[test]
fn the_containers_at_scaleway_are_given_what_their_services_ask_for() {
    let manifest = yaml("assets/deploy/serverless.yml");
    let custom = &manifest["custom"];
    let containers = keys(&custom["containers"]);
    assert_eq!(containers, ["ghfe", "scheduler"].map(str::to_owned).into());
    for (stage, prod) in [("main", "true"), ("staging", "false")] {
        assert_eq!(custom["stages"][stage]["prod"], prod);
        for service in &containers {
            let container = &custom["containers"][service];
            let image = container["registryImage"].as_str().unwrap();
            assert!(image.contains(&format!(":{service}-")), "{image}");
            assert_eq!(container["port"], 8080, "the port of the images");
            assert_eq!(container["healthCheck"]["httpPath"], "/health");
            let given = keys(&container["env"])
                .into_iter()
                .chain(keys(&container["secret"]));
            let variables = given.map(|name| {
                let value = match name.as_str() {
                    "PROD" => prod.to_owned(),
                    "RISE_CONFIG_TOML" => custom["configuration"].as_str().unwrap().to_owned(),
                    other => sample(other),
                };
                (name, value)
            });
            enough_for(service, &variables.collect());
        }
    }
    assert_eq!(custom["containers"]["scheduler"]["maxScale"], 1);
}

#[test]
fn the_release_hands_the_manifest_all_that_it_asks_for() {
    let manifest = text("assets/deploy/serverless.yml");
    let asked: BTreeSet<String> = manifest
        .split("${env:")
        .skip(1)
        .map(|rest| rest.split('}').next().unwrap())
        // Behind a comma stands what is taken when it is not set.
        .filter(|name| !name.contains(','))
        .map(str::to_owned)
        .collect();
    assert!(asked.contains("POSTGRES_URL"), "{asked:?}");
    let workflow = yaml(".github/workflows/release.yml");
    let job = &workflow["jobs"]["release"];
    let step = job["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["name"] == "Deploy")
        .unwrap();
    let given: BTreeSet<String> = keys(&job["env"])
        .into_iter()
        .chain(keys(&step["env"]))
        .collect();
    assert_eq!(asked.difference(&given).collect::<Vec<_>>(), [""; 0]);
    let package: Value = serde_json::from_str(&text("assets/deploy/package.json")).unwrap();
    for plugin in words(&yaml("assets/deploy/serverless.yml")["plugins"]) {
        assert!(package["devDependencies"][plugin].is_string(), "{plugin}");
    }
}

#[test]
fn the_services_of_the_compose_file_are_given_what_they_ask_for() {
    let file = yaml("assets/deploy/compose.yml");
    let folder = tempfile::tempdir().unwrap();
    let services = &file["services"];
    let ours = ["migrate", "ghfe", "scheduler"];
    for name in ours {
        let service = &services[name];
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(words(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(
            words(&service["security_opt"]),
            ["no-new-privileges:true"],
            "{name}"
        );
        let dockerfile = service["build"]["dockerfile"].as_str().unwrap();
        let context = root().join("assets/deploy").join("../..");
        assert!(context.join(dockerfile).exists(), "{dockerfile}");
        let secrets = words(&service["secrets"]);
        let mut variables = BTreeMap::new();
        for name in keys(&service["environment"]) {
            let value = match name.strip_suffix("_FILE") {
                Some(inner) => {
                    let secret = inner.to_lowercase();
                    let path = format!("/run/secrets/{secret}");
                    assert_eq!(service["environment"][&name], path.as_str());
                    assert!(secrets.contains(&secret.as_str()), "{secret}");
                    assert!(file["secrets"][&secret].is_object(), "{secret}");
                    written(folder.path(), &secret, &sample(inner))
                }
                None if name == "PROD" => "true".to_owned(),
                None if name == "RISE_CONFIG_TOML" => String::new(),
                None => sample(&name),
            };
            variables.insert(name, value);
        }
        if name == "migrate" {
            let command = words(&service["command"]).join(" ");
            assert_eq!(understands(&command), Ok(()));
            assert!(variables.contains_key("POSTGRES_URL_FILE"));
        } else {
            assert_eq!(service["build"]["target"], name);
            enough_for(name, &variables);
        }
        for (other, _) in service["depends_on"].as_object().unwrap() {
            assert!(services[other].is_object(), "{name} waits for {other}");
        }
    }
}

fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, format!("{text}\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What a line gives to the program in an image: what stands behind the image's name.
fn arguments_of_an_image(line: &str) -> Option<String> {
    let (_, behind) = line.split_once("docker run ")?;
    let mut words = behind.split_whitespace();
    words.find(|word| {
        let word = word.trim_start_matches('"');
        word.starts_with("rise:") || word.starts_with("$RISE_IMAGES") || word.starts_with("$image")
    })?;
    Some(words.collect::<Vec<_>>().join(" "))
}

#[test]
fn workflows_and_documents_give_the_images_commands_that_they_understand() {
    let mut seen = BTreeSet::new();
    for path in [
        ".github/workflows/ci.yml",
        ".github/workflows/release.yml",
        "assets/container/Dockerfile",
        "assets/docs/deploy.md",
    ] {
        let text = text(path);
        for arguments in text.lines().filter_map(arguments_of_an_image) {
            assert_eq!(understands(&arguments), Ok(()), "{path}: {arguments}");
            seen.insert(arguments);
        }
    }
    assert!(seen.contains("db migrate"), "{seen:?}");
    assert!(seen.contains("config check"), "{seen:?}");
}

#[test]
fn workflows_name_files_that_are_there_and_hold_actions_still() {
    let mut files = 0;
    for path in [".github/workflows/ci.yml", ".github/workflows/release.yml"] {
        let text = text(path);
        assert!(text.contains("permissions:\n  contents: read\n"), "{path}");
        for line in text.lines().map(str::trim) {
            if let Some(action) = line.trim_start_matches("- ").strip_prefix("uses: ") {
                let commit = action.split(['@', ' ']).nth(1).unwrap();
                let full = commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
                assert!(full, "{path}: {action} may change under us");
            }
            for word in line.split_whitespace() {
                let word = word.trim_end_matches([',', '.', ';', ')']);
                if word.starts_with("assets/") || word.starts_with("tests/") {
                    assert!(root().join(word).exists(), "{path}: {word}");
                    files += 1;
                }
            }
        }
    }
    assert!(files > 5, "{files}");
}
