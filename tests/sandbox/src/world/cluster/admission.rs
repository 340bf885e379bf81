//! What a real API server does with a pod before it keeps it: defaults, validation with the exact field of every
//! mistake, and on updates the short list of what may still change.

mod defaults;
mod names;
mod shape;

use serde_json::{Map, Value, json};

use super::error::{ApiError, Cause};
use super::quantity;
use super::store::Kind;

pub(super) use defaults::default_pod;
pub(super) use names::check_labels;
pub(super) use shape::check_shape;

use names::{check_env_name, check_name, is_qualified};

/// The largest value of the 32 bits that Kubernetes gives `activeDeadlineSeconds`.
const MAX_DEADLINE: i64 = i32::MAX as i64;

/// Checks a pod that is to be made.
pub(super) fn validate_pod(pod: &Value) -> Result<(), ApiError> {
    let mut causes = Vec::new();
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    check_name(&pod["metadata"], &mut causes);
    check_metadata(&pod["metadata"], &mut causes);
    let spec = &pod["spec"];
    if !spec.is_object() {
        causes.push(Cause::required("spec", ""));
    }
    let policy = spec["restartPolicy"].as_str().unwrap_or("Always");
    if !["Always", "OnFailure", "Never"].contains(&policy) {
        causes.push(Cause::unsupported(
            "spec.restartPolicy",
            policy,
            &["Always", "OnFailure", "Never"],
        ));
    }
    check_deadline(&spec["activeDeadlineSeconds"], &mut causes);
    check_labels(&spec["nodeSelector"], "spec.nodeSelector", &mut causes);
    check_containers(spec, &mut causes);
    check_tolerations(spec, &mut causes);
    check_affinity(spec, &mut causes);
    match causes.as_slice() {
        [] => Ok(()),
        causes => Err(ApiError::invalid(Kind::Pod, name, causes)),
    }
}

fn check_metadata(metadata: &Value, causes: &mut Vec<Cause>) {
    check_labels(&metadata["labels"], "metadata.labels", causes);
    let annotations = metadata["annotations"].as_object();
    for (key, value) in annotations.into_iter().flatten() {
        if !is_qualified(&key.to_ascii_lowercase()) || !value.is_string() {
            causes.push(Cause::invalid(
                "metadata.annotations",
                &json!(key),
                "annotations are strings under qualified names",
            ));
        }
    }
}

fn check_deadline(deadline: &Value, causes: &mut Vec<Cause>) {
    let fits = |seconds: i64| (1..=MAX_DEADLINE).contains(&seconds);
    if !deadline.is_null() && !deadline.as_i64().is_some_and(fits) {
        let why = format!("must be between 1 and {MAX_DEADLINE}, inclusive");
        causes.push(Cause::invalid("spec.activeDeadlineSeconds", deadline, &why));
    }
}

fn check_containers(spec: &Value, causes: &mut Vec<Cause>) {
    let containers = list(&spec["containers"]);
    if containers.is_empty() {
        causes.push(Cause::required("spec.containers", ""));
    }
    let volumes: Vec<&str> = list(&spec["volumes"])
        .iter()
        .filter_map(|v| v["name"].as_str())
        .collect();
    for (index, volume) in volumes.iter().enumerate() {
        if volumes[..index].contains(volume) {
            causes.push(Cause::duplicate(
                format!("spec.volumes[{index}].name"),
                volume,
            ));
        }
    }
    let mut seen = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        let at = format!("spec.containers[{index}]");
        let name = container["name"].as_str().unwrap_or_default();
        if !names::is_label(name) {
            let why = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-'";
            causes.push(match name {
                "" => Cause::required(format!("{at}.name"), ""),
                name => Cause::invalid(format!("{at}.name"), &json!(name), why),
            });
        }
        if seen.contains(&name) {
            causes.push(Cause::duplicate(format!("{at}.name"), name));
        }
        seen.push(name);
        if container["image"].as_str().unwrap_or_default().is_empty() {
            causes.push(Cause::required(format!("{at}.image"), ""));
        }
        for (place, variable) in list(&container["env"]).iter().enumerate() {
            check_env_name(
                &variable["name"],
                &format!("{at}.env[{place}].name"),
                causes,
            );
        }
        for (place, mount) in list(&container["volumeMounts"]).iter().enumerate() {
            let volume = mount["name"].as_str().unwrap_or_default();
            if !volumes.contains(&volume) {
                causes.push(Cause::missing(
                    format!("{at}.volumeMounts[{place}].name"),
                    volume,
                ));
            }
        }
        check_resources(&container["resources"], &at, causes);
    }
}

/// Names with a slash that are not Kubernetes' own are extended resources: whole numbers, and never overcommitted.
pub(super) fn is_extended(resource: &str) -> bool {
    resource.contains('/') && !resource.contains("kubernetes.io/")
}

fn check_resources(resources: &Value, at: &str, causes: &mut Vec<Cause>) {
    let empty = Map::new();
    let limits = resources["limits"].as_object().unwrap_or(&empty);
    let requests = resources["requests"].as_object().unwrap_or(&empty);
    for (kind, quantities) in [("limits", limits), ("requests", requests)] {
        for (resource, value) in quantities {
            let field = format!("{at}.resources.{kind}[{resource}]");
            match quantity::parse(value) {
                None => {
                    let why = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
                    causes.push(Cause::invalid(field, value, why));
                }
                Some(milli) if milli < 0 => {
                    causes.push(Cause::invalid(
                        field,
                        value,
                        "must be greater than or equal to 0",
                    ));
                }
                Some(milli) if is_extended(resource) && milli % 1000 != 0 => {
                    causes.push(Cause::invalid(field, value, "must be an integer"));
                }
                Some(_) => {}
            }
        }
    }
    for (resource, request) in requests {
        match limits.get(resource).map(quantity::parse) {
            None if is_extended(resource) => causes.push(Cause::required(
                format!("{at}.resources.limits"),
                "Limit must be set for non overcommitable resources",
            )),
            Some(limit) if is_extended(resource) && limit != quantity::parse(request) => {
                let why = format!("must be equal to {resource} limit of {}", limits[resource]);
                causes.push(Cause::invalid(
                    format!("{at}.resources.requests"),
                    request,
                    &why,
                ));
            }
            Some(limit) if limit < quantity::parse(request) => {
                let why = format!(
                    "must be less than or equal to {resource} limit of {}",
                    limits[resource]
                );
                causes.push(Cause::invalid(
                    format!("{at}.resources.requests"),
                    request,
                    &why,
                ));
            }
            _ => {}
        }
    }
}

fn check_tolerations(spec: &Value, causes: &mut Vec<Cause>) {
    for (index, toleration) in list(&spec["tolerations"]).iter().enumerate() {
        let at = format!("spec.tolerations[{index}]");
        let operator = toleration["operator"].as_str().unwrap_or("Equal");
        if !["Equal", "Exists"].contains(&operator) {
            causes.push(Cause::unsupported(
                format!("{at}.operator"),
                operator,
                &["Equal", "Exists"],
            ));
        }
        let key = toleration["key"].as_str().unwrap_or_default();
        if key.is_empty() && operator == "Equal" {
            let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            causes.push(Cause::invalid(
                format!("{at}.operator"),
                &json!(operator),
                why,
            ));
        }
        let effect = toleration["effect"].as_str().unwrap_or_default();
        if !["", "NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect) {
            let known = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
            causes.push(Cause::unsupported(format!("{at}.effect"), effect, &known));
        }
        if !toleration["tolerationSeconds"].is_null() && effect != "NoExecute" {
            let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            causes.push(Cause::invalid(format!("{at}.effect"), &json!(effect), why));
        }
    }
}

const NODE_TERMS: &str =
    "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";

fn check_affinity(spec: &Value, causes: &mut Vec<Cause>) {
    let known = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"];
    let at = format!("spec{}", NODE_TERMS.replace('/', "."));
    for (index, term) in node_terms(spec).into_iter().flatten().enumerate() {
        let rules = list(&term["matchExpressions"])
            .iter()
            .chain(list(&term["matchFields"]));
        for rule in rules {
            let operator = rule["operator"].as_str().unwrap_or_default();
            if !known.contains(&operator) {
                causes.push(Cause::unsupported(
                    format!("{at}[{index}].operator"),
                    operator,
                    &known,
                ));
            }
            if ["In", "NotIn"].contains(&operator) && list(&rule["values"]).is_empty() {
                let why = "must be specified when `operator` is 'In' or 'NotIn'";
                causes.push(Cause::required(format!("{at}[{index}].values"), why));
            }
        }
    }
}

/// The alternatives that a pod's node affinity requires one of, if it requires any.
pub(super) fn node_terms(spec: &Value) -> Option<&[Value]> {
    spec.pointer(NODE_TERMS).map(list)
}

/// Checks that an update changes only what may change in a pod.
pub(super) fn validate_update(old: &Value, new: &Value) -> Result<(), ApiError> {
    let name = old["metadata"]["name"].as_str().unwrap_or_default();
    let mut causes = Vec::new();
    check_metadata(&new["metadata"], &mut causes);
    let (was, is) = (
        &old["spec"]["activeDeadlineSeconds"],
        &new["spec"]["activeDeadlineSeconds"],
    );
    check_deadline(is, &mut causes);
    if let (true, Some(was)) = (causes.is_empty(), was.as_i64()) {
        let field = "spec.activeDeadlineSeconds";
        match is.as_i64() {
            None => causes.push(Cause::invalid(
                field,
                is,
                "must not update from a positive integer to nil value",
            )),
            Some(is) if is > was => {
                let why = "must be less than or equal to previous value";
                causes.push(Cause::invalid(field, &json!(is), why));
            }
            Some(_) => {}
        }
    }
    if fixed_part(&old["spec"]) != fixed_part(&new["spec"]) {
        causes.push(Cause::forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`, \
             `spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations` (only additions to \
             existing tolerations), `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        ));
    }
    let kept = |t: &Value| list(&new["spec"]["tolerations"]).contains(t);
    if !list(&old["spec"]["tolerations"]).iter().all(kept) {
        causes.push(Cause::forbidden(
            "spec.tolerations",
            "existing toleration can not be modified except its tolerationSeconds",
        ));
    }
    match causes.as_slice() {
        [] => Ok(()),
        causes => Err(ApiError::invalid(Kind::Pod, name, causes)),
    }
}

fn fixed_part(spec: &Value) -> Value {
    let mut fixed = spec.clone();
    if let Some(fields) = fixed.as_object_mut() {
        fields.remove("activeDeadlineSeconds");
        fields.remove("tolerations");
    }
    for container in list_mut(&mut fixed["containers"]) {
        container["image"] = Value::Null;
    }
    fixed
}

/// The elements of a list; none of anything else.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn list_mut(value: &mut Value) -> &mut [Value] {
    value.as_array_mut().map_or(&mut [], Vec::as_mut_slice)
}
