//! Pods' logs: streamed, in bounded memory, however long they are.

use futures::io::{AsyncRead, AsyncReadExt};
use kube::core::Request;
use kube::core::subresource::LogParams;
use rise_model::PodName;
use rise_model::cluster::CONTAINER;
use rise_model::log::{LogEvidence, LogScan};

use super::error::{KubernetesError, Operation};
use super::{Call, Kubernetes};

/// How much is read at once.
const PIECE_BYTES: usize = 16 * 1024;

impl Kubernetes {
    /// Reads a pod's whole log for what it proves.
    ///
    /// # Errors
    /// Also when the log broke off or took longer than `log_timeout`: half a log proves nothing by what it lacks.
    pub async fn read_log_marks(&self, name: &PodName) -> Result<LogEvidence, KubernetesError> {
        let call = Call::new(Operation::PodLog, format!("pod {name}"));
        let params = LogParams {
            timestamps: true,
            ..runner_log()
        };
        let mut scan = LogScan::default();
        let reading = self.stream_log(&call, name, &params, |piece| scan.feed(piece));
        match tokio::time::timeout(self.section.log_timeout.std(), reading).await {
            Ok(read) => read?,
            Err(_) => return Err(call.timed_out()),
        }
        Ok(scan.finish())
    }

    /// Hands on the last lines of a pod's log and what comes after them, until it ends. A log may be silent for long, so
    /// that only its opening has a call's time.
    ///
    /// # Errors
    /// When it cannot be opened, or broke off.
    pub async fn follow_log(
        &self,
        name: &PodName,
        lines: i64,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), KubernetesError> {
        let call = Call::new(Operation::PodLog, format!("pod {name}"));
        let params = LogParams {
            follow: true,
            tail_lines: Some(lines),
            ..runner_log()
        };
        let mut stream = std::pin::pin!(self.open_log(&call, name, &params).await?);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match read(&mut stream, &mut piece).await {
                Ok(0) => return Ok(()),
                Ok(length) => take(piece.get(..length).unwrap_or_default()),
                Err(error) => return Err(call.failed(kube::Error::ReadEvents(error))),
            }
        }
    }

    async fn open_log(
        &self,
        call: &Call,
        name: &PodName,
        params: &LogParams,
    ) -> Result<impl AsyncRead + use<>, KubernetesError> {
        let within = self.section.call_timeout.std();
        let request = call.built(Request::new(self.pods_path()).logs(name.as_str(), params))?;
        let opening = self.client.request_stream(request);
        match tokio::time::timeout(within, opening).await {
            Ok(opened) => opened.map_err(|error| call.failed(error)),
            Err(_) => Err(call.timed_out()),
        }
    }

    /// Hands a log on, piece by piece. Every piece has a call's time to come.
    pub(super) async fn stream_log(
        &self,
        call: &Call,
        name: &PodName,
        params: &LogParams,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), KubernetesError> {
        let within = self.section.call_timeout.std();
        let mut stream = std::pin::pin!(self.open_log(call, name, params).await?);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match tokio::time::timeout(within, read(&mut stream, &mut piece)).await {
                Ok(Ok(0)) => return Ok(()),
                Ok(Ok(length)) => take(piece.get(..length).unwrap_or_default()),
                Ok(Err(error)) => return Err(call.failed(kube::Error::ReadEvents(error))),
                Err(_) => return Err(call.timed_out()),
            }
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin), piece: &mut [u8]) -> std::io::Result<usize> {
    stream.read(piece).await
}

/// The log of the one container.
pub(super) fn runner_log() -> LogParams {
    LogParams {
        container: Some(CONTAINER.to_owned()),
        ..LogParams::default()
    }
}
