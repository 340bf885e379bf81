//! Every operation that is answered at once, as a plain function on the world.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::reply::{self, Form};
use super::request::{Place, Query, Subresource, Verb, verb_of};
use super::{discovery, logs, watches};
use crate::doors::SharedWorld;
use crate::world::World;
use crate::world::cluster::{ApiError, DeleteOptions, Kind, PatchType, Reason, Selection};

/// The largest body that is read, as a real API server has it.
const MAX_BODY: usize = 3 << 20;

/// One request, read.
pub(super) struct Ask {
    pub(super) place: Place,
    pub(super) verb: Verb,
    pub(super) query: Query,
    headers: HeaderMap,
    body: Bytes,
}

/// Answers a request.
pub(super) async fn answer(State(world): State<SharedWorld>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let place = Place::of(head.uri.path());
    let query = Query::of(&head.uri);
    if place == Place::Unknown {
        return reply::refuse(&no_such_resource());
    }
    let Some(verb) = verb_of(&head.method, &place, &query) else {
        let message = "the server does not allow this method on the requested resource";
        return reply::refuse(&ApiError::new(Reason::MethodNotAllowed, message));
    };
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        let message = format!("limit is {MAX_BODY}");
        return reply::answer(
            StatusCode::PAYLOAD_TOO_LARGE,
            ApiError::new(Reason::BadRequest, message).status(),
        );
    };
    let ask = Ask {
        place,
        verb,
        query,
        headers: head.headers,
        body,
    };
    match ask.answer(&world) {
        Ok(response) => response,
        Err(error) => reply::refuse(&error),
    }
}

fn no_such_resource() -> ApiError {
    ApiError::new(
        Reason::NotFound,
        "the server could not find the requested resource",
    )
}

impl Ask {
    fn answer(&self, world: &SharedWorld) -> Result<Response, ApiError> {
        match &self.place {
            Place::Health => Ok(reply::text(Body::from("ok"))),
            Place::Version => Ok(reply::answer(StatusCode::OK, discovery::version())),
            Place::Discovery(path) => {
                let host = self
                    .headers
                    .get(header::HOST)
                    .and_then(|host| host.to_str().ok());
                let found = discovery::document(path, host.unwrap_or_default())
                    .ok_or_else(no_such_resource)?;
                Ok(reply::answer(StatusCode::OK, found))
            }
            Place::Description(path) => {
                let found = discovery::description(path).ok_or_else(no_such_resource)?;
                Ok(reply::answer(StatusCode::OK, found))
            }
            Place::AccessReview => self.review_access(world),
            Place::Collection { kind, namespace } => {
                self.check_rights(world, *kind, None, namespace.as_deref())?;
                self.on_collection(world, *kind, namespace.as_deref())
            }
            Place::Object {
                kind,
                namespace,
                name,
                part,
            } => {
                self.check_rights(world, *kind, *part, Some(namespace))?;
                self.on_object(world, *kind, namespace, name, *part)
            }
            Place::Unknown => Err(no_such_resource()),
        }
    }

    fn on_collection(
        &self,
        world: &SharedWorld,
        kind: Kind,
        namespace: Option<&str>,
    ) -> Result<Response, ApiError> {
        let selection = self.selection(kind, namespace)?;
        let form = self.form()?;
        match self.verb {
            Verb::Watch => watches::watch(world, kind, selection, form, &self.query),
            Verb::List => self.list(world, kind, &selection, form),
            Verb::Create => {
                let pod = self.document()?;
                let dry_run = !self.query.get("dryRun").is_empty();
                let (made, now) = world.with(|world| {
                    let now = world.now();
                    let made =
                        world
                            .cluster
                            .create_pod(namespace.unwrap_or_default(), pod, dry_run, now);
                    made.map(|made| (made, now))
                })?;
                Ok(reply::answer(
                    StatusCode::CREATED,
                    form.object(kind, &made, now),
                ))
            }
            Verb::DeleteCollection => {
                let options = self.delete_options()?;
                let deleted = world.with(|world| delete_all(world, &selection, &options))?;
                let items: Vec<&Value> = deleted.iter().collect();
                let now = world.read(World::now);
                Ok(reply::answer(
                    StatusCode::OK,
                    form.list(kind, &items, &json!({}), now),
                ))
            }
            Verb::Get | Verb::Update | Verb::Patch | Verb::Delete => Err(no_such_resource()),
        }
    }

    fn list(
        &self,
        world: &SharedWorld,
        kind: Kind,
        selection: &Selection,
        form: Form,
    ) -> Result<Response, ApiError> {
        let limit = self.number("limit")?.unwrap_or_default();
        let token = Some(self.query.get("continue")).filter(|token| !token.is_empty());
        let (page, now) = world.read(|world| {
            let page = world.cluster.list_page(
                kind,
                selection,
                usize::try_from(limit).unwrap_or_default(),
                token,
            );
            page.map(|page| (page, world.now()))
        })?;
        let mut metadata = json!({"resourceVersion": page.version.to_string()});
        if let Some(next) = page.next {
            metadata["continue"] = json!(next);
            metadata["remainingItemCount"] = json!(page.remaining);
        }
        let items: Vec<&Value> = page.items.iter().map(AsRef::as_ref).collect();
        Ok(reply::answer(
            StatusCode::OK,
            form.list(kind, &items, &metadata, now),
        ))
    }

    fn on_object(
        &self,
        world: &SharedWorld,
        kind: Kind,
        namespace: &str,
        name: &str,
        part: Option<Subresource>,
    ) -> Result<Response, ApiError> {
        match part {
            Some(Subresource::Log) => return logs::log(world, namespace, name, &self.query),
            Some(Subresource::Eviction) => return self.evict(world, namespace, name),
            None => {}
        }
        let form = self.form()?;
        let now = world.read(World::now);
        let object = match self.verb {
            Verb::Get => world.read(|world| world.cluster.get(kind, namespace, name))?,
            Verb::Patch => {
                let content_type = self
                    .headers
                    .get(header::CONTENT_TYPE)
                    .and_then(|value| value.to_str().ok());
                let how = PatchType::of_content_type(content_type.unwrap_or_default())?;
                let patch = parse(&self.body)?;
                world.with(|world| {
                    let now = world.now();
                    world.cluster.patch(kind, namespace, name, how, &patch, now)
                })?
            }
            Verb::Update => {
                let object = self.document()?;
                world.with(|world| {
                    let now = world.now();
                    world.cluster.replace(kind, namespace, name, object, now)
                })?
            }
            Verb::Delete => {
                let options = self.delete_options()?;
                world.with(|world| {
                    let now = world.now();
                    match kind {
                        Kind::Node => world.cluster.delete_node(name, &options, now),
                        Kind::Pod | Kind::Event | Kind::Namespace => {
                            world.cluster.delete_pod(namespace, name, &options, now)
                        }
                    }
                })?
            }
            Verb::List | Verb::Watch | Verb::Create | Verb::DeleteCollection => {
                return Err(no_such_resource());
            }
        };
        Ok(reply::answer(
            StatusCode::OK,
            form.object(kind, &object, now),
        ))
    }

    fn evict(
        &self,
        world: &SharedWorld,
        namespace: &str,
        name: &str,
    ) -> Result<Response, ApiError> {
        let eviction = parse(&self.body)?;
        let options = serde_json::from_value(eviction["deleteOptions"].clone()).unwrap_or_default();
        world.with(|world| {
            let now = world.now();
            world.cluster.evict_pod(namespace, name, &options, now)
        })?;
        let success = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
        Ok(reply::answer(StatusCode::CREATED, success))
    }

    fn review_access(&self, world: &SharedWorld) -> Result<Response, ApiError> {
        let mut review = self.document()?;
        let asked = &review["spec"]["resourceAttributes"];
        let word = |field: &str| asked[field].as_str().unwrap_or_default().to_owned();
        let resource = match word("subresource").as_str() {
            "" => word("resource"),
            part => format!("{}/{part}", word("resource")),
        };
        let allowed = world.read(|world| !world.cluster.is_forbidden(&word("verb"), &resource));
        review["status"] = json!({"allowed": allowed});
        Ok(reply::answer(StatusCode::CREATED, review))
    }

    fn check_rights(
        &self,
        world: &SharedWorld,
        kind: Kind,
        part: Option<Subresource>,
        namespace: Option<&str>,
    ) -> Result<(), ApiError> {
        let resource = match part {
            None => kind.plural().to_owned(),
            Some(Subresource::Log) => "pods/log".to_owned(),
            Some(Subresource::Eviction) => "pods/eviction".to_owned(),
        };
        let verb = self.verb.word();
        if !world.read(|world| world.cluster.is_forbidden(verb, &resource)) {
            return Ok(());
        }
        let place = match namespace {
            Some(namespace) if !namespace.is_empty() => format!("in the namespace \"{namespace}\""),
            _ => "at the cluster scope".to_owned(),
        };
        Err(ApiError::new(
            Reason::Forbidden,
            format!(
                "{resource} is forbidden: User \"sandbox\" cannot {verb} resource \"{resource}\" in API group \"\" {place}"
            ),
        ))
    }

    fn selection(&self, kind: Kind, namespace: Option<&str>) -> Result<Selection, ApiError> {
        Selection::parse(
            kind,
            namespace,
            self.query.get("labelSelector"),
            self.query.get("fieldSelector"),
        )
    }

    fn form(&self) -> Result<Form, ApiError> {
        Form::accepted(&self.headers, self.query.get("includeObject"))
    }

    fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        number(&self.query, name)
    }

    /// The body as a JSON document.
    fn document(&self) -> Result<Value, ApiError> {
        let content_type = self
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        match content_type
            .unwrap_or("application/json")
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
        {
            "application/json" => parse(&self.body),
            other => Err(ApiError::new(
                Reason::UnsupportedMediaType,
                format!(
                    "the body of the request was in an unknown format - accepted media types include: application/json; got {other}"
                ),
            )),
        }
    }

    /// Options from the body, and over them those of the query.
    fn delete_options(&self) -> Result<DeleteOptions, ApiError> {
        let mut options: DeleteOptions = match self.body.is_empty() {
            true => DeleteOptions::default(),
            false => serde_json::from_slice(&self.body).map_err(|error| unreadable(&error))?,
        };
        if let Some(grace) = self.number("gracePeriodSeconds")? {
            options.grace_period_seconds = i64::try_from(grace).ok();
        }
        if !self.query.get("dryRun").is_empty() {
            options.dry_run = vec![self.query.get("dryRun").to_owned()];
        }
        Ok(options)
    }
}

fn delete_all(
    world: &mut World,
    selection: &Selection,
    options: &DeleteOptions,
) -> Result<Vec<Value>, ApiError> {
    let now = world.now();
    let mut deleted = Vec::new();
    for pod in world.cluster.list(Kind::Pod, selection) {
        let word = |field: &str| pod["metadata"][field].as_str().unwrap_or_default();
        let gone = world
            .cluster
            .delete_pod(word("namespace"), word("name"), options, now)?;
        deleted.push(Value::clone(&gone));
    }
    Ok(deleted)
}

fn parse(body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> ApiError {
    ApiError::bad_request(format!(
        "the object provided is unrecognized: couldn't get version/kind; json parse error: {error}"
    ))
}

/// A number of the query.
pub(super) fn number(query: &Query, name: &str) -> Result<Option<u64>, ApiError> {
    match query.get(name) {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| {
            ApiError::bad_request(format!(
                "strconv.ParseInt: parsing \"{text}\": invalid syntax ({name})"
            ))
        }),
    }
}
