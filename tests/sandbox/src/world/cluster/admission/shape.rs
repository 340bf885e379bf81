//! Whether a document has the form of a pod at all, as far as the rest of the cluster relies on it. A real API server
//! refuses anything else while it decodes the body.

use serde_json::Value;

use super::super::error::ApiError;
use super::list;

#[derive(Clone, Copy)]
enum Form {
    Object,
    Strings,
    List,
    ListOfObjects,
}

impl Form {
    fn admits(self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null) | (Self::Object, Value::Object(_)) | (Self::List, Value::Array(_)) => {
                true
            }
            (Self::Strings, Value::Object(map)) => map.values().all(Value::is_string),
            (Self::ListOfObjects, Value::Array(items)) => items.iter().all(Value::is_object),
            _ => false,
        }
    }
}

const POD: &[(&str, Form)] = &[
    ("/metadata", Form::Object),
    ("/metadata/labels", Form::Strings),
    ("/metadata/annotations", Form::Strings),
    ("/metadata/finalizers", Form::List),
    ("/spec", Form::Object),
    ("/spec/nodeSelector", Form::Strings),
    ("/spec/containers", Form::ListOfObjects),
    ("/spec/initContainers", Form::ListOfObjects),
    ("/spec/volumes", Form::ListOfObjects),
    ("/spec/tolerations", Form::ListOfObjects),
    ("/spec/taints", Form::ListOfObjects),
    ("/status", Form::Object),
];

const CONTAINER: &[(&str, Form)] = &[
    ("/env", Form::ListOfObjects),
    ("/volumeMounts", Form::ListOfObjects),
    ("/resources", Form::Object),
    ("/resources/limits", Form::Object),
    ("/resources/requests", Form::Object),
];

/// Refuses what is not the form of a pod or a node.
///
/// # Errors
/// 400, with the field.
pub(in super::super) fn check_shape(object: &Value) -> Result<(), ApiError> {
    if !object.is_object() {
        return Err(wrong("the body"));
    }
    check(object, POD, "")?;
    for (index, container) in list(&object["spec"]["containers"]).iter().enumerate() {
        check(container, CONTAINER, &format!("/spec/containers/{index}"))?;
    }
    Ok(())
}

fn check(value: &Value, forms: &[(&str, Form)], at: &str) -> Result<(), ApiError> {
    for (pointer, form) in forms {
        if value
            .pointer(pointer)
            .is_some_and(|found| !form.admits(found))
        {
            return Err(wrong(&format!("{at}{pointer}").replace('/', ".")));
        }
    }
    Ok(())
}

fn wrong(field: &str) -> ApiError {
    ApiError::bad_request(format!(
        "the object provided is unrecognized: json: cannot unmarshal {} into the Go struct field",
        field.trim_start_matches('.')
    ))
}
