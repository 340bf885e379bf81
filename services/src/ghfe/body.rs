//! Reading a delivery's body within limits: its size, the bytes of all bodies in memory, and time.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::GhfeSection;

/// The memory that bodies may take at once. It is taken as bytes arrive: a sender who only says that much will come
/// takes nothing away from the others.
pub(super) struct Budget {
    bytes: Arc<Semaphore>,
    most: usize,
    within: std::time::Duration,
}

/// A body in memory, with its share of the budget until it is dropped.
pub(super) struct Delivered {
    pub(super) bytes: Bytes,
    pub(super) share: Share,
}

/// A part of the budget.
pub(super) struct Share(Option<OwnedSemaphorePermit>);

impl Share {
    fn add(&mut self, permit: OwnedSemaphorePermit) {
        match &mut self.0 {
            Some(held) => held.merge(permit),
            None => self.0 = Some(permit),
        }
    }
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    /// Larger than GitHub sends.
    #[error("Payload too large")]
    TooLarge,
    /// Too many bytes are in flight.
    #[error("Too many deliveries in flight")]
    Busy,
    /// It did not arrive in time.
    #[error("Body did not arrive in time")]
    Slow,
    /// The sender went away, or broke the protocol.
    #[error("Failed to read body")]
    Broken,
}

impl BodyError {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

impl Budget {
    pub(super) fn new(section: &GhfeSection) -> Self {
        let bytes = section.max_bytes_in_flight.min(Semaphore::MAX_PERMITS);
        Self {
            bytes: Arc::new(Semaphore::new(bytes)),
            most: section.max_body_bytes,
            within: section.read_timeout.std(),
        }
    }

    /// Whether a body of this length will be read at all.
    pub(super) fn admits(&self, announced: Option<usize>) -> Result<(), BodyError> {
        match announced {
            Some(bytes) if bytes > self.most => Err(BodyError::TooLarge),
            Some(_) | None => Ok(()),
        }
    }

    /// Reads a whole body.
    pub(super) async fn read(&self, body: Body) -> Result<Delivered, BodyError> {
        let mut chunks = body.into_data_stream();
        let read = tokio::time::timeout(self.within, self.collect(&mut chunks))
            .await
            .unwrap_or(Err(BodyError::Slow));
        if matches!(read, Err(BodyError::TooLarge | BodyError::Busy)) {
            self.pass(&mut chunks).await;
        }
        read
    }

    /// Lets a body pass that nobody wants, so that its sender comes to read the answer. It takes no memory.
    pub(super) async fn skip(&self, body: Body) {
        self.pass(&mut body.into_data_stream()).await;
    }

    async fn pass<E>(&self, chunks: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin)) {
        // The answer is ready: what happens here does not change it.
        let _ = tokio::time::timeout(self.within, self.discard(chunks)).await;
    }

    async fn collect<E>(
        &self,
        chunks: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    ) -> Result<Delivered, BodyError> {
        let mut share = Share(None);
        let mut first = Bytes::new();
        let mut all = Vec::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| BodyError::Broken)?;
            if first.len().max(all.len()) + chunk.len() > self.most {
                return Err(BodyError::TooLarge);
            }
            share.add(self.take(chunk.len())?);
            if first.is_empty() {
                first = chunk;
            } else {
                if all.is_empty() {
                    all.extend_from_slice(&first);
                }
                all.extend_from_slice(&chunk);
            }
        }
        let bytes = if all.is_empty() { first } else { all.into() };
        Ok(Delivered { bytes, share })
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, BodyError> {
        let permits = u32::try_from(bytes).map_err(|_| BodyError::TooLarge)?;
        Arc::clone(&self.bytes)
            .try_acquire_many_owned(permits)
            .map_err(|_| BodyError::Busy)
    }

    async fn discard<E>(&self, chunks: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin)) {
        let mut left = self.most;
        while let Some(Ok(chunk)) = chunks.next().await {
            match left.checked_sub(chunk.len()) {
                Some(less) => left = less,
                None => return,
            }
        }
    }
}
