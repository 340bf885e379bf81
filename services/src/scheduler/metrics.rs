//! What this process counted while it led: rounds, actions, and how long the phases of workers took.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use rise_model::Time;
use rise_model::effects::{Effect, Outcome};
use rise_model::machine::Machine;

use crate::exposition::{Distribution, Families};

/// Seconds. A pod starts within seconds, a pull takes minutes, a job hours.
const PHASE_BOUNDS: [f64; 14] = [
    0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 45.0, 90.0, 180.0, 600.0, 1800.0, 3600.0, 21600.0, 86400.0,
];
/// The longest name of an effect.
const NAME_BYTES: usize = 40;

/// A part of a worker's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// From the row to the pod.
    ReservedToPod,
    /// From the pod to its container.
    PodToRunning,
    /// From the container to its end.
    RunningToSlotFree,
    /// The whole.
    ReservedToSlotFree,
}

impl Phase {
    fn as_str(self) -> &'static str {
        match self {
            Self::ReservedToPod => "reserved_to_pod",
            Self::PodToRunning => "pod_to_running",
            Self::RunningToSlotFree => "running_to_slot_free",
            Self::ReservedToSlotFree => "reserved_to_slot_free",
        }
    }
}

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ended {
    Done,
    NotWritten,
    Deposed,
    Refused,
    NoAnswer,
}

impl Ended {
    fn of(outcome: &Outcome) -> Self {
        if matches!(outcome, Outcome::Refused { .. }) {
            Self::Refused
        } else if matches!(outcome, Outcome::NoAnswer { .. }) {
            Self::NoAnswer
        } else if *outcome == Outcome::NotWritten {
            Self::NotWritten
        } else if *outcome == Outcome::Deposed {
            Self::Deposed
        } else {
            Self::Done
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotWritten => "not_written",
            Self::Deposed => "deposed",
            Self::Refused => "refused",
            Self::NoAnswer => "no_answer",
        }
    }
}

/// The counters of one process.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    rounds: u64,
    actions: BTreeMap<(String, Ended), u64>,
    phases: BTreeMap<Phase, Distribution>,
}

/// What is remembered of an action until it ends.
#[derive(Debug)]
pub(super) struct Begun {
    kind: String,
    phases: Vec<(Phase, f64)>,
}

impl Begun {
    /// Before an effect is performed, while the machine still has the row of the worker that it closes.
    pub(super) fn of(effect: &Effect, machine: &Machine, now: Option<Time>) -> Self {
        Self {
            kind: kind(effect),
            phases: match (effect, now) {
                (Effect::MarkFinished { worker, finish }, Some(now)) => machine
                    .workers()
                    .get(worker)
                    .map(|row| {
                        phases(
                            row.created_at,
                            row.pod_created_at,
                            row.running_at,
                            finish.ended_at.unwrap_or(now),
                        )
                    })
                    .unwrap_or_default(),
                _ => Vec::new(),
            },
        }
    }
}

/// Phases whose both ends are known.
fn phases(
    reserved: Time,
    pod: Option<Time>,
    running: Option<Time>,
    free: Time,
) -> Vec<(Phase, f64)> {
    let seconds = |from: Time, to: Time| (to - from).as_seconds_f64().max(0.0);
    let mut phases = vec![(Phase::ReservedToSlotFree, seconds(reserved, free))];
    if let Some(pod) = pod {
        phases.push((Phase::ReservedToPod, seconds(reserved, pod)));
    }
    if let Some((pod, running)) = pod.zip(running) {
        phases.push((Phase::PodToRunning, seconds(pod, running)));
    }
    if let Some(running) = running {
        phases.push((Phase::RunningToSlotFree, seconds(running, free)));
    }
    phases
}

impl Counters {
    /// A round was decided.
    pub(super) fn round(&self) {
        self.lock().rounds += 1;
    }

    /// An action ended.
    pub(super) fn action(&self, begun: Begun, outcome: &Outcome) {
        let mut counted = self.lock();
        let ended = Ended::of(outcome);
        *counted.actions.entry((begun.kind, ended)).or_default() += 1;
        if *outcome == Outcome::Written {
            for (phase, seconds) in begun.phases {
                let phase = counted.phases.entry(phase);
                phase
                    .or_insert_with(|| Distribution::new(&PHASE_BOUNDS))
                    .observe(seconds);
            }
        }
    }

    /// All of it.
    pub(super) fn tell(&self, families: &mut Families) {
        let counted = self.lock();
        families.counter(
            "rise_rounds_total",
            "Rounds that this process decided while it led.",
            [(Vec::new(), float(counted.rounds))],
        );
        families.counter(
            "rise_actions_total",
            "Actions of this process, by kind and by how they ended.",
            counted.actions.iter().map(|((kind, ended), count)| {
                let labels = vec![("kind", kind.as_str()), ("outcome", ended.as_str())];
                (labels, float(*count))
            }),
        );
        families.histogram(
            "rise_worker_phase_seconds",
            "How long the phases of workers took that this process closed, from the reserved row to the free slot.",
            counted
                .phases
                .iter()
                .map(|(phase, seconds)| (vec![("phase", phase.as_str())], seconds)),
        );
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For a sample. Nothing here is counted beyond 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "a count of events, which a float holds exactly up to 2^53"
)]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// The name of an effect as traces write it, without writing the rest.
fn kind(effect: &Effect) -> String {
    let mut beginning = Beginning::default();
    // It fails as soon as it has enough.
    let _ = serde_json::to_writer(&mut beginning, effect);
    let text = String::from_utf8_lossy(&beginning.0);
    let name = text.split('"').nth(1).unwrap_or("unknown");
    name.to_owned()
}

#[derive(Default)]
struct Beginning(Vec<u8>);

impl Write for Beginning {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() > NAME_BYTES {
            return Err(io::Error::other("enough"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rise_model::PodName;
    use rise_model::effects::Dependency;

    use super::*;

    fn at(second: i64) -> Time {
        Time::from_timestamp(1_790_000_000 + second, 0).unwrap()
    }

    fn text(counters: &Counters) -> String {
        let mut families = Families::default();
        counters.tell(&mut families);
        families.encode().unwrap().1
    }

    #[test]
    fn actions_are_counted_by_kind_and_end() {
        let counters = Counters::default();
        let effect = Effect::GetPod {
            worker: PodName::new("w"),
        };
        let refused = Outcome::Refused {
            by: Dependency::GitHub,
            message: "no".into(),
        };
        for outcome in [Outcome::NoPod, refused.clone(), refused] {
            let begun = Begun {
                kind: kind(&effect),
                phases: Vec::new(),
            };
            counters.action(begun, &outcome);
        }
        counters.round();
        let text = text(&counters);
        assert!(text.contains("rise_actions_total{kind=\"get_pod\",outcome=\"done\"} 1\n"));
        assert!(text.contains("rise_actions_total{kind=\"get_pod\",outcome=\"refused\"} 2\n"));
        assert!(text.contains("rise_rounds_total 1\n"), "{text}");
    }

    #[test]
    fn phases_are_told_where_both_ends_are_known() {
        let counters = Counters::default();
        let begun = Begun {
            kind: "mark_finished".into(),
            phases: phases(at(0), Some(at(3)), Some(at(10)), at(70)),
        };
        counters.action(begun, &Outcome::Written);
        let never_ran = Begun {
            kind: "mark_finished".into(),
            phases: phases(at(0), Some(at(3)), None, at(9)),
        };
        counters.action(never_ran, &Outcome::Written);
        let lost = Begun {
            kind: "mark_finished".into(),
            phases: phases(at(0), None, None, at(9)),
        };
        counters.action(lost, &Outcome::NotWritten);
        let text = text(&counters);
        for line in [
            "rise_worker_phase_seconds_count{phase=\"reserved_to_slot_free\"} 2",
            "rise_worker_phase_seconds_sum{phase=\"reserved_to_slot_free\"} 79",
            "rise_worker_phase_seconds_bucket{phase=\"reserved_to_pod\",le=\"2\"} 0",
            "rise_worker_phase_seconds_bucket{phase=\"reserved_to_pod\",le=\"5\"} 2",
            "rise_worker_phase_seconds_count{phase=\"pod_to_running\"} 1",
            "rise_worker_phase_seconds_sum{phase=\"running_to_slot_free\"} 60",
            "rise_worker_phase_seconds_bucket{phase=\"running_to_slot_free\",le=\"+Inf\"} 1",
        ] {
            assert!(
                text.contains(&format!("{line}\n")),
                "{line} is not in {text}"
            );
        }
    }
}
