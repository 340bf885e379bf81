//! Label and field selectors: which objects of a kind a list, a watch or a deletion is about.

use serde_json::Value;

use super::error::ApiError;
use super::store::Kind;

/// Which objects are meant. The default means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    namespace: Option<String>,
    labels: Vec<LabelRule>,
    fields: Vec<FieldRule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum LabelRule {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldRule {
    field: String,
    value: String,
    equal: bool,
}

impl Selection {
    /// Reads a label selector and a field selector as they stand in a request; empty ones mean all.
    ///
    /// # Errors
    /// 400 when one cannot be read or names a field that this kind cannot be selected by.
    pub fn parse(
        kind: Kind,
        namespace: Option<&str>,
        labels: &str,
        fields: &str,
    ) -> Result<Self, ApiError> {
        let labels_read = parse_labels(labels).ok_or_else(|| {
            ApiError::bad_request(format!("unable to parse requirement: {labels}"))
        })?;
        let mut fields_read = Vec::new();
        for part in fields.split(',').filter(|part| !part.is_empty()) {
            let rule = parse_field(part).ok_or_else(|| {
                ApiError::bad_request(format!(
                    "invalid selector: '{fields}'; can't understand '{part}'"
                ))
            })?;
            if !selectable(kind).contains(&rule.field.as_str()) {
                return Err(ApiError::bad_request(format!(
                    "Unable to find \"/v1, Resource={}\" that match label selector \"{labels}\", \
                     field selector \"{fields}\": field label not supported: {}",
                    kind.plural(),
                    rule.field
                )));
            }
            fields_read.push(rule);
        }
        Ok(Self {
            namespace: namespace.map(str::to_owned),
            labels: labels_read,
            fields: fields_read,
        })
    }

    /// Objects of this namespace only.
    #[must_use]
    pub fn in_namespace(namespace: &str) -> Self {
        Self {
            namespace: Some(namespace.to_owned()),
            ..Self::default()
        }
    }

    /// Whether `object` is meant.
    #[must_use]
    pub fn admits(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        self.namespace
            .as_deref()
            .is_none_or(|namespace| metadata["namespace"] == namespace)
            && self
                .labels
                .iter()
                .all(|rule| rule.admits(&metadata["labels"]))
            && self.fields.iter().all(|rule| rule.admits(object))
    }
}

impl LabelRule {
    fn admits(&self, labels: &Value) -> bool {
        let value = |key: &str| labels[key].as_str();
        match self {
            Self::In(key, values) => value(key).is_some_and(|v| values.iter().any(|x| x == v)),
            // As Kubernetes has it, an object without the label passes.
            Self::NotIn(key, values) => value(key).is_none_or(|v| values.iter().all(|x| x != v)),
            Self::Exists(key) => value(key).is_some(),
            Self::Absent(key) => value(key).is_none(),
        }
    }
}

impl FieldRule {
    fn admits(&self, object: &Value) -> bool {
        let pointer = format!("/{}", self.field.replace('.', "/"));
        let actual = match object.pointer(&pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(truth)) => truth.to_string(),
            _ if matches!(
                self.field.as_str(),
                "spec.unschedulable" | "spec.hostNetwork"
            ) =>
            {
                "false".to_owned()
            }
            // Events keep their source's component one level down.
            _ if self.field == "source" => object["source"]["component"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            _ => String::new(),
        };
        (actual == self.value) == self.equal
    }
}

fn selectable(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Pod => &[
            "metadata.name",
            "metadata.namespace",
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        Kind::Node => &["metadata.name", "spec.unschedulable"],
        Kind::Event => &[
            "metadata.name",
            "metadata.namespace",
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        Kind::Namespace => &["metadata.name", "status.phase"],
    }
}

fn parse_field(part: &str) -> Option<FieldRule> {
    let (field, value, equal) = match part.split_once("!=") {
        Some((field, value)) => (field, value, false),
        None => {
            let (field, value) = part.split_once("==").or_else(|| part.split_once('='))?;
            (field, value, true)
        }
    };
    Some(FieldRule {
        field: field.trim().to_owned(),
        value: value.trim().to_owned(),
        equal,
    })
}

/// Splits at the commas that are not inside parentheses.
fn requirements(selector: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, letter) in selector.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&selector[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&selector[start..]);
    parts
}

fn parse_labels(selector: &str) -> Option<Vec<LabelRule>> {
    if selector.trim().is_empty() {
        return Some(Vec::new());
    }
    requirements(selector)
        .into_iter()
        .map(parse_label)
        .collect()
}

fn parse_label(part: &str) -> Option<LabelRule> {
    let part = part.trim();
    if let Some((key, values)) = part.strip_suffix(')').and_then(|p| p.split_once('(')) {
        let values = values.split(',').map(|v| v.trim().to_owned()).collect();
        let (key, word) = key.trim_end().rsplit_once(char::is_whitespace)?;
        let key = label_key(key)?;
        return match word {
            "in" => Some(LabelRule::In(key, values)),
            "notin" => Some(LabelRule::NotIn(key, values)),
            _ => None,
        };
    }
    if let Some((key, value)) = part.split_once("!=") {
        return Some(LabelRule::NotIn(
            label_key(key)?,
            vec![value.trim().to_owned()],
        ));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Some(LabelRule::In(
            label_key(key)?,
            vec![value.trim().to_owned()],
        ));
    }
    match part.strip_prefix('!') {
        Some(key) => Some(LabelRule::Absent(label_key(key)?)),
        None => Some(LabelRule::Exists(label_key(part)?)),
    }
}

fn label_key(key: &str) -> Option<String> {
    let key = key.trim();
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    (!key.is_empty() && key.chars().all(fits)).then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn label_selectors() {
        let pod = json!({"metadata": {"labels": {"app": "x", "tier": "back"}}});
        for (selector, admits) in [
            ("", true),
            ("app=x", true),
            ("app==x,tier=back", true),
            ("app=y", false),
            ("app!=y", true),
            ("other!=y", true),
            ("app", true),
            ("!app", false),
            ("app in (x, y),tier notin (front)", true),
            ("app in (y),tier", false),
        ] {
            let read = Selection::parse(Kind::Pod, None, selector, "").unwrap();
            assert_eq!(read.admits(&pod), admits, "{selector}");
        }
        for wrong in ["a b", "app in x", "=x", "app,,x"] {
            assert!(
                Selection::parse(Kind::Pod, None, wrong, "").is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn field_selectors() {
        let pod = json!({"metadata": {"name": "a"}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}});
        for (selector, admits) in [
            ("metadata.name=a", true),
            (
                "spec.nodeName=n,status.phase!=Succeeded,status.phase!=Failed",
                true,
            ),
            ("status.phase=Pending", false),
            ("spec.hostNetwork=false", true),
            ("status.podIP=", true),
        ] {
            let read = Selection::parse(Kind::Pod, None, "", selector).unwrap();
            assert_eq!(read.admits(&pod), admits, "{selector}");
        }
        let error = Selection::parse(Kind::Pod, None, "", "spec.colour=red").unwrap_err();
        assert!(
            error
                .message
                .ends_with("field label not supported: spec.colour")
        );
    }
}
