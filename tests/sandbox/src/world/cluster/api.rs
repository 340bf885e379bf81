//! What can be asked of the API server, apart from how it is carried: get, list, create, change, delete, logs, changes.

use std::sync::Arc;

use rand::Rng;
use serde_json::{Value, json};

use super::Cluster;
use super::admission::{check_labels, check_shape, default_pod, validate_pod, validate_update};
use super::error::{ApiError, Cause, Reason};
use super::patch::PatchType;
use super::pod::{Pod, PodId, stamp};
use super::selector::Selection;
use super::store::{Change, Expired, Key, Kind};
use super::timers::Step;
use crate::world::Time;

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The objects.
    pub items: Vec<Arc<Value>>,
    /// The version at which the whole list is true.
    pub version: u64,
    /// What to ask for the next page with.
    pub next: Option<String>,
    /// How many objects the later pages have.
    pub remaining: usize,
}

impl Cluster {
    /// The newest version of anything.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.store.version()
    }

    /// One object.
    ///
    /// # Errors
    /// 404.
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Result<Arc<Value>, ApiError> {
        let found = self.store.get(kind, &Key::new(namespace, name));
        found
            .cloned()
            .ok_or_else(|| ApiError::not_found(kind, name))
    }

    /// All objects that `selection` admits, by namespace and name.
    #[must_use]
    pub fn list(&self, kind: Kind, selection: &Selection) -> Vec<Arc<Value>> {
        self.store
            .all(kind)
            .map(|(_, object)| object)
            .filter(|object| selection.admits(object))
            .cloned()
            .collect()
    }

    /// A page of at most `limit` objects (0: all). Later pages are of the same moment as the first.
    ///
    /// # Errors
    /// 400 for a `token` that is none, 410 when the first page's moment is forgotten.
    pub fn list_page(
        &self,
        kind: Kind,
        selection: &Selection,
        limit: usize,
        token: Option<&str>,
    ) -> Result<Listing, ApiError> {
        let (version, after) = match token {
            None => (self.version(), None),
            Some(token) => {
                let (version, key) = read_token(token)
                    .ok_or_else(|| ApiError::bad_request("continue key is not valid"))?;
                (version, Some(key))
            }
        };
        let objects = self.store.at(kind, version)?;
        let mut rest = objects.into_iter().filter(|(key, object)| {
            after.as_ref().is_none_or(|after| key > after) && selection.admits(object)
        });
        let mut items = Vec::new();
        let mut last = None;
        for (key, object) in rest
            .by_ref()
            .take(if limit == 0 { usize::MAX } else { limit })
        {
            items.push(object);
            last = Some(key);
        }
        let remaining = rest.count();
        let next = last
            .filter(|_| remaining > 0)
            .map(|key| format!("{version}/{}/{}", key.namespace, key.name));
        Ok(Listing {
            items,
            version,
            next,
            remaining,
        })
    }

    /// The changes after `version`, oldest first.
    ///
    /// # Errors
    /// When they are not kept any more.
    pub fn changes_after(&self, version: u64) -> Result<impl Iterator<Item = &Change>, Expired> {
        self.store.changes_after(version)
    }

    /// Makes a pod, or with `dry_run` only says what it would be.
    ///
    /// # Errors
    /// 400, 404 for the namespace, 409 when the name is taken, 422 with causes.
    pub fn create_pod(
        &mut self,
        namespace: &str,
        pod: Value,
        dry_run: bool,
        now: Time,
    ) -> Result<Arc<Value>, ApiError> {
        let mut pod = pod;
        self.check_new(namespace, &pod)?;
        self.generate_name(&mut pod);
        default_pod(&mut pod);
        validate_pod(&pod)?;
        let name = pod["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let key = Key::new(namespace, &name);
        if let Some(old) = self.store.get(Kind::Pod, &key) {
            return Err(match old["metadata"]["deletionTimestamp"].is_null() {
                true => ApiError::already_exists(Kind::Pod, &name),
                false => ApiError::being_deleted(Kind::Pod, &name),
            });
        }
        pod["kind"] = json!("Pod");
        pod["apiVersion"] = json!("v1");
        let uid = self.new_uid();
        birth(&mut pod["metadata"], namespace, &uid, now);
        if dry_run {
            return Ok(Arc::new(pod));
        }
        let new = Pod::new(key.clone(), &pod, now);
        let bound = new.node().is_some();
        self.last_pod += 1;
        let id = PodId(self.last_pod);
        self.pods.insert(id, new);
        self.names.insert(key.clone(), id);
        let made = self.store.put(Kind::Pod, key, pod);
        if bound {
            // Somebody put it there past the scheduler.
            self.next_step(id, Step::Notice, self.config.timings.schedule, now);
        }
        self.wake_scheduler(now);
        Ok(made)
    }

    fn check_new(&self, namespace: &str, pod: &Value) -> Result<(), ApiError> {
        check_shape(pod)?;
        let kind = pod["kind"].as_str().unwrap_or("Pod");
        let version = pod["apiVersion"].as_str().unwrap_or("v1");
        if (kind, version) != ("Pod", "v1") {
            return Err(ApiError::bad_request(format!(
                "the API version in the data ({version}) or its kind ({kind}) does not match the expected v1, Kind=Pod"
            )));
        }
        let own = pod["metadata"]["namespace"].as_str().unwrap_or(namespace);
        if own != namespace {
            return Err(ApiError::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        if !pod["metadata"].is_object() {
            return Err(ApiError::bad_request("the body has no metadata"));
        }
        self.get(Kind::Namespace, "", namespace).map(drop)
    }

    fn generate_name(&mut self, pod: &mut Value) {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let metadata = &mut pod["metadata"];
        let named = metadata["name"]
            .as_str()
            .is_some_and(|name| !name.is_empty());
        let Some(prefix) = metadata["generateName"].as_str().filter(|_| !named) else {
            return;
        };
        let letter = |_| char::from(LETTERS[self.rng.random_range(0..LETTERS.len())]);
        let suffix: String = (0..5).map(letter).collect();
        metadata["name"] = json!(format!("{prefix}{suffix}"));
    }

    /// Changes an object by a patch.
    ///
    /// # Errors
    /// 400, 404, 405 for a kind that cannot be changed, 409 when the patch names an old version, 422.
    pub fn patch(
        &mut self,
        kind: Kind,
        namespace: &str,
        name: &str,
        how: PatchType,
        patch: &Value,
        now: Time,
    ) -> Result<Arc<Value>, ApiError> {
        let old = self.get(kind, namespace, name)?;
        let new = how.apply(&old, patch)?;
        self.replace(kind, namespace, name, new, now)
    }

    /// Puts another document in an object's place. What is not the writer's to change stays.
    ///
    /// # Errors
    /// As [`Cluster::patch`].
    pub fn replace(
        &mut self,
        kind: Kind,
        namespace: &str,
        name: &str,
        new: Value,
        now: Time,
    ) -> Result<Arc<Value>, ApiError> {
        let old = self.get(kind, namespace, name)?;
        let mut new = new;
        check_shape(&new)?;
        let (was, is) = (&old["metadata"], &new["metadata"]);
        if !is["resourceVersion"].is_null() && is["resourceVersion"] != was["resourceVersion"] {
            return Err(ApiError::stale(kind, name));
        }
        if !is["uid"].is_null() && is["uid"] != was["uid"] {
            return Err(ApiError::conflict(
                kind,
                name,
                "Precondition failed: UID in precondition does not match UID in object meta",
            ));
        }
        if !is["name"].is_null() && is["name"] != was["name"] {
            return Err(ApiError::bad_request(
                "the name of the object does not match the name on the URL",
            ));
        }
        keep_what_is_not_the_writers(&old, &mut new);
        match kind {
            Kind::Pod => {
                validate_update(&old, &new)?;
                self.pod_changed(Key::new(namespace, name), new, now);
            }
            Kind::Node => {
                let mut causes: Vec<Cause> = Vec::new();
                check_labels(&new["metadata"]["labels"], "metadata.labels", &mut causes);
                if !causes.is_empty() {
                    return Err(ApiError::invalid(kind, name, &causes));
                }
                self.edit_node(name, now, |node| *node = new);
            }
            Kind::Event | Kind::Namespace => {
                let told = "the server does not allow this method on the requested resource";
                return Err(ApiError::new(Reason::MethodNotAllowed, told));
            }
        }
        self.get(kind, namespace, name)
    }

    fn pod_changed(&mut self, key: Key, new: Value, now: Time) {
        let id = self.names.get(&key).copied();
        self.store.put(Kind::Pod, key, new);
        let Some(id) = id else { return };
        if self.reachable_board_of(id).is_some() {
            self.arm_deadline(id, now);
        }
        self.arm_eviction(id, now);
        self.wake_scheduler(now);
    }

    pub(super) fn document_of(&self, id: PodId) -> Option<&Arc<Value>> {
        let pod = self.pods.get(&id).filter(|pod| pod.in_api)?;
        self.store.get(Kind::Pod, &pod.key)
    }
}

/// The part of a new object's metadata that is the API server's to say.
fn birth(metadata: &mut Value, namespace: &str, uid: &str, now: Time) {
    let Some(metadata) = metadata.as_object_mut() else {
        return;
    };
    for field in [
        "resourceVersion",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
        "selfLink",
    ] {
        metadata.remove(field);
    }
    metadata.insert("namespace".to_owned(), json!(namespace));
    metadata.insert("uid".to_owned(), json!(uid));
    metadata.insert("creationTimestamp".to_owned(), stamp(now));
    metadata.insert("generation".to_owned(), json!(1));
}

fn keep_what_is_not_the_writers(old: &Value, new: &mut Value) {
    for field in ["kind", "apiVersion", "status"] {
        new[field] = old[field].clone();
    }
    if !new["metadata"].is_object() {
        new["metadata"] = json!({});
    }
    for field in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        match &old["metadata"][field] {
            Value::Null => {
                new["metadata"]
                    .as_object_mut()
                    .map(|metadata| metadata.remove(field));
            }
            value => new["metadata"][field] = value.clone(),
        }
    }
}

fn read_token(token: &str) -> Option<(u64, Key)> {
    let mut parts = token.splitn(3, '/');
    let version = parts.next()?.parse().ok()?;
    Some((version, Key::new(parts.next()?, parts.next()?)))
}
