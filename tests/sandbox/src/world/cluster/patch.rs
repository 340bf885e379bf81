//! The three kinds of patches: JSON patch (RFC 6902), JSON merge patch (RFC 7386), and Kubernetes' strategic merge,
//! which merges the lists that have a key (containers by name, …) element by element.

use serde_json::{Map, Value};

use super::error::{ApiError, Reason};

/// How a patch is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchType {
    /// `application/json-patch+json`.
    Json,
    /// `application/merge-patch+json`.
    Merge,
    /// `application/strategic-merge-patch+json`.
    Strategic,
}

impl PatchType {
    /// The patch type of a content type.
    ///
    /// # Errors
    /// 415 for any other.
    pub fn of_content_type(content_type: &str) -> Result<Self, ApiError> {
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => Ok(Self::Json),
            "application/merge-patch+json" => Ok(Self::Merge),
            "application/strategic-merge-patch+json" => Ok(Self::Strategic),
            other => Err(ApiError::new(
                Reason::UnsupportedMediaType,
                format!(
                    "the body of the request was in an unknown format ({other}) - accepted media types include: \
                     application/json-patch+json, application/merge-patch+json, \
                     application/strategic-merge-patch+json"
                ),
            )),
        }
    }

    /// `object` with `patch` applied.
    ///
    /// # Errors
    /// 400 when it is not a patch, 422 when it does not fit the object.
    pub(super) fn apply(self, object: &Value, patch: &Value) -> Result<Value, ApiError> {
        let mut patched = object.clone();
        match self {
            Self::Json => json_patch(&mut patched, patch)?,
            Self::Merge if patch.is_object() => merge(&mut patched, patch),
            Self::Strategic if patch.is_object() => strategic(&mut patched, patch),
            Self::Merge | Self::Strategic => {
                return Err(ApiError::bad_request(
                    "error decoding patch: it is not an object",
                ));
            }
        }
        Ok(patched)
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else {
        return;
    };
    for (key, value) in patch {
        match value {
            Value::Null => drop(target.remove(key)),
            value => merge(target.entry(key.clone()).or_insert(Value::Null), value),
        }
    }
}

/// The key by which the elements of a list are told apart, where a list has one.
fn merge_key(field: &str) -> Option<&'static str> {
    match field {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets" => Some("name"),
        "volumeMounts" => Some("mountPath"),
        "volumeDevices" => Some("devicePath"),
        "ports" => Some("containerPort"),
        "hostAliases" => Some("ip"),
        "conditions" | "addresses" => Some("type"),
        "ownerReferences" => Some("uid"),
        "topologySpreadConstraints" => Some("topologyKey"),
        _ => None,
    }
}

const DIRECTIVE: &str = "$patch";

fn strategic(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if patch.get(DIRECTIVE).is_some_and(|word| word == "replace") || !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else {
        return;
    };
    for (key, value) in patch {
        if let Some(field) = key.strip_prefix("$deleteFromPrimitiveList/") {
            delete_from(target.get_mut(field), value);
            continue;
        }
        // The remaining directives say in what order lists stand and what a union keeps: neither matters here.
        if key.starts_with('$') {
            continue;
        }
        match value {
            Value::Null => drop(target.remove(key)),
            Value::Object(_) if value[DIRECTIVE] == "delete" => drop(target.remove(key)),
            Value::Array(items) => {
                let old = target
                    .entry(key.clone())
                    .or_insert_with(|| Value::Array(Vec::new()));
                strategic_list(key, old, items);
            }
            value => strategic(target.entry(key.clone()).or_insert(Value::Null), value),
        }
    }
}

fn delete_from(list: Option<&mut Value>, gone: &Value) {
    if let (Some(Value::Array(list)), Value::Array(gone)) = (list, gone) {
        list.retain(|item| !gone.contains(item));
    }
}

fn strategic_list(field: &str, target: &mut Value, patch: &[Value]) {
    let Value::Array(list) = target else {
        *target = Value::Array(patch.to_vec());
        return;
    };
    if field == "finalizers" {
        let new: Vec<_> = patch
            .iter()
            .filter(|item| !list.contains(item))
            .cloned()
            .collect();
        list.extend(new);
        return;
    }
    let replaces = patch.iter().any(|item| item[DIRECTIVE] == "replace");
    let Some(key) = merge_key(field).filter(|_| !replaces) else {
        *list = patch
            .iter()
            .filter(|item| item[DIRECTIVE] != "replace")
            .cloned()
            .collect();
        return;
    };
    for item in patch {
        let place = list.iter().position(|old| old[key] == item[key]);
        match (place, item[DIRECTIVE] == "delete") {
            (Some(place), true) => drop(list.remove(place)),
            (Some(place), false) => strategic(&mut list[place], item),
            (None, true) => {}
            (None, false) => {
                let mut new = Value::Null;
                strategic(&mut new, item);
                list.push(new);
            }
        }
    }
}

fn json_patch(object: &mut Value, patch: &Value) -> Result<(), ApiError> {
    let operations = patch.as_array().ok_or_else(|| {
        ApiError::bad_request("error decoding patch: it is not a list of operations")
    })?;
    for operation in operations {
        let path = operation["path"].as_str().unwrap_or_default();
        let done = match operation["op"].as_str() {
            Some("add") => add(object, path, operation["value"].clone()),
            Some("remove") => remove(object, path).map(drop),
            Some("replace") => object
                .pointer_mut(path)
                .map(|at| *at = operation["value"].clone()),
            Some("test") => object
                .pointer(path)
                .filter(|at| **at == operation["value"])
                .map(drop),
            Some("move") => operation["from"]
                .as_str()
                .and_then(|from| remove(object, from))
                .and_then(|value| add(object, path, value)),
            Some("copy") => operation["from"]
                .as_str()
                .and_then(|from| object.pointer(from).cloned())
                .and_then(|value| add(object, path, value)),
            _ => {
                return Err(ApiError::bad_request(
                    "error decoding patch: unknown operation",
                ));
            }
        };
        done.ok_or_else(|| {
            let told = "the server rejected our request due to an error in our request";
            ApiError::new(Reason::Invalid, told)
        })?;
    }
    Ok(())
}

fn split_pointer(path: &str) -> Option<(&str, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    Some((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn add(object: &mut Value, path: &str, value: Value) -> Option<()> {
    let (parent, last) = split_pointer(path)?;
    match object.pointer_mut(parent)? {
        Value::Object(map) => drop(map.insert(last, value)),
        Value::Array(list) if last == "-" => list.push(value),
        Value::Array(list) => {
            let at: usize = last.parse().ok().filter(|at| *at <= list.len())?;
            list.insert(at, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(object: &mut Value, path: &str) -> Option<Value> {
    let (parent, last) = split_pointer(path)?;
    match object.pointer_mut(parent)? {
        Value::Object(map) => map.remove(&last),
        Value::Array(list) => {
            let at: usize = last.parse().ok().filter(|at| *at < list.len())?;
            Some(list.remove(at))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Value {
        json!({
            "metadata": {"labels": {"a": "1", "b": "2"}, "finalizers": ["x"]},
            "spec": {"containers": [{"name": "runner", "image": "old", "env": [{"name": "A", "value": "1"}]}],
                     "tolerations": [{"key": "k"}]},
        })
    }

    #[test]
    fn strategic_merge_knows_the_keys_of_lists() {
        let patch = json!({
            "metadata": {"labels": {"b": null, "c": "3"}, "finalizers": ["y"]},
            "spec": {"containers": [{"name": "runner", "image": "new", "env": [{"name": "B", "value": "2"}]}],
                     "$setElementOrder/containers": [{"name": "runner"}],
                     "tolerations": [{"key": "other"}]},
        });
        let patched = PatchType::Strategic.apply(&pod(), &patch).unwrap();
        assert_eq!(
            patched,
            json!({
                "metadata": {"labels": {"a": "1", "c": "3"}, "finalizers": ["x", "y"]},
                "spec": {"containers": [{"name": "runner", "image": "new",
                                         "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}],
                         "tolerations": [{"key": "other"}]},
            })
        );
        let without = json!({"spec": {"containers": [{"$patch": "delete", "name": "runner"}]}});
        let patched = PatchType::Strategic.apply(&pod(), &without).unwrap();
        assert_eq!(patched["spec"]["containers"], json!([]));
    }

    #[test]
    fn merge_replaces_lists() {
        let patch = json!({"metadata": {"labels": {"a": null}}, "spec": {"containers": []}});
        let patched = PatchType::Merge.apply(&pod(), &patch).unwrap();
        assert_eq!(patched["metadata"]["labels"], json!({"b": "2"}));
        assert_eq!(patched["spec"]["containers"], json!([]));
    }

    #[test]
    fn json_patch_operations() {
        let patch = json!([
            {"op": "test", "path": "/metadata/labels/a", "value": "1"},
            {"op": "add", "path": "/metadata/labels/x~1y", "value": "z"},
            {"op": "move", "from": "/metadata/labels/a", "path": "/metadata/labels/c"},
            {"op": "replace", "path": "/spec/containers/0/image", "value": "new"},
            {"op": "add", "path": "/spec/tolerations/-", "value": {"key": "l"}},
            {"op": "remove", "path": "/metadata/finalizers/0"},
        ]);
        let patched = PatchType::Json.apply(&pod(), &patch).unwrap();
        assert_eq!(
            patched["metadata"]["labels"],
            json!({"b": "2", "c": "1", "x/y": "z"})
        );
        assert_eq!(patched["spec"]["containers"][0]["image"], "new");
        assert_eq!(patched["spec"]["tolerations"][1]["key"], "l");
        assert_eq!(patched["metadata"]["finalizers"], json!([]));
        let failing = json!([{"op": "test", "path": "/metadata/labels/a", "value": "2"}]);
        assert_eq!(
            PatchType::Json.apply(&pod(), &failing).unwrap_err().reason,
            Reason::Invalid
        );
    }

    #[test]
    fn plain_json_is_no_patch() {
        let error = PatchType::of_content_type("application/json").unwrap_err();
        assert_eq!(error.reason.code(), 415);
    }
}
