//! GitHub's own description of its API and events, as judge: what was sent to the door and what it answered, and what
//! webhooks carry.
//!
//! The description is data that is not part of the project; where it is missing, [`Descriptions::load`] says so.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

use super::github::RequestRecord;

/// The judge.
#[derive(Debug)]
pub struct Descriptions {
    operations: Vec<Described>,
    basic_error: Validator,
    events: BTreeMap<String, Validator>,
}

/// One operation.
#[derive(Debug)]
struct Described {
    method: String,
    template: String,
    request: Option<Validator>,
    responses: BTreeMap<String, Option<Validator>>,
}

/// Why the descriptions cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// A file is missing or cannot be read.
    #[error("cannot read {file}")]
    File {
        /// Which.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A file is not JSON.
    #[error("{file} is not JSON")]
    Json {
        /// Which.
        file: String,
        /// Where.
        source: serde_json::Error,
    },
    /// A schema is not one.
    #[error("the schema of {of} cannot be compiled: {why}")]
    Schema {
        /// Whose.
        of: String,
        /// Why.
        why: String,
    },
}

/// What is wrong with an exchange or an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {}", faults.join("; "))]
pub struct Violation {
    /// The request or the event.
    pub what: String,
    /// Each fault, with where it is.
    pub faults: Vec<String>,
}

impl Descriptions {
    /// Reads `openapi-subset.json` and `webhook-schemas.json` in `folder`.
    ///
    /// # Errors
    /// When they are not there or not usable.
    pub fn load(folder: &Path) -> Result<Self, Unusable> {
        let mut api = read(folder, "openapi-subset.json")?;
        correct_listed_account(&mut api);
        rewrite_nullable(&mut api);
        let events = read(folder, "webhook-schemas.json")?;
        let mut operations = Vec::new();
        for (template, methods) in entries(&api["paths"]) {
            for (method, operation) in entries(methods) {
                operations.push(describe(&api, template, method, operation)?);
            }
        }
        let basic_error = compile(&api, "/components/schemas/basic-error")?;
        let names = entries(&events["definitions"]).map(|(name, _)| name.clone());
        let names = names.filter(|name| name.contains('$'));
        let compiled = names.map(|name| {
            Ok((
                name.clone(),
                compile(&events, &format!("/definitions/{name}"))?,
            ))
        });
        Ok(Self {
            operations,
            basic_error,
            events: compiled.collect::<Result<_, Unusable>>()?,
        })
    }

    /// The operations described, as `METHOD /template`.
    pub fn operations(&self) -> impl Iterator<Item = String> {
        self.operations.iter().map(Described::name)
    }

    /// Judges a request and its answer; returns the operation, as [`Descriptions::operations`] names it. An error
    /// without a description of its own must look like GitHub's plain one.
    ///
    /// # Errors
    /// When the operation is not described, or a body breaks its schema.
    pub fn check_exchange(&self, record: &RequestRecord) -> Result<String, Violation> {
        let what = format!("{} {}", record.method, record.uri);
        let violation = |faults| Violation {
            what: what.clone(),
            faults,
        };
        let described = self
            .operations
            .iter()
            .filter(|it| it.method == record.method.as_str());
        // A template without placeholders wins: `generate-jitconfig` is not an id.
        let described = described
            .filter(|it| fits(&it.template, record.uri.path()))
            .min_by_key(|it| it.template.matches('{').count());
        let described = described.ok_or_else(|| violation(vec!["not described".to_owned()]))?;
        let mut faults = Vec::new();
        if let Some(answer) = &record.answer {
            let schema = described.responses.get(answer.status.as_str());
            let accepted = answer.status.is_success();
            if let (true, Some(request), Some(body)) = (accepted, &described.request, &record.body)
            {
                faults.extend(judge(request, body).map(|fault| format!("request {fault}")));
            }
            match (schema, &answer.body) {
                (Some(Some(schema)), Some(body)) => faults.extend(judge(schema, body)),
                (Some(Some(_)), None) => faults.push("the answer has no body".to_owned()),
                (Some(None), Some(_)) => faults.push("the answer has a body".to_owned()),
                (None, Some(body)) if !accepted => faults.extend(judge(&self.basic_error, body)),
                (None, _) if accepted => faults.push(format!("{} is not described", answer.status)),
                (Some(None) | None, _) => {}
            }
        }
        if faults.is_empty() {
            Ok(described.name())
        } else {
            Err(violation(faults))
        }
    }

    /// Judges a webhook's body.
    ///
    /// # Errors
    /// When the event is not described, or the body breaks its schema.
    pub fn check_event(&self, event: &str, action: &str, payload: &Value) -> Result<(), Violation> {
        let what = format!("{event}.{action}");
        let schema = self.events.get(&format!("{event}${action}"));
        let faults: Vec<_> = match schema {
            Some(schema) => judge(schema, payload).collect(),
            None => vec!["not described".to_owned()],
        };
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Violation { what, faults })
        }
    }
}

impl Described {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.template)
    }
}

fn read(folder: &Path, name: &str) -> Result<Value, Unusable> {
    let path = folder.join(name);
    let file = path.display().to_string();
    let text = std::fs::read_to_string(&path).map_err(|source| Unusable::File {
        file: file.clone(),
        source,
    })?;
    serde_json::from_str(&text).map_err(|source| Unusable::Json { file, source })
}

fn entries(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten()
}

fn describe(
    api: &Value,
    template: &str,
    method: &str,
    operation: &Value,
) -> Result<Described, Unusable> {
    let base = format!("/paths/{}/{method}", escape(template));
    let json = "content/application~1json/schema";
    let request = format!("{base}/requestBody/{json}");
    let request = api
        .pointer(&request)
        .is_some()
        .then(|| compile(api, &request))
        .transpose()?;
    let mut responses = BTreeMap::new();
    for (status, response) in entries(&operation["responses"]) {
        let at = match response["$ref"].as_str() {
            Some(reference) => reference.trim_start_matches('#').to_owned(),
            None => format!("{base}/responses/{status}"),
        };
        let schema = format!("{at}/{json}");
        let schema = api
            .pointer(&schema)
            .is_some()
            .then(|| compile(api, &schema))
            .transpose()?;
        responses.insert(status.clone(), schema);
    }
    let (method, template) = (method.to_uppercase(), template.to_owned());
    Ok(Described {
        method,
        template,
        request,
        responses,
    })
}

/// A JSON pointer's escape of a key.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The validator of the schema at a pointer into a document, which may refer to all of it.
fn compile(document: &Value, pointer: &str) -> Result<Validator, Unusable> {
    let mut root = match document {
        Value::Object(fields) => fields.clone(),
        _ => Map::new(),
    };
    // In a reference, which is a URI, braces and dollars of path templates and names stand escaped.
    let reference = pointer
        .replace('{', "%7B")
        .replace('}', "%7D")
        .replace('$', "%24");
    root.insert("$ref".to_owned(), format!("#{reference}").into());
    root.remove("$schema");
    let options = jsonschema::options()
        .with_draft(Draft::Draft7)
        .should_validate_formats(true);
    let built = options.build(&Value::Object(root));
    built.map_err(|error| Unusable::Schema {
        of: pointer.to_owned(),
        why: error.to_string(),
    })
}

fn judge(schema: &Validator, body: &Value) -> impl Iterator<Item = String> {
    let faults: Vec<_> = schema
        .iter_errors(body)
        .map(|error| {
            let text: String = error.to_string().chars().take(300).collect();
            format!("at {}: {text}", error.instance_path())
        })
        .collect();
    faults.into_iter()
}

/// Whether a path is one of a template's.
fn fits(template: &str, path: &str) -> bool {
    let (mut template, mut path) = (template.split('/'), path.split('/'));
    loop {
        match (template.next(), path.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted.starts_with('{') || wanted == given => {}
            _ => return false,
        }
    }
}

/// The description's list of installations wants each account to be a user and an enterprise at once; its description of
/// one installation says what is meant: one or the other.
fn correct_listed_account(api: &mut Value) {
    let listed = "/paths/~1app~1installations/get/responses/200/content/application~1json/schema\
                  /items/properties/account";
    let meant = api
        .pointer("/components/schemas/installation/properties/account")
        .cloned();
    if let (Some(meant), Some(listed)) = (meant, api.pointer_mut(listed)) {
        *listed = meant;
    }
}

/// OpenAPI 3.0 says `nullable` where JSON Schema lists `null` among the types.
fn rewrite_nullable(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(rewrite_nullable),
        Value::Object(fields) => {
            fields.values_mut().for_each(rewrite_nullable);
            if fields.get("nullable") == Some(&Value::Bool(true)) {
                fields.remove("nullable");
                allow_null(fields);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn allow_null(fields: &mut Map<String, Value>) {
    if let Some(Value::Array(words)) = fields.get_mut("enum") {
        words.push(Value::Null);
    }
    match fields.get_mut("type") {
        Some(kind @ Value::String(_)) => *kind = json!([kind.clone(), "null"]),
        Some(_) => {}
        None => {
            let bare = Value::Object(std::mem::take(fields));
            fields.insert("anyOf".to_owned(), json!([bare, {"type": "null"}]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nullable_becomes_a_type() {
        let mut schema = json!({"properties": {
            "a": {"type": "string", "nullable": true, "enum": ["x"]},
            "b": {"nullable": true, "allOf": [{"type": "object"}]},
            "nullable": {"type": "string"},
        }});
        rewrite_nullable(&mut schema);
        let good = json!({"a": null, "b": null, "nullable": "x"});
        assert!(jsonschema::is_valid(&schema, &good));
        for bad in [
            json!({"a": 1}),
            json!({"a": "y"}),
            json!({"b": 1}),
            json!({"nullable": null}),
        ] {
            assert!(!jsonschema::is_valid(&schema, &bad), "{bad}");
        }
    }

    #[test]
    fn a_template_fits_paths_of_its_length() {
        assert!(fits(
            "/orgs/{org}/actions/runners",
            "/orgs/x/actions/runners"
        ));
        assert!(!fits("/orgs/{org}", "/orgs/x/actions"));
        assert!(!fits("/users/{name}", "/orgs/x"));
    }
}
