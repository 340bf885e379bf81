//! Sending deliveries over keep-alive connections, at least cost: it runs on the machine that it measures.
//!
//! Closed loop: each connection sends its next delivery when the last one was answered. Open loop: deliveries are due at a
//! set rate, and one that has to wait for a connection is late from when it was due.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rise_model::JobId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use crate::cli::BenchIntake;

use super::deliveries::Batch;

/// GitHub gives a delivery up after this.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Deliveries a second that are signed before the clock runs.
const SIGNED_A_SECOND: u64 = 6_000;
/// An answer of ghfe is a line.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// How deliveries follow each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    time: Duration,
    rate: Option<u32>,
}

impl Pace {
    pub(super) fn of(options: BenchIntake) -> Self {
        Self {
            time: options.time.std(),
            rate: options.rate,
        }
    }

    /// How many there will be, about.
    pub(super) fn expected(self) -> usize {
        let a_second = self.rate.map_or(SIGNED_A_SECOND, u64::from);
        usize::try_from(a_second * self.time.as_secs()).unwrap_or(usize::MAX)
    }

    /// When the delivery with this number is due after the beginning.
    fn due(self, number: usize) -> Option<Duration> {
        let rate = self.rate?;
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        Some(Duration::from_secs(1) * number / rate)
    }
}

/// What was sent and how it was answered.
#[derive(Debug, Default)]
pub(super) struct Load {
    /// From sending to the end of the answer, of those answered 200.
    pub(super) latencies: Vec<Duration>,
    /// How many got another answer, by status.
    pub(super) refused: BTreeMap<u16, usize>,
    /// How long it took in all.
    pub(super) elapsed: Duration,
    /// The jobs whose deliveries were answered 200, those of the warm-up too.
    pub(super) acknowledged: Vec<i64>,
}

impl Load {
    /// Sends a batch. It blocks this thread and uses no other.
    pub(super) fn run(
        batch: Batch,
        address: &str,
        connections: u32,
        pace: Pace,
    ) -> io::Result<Self> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(send_all(Arc::new(batch), address, connections, pace))
    }

    /// How many were answered 200 and are not there.
    pub(super) fn lost(&self, stored: &BTreeSet<JobId>) -> usize {
        let jobs = self.acknowledged.iter();
        jobs.filter(|job| !stored.contains(&JobId(**job))).count()
    }

    fn add(&mut self, job: i64, status: u16) -> bool {
        if status == 200 {
            self.acknowledged.push(job);
        } else {
            *self.refused.entry(status).or_default() += 1;
        }
        status == 200
    }

    fn join(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.acknowledged.extend(other.acknowledged);
        for (status, count) in other.refused {
            *self.refused.entry(status).or_default() += count;
        }
        self.elapsed = self.elapsed.max(other.elapsed);
    }
}

async fn send_all(
    batch: Arc<Batch>,
    address: &str,
    connections: u32,
    pace: Pace,
) -> io::Result<Load> {
    let mut senders = JoinSet::new();
    // Numbers of the warm-up come first, those that the pace counts follow.
    let warm = usize::try_from(connections).unwrap_or(usize::MAX);
    let ready = Arc::new(Barrier::new(warm));
    for _ in 0..connections {
        let connection = Connection::open(address).await?;
        let sender = Sender {
            batch: Arc::clone(&batch),
            connection,
            pace,
            warm,
            ready: Arc::clone(&ready),
        };
        senders.spawn(sender.send());
    }
    let mut load = Load::default();
    while let Some(sent) = senders.join_next().await {
        load.join(sent.map_err(io::Error::other)??);
    }
    Ok(load)
}

/// One connection's part.
struct Sender {
    batch: Arc<Batch>,
    connection: Connection,
    pace: Pace,
    warm: usize,
    ready: Arc<Barrier>,
}

impl Sender {
    async fn send(mut self) -> io::Result<Load> {
        let mut load = Load::default();
        // The first one opens connections to the database behind ghfe and is not measured.
        let number = self.batch.take();
        let warmed = self.connection.exchange(&self.batch.request(number)).await;
        // Before the error is told, so that nobody waits for this connection.
        self.ready.wait().await;
        load.add(self.batch.job(number), warmed?);
        let began = Instant::now();
        loop {
            let number = self.batch.take();
            let request = self.batch.request(number);
            let Some(from) = self.turn(began, number.saturating_sub(self.warm)).await else {
                break;
            };
            let status = self.connection.exchange(&request).await?;
            if load.add(self.batch.job(number), status) {
                load.latencies.push(from.elapsed());
            }
        }
        load.elapsed = began.elapsed();
        Ok(load)
    }

    /// Waits until a delivery may be sent and says from when its time counts; nothing when the time is over.
    async fn turn(&self, began: Instant, number: usize) -> Option<Instant> {
        let now = Instant::now();
        let end = began + self.pace.time;
        let Some(due) = self.pace.due(number).map(|due| began + due) else {
            return (now < end).then_some(now);
        };
        if due >= end {
            return None;
        }
        if due <= now {
            return Some(due);
        }
        // That a timer is late is not ghfe's.
        sleep_until(due.into()).await;
        Some(Instant::now())
    }
}

/// A connection that speaks as much HTTP as ghfe's answers need.
struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            answer: Vec::with_capacity(1024),
        })
    }

    /// Sends a request and returns the status of its answer.
    async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        timeout(ANSWER_WITHIN, self.send_and_read(request))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn send_and_read(&mut self, request: &[u8]) -> io::Result<u16> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(answer) = Answer::parse(&self.answer)? {
                return Ok(answer.status);
            }
            if self.answer.len() > MAX_ANSWER_BYTES {
                return Err(strange());
            }
        }
    }
}

/// An answer that has arrived whole.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
}

impl Answer {
    fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        const END: &[u8] = b"\r\n\r\n";
        let Some(end) = bytes.windows(END.len()).position(|window| window == END) else {
            return Ok(None);
        };
        let (head, body) = bytes.split_at(end);
        let head = str::from_utf8(head).map_err(|_| strange())?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status.and_then(|status| status.parse().ok());
        let length = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>().ok())?
        });
        match (status, length) {
            (Some(status), Some(length)) if body.len() >= END.len() + length => {
                Ok(Some(Self { status }))
            }
            (Some(_), Some(_)) => Ok(None),
            (None, _) | (_, None) => Err(strange()),
        }
    }
}

fn strange() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the answer is not as ghfe's are",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_over_when_its_last_byte_is_there() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\nContent-Length: 2\r\n\r\nno";
        assert_eq!(Answer::parse(answer).unwrap(), Some(Answer { status: 503 }));
        for short in 0..answer.len() {
            assert_eq!(Answer::parse(&answer[..short]).unwrap(), None, "{short}");
        }
        assert!(Answer::parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(Answer::parse(b"hello\r\ncontent-length: 0\r\n\r\n").is_err());
    }

    #[test]
    fn what_was_answered_well_and_is_not_there_is_lost() {
        let mut load = Load::default();
        assert!(load.add(1, 200));
        assert!(load.add(2, 200));
        assert!(!load.add(3, 503));
        assert_eq!(load.lost(&BTreeSet::from([JobId(2)])), 1);
        assert_eq!(load.lost(&BTreeSet::from([JobId(1), JobId(2)])), 0);
        assert_eq!(load.refused, BTreeMap::from([(503, 1)]));
    }

    #[test]
    fn a_rate_says_when_each_delivery_is_due() {
        let pace = |rate| Pace {
            time: Duration::from_secs(3),
            rate,
        };
        assert_eq!(pace(Some(100)).due(0), Some(Duration::ZERO));
        assert_eq!(pace(Some(100)).due(250), Some(Duration::from_millis(2_500)));
        assert_eq!(pace(None).due(7), None);
        assert_eq!(pace(Some(100)).expected(), 300);
    }
}
