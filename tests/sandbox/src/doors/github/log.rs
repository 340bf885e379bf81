//! The last requests with their answers, kept for tests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Method, StatusCode, Uri};
use serde_json::Value;

use crate::world::Time;

/// A request that the door heard.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    /// Its number: 0 for the first.
    pub number: u64,
    /// When it came.
    pub at: Time,
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub uri: Uri,
    /// The operation's name, `unknown` for what this GitHub does not have.
    pub operation: &'static str,
    /// Its body, if that was JSON.
    pub body: Option<Value>,
    /// The answer, if one was given yet.
    pub answer: Option<AnswerRecord>,
}

/// An answer that the door gave.
#[derive(Debug, Clone)]
pub struct AnswerRecord {
    /// Its status.
    pub status: StatusCode,
    /// Its body, if that was JSON.
    pub body: Option<Value>,
}

/// The log: the last so many requests. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct RequestLog {
    kept: usize,
    entries: Arc<Mutex<Entries>>,
}

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    records: VecDeque<RequestRecord>,
}

impl RequestLog {
    pub(super) fn new(kept: usize) -> Self {
        Self {
            kept,
            entries: Arc::default(),
        }
    }

    /// Notes a request; returns its number.
    pub(super) fn begin(&self, mut record: RequestRecord) -> u64 {
        let mut entries = self.lock();
        record.number = entries.next;
        entries.next += 1;
        let number = record.number;
        entries.records.push_back(record);
        if entries.records.len() > self.kept {
            entries.records.pop_front();
        }
        number
    }

    /// Notes the answer to a request, if that is still kept.
    pub(super) fn end(&self, number: u64, answer: AnswerRecord) {
        let mut entries = self.lock();
        if let Some(record) = entries
            .records
            .iter_mut()
            .rev()
            .find(|it| it.number == number)
        {
            record.answer = Some(answer);
        }
    }

    pub(super) fn all(&self) -> Vec<RequestRecord> {
        self.lock().records.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
