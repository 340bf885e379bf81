//! Who gets a board, and why the others wait.

use proptest::prelude::*;

use super::*;
use crate::PoolName;
use crate::config::{Cap, Percent};
use crate::settings::{Setting, SettingValue, Settings, Weight};
use crate::testing::*;

/// What a plan is made from, owned.
#[derive(Debug)]
struct Given {
    jobs: Vec<JobRow>,
    workers: BTreeMap<PodName, WorkerRow>,
    cluster: ClusterView,
    pools: Vec<Pool>,
    images: BTreeMap<String, Image>,
    caps: Caps,
    sharing: Sharing,
    newcomers: BTreeSet<EntityId>,
    settings: Vec<Setting>,
    rooms: BTreeMap<Party, usize>,
    at_most: usize,
}

/// So many free boards.
fn boards(count: usize) -> Given {
    let mut cluster = ClusterView::default();
    let nodes = (0..count).map(|n| node(&format!("board-{n}"))).collect();
    cluster.nodes_listed(nodes, at(0));
    cluster.pods_listed(vec![], at(0));
    Given {
        jobs: vec![],
        workers: BTreeMap::new(),
        cluster,
        pools: vec![pool()],
        images: BTreeMap::new(),
        caps: Caps {
            default_max_workers: Cap::Unlimited,
            entities: vec![],
        },
        sharing: SHARING,
        newcomers: BTreeSet::new(),
        settings: vec![],
        rooms: BTreeMap::new(),
        at_most: 1_000,
    }
}

impl Given {
    /// The next so many jobs of an organisation.
    fn jobs(mut self, entity: i64, count: usize) -> Self {
        for _ in 0..count {
            let id = i64::try_from(self.jobs.len()).unwrap() + 1;
            self.jobs.push(job(id, demand(entity)));
        }
        self
    }

    /// An organisation holds so many boards, a job on each.
    fn holds(mut self, entity: i64, count: usize) -> Self {
        for _ in 0..count {
            let n = self.workers.len();
            let name = format!("w{n}");
            let row = WorkerRow {
                status: Status::Running,
                named_by: vec![named(10_000 + i64::try_from(n).unwrap(), Status::Running)],
                ..worker(&name, demand(entity))
            };
            self.cluster
                .pod_seen(running_pod(&name, &format!("board-{n}")), at(1));
            self.workers.insert(row.name.clone(), row);
        }
        self
    }

    fn set(mut self, scope: Scope, value: SettingValue) -> Self {
        self.settings.push(Setting {
            scope,
            value,
            author: "ada".to_owned(),
            reason: "a test".to_owned(),
            set_at: at(0),
            until: None,
            ended_at: None,
        });
        self
    }

    fn plan(&self) -> Plan {
        let in_force = Settings::new(self.settings.clone()).in_force(at(100));
        plan(PlanInput {
            jobs: &self.jobs,
            workers: &self.workers,
            cluster: &self.cluster,
            cluster_fresh: true,
            took_a_job: &BTreeSet::new(),
            backing_off: &BTreeSet::new(),
            breakers: &Breakers::default(),
            rooms: &self.rooms,
            pools: &self.pools,
            images: &self.images,
            caps: &self.caps,
            sharing: &self.sharing,
            newcomers: &self.newcomers,
            in_force: &in_force,
            at_most: self.at_most,
        })
    }

    /// For whom boards are asked, in order.
    fn asks(&self) -> Vec<i64> {
        let asks = self.plan().asks;
        asks.iter().map(|ask| ask.demand.entity.0).collect()
    }

    /// Why a job waits.
    fn reason(&self, id: i64) -> String {
        self.plan().waiting[&JobId(id)].to_string()
    }
}

fn entity(id: i64) -> Scope {
    Scope::Entity(EntityId(id))
}

fn cap(most: u32) -> SettingValue {
    SettingValue::Cap(Cap::Workers(most))
}

#[test]
fn who_has_nothing_comes_before_who_has_much() {
    // Someone's 500 jobs were there first, and it holds 39 boards of 40.
    let given = boards(40).holds(1, 39).jobs(1, 500).jobs(2, 1);
    assert_eq!(given.asks(), [2]);
    assert_eq!(given.reason(501), "starting");
    assert_eq!(given.reason(1), "no_free_board:scw-em-rv1");
}

#[test]
fn boards_are_dealt_out_in_turn() {
    let given = boards(5).jobs(1, 10).jobs(2, 10);
    assert_eq!(given.asks(), [1, 2, 1, 2, 1], "ties go by age");
    let given = boards(7).holds(1, 3).jobs(1, 10).jobs(2, 10);
    assert_eq!(given.asks(), [2, 2, 2, 1], "what is held counts");
    let given = boards(4).jobs(1, 3).jobs(2, 1);
    assert_eq!(given.asks(), [1, 2, 1, 1], "nothing stays free");
}

#[test]
fn a_weight_is_a_part() {
    let given = boards(6)
        .jobs(1, 10)
        .jobs(2, 10)
        .set(entity(1), SettingValue::Weight(Weight::hundredths(200)));
    let asks = given.asks();
    assert_eq!(asks.iter().filter(|id| **id == 1).count(), 4, "{asks:?}");
    let given = given.set(entity(2), SettingValue::Weight(Weight::hundredths(50)));
    let asks = given.asks();
    assert_eq!(asks.iter().filter(|id| **id == 1).count(), 5, "{asks:?}");
}

#[test]
fn a_reserved_minimum_comes_first() {
    let given = boards(6).holds(1, 2).jobs(2, 5).jobs(1, 5);
    assert_eq!(given.asks(), [2, 2, 2, 1]);
    let given = given.set(entity(1), SettingValue::Reserved(4));
    assert_eq!(given.asks(), [1, 1, 2, 2], "two are missing to its four");
}

#[test]
fn caps_are_kept_whoever_set_them() {
    let given = boards(8).holds(1, 1).jobs(1, 5).jobs(2, 1);
    let given = given.set(entity(1), cap(3));
    assert_eq!(given.asks(), [2, 1, 1]);
    assert_eq!(given.reason(3), "at_cap:entity:1");
    let asks = given.plan().asks;
    assert_eq!((asks[0].cap_left, asks[1].cap_left), (None, Some(2)));
    // One that is lower than what is held takes nothing away and gives nothing.
    let given = boards(8).holds(1, 3).jobs(1, 5).set(entity(1), cap(2));
    assert_eq!(given.asks(), [0; 0]);
    let given = boards(8).jobs(1, 5).set(Scope::Global, cap(2));
    assert_eq!(given.asks(), [1, 1]);
}

#[test]
fn a_pause_begins_nothing_new() {
    let mut given = boards(3).jobs(1, 1).jobs(2, 1);
    given.images = BTreeMap::from([("ubuntu".to_owned(), Image::new("image"))]);
    let pauses = [
        (Scope::Global, "paused:all"),
        (Scope::Pool(POOL.into()), "paused:pool:scw-em-rv1"),
        (Scope::Image("ubuntu".to_owned()), "paused:image:ubuntu"),
    ];
    for (scope, reason) in pauses {
        let paused = Given {
            settings: vec![],
            cluster: given.cluster.clone(),
            jobs: given.jobs.clone(),
            images: given.images.clone(),
            ..boards(3)
        };
        let paused = paused.set(scope, SettingValue::Pause);
        assert_eq!(paused.asks(), [0; 0], "{reason}");
        assert_eq!(paused.reason(1), reason);
    }
    let given = given.set(entity(1), SettingValue::Pause);
    assert_eq!(given.asks(), [2]);
    assert_eq!(given.reason(1), "paused:entity:1");
}

#[test]
fn what_is_banned_gets_no_board() {
    let given = boards(3).jobs(1, 1).jobs(2, 1).jobs(3, 1);
    let mut given = given
        .set(entity(1), SettingValue::Ban)
        .set(Scope::Sender(EntityId(50)), SettingValue::Ban);
    given.jobs[1].sender = Some(EntityId(50));
    given.jobs[2].sender = Some(EntityId(51));
    assert_eq!(given.asks(), [3]);
    assert_eq!(given.reason(1), "banned:entity:1");
    assert_eq!(given.reason(2), "banned:sender:50");
}

#[test]
fn a_quarantined_board_offers_nothing() {
    let given = boards(2).jobs(1, 3);
    let first = Scope::Board("board-0".into());
    let given = given.set(first, SettingValue::Quarantine);
    assert_eq!(given.asks(), [1]);
    let given = given.set(Scope::Board("board-1".into()), SettingValue::Quarantine);
    assert_eq!(given.asks(), [0; 0]);
    assert_eq!(given.reason(1), "no_board_in_pool:scw-em-rv1");
}

#[test]
fn a_newcomer_has_a_cap_of_its_own_until_it_is_none_any_more() {
    let mut given = boards(10).jobs(1, 6).jobs(2, 6);
    given.sharing.newcomer_cap = Cap::Workers(2);
    given.newcomers = BTreeSet::from([EntityId(1)]);
    let count = |given: &Given| given.asks().iter().filter(|id| **id == 1).count();
    assert_eq!(count(&given), 2);
    assert_eq!(given.reason(6), "at_cap:entity:1");
    let with_its_own = given.set(entity(1), cap(6));
    assert_eq!(count(&with_its_own), 5, "a cap that was set for it counts");
}

#[test]
fn a_share_is_the_limit_while_others_could_take_the_board() {
    let mut given = boards(10)
        .jobs(1, 10)
        .jobs(2, 10)
        .jobs(3, 10)
        .set(entity(1), SettingValue::Weight(Weight::hundredths(900)));
    let count = |given: &Given| given.asks().iter().filter(|id| **id == 1).count();
    assert_eq!(count(&given), 8);
    given.sharing.max_share = Percent::new(40).unwrap();
    assert_eq!(count(&given), 4);
    given.jobs.truncate(11);
    assert_eq!(count(&given), 9, "a board stays free for nobody");
}

#[test]
fn a_plan_that_is_cut_off_keeps_its_order_and_its_reasons() {
    let mut given = boards(5).jobs(1, 6).jobs(2, 1);
    given.at_most = 2;
    assert_eq!(given.asks(), [1, 2]);
    assert_eq!(given.reason(4), "starting");
    assert_eq!(given.reason(6), "no_free_board:scw-em-rv1");
}

#[test]
fn where_github_registers_no_more_others_go_on() {
    let mut given = boards(6).jobs(1, 4).jobs(2, 4);
    given.rooms = BTreeMap::from([(Party::of(&demand(1)), 1)]);
    assert_eq!(given.asks(), [1, 2, 2, 2, 2]);
    let budget = given.reason(4);
    assert!(
        budget.starts_with("github_budget:installation:"),
        "{budget}"
    );
    given
        .rooms
        .insert(Party::App(crate::EntityKind::Organization), 2);
    assert_eq!(given.asks(), [1, 2]);
}

const OTHER_POOL: &str = "cloudv10x-jupiter";

fn any_given() -> impl Strategy<Value = Given> {
    let jobs = proptest::collection::vec((1..6_i64, any::<bool>(), 0..20_i64), 0..40);
    let held = proptest::collection::vec(1..6_i64, 0..6);
    let settings = proptest::collection::vec((1..6_i64, any_value()), 0..6);
    (0..12_usize, 0..4_usize, jobs, held, settings, 1..=100_u8).prop_map(
        |(free, other, jobs, held, settings, share)| {
            let mut given = boards(free + held.len());
            for entity in held {
                given = given.holds(entity, 1);
            }
            let nodes = (0..other).map(|n| {
                let mut node = node(&format!("other-{n}"));
                node.labels
                    .insert(BOARD_LABEL.to_owned(), OTHER_POOL.to_owned());
                node
            });
            for node in nodes {
                given.cluster.node_seen(node, at(1));
            }
            given.pools.push(Pool {
                name: OTHER_POOL.into(),
                ..pool()
            });
            for (n, (entity, in_other, age)) in jobs.into_iter().enumerate() {
                let mut row = job(i64::try_from(n).unwrap() + 1, demand(entity));
                row.queued_at = at(age);
                if in_other {
                    row.demand.pool = OTHER_POOL.into();
                }
                given.jobs.push(row);
            }
            for (id, value) in settings {
                let scope = match value {
                    SettingValue::Quarantine => Scope::Board(format!("board-{id}").as_str().into()),
                    _ => entity(id),
                };
                given = given.set(scope, value);
            }
            given.sharing.max_share = Percent::new(share).unwrap();
            given
        },
    )
}

fn any_value() -> impl Strategy<Value = SettingValue> {
    prop_oneof![
        (0..5_u32).prop_map(cap),
        (0..5_u32).prop_map(SettingValue::Reserved),
        (1..500_u32).prop_map(|weight| SettingValue::Weight(Weight::hundredths(weight))),
        Just(SettingValue::Pause),
        Just(SettingValue::Ban),
        Just(SettingValue::Quarantine),
    ]
}

/// Boards that an entity holds and is granted.
fn boards_of(given: &Given, plan: &Plan, id: EntityId) -> usize {
    let held = given.workers.values().filter(|w| w.demand.entity == id);
    let granted = plan.asks.iter().filter(|ask| ask.demand.entity == id);
    held.count() + granted.count()
}

proptest! {
    #[test]
    fn no_plan_passes_a_limit_or_leaves_a_usable_board_free(given in any_given()) {
        let plan = given.plan();
        let in_force = Settings::new(given.settings.clone()).in_force(at(100));
        let entities: BTreeSet<EntityId> = given.jobs.iter().map(|j| j.demand.entity).collect();
        for id in &entities {
            let asked = plan.asks.iter().any(|ask| ask.demand.entity == *id);
            if let Cap::Workers(most) = in_force.cap(*id, &given.caps) {
                let boards = boards_of(&given, &plan, *id);
                prop_assert!(!asked || boards <= usize::try_from(most).unwrap());
            }
            prop_assert!(!asked || !in_force.is_banned(*id));
        }
        for pool in &given.pools {
            let of_pool = |name: &PoolName| *name == pool.name;
            let free = slots(pool, &given.workers, &given.cluster, &in_force).free;
            let asked = plan.asks.iter().filter(|ask| of_pool(&ask.demand.pool)).count();
            prop_assert!(asked <= free);
            let waits = given.jobs.iter().any(|job| of_pool(&job.demand.pool)
                && matches!(plan.waiting[&job.id], WaitingReason::NoFreeBoard(_)));
            prop_assert!(!waits || asked == free, "{} of {free} boards of {}", asked, pool.name);
        }
        prop_assert_eq!(plan.waiting.len(), given.jobs.len(), "a reason for every job");
    }

    /// At every grant, whoever still waits for a board of that pool has no less for its weight than who gets it.
    #[test]
    fn no_board_goes_to_who_has_more_for_their_weight(given in any_given()) {
        let mut given = given;
        given.sharing.max_share = Percent::ALL;
        let plan = given.plan();
        let in_force = Settings::new(given.settings.clone()).in_force(at(100));
        let load = |id: EntityId, boards: usize| {
            f64::from(u32::try_from(boards).unwrap()) / f64::from(in_force.weight(id).as_hundredths())
        };
        let waiting: BTreeSet<(EntityId, &PoolName)> = given
            .jobs
            .iter()
            .filter(|job| matches!(plan.waiting[&job.id], WaitingReason::NoFreeBoard(_)))
            .map(|job| (job.demand.entity, &job.demand.pool))
            .collect();
        for (index, ask) in plan.asks.iter().enumerate() {
            let before = Plan { asks: plan.asks[..index].to_vec(), ..Plan::default() };
            let gets = ask.demand.entity;
            let had = boards_of(&given, &before, gets);
            for (waits, _) in waiting.iter().filter(|(id, pool)| *id != gets && **pool == ask.demand.pool) {
                let has = boards_of(&given, &before, *waits);
                let (first, second) = (had < in_force.reserved(gets), has < in_force.reserved(*waits));
                prop_assert!(first || !second, "{waits} lacks its reserve, {gets} does not");
                prop_assert!(first != second || load(gets, had) <= load(*waits, has) + 1e-9, "{gets} before {waits}");
            }
        }
    }

    /// Boards come free one by one, and everybody's jobs are without end: everybody gets boards again and again.
    #[test]
    fn nobody_starves(weights in proptest::collection::vec(20..500_u32, 2..5)) {
        let mut given = boards(3);
        let mut got = vec![0_usize; weights.len()];
        for (index, weight) in weights.iter().enumerate() {
            let id = i64::try_from(index).unwrap() + 1;
            given = given.jobs(id, 1).set(entity(id), SettingValue::Weight(Weight::hundredths(*weight)));
        }
        // The oldest boards end first; each round one comes free.
        let mut held: std::collections::VecDeque<i64> = [1, 1, 1].into();
        for _ in 0..200 {
            held.pop_front();
            let mut round = boards(3);
            for id in &held {
                round = round.holds(*id, 1);
            }
            round.jobs.clone_from(&given.jobs);
            round.settings.clone_from(&given.settings);
            let asks = round.asks();
            prop_assert_eq!(asks.len(), 1);
            let id = asks[0];
            got[usize::try_from(id - 1).unwrap()] += 1;
            held.push_back(id);
            // Whoever was served comes again, as the youngest.
            let served = given.jobs.iter_mut().find(|job| job.demand.entity.0 == id).unwrap();
            served.queued_at = at(1_000) + served_after(&got);
        }
        prop_assert!(got.iter().all(|count| *count > 0), "{weights:?}: {got:?}");
    }
}

fn served_after(got: &[usize]) -> chrono::TimeDelta {
    chrono::TimeDelta::seconds(i64::try_from(got.iter().sum::<usize>()).unwrap())
}
