//! The live source: one task reads the tables when something happened and publishes what they say; another answers what
//! is asked for besides. Neither waits for the screen, and the screen waits for neither.
//!
//! Reading never takes more than a twentieth of the time. Trouble is published and borne: it is tried again for ever.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use rise_model::redact::redact;
use rise_model::{EntityId, InstallationId, JobId, PodName};
use services::kubernetes::Kubernetes;
use services::store::live::{LastHour, LiveLimits};
use services::store::operator::EntityFilter;
use services::store::story::LogFilter;
use services::store::{Store, StoreError};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::app::Published;
use super::ask::{Answer, Request, Story};
use super::detail::NO_CLUSTER;
use super::grid::Id;
use super::snapshot::{Known, Snapshot};
use super::trace::Traced;
use crate::exit::chain;

/// Rows that are read at most. Pages of a terminal are short; more than this nobody scrolls through.
pub(crate) const LIMITS: LiveLimits = LiveLimits {
    at_work: 10_000,
    over: 500,
    groups: 200,
};
/// Without a wake-up the tables are read again after this.
const READ_EVERY: Duration = Duration::from_secs(2);
/// Wake-ups that come together are one.
const DEBOUNCE: Duration = Duration::from_millis(250);
/// A reading is followed by a pause of this many times its length.
const PAUSES: u32 = 20;
/// The longest pause between two readings, however long one takes.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A reading takes no longer.
const READ_WITHIN: Duration = Duration::from_secs(20);
/// The last hour is read again after this.
const HOUR_EVERY: Duration = Duration::from_secs(15);
/// The longest pause after trouble.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(15);
/// A pod is looked at again after this.
const POD_EVERY: Duration = Duration::from_secs(5);
/// Lines of a log that are kept.
const LOG_LINES: usize = 5_000;
/// Lines of a log that are asked for at first.
const LOG_TAIL: i64 = 2_000;
/// A log that grows is shown so often.
const LOG_EVERY: Duration = Duration::from_millis(100);
/// Log rows of a trace, the newest.
const TRACE_ROWS: u32 = 2_000;

/// Where everything is read.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) store: Store,
    pub(crate) known: Known,
    pub(crate) cluster: Option<Kubernetes>,
}

/// The other ends of the two tasks.
pub(super) struct Feed {
    pub(super) published: watch::Receiver<Arc<Published>>,
    pub(super) requests: mpsc::UnboundedSender<Request>,
    pub(super) answers: mpsc::UnboundedReceiver<Answer>,
}

/// Begins both tasks. The future is their work: whoever polls it owns them.
pub(super) fn start(
    source: Arc<Source>,
    stop: CancellationToken,
) -> (Feed, impl Future<Output = ()>) {
    let (publish, published) = watch::channel(Arc::new(Published::default()));
    let (requests, asked) = mpsc::unbounded_channel();
    let (answer, answers) = mpsc::unbounded_channel();
    let feed = Feed {
        published,
        requests,
        answers,
    };
    let work = async move {
        let wake = Notify::new();
        tokio::select! {
            () = source.store.wake_on_queue(&wake, stop.clone()) => {}
            () = keep_reading(&source, &wake, &publish) => {}
            () = keep_answering(&source, asked, answer) => {}
            () = stop.cancelled() => {}
        }
    };
    (feed, work)
}

async fn keep_reading(source: &Source, wake: &Notify, publish: &watch::Sender<Arc<Published>>) {
    let mut hour: Option<(Instant, LastHour)> = None;
    let mut back_off = Duration::from_secs(1);
    loop {
        let began = Instant::now();
        let read = timeout(READ_WITHIN, read(source, &mut hour)).await;
        let read = read.unwrap_or(Err(StoreError::TimedOut(READ_WITHIN)));
        let before = Arc::clone(&publish.borrow());
        match read {
            Ok(snapshot) => {
                back_off = Duration::from_secs(1);
                publish.send_replace(Arc::new(Published {
                    snapshot: Some(Arc::new(snapshot)),
                    read_at: Some(began),
                    trouble: None,
                }));
                let pause = (began.elapsed() * PAUSES).min(LONGEST_PAUSE);
                sleep(pause.max(DEBOUNCE)).await;
                tokio::select! {
                    () = sleep(READ_EVERY.saturating_sub(pause)) => {}
                    () = wake.notified() => {}
                }
            }
            Err(error) => {
                let since = before.trouble.as_ref().map_or(began, |(_, since)| *since);
                tracing::warn!(
                    error = chain(&error),
                    "the tables cannot be read; trying again"
                );
                publish.send_replace(Arc::new(Published {
                    trouble: Some((chain(&error), since)),
                    ..(*before).clone()
                }));
                sleep(back_off).await;
                back_off = (back_off * 2).min(LONGEST_BACK_OFF);
            }
        }
    }
}

async fn read(
    source: &Source,
    hour: &mut Option<(Instant, LastHour)>,
) -> Result<Snapshot, StoreError> {
    let live = source.store.live(LIMITS).await?;
    if hour
        .as_ref()
        .is_none_or(|(at, _)| at.elapsed() >= HOUR_EVERY)
    {
        *hour = Some((Instant::now(), source.store.last_hour().await?));
    }
    let hour = hour.as_ref().map(|(_, hour)| hour.clone());
    Ok(Snapshot::new(&source.known, live, hour))
}

/// One reading, for those who look once.
pub(super) async fn read_once(source: &Source) -> Result<Snapshot, StoreError> {
    read(source, &mut None).await
}

/// What is being answered. A new question of a kind takes the place of the one before.
type Work<'a> = Option<BoxFuture<'a, ()>>;

async fn on(work: &mut Work<'_>) {
    if let Some(work) = work {
        work.await;
    }
}

async fn keep_answering(
    source: &Source,
    mut asked: mpsc::UnboundedReceiver<Request>,
    answer: mpsc::UnboundedSender<Answer>,
) {
    let (mut story, mut pod, mut log, mut trace): (Work<'_>, Work<'_>, Work<'_>, Work<'_>) =
        (None, None, None, None);
    let mut pod_of: Option<(Id, Instant)> = None;
    loop {
        let answer = &answer;
        tokio::select! {
            request = asked.recv() => match request {
                None => return,
                Some(Request::Story(id)) => {
                    let fresh = pod_of.as_ref().is_some_and(|(of, at)| *of == id && at.elapsed() < POD_EVERY);
                    if !fresh && source.cluster.is_some() {
                        pod_of = Some((id.clone(), Instant::now()));
                        pod = Some(Box::pin(tell_pod(source, id.clone(), answer.clone())));
                    }
                    story = Some(Box::pin(tell_story(source, id, answer.clone())));
                }
                Some(Request::Log(id)) => log = Some(Box::pin(tell_log(source, id, answer.clone()))),
                Some(Request::NoLog) => log = None,
                Some(Request::Trace(text)) => trace = Some(Box::pin(tell_trace(source, text, answer.clone()))),
                Some(Request::Act(order)) => {
                    let _ = answer.send(Answer::Done(format!("{} cannot be done yet", order.act.word())));
                }
            },
            () = on(&mut story), if story.is_some() => story = None,
            () = on(&mut pod), if pod.is_some() => pod = None,
            () = on(&mut log), if log.is_some() => log = None,
            () = on(&mut trace), if trace.is_some() => trace = None,
        }
    }
}

async fn tell_story(source: &Source, id: Id, answer: mpsc::UnboundedSender<Answer>) {
    let told = match &id {
        Id::Worker(name) => match source.store.worker_story(&PodName::new(name)).await {
            Ok(Some(story)) => Ok(Arc::new(Story::Worker(Box::new(story)))),
            Ok(None) => Err(format!("no worker is called {name}")),
            Err(error) => Err(chain(&error)),
        },
        Id::Job(job) => match source.store.job_story(JobId(*job)).await {
            Ok(Some(story)) => Ok(Arc::new(Story::Job(Box::new(story)))),
            Ok(None) => Err(format!("no job has the id {job}")),
            Err(error) => Err(chain(&error)),
        },
        Id::Board(_) | Id::Demand(_) | Id::Failure(_) | Id::Event(_) => return,
    };
    let _ = answer.send(Answer::Story(id, told));
}

/// The pod of a worker, or of the worker that took a job.
async fn pod_of(source: &Source, id: &Id) -> Result<Option<PodName>, StoreError> {
    Ok(match id {
        Id::Worker(name) => Some(PodName::new(name)),
        Id::Job(job) => {
            let story = source.store.job_story(JobId(*job)).await?;
            story.and_then(|story| story.job.k8s_pod).map(PodName::new)
        }
        Id::Board(_) | Id::Demand(_) | Id::Failure(_) | Id::Event(_) => None,
    })
}

async fn tell_pod(source: &Source, id: Id, answer: mpsc::UnboundedSender<Answer>) {
    let Some(cluster) = &source.cluster else {
        return;
    };
    let told = match pod_of(source, &id).await {
        Ok(Some(name)) => Ok(Box::new(cluster.diagnostics(&name).await)),
        Ok(None) => return,
        Err(error) => Err(chain(&error)),
    };
    let _ = answer.send(Answer::Pod(id, told));
}

/// The end of a log that grows.
#[derive(Default)]
struct Tail {
    lines: std::collections::VecDeque<String>,
    open: Vec<u8>,
}

impl Tail {
    fn take(&mut self, piece: &[u8]) {
        /// A line that does not end is cut.
        const LONGEST: usize = 64 * 1024;
        for byte in piece {
            if *byte == b'\n' || self.open.len() >= LONGEST {
                self.end_line();
            }
            if *byte != b'\n' {
                self.open.push(*byte);
            }
        }
    }

    fn end_line(&mut self) {
        self.lines
            .push_back(redact(&String::from_utf8_lossy(&self.open)));
        self.open.clear();
        while self.lines.len() > LOG_LINES {
            self.lines.pop_front();
        }
    }
}

async fn tell_log(source: &Source, subject: Id, answer: mpsc::UnboundedSender<Answer>) {
    let tell = |lines: Vec<String>, state: Option<String>| {
        let _ = answer.send(Answer::Log {
            subject: subject.clone(),
            lines,
            state,
        });
    };
    let name = match (pod_of(source, &subject).await, &source.cluster) {
        (_, None) => return tell(Vec::new(), Some(NO_CLUSTER.to_owned())),
        (Ok(None), Some(_)) => return tell(Vec::new(), Some("it has no pod".to_owned())),
        (Err(error), Some(_)) => return tell(Vec::new(), Some(chain(&error))),
        (Ok(Some(name)), Some(cluster)) => (name, cluster),
    };
    let (name, cluster) = name;
    let (tail, grew) = (Mutex::new(Tail::default()), Notify::new());
    let so_far = || {
        let tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.lines.iter().cloned().collect::<Vec<_>>()
    };
    let following = cluster.follow_log(&name, LOG_TAIL, |piece| {
        tail.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(piece);
        grew.notify_one();
    });
    let mut following = std::pin::pin!(following);
    let ended = loop {
        tokio::select! {
            ended = &mut following => break ended,
            () = grew.notified() => {
                tokio::select! {
                    ended = &mut following => break ended,
                    () = sleep(LOG_EVERY) => tell(so_far(), None),
                }
            }
        }
    };
    let state = match ended {
        Ok(()) => "the log ends here".to_owned(),
        Err(error) => format!(
            "{}; the end that was kept, if any, is in the story",
            chain(&error)
        ),
    };
    tell(so_far(), Some(state));
}

async fn tell_trace(source: &Source, text: String, answer: mpsc::UnboundedSender<Answer>) {
    let told = trace(source, &text).await;
    let _ = answer.send(Answer::Trace(told.map_err(|error| chain(&error)).and_then(
        |traced| {
            traced
                .map(Arc::new)
                .ok_or_else(|| format!("nothing was ever logged of {text}"))
        },
    )));
}

/// What somebody may mean by a word: an account's id or login, an installation's id, a job's id.
async fn trace(source: &Source, text: &str) -> Result<Option<Traced>, StoreError> {
    let store = &source.store;
    let of = |entity: EntityId| LogFilter {
        entity: Some(EntityFilter::Id(entity)),
        ..LogFilter::default()
    };
    let Ok(id) = text.parse::<i64>() else {
        let Some(entity) = store.entity_of_login(text).await? else {
            return Ok(None);
        };
        let events = store.last_log(&of(entity), TRACE_ROWS).await?;
        return Ok(Some(Traced::new(
            format!("account {text}, id {entity}"),
            String::new(),
            events,
        )));
    };
    let events = store.last_log(&of(EntityId(id)), TRACE_ROWS).await?;
    if let Some(last) = events.last() {
        let login = last.entity_name.clone().unwrap_or_default();
        return Ok(Some(Traced::new(
            format!("account {login}, id {id}"),
            String::new(),
            events,
        )));
    }
    let (what, narrowed, entity) = match store.entity_of_installation(InstallationId(id)).await? {
        Some(entity) => ("installation", String::new(), entity),
        None => match store.entity_of_job(JobId(id)).await? {
            Some(entity) => ("job", id.to_string(), entity),
            None => return Ok(None),
        },
    };
    let events = store.last_log(&of(entity), TRACE_ROWS).await?;
    let login = events
        .last()
        .and_then(|last| last.entity_name.clone())
        .unwrap_or_default();
    Ok(Some(Traced::new(
        format!("{what} {id} of account {login}, id {entity}"),
        narrowed,
        events,
    )))
}
