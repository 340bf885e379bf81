//! What a board does with a pod that was put on it: admission, image, container, deadline, death. A board that is away
//! does what it can without telling anybody, and what it was not told it does not do.

use super::Cluster;
use super::events::{KUBELET, Severity};
use super::pod::{Container, Phase, PodId, Process};
use super::timers::{Due, Step};
use crate::world::Time;
use crate::world::github::GitHub;
use chrono::TimeDelta;

/// How often a board looks again whether a container that is being killed has left its slot.
const SLOT_RETRY: TimeDelta = TimeDelta::milliseconds(100);

impl Cluster {
    /// Sets the next step of a pod's life, in place of any other.
    pub(super) fn next_step(&mut self, id: PodId, step: Step, after: TimeDelta, now: Time) {
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        self.timers.cancel(pod.timers.main);
        pod.timers.main = Some(self.timers.set(now + after, Due::Pod(id, step)));
    }

    pub(super) fn kubelet_step(&mut self, id: PodId, step: Step, github: &mut GitHub, now: Time) {
        if let Some(pod) = self.pods.get_mut(&id) {
            pod.timers.main = None;
        }
        match step {
            Step::Notice => self.notice(id, now),
            Step::Pulled => self.pulled(id, now),
            Step::BackOff => self.wait_to_pull(id, now),
            Step::PullAgain => self.pull(id, now),
            Step::Start => self.start(id, now),
            Step::Connect => self.runner_connects(id, github, now),
            Step::Poll => self.runner_asks(id, github, now),
            Step::Work => self.runner_works(id, github, now),
            Step::Exit(code) => self.container_ended(id, code, now),
            Step::Killed => self.killed(id, github, now),
        }
    }

    /// The kubelet hears of a pod, admits it or not, and sees to its image.
    fn notice(&mut self, id: PodId, now: Time) {
        let Some(node) = self.reachable_board_of(id) else {
            return;
        };
        match self.room_on(&node, id) {
            Room::Enough => {}
            Room::Soon => return self.next_step(id, Step::Notice, SLOT_RETRY, now),
            Room::Refused(reason, message) => {
                self.pod_event(id, Severity::Warning, reason, &message, KUBELET, now);
                return self.end_pod(id, Phase::Failed, Some((reason, message)), now);
            }
        }
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        pod.start_time.get_or_insert(now);
        pod.container = Container::Waiting {
            reason: "ContainerCreating",
            message: String::new(),
        };
        self.arm_deadline(id, now);
        self.publish(id);
        self.see_to_image(id, &node, now);
    }

    fn see_to_image(&mut self, id: PodId, node: &str, now: Time) {
        let Some(pod) = self.pods.get(&id) else {
            return;
        };
        let (image, policy) = (pod.image().to_owned(), pod.pull_policy.clone());
        let present = self
            .boards
            .get(node)
            .is_some_and(|board| board.images.contains(&image));
        if !is_image_name(&image) {
            let message = format!(
                "Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": invalid reference format"
            );
            self.pod_event(
                id,
                Severity::Warning,
                "InspectFailed",
                &message,
                KUBELET,
                now,
            );
            self.pod_event(
                id,
                Severity::Warning,
                "Failed",
                "Error: InvalidImageName",
                KUBELET,
                now,
            );
            return self.wait(id, "InvalidImageName", &message);
        }
        match policy.as_str() {
            "Never" if !present => {
                let message =
                    format!("Container image \"{image}\" is not present with pull policy of Never");
                self.pod_event(
                    id,
                    Severity::Warning,
                    "ErrImageNeverPull",
                    &message,
                    KUBELET,
                    now,
                );
                self.wait(id, "ErrImageNeverPull", &message);
            }
            "IfNotPresent" | "Never" if present => {
                let message = format!("Container image \"{image}\" already present on machine");
                self.pod_event(id, Severity::Normal, "Pulled", &message, KUBELET, now);
                let after = self.takes(id, self.config.timings.start);
                self.next_step(id, Step::Start, after, now);
            }
            _ => self.pull(id, now),
        }
    }

    fn wait(&mut self, id: PodId, reason: &'static str, message: &str) {
        if let Some(pod) = self.pods.get_mut(&id) {
            pod.container = Container::Waiting {
                reason,
                message: message.to_owned(),
            };
        }
        self.publish(id);
    }

    fn pull(&mut self, id: PodId, now: Time) {
        let Some(pod) = self.pods.get(&id) else {
            return;
        };
        let message = format!("Pulling image \"{}\"", pod.image());
        self.pod_event(id, Severity::Normal, "Pulling", &message, KUBELET, now);
        let after = self.takes(id, self.config.timings.pull);
        self.next_step(id, Step::Pulled, after, now);
    }

    fn pulled(&mut self, id: PodId, now: Time) {
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        let (image, node) = (
            pod.image().to_owned(),
            pod.node().unwrap_or_default().to_owned(),
        );
        let Some(board) = self.boards.get_mut(&node) else {
            return;
        };
        if board.pull_fails || self.broken_images.contains(&image) {
            pod.failed_pulls += 1;
            let why = format!("failed to resolve reference \"{image}\": {image}: not found");
            let message = format!(
                "Failed to pull image \"{image}\": rpc error: code = NotFound desc = {why}"
            );
            self.pod_event(id, Severity::Warning, "Failed", &message, KUBELET, now);
            self.pod_event(
                id,
                Severity::Warning,
                "Failed",
                "Error: ErrImagePull",
                KUBELET,
                now,
            );
            self.wait(id, "ErrImagePull", &why);
            let soon = self.config.timings.pull_back_off / 10;
            return self.next_step(id, Step::BackOff, soon, now);
        }
        board.images.insert(image.clone());
        let message = format!("Successfully pulled image \"{image}\"");
        self.pod_event(id, Severity::Normal, "Pulled", &message, KUBELET, now);
        if let Some(pod) = self.pods.get_mut(&id) {
            pod.failed_pulls = 0;
        }
        let after = self.takes(id, self.config.timings.start);
        self.next_step(id, Step::Start, after, now);
    }

    fn wait_to_pull(&mut self, id: PodId, now: Time) {
        let Some(pod) = self.pods.get(&id) else {
            return;
        };
        let message = format!("Back-off pulling image \"{}\"", pod.image());
        let doublings = pod.failed_pulls.saturating_sub(1).min(5);
        let base = self.config.timings.pull_back_off;
        let pause = (base * 2_i32.pow(doublings)).min(base * 30);
        self.pod_event(id, Severity::Normal, "BackOff", &message, KUBELET, now);
        self.pod_event(
            id,
            Severity::Warning,
            "Failed",
            "Error: ImagePullBackOff",
            KUBELET,
            now,
        );
        self.wait(id, "ImagePullBackOff", &message);
        self.next_step(id, Step::PullAgain, pause, now);
    }

    fn start(&mut self, id: PodId, now: Time) {
        let behaviour = self.draw_behaviour(id);
        let Some(pod) = self.pods.get_mut(&id) else {
            return;
        };
        pod.container = Container::Running { started: now };
        pod.phase = Phase::Running;
        pod.process = Process::Other;
        pod.behaviour = behaviour;
        let (name, node) = (
            pod.container_name().to_owned(),
            pod.node().unwrap_or_default().to_owned(),
        );
        self.pod_event(
            id,
            Severity::Normal,
            "Created",
            &format!("Created container: {name}"),
            KUBELET,
            now,
        );
        self.pod_event(
            id,
            Severity::Normal,
            "Started",
            &format!("Started container {name}"),
            KUBELET,
            now,
        );
        self.publish(id);
        self.report
            .note_running(&node, self.running_slots(&node), self.slots(&node));
        self.process_begins(id, now);
    }

    fn room_on(&self, node: &str, id: PodId) -> Room {
        let Some(pod) = self.pods.get(&id) else {
            return Room::Enough;
        };
        let wanted = pod.request(super::SLOT);
        let others = self
            .pods
            .iter()
            .filter(|(other, pod)| **other != id && pod.node() == Some(node));
        let holds = |in_api: bool| -> i128 {
            others
                .clone()
                .filter(|(_, pod)| {
                    pod.in_api == in_api && !pod.phase.is_terminal() && (in_api || pod.runs())
                })
                // Of those that the kubelet has not heard of either, the older one goes first.
                .filter(|(other, pod)| pod.start_time.is_some() || **other < id)
                .map(|(_, pod)| pod.request(super::SLOT))
                .sum()
        };
        let (listed, ghosts) = (holds(true), holds(false));
        let all = i128::try_from(self.slots(node)).unwrap_or_default() * 1000;
        if wanted == 0 || listed + ghosts + wanted <= all {
            return Room::Enough;
        }
        if listed + wanted > all {
            let message = format!(
                "Node didn't have enough resource: {}, requested: {}, used: {}, capacity: {}",
                super::SLOT,
                wanted / 1000,
                listed / 1000,
                all / 1000
            );
            return Room::Refused("OutOfriseproject.com/runner", message);
        }
        if !self.boards.get(node).is_some_and(|board| board.kill_stuck) {
            return Room::Soon;
        }
        let message = format!(
            "Allocate failed due to requested number of devices unavailable for {}. Requested: {}, Available: 0, \
             which is unexpected",
            super::SLOT,
            wanted / 1000
        );
        Room::Refused("UnexpectedAdmissionError", message)
    }
}

/// Whether a board's device plugin has a slot for a pod.
enum Room {
    Enough,
    /// A container without a document is being killed and will leave one.
    Soon,
    Refused(&'static str, String),
}

/// Whether a container runtime can read it as an image's name.
fn is_image_name(image: &str) -> bool {
    let (path, rest) = match image.split_once('@') {
        Some((path, digest)) => (path, digest),
        None => (image, ""),
    };
    let (name, tag) = match path.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (path, ""),
    };
    let name_fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/:".contains(c);
    let tag_fits = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
    !name.is_empty()
        && name.chars().all(name_fits)
        && !name.ends_with('/')
        && tag.chars().chain(rest.chars()).all(tag_fits)
        && !path.ends_with(':')
}

#[cfg(test)]
mod tests {
    use super::is_image_name;

    #[test]
    fn image_names() {
        for (image, good) in [
            ("ubuntu", true),
            ("registry.example:5000/a/b:ubuntu-24.04-Latest", true),
            ("a/b@sha256:0123456789abcdef", true),
            ("A/b", false),
            ("a b", false),
            ("a:", false),
            ("", false),
        ] {
            assert_eq!(is_image_name(image), good, "{image}");
        }
    }
}
