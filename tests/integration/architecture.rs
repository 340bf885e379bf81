//! Who may use whom, where no crate boundary says it: read from the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// What may be named only in some places.
struct Rule {
    names: &'static [&'static str],
    /// Where the rule looks.
    within: &'static [&'static str],
    /// Where the names are at home.
    except: &'static [&'static str],
    why: &'static str,
}

/// Sources of what runs.
const PRODUCT: &[&str] = &[
    "rise/src",
    "services/src",
    "services/model/src",
    "provisioning/src",
];

const RULES: &[Rule] = &[
    Rule {
        names: &["sqlx"],
        within: PRODUCT,
        // Logging names the crate whose lines it quietens.
        except: &["services/src/store", "rise/src/logging.rs"],
        why: "SQL is written in the store only",
    },
    Rule {
        names: &["sqlx"],
        within: &["tests/sandbox/src"],
        except: &["tests/sandbox/src/pg"],
        why: "the sandbox speaks to PostgreSQL only to make databases",
    },
    Rule {
        names: &["octocrab"],
        within: PRODUCT,
        except: &["services/src/github"],
        why: "GitHub is called in one place only",
    },
    Rule {
        names: &["kube", "k8s_openapi"],
        within: PRODUCT,
        except: &["services/src/kubernetes"],
        why: "Kubernetes is called in one place only",
    },
    Rule {
        names: &["crate::github", "super::github"],
        within: &["services/src/ghfe"],
        except: &["services/src/ghfe/setup", "services/src/ghfe/tests"],
        why: "no delivery makes a call of GitHub: only the setup pages ask it",
    },
    Rule {
        names: &["crate::kubernetes", "super::kubernetes"],
        within: &["services/src/ghfe"],
        except: &[],
        why: "ghfe knows no cluster",
    },
    Rule {
        names: &["crate::scheduler", "super::scheduler"],
        within: &["services/src/ghfe"],
        except: &[],
        why: "ghfe and the scheduler meet in the database",
    },
    Rule {
        names: &["crate::ghfe", "super::ghfe"],
        within: &["services/src/scheduler"],
        except: &[],
        why: "ghfe and the scheduler meet in the database",
    },
    Rule {
        names: &["crate::ghfe", "crate::scheduler"],
        within: &[
            "services/src/store",
            "services/src/github",
            "services/src/kubernetes",
        ],
        except: &[],
        why: "doors to the outside do not know who goes through them",
    },
    Rule {
        names: &["rise_model", "services", "provisioning", "rise"],
        within: &["tests/sandbox/src"],
        except: &[],
        why: "the sandbox must not agree with our mistakes",
    },
    Rule {
        names: &[
            "tokio",
            "sqlx",
            "kube",
            "k8s_openapi",
            "octocrab",
            "reqwest",
            "axum",
            "std::fs",
            "std::env",
            "std::net",
        ],
        within: &["services/model/src"],
        except: &[],
        why: "the model is pure",
    },
    Rule {
        names: &["tokio", "axum", "reqwest", "sqlx", "std::net"],
        within: &["tests/sandbox/src/world"],
        except: &[],
        why: "the worlds are pure: doors and databases are beside them",
    },
    Rule {
        names: &[
            "std::io::stdout",
            "std::io::stderr",
            "io::stdout",
            "io::stderr",
        ],
        within: &["rise/src"],
        // The screen has the whole terminal, and nobody else writes meanwhile.
        except: &[
            "rise/src/output.rs",
            "rise/src/logging.rs",
            "rise/src/tui/guard.rs",
        ],
        why: "there is one door to standard output and standard error",
    },
];

#[test]
fn everybody_keeps_to_who_may_use_whom() {
    let mut broken = Vec::new();
    for rule in RULES {
        for file in rule.within.iter().flat_map(|folder| sources(folder)) {
            if rule
                .except
                .iter()
                .any(|home| file.starts_with(root().join(home)))
            {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            for (number, line) in text.lines().enumerate() {
                if let Some(name) = rule.names.iter().find(|name| names(line, name)) {
                    let file = file.strip_prefix(root()).unwrap().display();
                    broken.push(format!("{file}:{}: `{name}`: {}", number + 1, rule.why));
                }
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn the_rules_look_where_something_is() {
    for rule in RULES {
        let looked: usize = rule.within.iter().map(|folder| sources(folder).len()).sum();
        // The scheduler's folder may come later than its rule.
        assert!(
            looked > 0 || rule.within == ["services/src/scheduler"],
            "{:?}",
            rule.within
        );
    }
}

#[test]
fn a_name_is_found_where_it_is_used_and_nowhere_else() {
    for line in [
        "use sqlx::PgPool;",
        "    sqlx::query(\"SELECT 1\")",
        "use sqlx;",
        "pub use sqlx as sql;",
        "use {sqlx::PgPool, std::fmt};",
    ] {
        assert!(names(line, "sqlx"), "{line}");
    }
    for line in [
        "// sqlx::query would be wrong here",
        "/// As in sqlx::query.",
        "let target = \"sqlx::query\";",
        "let mysqlx::x = 1;",
        "crate::sqlx::x",
        "use sqlxx::PgPool;",
    ] {
        assert!(!names(line, "sqlx"), "{line}");
    }
    assert!(names("use crate::ghfe::Ghfe;", "crate::ghfe"));
    assert!(names("use std::fs;", "std::fs"));
}

/// Whether a line of code names a crate or module as the beginning of a path. What stands in a text or a comment is no
/// code.
fn names(line: &str, name: &str) -> bool {
    let outside_texts: Vec<&str> = line.split('"').step_by(2).collect();
    let code = outside_texts.join("\"\"");
    let code = code.split("//").next().unwrap_or_default();
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + name.len()..];
        let begins = before.is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == ':'));
        let imported = code.contains("use ") && after.starts_with([';', ',', '}', ' ']);
        begins && (after.starts_with("::") || imported || after.starts_with('('))
    })
}

fn root() -> PathBuf {
    let rise = Path::new(env!("CARGO_MANIFEST_DIR"));
    rise.parent().unwrap().to_owned()
}

/// The Rust files below a folder; none if it is not there.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}
