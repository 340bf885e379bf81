//! `--chaos`: trouble of every sort that the services answer, until the calm before the end.
//!
//! Deliveries are lost, doubled and overtaken; GitHub's API fails, refuses and lies about `busy`; boards go away and come
//! back; there are two schedulers, and one after the other is killed.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use sandbox::doors::github::GitHubDoor;
use sandbox::doors::trouble::{ApiTrouble, WebhookTrouble};
use sandbox::doors::webhooks::Webhooks;
use sandbox::doors::{Doors, SharedWorld};
use sandbox::world::cluster::BoardLoss;
use sandbox::world::github::Rules;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::exit::Failure;

use super::child::{Child, Role};
use super::services::Services;
use super::story::Story;

/// How late lists say that a runner is busy; 25 to 60 seconds were seen.
const BUSY_LAG: TimeDelta = TimeDelta::seconds(45);
/// How late a delivery that is overtaken comes, at most.
const LATE_BY: Duration = Duration::from_secs(20);
/// How long GitHub asks to wait who was too fast.
const TOO_FAST: Duration = Duration::from_secs(60);
/// A scheduler is killed this often. The lease does not go faster with the world, so that this does not either.
const KILL_EVERY: Duration = Duration::from_secs(25);
/// A board goes away this often, and comes back after the half.
const BOARD_EVERY: Duration = Duration::from_secs(120);

/// Makes GitHub lie about `busy`.
pub(super) fn lie(rules: &mut Rules) {
    rules.busy_lag = BUSY_LAG;
}

/// What makes trouble.
pub(super) struct Chaos {
    github: GitHubDoor,
    webhooks: Webhooks,
    world: SharedWorld,
    speed: u32,
    /// Cancelled at the calm before the end.
    pub(super) calm: CancellationToken,
}

impl Chaos {
    /// Trouble begins.
    pub(super) fn begin(doors: &Doors, speed: u16) -> Self {
        let chaos = Self {
            github: doors.github().clone(),
            webhooks: doors.webhooks().clone(),
            world: doors.world().clone(),
            speed: u32::from(speed.max(1)),
            calm: CancellationToken::new(),
        };
        chaos.github.set_trouble(ApiTrouble {
            refuse_one_in: 20,
            garble_one_in: 50,
            limit_one_in: 100,
            retry_after: TOO_FAST / chaos.speed,
        });
        chaos.webhooks.set_trouble(WebhookTrouble {
            lose_one_in: 5,
            double_one_in: 5,
            delay_one_in: 5,
            delay_up_to: LATE_BY / chaos.speed,
        });
        chaos
    }

    /// Trouble ends; boards that are away come back by themselves.
    pub(super) fn end(&self) {
        self.calm.cancel();
        self.github.set_trouble(ApiTrouble::default());
        self.webhooks.set_trouble(WebhookTrouble::default());
        self.restore_boards();
    }

    /// Kills schedulers and takes boards away until the calm. Returns when a service ends by itself.
    pub(super) async fn rage(
        &self,
        services: &mut Services,
        story: &Arc<Story>,
        start: impl AsyncFn(&str) -> Result<Child, Failure>,
    ) -> Failure {
        let mut kill_at = Instant::now() + KILL_EVERY;
        let mut board_at = Instant::now() + BOARD_EVERY / self.speed;
        let mut turn = 0_usize;
        loop {
            tokio::select! {
                failure = services.died() => return failure,
                () = self.calm.cancelled() => return services.died().await,
                () = sleep_until(kill_at) => {
                    kill_at += KILL_EVERY;
                    let killed = services.schedulers.remove(0);
                    let address = killed.address().to_owned();
                    story.tell("sandbox", &format!("chaos: the {} at {address} is killed", Role::Scheduler.as_str()));
                    killed.kill().await;
                    match start(&address).await {
                        Ok(again) => services.schedulers.push(again),
                        Err(failure) => return failure,
                    }
                }
                () = sleep_until(board_at) => {
                    board_at += BOARD_EVERY / 2 / self.speed;
                    turn += 1;
                    if turn.is_multiple_of(2) {
                        self.restore_boards();
                    } else {
                        self.take_a_board(turn / 2, story);
                    }
                }
            }
        }
    }

    fn take_a_board(&self, turn: usize, story: &Story) {
        let loss = if turn.is_multiple_of(2) {
            BoardLoss::Unreachable
        } else {
            BoardLoss::PoweredOff
        };
        let board = format!("riscv-runner-{}", turn % 3 + 1);
        let lost = self.world.with(|world| {
            let now = world.now();
            world.cluster.lose_board(&board, loss, now)
        });
        if lost.is_ok() {
            story.tell("sandbox", &format!("chaos: board {board} is away"));
        }
    }

    fn restore_boards(&self) {
        self.world.with(|world| {
            let now = world.now();
            for board in (1..=3).map(|number| format!("riscv-runner-{number}")) {
                // One that is there stays as it is; one that does not exist need not come back.
                let _ = world.cluster.restore_board(&board, now);
            }
        });
    }
}
