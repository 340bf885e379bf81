//! The tables that rise shares with the service that it replaces: what they must look like, and which differences can be
//! mended by adding a column. Anything else is somebody's decision, so it is told and nothing is changed.
//!
//! An older generation of that service knew fewer columns; what they would have held is told by the other rows. A later
//! one keeps `job_created_at`, `job_started_at`, `job_completed_at` and `job_conclusion` beside its jobs: they stay as they
//! are and are not read, since rise writes the same into its own `queued_at`, `started_at`, `finished_at` and
//! `conclusion` from the first delivery on, and no decision rests on the times of jobs that were finished before.

use std::collections::BTreeMap;

/// Whether a column may be NULL, and what becomes of rows that lack it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Never NULL, and nothing tells what it would have held.
    Given,
    /// Never NULL; this expression tells what it would have held.
    Told(&'static str),
    /// May be NULL.
    Nullable,
    /// May be NULL; this expression tells what it would have held.
    NullableTold(&'static str),
}

/// A column that the replaced service has too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) table: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) need: Need,
}

const fn column(table: &'static str, name: &'static str, kind: &'static str, need: Need) -> Column {
    Column {
        table,
        name,
        kind,
        need,
    }
}

/// Workers were made for jobs of the same account, and jobs are never removed. Zero is no installation of GitHub's.
const INSTALLATION_OF_ACCOUNT: &str = "coalesce((SELECT j.installation_id FROM jobs j \
    WHERE j.entity_id = workers.entity_id ORDER BY j.created_at DESC LIMIT 1), 0)";
const KIND_OF_ACCOUNT: &str = "coalesce((SELECT j.entity_type FROM jobs j \
    WHERE j.entity_id = workers.entity_id ORDER BY j.created_at DESC LIMIT 1), 'Organization')";
/// The ancestor wrote a repository's id where a personal account's belongs, so one row names one repository.
const REPOSITORY_OF_ACCOUNT: &str = "(SELECT j.repo_full_name FROM jobs j WHERE j.entity_id = workers.entity_id \
    AND j.entity_type = 'User' ORDER BY j.created_at DESC LIMIT 1)";
const ENDED_WHEN_LAST_CHANGED: &str =
    "CASE WHEN status IN ('completed', 'failed') THEN updated_at END";

/// Every column of the replaced service's tables.
pub(super) const COLUMNS: [Column; 44] = {
    use Need::{Given, Nullable, NullableTold, Told};
    [
        column("jobs", "job_id", "bigint", Given),
        column("jobs", "status", "status_enum", Given),
        column("jobs", "failure_info", "jsonb", Nullable),
        column("jobs", "provider", "provider_enum", Told("'github'")),
        column("jobs", "entity_id", "bigint", Given),
        column("jobs", "entity_name", "text", Given),
        column("jobs", "entity_type", "text", Given),
        column("jobs", "repo_full_name", "text", Given),
        column("jobs", "installation_id", "bigint", Given),
        column("jobs", "job_labels", "jsonb", Given),
        column("jobs", "k8s_pool", "text", Given),
        column("jobs", "k8s_image", "text", Given),
        column("jobs", "k8s_pod", "text", Nullable),
        column("jobs", "html_url", "text", Nullable),
        column("jobs", "created_at", "timestamp with time zone", Given),
        column(
            "jobs",
            "updated_at",
            "timestamp with time zone",
            Told("created_at"),
        ),
        column("workers", "pod_name", "text", Given),
        column("workers", "provider", "provider_enum", Told("'github'")),
        column("workers", "entity_id", "bigint", Given),
        column("workers", "entity_name", "text", Given),
        column("workers", "entity_type", "text", Told(KIND_OF_ACCOUNT)),
        column(
            "workers",
            "installation_id",
            "bigint",
            Told(INSTALLATION_OF_ACCOUNT),
        ),
        column(
            "workers",
            "repo_full_name",
            "text",
            NullableTold(REPOSITORY_OF_ACCOUNT),
        ),
        column("workers", "job_labels", "jsonb", Given),
        column("workers", "k8s_pool", "text", Given),
        column("workers", "k8s_image", "text", Given),
        column("workers", "k8s_node", "text", Nullable),
        column("workers", "status", "status_enum", Given),
        column("workers", "failure_info", "jsonb", Nullable),
        column("workers", "created_at", "timestamp with time zone", Given),
        column(
            "workers",
            "running_at",
            "timestamp with time zone",
            Nullable,
        ),
        column(
            "workers",
            "updated_at",
            "timestamp with time zone",
            Told("created_at"),
        ),
        column(
            "workers",
            "completed_at",
            "timestamp with time zone",
            NullableTold(ENDED_WHEN_LAST_CHANGED),
        ),
        column("installation_events", "id", "bigint", Given),
        column("installation_events", "source", "text", Given),
        column("installation_events", "event", "text", Given),
        column("installation_events", "outcome", "text", Given),
        column("installation_events", "installation_id", "bigint", Nullable),
        column("installation_events", "app_id", "bigint", Nullable),
        column(
            "installation_events",
            "entity_type",
            "entity_type_enum",
            Nullable,
        ),
        column("installation_events", "entity_id", "bigint", Nullable),
        column("installation_events", "entity_name", "text", Nullable),
        column("installation_events", "payload", "jsonb", Given),
        column(
            "installation_events",
            "received_at",
            "timestamp with time zone",
            Given,
        ),
    ]
};

/// The tables and their primary keys.
pub(super) const TABLES: [(&str, &str); 3] = [
    ("jobs", "job_id"),
    ("workers", "pod_name"),
    ("installation_events", "id"),
];

/// The types; statuses are compared, so their order counts.
const ENUMS: [(&str, &[&str]); 3] = [
    (
        "status_enum",
        &["pending", "running", "completed", "failed"],
    ),
    ("provider_enum", &["github"]),
    ("entity_type_enum", &["Organization", "User"]),
];

/// A column as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundColumn {
    pub(super) kind: String,
    pub(super) not_null: bool,
    /// It has a default, or makes its own values.
    pub(super) fills_itself: bool,
}

/// A table as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FoundTable {
    pub(super) is_table: bool,
    pub(super) primary_key: Vec<String>,
    pub(super) columns: BTreeMap<String, FoundColumn>,
}

/// What is in a schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) tables: BTreeMap<String, FoundTable>,
    pub(super) enums: BTreeMap<String, Vec<String>>,
}

/// The columns that are to be added, or every difference that adding does not mend. `added` are the columns of rise's
/// own: table, name, type.
pub(super) fn compare(
    found: &Found,
    added: &[(&str, &str, &str)],
) -> Result<Vec<Column>, Vec<String>> {
    let mut missing = Vec::new();
    let mut differences = Vec::new();
    for (name, key) in TABLES {
        if let Some(table) = found.tables.get(name) {
            differences.extend(of_table(name, key, table));
        }
    }
    for column in COLUMNS {
        let Some(table) = found.tables.get(column.table) else {
            continue;
        };
        match table.columns.get(column.name) {
            Some(is) => differences.extend(of_column(&column, is)),
            None if column.need == Need::Given => {
                differences.push(of_missing(&column, table));
            }
            None => missing.push(column),
        }
    }
    for (table, name, kind) in added {
        let is = found
            .tables
            .get(*table)
            .and_then(|it| it.columns.get(*name));
        if let Some(is) = is.filter(|is| is.kind != *kind) {
            differences.push(format!("{table}.{name} is {}, not {kind}", is.kind));
        }
    }
    for (table, is) in &found.tables {
        differences.extend(of_unknown(table, is, added));
    }
    for (name, values) in ENUMS {
        if let Some(is) = found.enums.get(name) {
            differences.extend(of_enum(name, values, is));
        }
    }
    if differences.is_empty() {
        Ok(missing)
    } else {
        Err(differences)
    }
}

fn of_table(name: &str, key: &str, table: &FoundTable) -> Option<String> {
    if !table.is_table {
        return Some(format!("{name} is not a table"));
    }
    (table.primary_key != [key]).then(|| {
        let is = table.primary_key.join(", ");
        format!("the primary key of {name} is ({is}), not ({key})")
    })
}

fn of_column(column: &Column, is: &FoundColumn) -> Vec<String> {
    let Column {
        table, name, kind, ..
    } = column;
    let mut differences = Vec::new();
    if is.kind != *kind {
        differences.push(format!("{table}.{name} is {}, not {kind}", is.kind));
    }
    let never_null = match column.need {
        Need::Given | Need::Told(_) => true,
        Need::Nullable | Need::NullableTold(_) => false,
    };
    match (never_null, is.not_null) {
        (true, false) => differences.push(format!("{table}.{name} may be NULL")),
        (false, true) => differences.push(format!("{table}.{name} may not be NULL")),
        (true, true) | (false, false) => {}
    }
    differences
}

/// Where a later generation of the replaced service keeps what its pools were.
const SELECTOR: &str = "k8s_selector";

fn of_missing(column: &Column, table: &FoundTable) -> String {
    let Column {
        table: on, name, ..
    } = column;
    if *name == "k8s_pool" && table.columns.contains_key(SELECTOR) {
        return format!(
            "{on}.{name} is missing and {on}.{SELECTOR} is there: a later version of the replaced service made this \
             table, which knows node selectors and no pools"
        );
    }
    format!("{on}.{name} is missing, and nothing tells what its rows would hold")
}

/// A column that nobody knows must not need a value.
fn of_unknown(table: &str, is: &FoundTable, added: &[(&str, &str, &str)]) -> Vec<String> {
    let known = |name: &str| {
        COLUMNS
            .iter()
            .any(|column| column.table == table && column.name == name)
            || added
                .iter()
                .any(|(on, added, _)| *on == table && *added == name)
            || name == SELECTOR
    };
    is.columns
        .iter()
        .filter(|(name, column)| column.not_null && !column.fills_itself && !known(name))
        .map(|(name, _)| format!("{table}.{name} is not known and needs a value"))
        .collect()
}

fn of_enum(name: &str, values: &[&str], is: &[String]) -> Vec<String> {
    let place = |value: &&str| is.iter().position(|it| it == value);
    let lacking: Vec<String> = values
        .iter()
        .filter(|value| place(value).is_none())
        .map(|value| format!("{name} lacks '{value}'"))
        .collect();
    if lacking.is_empty() && !values.iter().map(place).is_sorted() {
        return vec![format!(
            "the values of {name} are in the order {}, not {}",
            is.join(", "),
            values.join(", ")
        )];
    }
    lacking
}
