//! Trouble on demand: a door asks here before it hands a request to the world, and before it sends the answer.
//!
//! A test arms a fault for an operation by name (`create_pod`, `create_jit_config`, …) and waits until it was met.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It waits, before the world hears of it, until the handle releases it.
    Hold,
    /// The world acts; the answer waits until the handle releases it.
    HoldAnswer,
    /// The world acts; the connection closes without an answer.
    LoseAnswer,
    /// The world is not asked; this status and body are the answer.
    Refuse(StatusCode, serde_json::Value),
}

#[derive(Debug)]
struct Armed {
    operation: String,
    fault: Fault,
    left: usize,
    hits: watch::Sender<usize>,
    released: watch::Receiver<bool>,
}

/// The armed faults of a door. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<Armed>>>);

/// Tells of one armed fault, and releases what it holds. Dropping it releases too.
#[derive(Debug)]
pub struct FaultHandle {
    hits: watch::Receiver<usize>,
    release: watch::Sender<bool>,
}

impl FaultHandle {
    /// Waits until the fault has been met at least `times` times.
    pub async fn met(&mut self, times: usize) {
        // An error means that the fault is used up, so it was met.
        let _ = self.hits.wait_for(|hits| *hits >= times).await;
    }

    /// Lets everything go on that the fault holds, now and later.
    pub fn release(&self) {
        self.release.send_replace(true);
    }
}

impl Drop for FaultHandle {
    fn drop(&mut self) {
        self.release();
    }
}

impl Faults {
    /// The next `times` requests for `operation` meet `fault`.
    #[must_use]
    pub fn arm(&self, operation: &str, fault: Fault, times: usize) -> FaultHandle {
        let (hits_tx, hits) = watch::channel(0);
        let (release, released) = watch::channel(false);
        self.lock().push(Armed {
            operation: operation.to_owned(),
            fault,
            left: times,
            hits: hits_tx,
            released,
        });
        FaultHandle { hits, release }
    }

    /// Takes the first armed fault for `operation`, if there is one, and counts it.
    fn meet(&self, operation: &str) -> Option<(Fault, watch::Receiver<bool>)> {
        let mut armed = self.lock();
        let met = armed
            .iter_mut()
            .find(|a| a.left > 0 && a.operation == operation)?;
        met.left -= 1;
        met.hits.send_modify(|hits| *hits += 1);
        let found = (met.fault.clone(), met.released.clone());
        Some(found)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Armed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries one request of `operation` through whatever is armed for it.
    pub async fn carry(&self, operation: &str, request: Request<Body>, next: Next) -> Response {
        match self.meet(operation) {
            None => next.run(request).await,
            Some((Fault::Hold, mut released)) => {
                let _ = released.wait_for(|go| *go).await;
                next.run(request).await
            }
            Some((Fault::HoldAnswer, mut released)) => {
                let answer = next.run(request).await;
                let _ = released.wait_for(|go| *go).await;
                answer
            }
            Some((Fault::LoseAnswer, _)) => {
                drop(next.run(request).await);
                // Unwinding ends this connection's task and with it the connection, without a word to the client and
                // without the panic hook's message.
                std::panic::resume_unwind(Box::new("the answer is lost on purpose"))
            }
            Some((Fault::Refuse(status, body), _)) => (status, axum::Json(body)).into_response(),
        }
    }
}
