//! What is known of the cluster, and since when: lists, watch events and the answers to our own calls in one view.
//!
//! A list replaces everything that was not seen later than the list was begun. What is missing is *absent* only when a list
//! says so that was begun after our last call on it was answered; otherwise it is unknown.

use std::collections::BTreeMap;

use crate::boards::silent_since;
use crate::cluster::{Node, Pod, Readiness};
use crate::{NodeName, PodName, Time};

#[derive(Debug, Clone)]
struct Seen<T> {
    thing: T,
    at: Time,
}

/// What is known of one pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knowledge<'a> {
    /// It is there.
    Present(&'a Pod),
    /// It is not there.
    Absent,
    /// Nobody can tell.
    Unknown,
}

/// Pods and nodes, each known as of a time.
#[derive(Debug, Clone, Default)]
pub struct ClusterView {
    pods: BTreeMap<PodName, Seen<Pod>>,
    nodes: BTreeMap<NodeName, Seen<Node>>,
    pods_as_of: Option<Time>,
    nodes_as_of: Option<Time>,
    /// When our last call on a pod was answered, or given up.
    touched: BTreeMap<PodName, Time>,
    /// What was told to be gone, and when: a list begun before may still show it.
    pods_gone: BTreeMap<PodName, Time>,
    nodes_gone: BTreeMap<NodeName, Time>,
}

impl ClusterView {
    /// A whole list of our pods, begun at that time.
    pub fn pods_listed(&mut self, pods: Vec<Pod>, begun: Time) {
        if self.pods_as_of.is_some_and(|as_of| as_of > begun) {
            return;
        }
        let listed = pods.into_iter().map(|pod| (pod.name.clone(), pod));
        replace(&mut self.pods, listed, &mut self.pods_gone, begun);
        self.touched.retain(|_, at| *at >= begun);
        self.pods_as_of = Some(begun);
    }

    /// A whole list of nodes, begun at that time.
    pub fn nodes_listed(&mut self, nodes: Vec<Node>, begun: Time) {
        if self.nodes_as_of.is_some_and(|as_of| as_of > begun) {
            return;
        }
        let listed = nodes.into_iter().map(|node| (node.name.clone(), node));
        replace(&mut self.nodes, listed, &mut self.nodes_gone, begun);
        self.nodes_as_of = Some(begun);
    }

    /// A pod as a watch or an answer shows it.
    pub fn pod_seen(&mut self, pod: Pod, at: Time) {
        self.pods.insert(pod.name.clone(), Seen { thing: pod, at });
    }

    /// A watch or an answer says that the pod is gone. That is as good as a list begun now: a name is used once.
    pub fn pod_gone(&mut self, name: &PodName, at: Time) {
        self.pods.remove(name);
        self.touched.remove(name);
        self.pods_gone.insert(name.clone(), at);
    }

    /// A node as a watch shows it.
    pub fn node_seen(&mut self, node: Node, at: Time) {
        self.nodes
            .insert(node.name.clone(), Seen { thing: node, at });
    }

    /// A watch says that the node is gone.
    pub fn node_gone(&mut self, name: &NodeName, at: Time) {
        self.nodes.remove(name);
        self.nodes_gone.insert(name.clone(), at);
    }

    /// Our call on this pod was answered, or given up: lists begun before say nothing about it.
    pub fn touched(&mut self, name: &PodName, at: Time) {
        self.touched.insert(name.clone(), at);
    }

    /// What is known of a pod.
    #[must_use]
    pub fn pod(&self, name: &PodName) -> Knowledge<'_> {
        if let Some(seen) = self.pods.get(name) {
            return Knowledge::Present(&seen.thing);
        }
        let known_since = self.touched.get(name);
        match (self.pods_as_of, known_since) {
            (Some(as_of), Some(touched)) if as_of > *touched => Knowledge::Absent,
            (Some(_), None) => Knowledge::Absent,
            (Some(_), Some(_)) | (None, _) => Knowledge::Unknown,
        }
    }

    /// Every pod.
    pub fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.pods.values().map(|seen| &seen.thing)
    }

    /// Whether what is known of a pod may be old: its node is not Ready, or not known. A board that cannot be heard goes on
    /// with its pods, and may start one.
    #[must_use]
    pub fn is_silent(&self, pod: &Pod) -> bool {
        pod.node.as_ref().is_some_and(|node| {
            self.nodes
                .get(node)
                .is_none_or(|seen| seen.thing.ready != Readiness::Ready)
        })
    }

    /// Since when the node of a pod has not been Ready.
    #[must_use]
    pub fn silent_since(&self, pod: &Pod) -> Option<Time> {
        let node = self.nodes.get(pod.node.as_ref()?)?;
        silent_since(&node.thing)
    }

    /// Every node.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().map(|seen| &seen.thing)
    }

    /// The older of the two lists, if there are both.
    #[must_use]
    pub fn as_of(&self) -> Option<Time> {
        Some(self.pods_as_of?.min(self.nodes_as_of?))
    }
}

/// Puts a list begun at that time in the place of what is known, except for what is known from later.
fn replace<K: Ord, T>(
    known: &mut BTreeMap<K, Seen<T>>,
    listed: impl Iterator<Item = (K, T)>,
    gone: &mut BTreeMap<K, Time>,
    begun: Time,
) {
    known.retain(|_, seen| seen.at > begun);
    gone.retain(|_, at| *at > begun);
    for (name, thing) in listed {
        if !gone.contains_key(&name) {
            known.entry(name).or_insert(Seen { thing, at: begun });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, pod};

    #[test]
    fn a_list_begun_before_our_call_was_answered_says_nothing_of_it() {
        let mut view = ClusterView::default();
        let name = PodName::from("w1");
        assert_eq!(view.pod(&name), Knowledge::Unknown, "nothing was read yet");
        view.pods_listed(vec![], at(10));
        assert_eq!(view.pod(&name), Knowledge::Absent);
        view.touched(&name, at(20));
        assert_eq!(view.pod(&name), Knowledge::Unknown);
        view.pods_listed(vec![], at(15));
        assert_eq!(
            view.pod(&name),
            Knowledge::Unknown,
            "begun before the answer"
        );
        view.pods_listed(vec![], at(21));
        assert_eq!(view.pod(&name), Knowledge::Absent);
    }

    #[test]
    fn a_pod_that_is_said_to_be_gone_is_absent_whatever_our_last_call_on_it_was() {
        let mut view = ClusterView::default();
        let deleted = pod("w1");
        view.pods_listed(vec![deleted.clone()], at(10));
        view.touched(&deleted.name, at(20));
        view.pod_gone(&deleted.name, at(20));
        assert_eq!(view.pod(&deleted.name), Knowledge::Absent);
        view.touched(&deleted.name, at(21));
        assert_eq!(
            view.pod(&deleted.name),
            Knowledge::Unknown,
            "a later call may have made it again"
        );
    }

    #[test]
    fn what_was_seen_after_the_list_was_begun_stays() {
        let mut view = ClusterView::default();
        let made = pod("w1");
        view.pod_seen(made.clone(), at(20));
        view.pods_listed(vec![], at(19));
        assert_eq!(view.pod(&made.name), Knowledge::Present(&made));
        view.pods_listed(vec![], at(21));
        assert_eq!(view.pod(&made.name), Knowledge::Absent);
    }

    #[test]
    fn what_is_gone_does_not_come_back_with_a_list_begun_before() {
        let mut view = ClusterView::default();
        view.pods_listed(vec![pod("w1")], at(10));
        view.pod_gone(&"w1".into(), at(21));
        view.pods_listed(vec![pod("w1")], at(20));
        assert_eq!(view.pod(&"w1".into()), Knowledge::Absent);
        view.pods_listed(vec![pod("w1")], at(30));
        assert!(matches!(view.pod(&"w1".into()), Knowledge::Present(_)));
    }

    #[test]
    fn an_older_list_never_replaces_a_newer_one() {
        let mut view = ClusterView::default();
        view.pods_listed(vec![pod("w1")], at(30));
        view.pods_listed(vec![], at(20));
        assert!(matches!(view.pod(&"w1".into()), Knowledge::Present(_)));
    }
}
