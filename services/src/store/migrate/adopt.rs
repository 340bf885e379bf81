//! Taking over tables that another service made. First everything is looked at; then either all that can be mended is
//! mended in one transaction, or nothing is changed and every difference is told.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::baseline::{Column, Found, FoundColumn, FoundTable, Need, TABLES, compare};

/// Columns that migration 1 adds to the replaced service's tables. One of that name and another type is not ours.
pub(super) const ADDED: [(&str, &str, &str); 31] = [
    ("jobs", "run_id", "bigint"),
    ("jobs", "run_attempt", "integer"),
    ("jobs", "repo_id", "bigint"),
    ("jobs", "workflow_name", "text"),
    ("jobs", "job_name", "text"),
    ("jobs", "head_branch", "text"),
    ("jobs", "sender_id", "bigint"),
    ("jobs", "sender_login", "text"),
    ("jobs", "private", "boolean"),
    ("jobs", "queued_at", "timestamp with time zone"),
    ("jobs", "started_at", "timestamp with time zone"),
    ("jobs", "finished_at", "timestamp with time zone"),
    ("jobs", "conclusion", "text"),
    ("jobs", "waiting_reason", "text"),
    ("jobs", "waiting_since", "timestamp with time zone"),
    ("jobs", "last_checked_at", "timestamp with time zone"),
    ("workers", "runner_id", "bigint"),
    ("workers", "epoch", "bigint"),
    ("workers", "image_digest", "text"),
    ("workers", "repo_id", "bigint"),
    ("workers", "condemned_at", "timestamp with time zone"),
    ("workers", "condemned_reason", "text"),
    ("workers", "deregistered_at", "timestamp with time zone"),
    ("workers", "pod_created_at", "timestamp with time zone"),
    ("workers", "scheduled_at", "timestamp with time zone"),
    ("workers", "pulled_at", "timestamp with time zone"),
    ("workers", "registered_at", "timestamp with time zone"),
    ("workers", "busy_at", "timestamp with time zone"),
    ("workers", "slot_free_at", "timestamp with time zone"),
    ("installation_events", "delivery_id", "uuid"),
    ("installation_events", "job_id", "bigint"),
];

/// What became of it.
#[derive(Debug)]
pub(super) enum Adopted {
    /// The tables are as they must be, or are not there yet. These columns were added.
    Good(Vec<String>),
    /// These differences cannot be mended by adding; nothing was changed.
    Unsuitable(Vec<String>),
}

/// Looks at the schema's tables and adds the columns that an older generation lacks.
///
/// # Errors
/// When a query fails, or a table is locked for too long; nothing was changed then.
pub(super) async fn adopt(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<Adopted, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let found = look(&mut transaction, schema).await?;
    let missing = match compare(&found, &ADDED) {
        Ok(missing) => missing,
        Err(differences) => return Ok(Adopted::Unsuitable(differences)),
    };
    for column in &missing {
        add(&mut transaction, column).await?;
    }
    // What one column would have held may be told by another that was just added.
    for column in &missing {
        fill(&mut transaction, column).await?;
    }
    transaction.commit().await?;
    let names = missing.iter().map(|it| format!("{}.{}", it.table, it.name));
    Ok(Adopted::Good(names.collect()))
}

async fn add(connection: &mut PgConnection, column: &Column) -> Result<(), sqlx::Error> {
    let Column {
        table, name, kind, ..
    } = column;
    let text = format!("ALTER TABLE {table} ADD COLUMN {name} {kind}");
    sqlx::query(AssertSqlSafe(text)).execute(connection).await?;
    Ok(())
}

/// NOT NULL is put on again where the replaced service's own tables have it.
async fn fill(connection: &mut PgConnection, column: &Column) -> Result<(), sqlx::Error> {
    let Column { table, name, .. } = column;
    let (told, never_null) = match column.need {
        Need::Given | Need::Nullable => return Ok(()),
        Need::Told(told) => (told, true),
        Need::NullableTold(told) => (told, false),
    };
    let text = format!("UPDATE {table} SET {name} = {told}");
    sqlx::query(AssertSqlSafe(text))
        .execute(&mut *connection)
        .await?;
    if never_null {
        let text = format!("ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL");
        sqlx::query(AssertSqlSafe(text)).execute(connection).await?;
    }
    Ok(())
}

/// Reads what is there. The schema is the search path, so its own types are told without its name.
async fn look(connection: &mut PgConnection, schema: &str) -> Result<Found, sqlx::Error> {
    let names: Vec<&str> = TABLES.iter().map(|(name, _)| *name).collect();
    let mut found = Found::default();
    let columns: Vec<(String, bool, String, String, bool, bool)> = sqlx::query_as(
        "SELECT c.relname, c.relkind IN ('r', 'p'), a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
           a.atthasdef OR a.attidentity <> ''
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE n.nspname = $1 AND c.relname = ANY($2) AND a.attnum > 0 AND NOT a.attisdropped",
    )
    .bind(schema)
    .bind(&names)
    .fetch_all(&mut *connection)
    .await?;
    for (table, is_table, name, kind, not_null, fills_itself) in columns {
        let table: &mut FoundTable = found.tables.entry(table).or_default();
        table.is_table = is_table;
        let column = FoundColumn {
            kind,
            not_null,
            fills_itself,
        };
        table.columns.insert(name, column);
    }
    let keys: Vec<(String, String)> = sqlx::query_as(
        "SELECT c.relname, a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
         JOIN pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)
         WHERE i.indisprimary AND n.nspname = $1 AND c.relname = ANY($2) ORDER BY a.attnum",
    )
    .bind(schema)
    .bind(&names)
    .fetch_all(&mut *connection)
    .await?;
    for (table, column) in keys {
        if let Some(table) = found.tables.get_mut(&table) {
            table.primary_key.push(column);
        }
    }
    let values: Vec<(String, String)> = sqlx::query_as(
        "SELECT t.typname, e.enumlabel FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
         JOIN pg_enum e ON e.enumtypid = t.oid WHERE n.nspname = $1 ORDER BY t.typname, e.enumsortorder",
    )
    .bind(schema)
    .fetch_all(&mut *connection)
    .await?;
    for (name, value) in values {
        found.enums.entry(name).or_default().push(value);
    }
    Ok(found)
}
