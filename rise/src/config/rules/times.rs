//! Rules of the sections with times and limits.

use rise_model::span::Span;

use super::Findings;
use crate::config::{File, KeyPath};

/// Readers of `scheduler_state` call a scheduler silent after this.
const SILENT_AFTER: Span = Span::seconds(60);

/// `[rules]`.
pub(super) fn rules(file: &File, rules: &mut Findings<'_>) {
    let section = Section::of("rules");
    let values = &file.rules;
    section.positive(
        rules,
        &[
            ("provision_within", values.provision_within),
            ("pod_expected_within", values.pod_expected_within),
            ("pod_recheck", values.pod_recheck),
            ("image_pull_within", values.image_pull_within),
            ("pod_running_within", values.pod_running_within),
            ("cluster_stale_after", values.cluster_stale_after),
            ("log_retry", values.log_retry),
            ("log_gone_after", values.log_gone_after),
            ("back_off_from", values.back_off_from),
            ("retry_after", values.retry_after),
            ("deregister_within", values.deregister_within),
            ("runner_online_within", values.runner_online_within),
            ("runner_offline_at_most", values.runner_offline_at_most),
            ("runner_absent_at_most", values.runner_absent_at_most),
            ("runner_idle_at_most", values.runner_idle_at_most),
            (
                "runner_idle_while_waiting",
                values.runner_idle_while_waiting,
            ),
            ("reads_apart", values.reads_apart),
            ("concluded_for", values.concluded_for),
            ("kill_within", values.kill_within),
            ("kill_stuck_after", values.kill_stuck_after),
            ("job_unaccounted_after", values.job_unaccounted_after),
            ("leftovers_apart", values.leftovers_apart),
            ("scopes_every", values.scopes_every),
            ("board_dead_after", values.board_dead_after),
            ("boards_suspect_within", values.boards_suspect_within),
            ("boards_suspect_for", values.boards_suspect_for),
            ("scope_gone_after", values.scope_gone_after),
            ("runners_every", values.runners_every),
            ("job_wrong_for", values.job_wrong_for),
            ("job_silent_for", values.job_silent_for),
            ("job_asked_at_least_apart", values.job_asked_at_least_apart),
            ("job_stuck_after", values.job_stuck_after),
            ("other_scheduler_lasts", values.other_scheduler_lasts),
            ("breaker_probe_every", values.breaker_probe_every),
            ("limit_waits_at_least", values.limit_waits_at_least),
            ("suspended_asked_every", values.suspended_asked_every),
            ("installation_missing_for", values.installation_missing_for),
        ],
    );
    section.at_least_one(
        rules,
        &[
            ("reserve_at_once", values.reserve_at_once),
            ("effects_at_once", values.effects_at_once),
            ("jobs_asked_at_once", values.jobs_asked_at_once),
            ("breaker_opens_after", values.breaker_opens_after),
            ("jits_in_ten_seconds", values.jits_in_ten_seconds),
            (
                "jits_in_ten_seconds_of_app",
                values.jits_in_ten_seconds_of_app,
            ),
            ("jits_an_hour", values.jits_an_hour),
        ],
    );
    section.below(
        rules,
        ("image_pull_within", values.image_pull_within),
        ("pod_running_within", values.pod_running_within),
    );
    section.below(
        rules,
        ("provision_within", values.provision_within),
        ("pod_expected_within", values.pod_expected_within),
    );
    section.below(
        rules,
        ("job_asked_at_least_apart", values.job_asked_at_least_apart),
        ("job_asked_at_most_apart", values.job_asked_at_most_apart),
    );
    section.below(
        rules,
        ("back_off_from", values.back_off_from),
        ("back_off_to", values.back_off_to),
    );
}

/// `[deliveries]`.
pub(super) fn deliveries(file: &File, rules: &mut Findings<'_>) {
    let section = Section::of("deliveries");
    let values = &file.deliveries;
    section.positive(
        rules,
        &[
            ("overlap", values.overlap),
            ("redeliver_every", values.redeliver_every),
        ],
    );
    // A try that may still be on its way is no try that failed.
    section.below(
        rules,
        ("overlap", values.overlap),
        ("look_every", values.look_every),
    );
    if values.attempts == 0 {
        rules.wrong(&section.key("attempts"), "it must be at least 1");
    }
}

/// `[ghfe]`.
pub(super) fn ghfe(file: &File, rules: &mut Findings<'_>) {
    let section = Section::of("ghfe");
    let values = &file.ghfe;
    section.positive(
        rules,
        &[
            ("database_timeout", values.database_timeout),
            ("read_timeout", values.read_timeout),
            ("wake_up_every", values.wake_up_every),
            ("drain_within", values.drain_within),
            ("settings_every", values.settings_every),
            ("staging_timeout", values.staging_timeout),
        ],
    );
    section.at_least_one(
        rules,
        &[
            ("max_body_bytes", values.max_body_bytes),
            ("stored_payload_bytes", values.stored_payload_bytes),
        ],
    );
    if values.intake_connections == 0 {
        rules.wrong(&section.key("intake_connections"), "it must be at least 1");
    }
    if values.max_body_bytes > values.max_bytes_in_flight {
        rules.wrong(
            &section.key("max_bytes_in_flight"),
            format!(
                "{} is less than `ghfe.max_body_bytes`, {}: the largest body would never be read",
                values.max_bytes_in_flight, values.max_body_bytes
            ),
        );
    }
}

/// `[scheduler]`.
pub(super) fn scheduler(file: &File, rules: &mut Findings<'_>) {
    let section = Section::of("scheduler");
    let values = &file.scheduler;
    section.positive(
        rules,
        &[
            ("round_at_least_every", values.round_at_least_every),
            ("list_every", values.list_every),
            ("lease_renew_every", values.lease_renew_every),
            ("state_every", values.state_every),
            ("stop_actions_within", values.stop_actions_within),
            ("drain_within", values.drain_within),
        ],
    );
    if values.rounds_per_second == 0 {
        rules.wrong(&section.key("rounds_per_second"), "it must be at least 1");
    }
    let renew = ("lease_renew_every", values.lease_renew_every);
    let stop = ("lease_stop_after", values.lease_stop_after);
    section.below(rules, renew, stop);
    section.below(rules, stop, ("lease_lasts", values.lease_lasts));
    if values.stop_actions_within > values.drain_within {
        rules.wrong(
            &section.key("stop_actions_within"),
            format!(
                "{} is longer than `scheduler.drain_within`, {}",
                values.stop_actions_within, values.drain_within
            ),
        );
    }
    if values.state_every >= SILENT_AFTER {
        rules.wrong(
            &section.key("state_every"),
            format!(
                "{} is not below {SILENT_AFTER}, after which a scheduler counts as silent",
                values.state_every
            ),
        );
    }
}

/// `[scheduler.pages]`.
pub(super) fn pages(file: &File, rules: &mut Findings<'_>) {
    let section = Section::of("scheduler.pages");
    let values = &file.scheduler.pages;
    section.positive(
        rules,
        &[
            ("database_within", values.database_within),
            ("ready_within", values.ready_within),
        ],
    );
    if values.connections == 0 {
        rules.wrong(&section.key("connections"), "it must be at least 1");
    }
    let answer = ("answer_within", values.answer_within);
    section.below(rules, ("database_within", values.database_within), answer);
    section.below(rules, ("ready_within", values.ready_within), answer);
    if values.round_may_be_old <= file.scheduler.round_at_least_every {
        rules.wrong(
            &section.key("round_may_be_old"),
            format!(
                "{} is not above `scheduler.round_at_least_every`, {}: an idle leader would not be ready",
                values.round_may_be_old, file.scheduler.round_at_least_every
            ),
        );
    }
}

/// `[github]`, `[kubernetes]`, `[database]`.
pub(super) fn clients(file: &File, rules: &mut Findings<'_>) {
    Section::of("github").positive(rules, &[("call_timeout", file.github.call_timeout)]);
    Section::of("kubernetes").positive(
        rules,
        &[
            ("call_timeout", file.kubernetes.call_timeout),
            ("diagnostics_timeout", file.kubernetes.diagnostics_timeout),
            ("log_timeout", file.kubernetes.log_timeout),
            ("watch_timeout", file.kubernetes.watch_timeout),
        ],
    );
    let database = Section::of("database");
    database.positive(rules, &[("connect_timeout", file.database.connect_timeout)]);
    if file.database.connections == 0 {
        rules.wrong(&database.key("connections"), "it must be at least 1");
    }
}

/// A table's name, with dots if it is in another one.
struct Section(&'static str);

impl Section {
    fn of(name: &'static str) -> Self {
        Self(name)
    }

    fn key(&self, key: &str) -> KeyPath {
        let mut steps: Vec<&str> = self.0.split('.').collect();
        steps.push(key);
        KeyPath::keys(&steps)
    }

    fn positive(&self, rules: &mut Findings<'_>, spans: &[(&str, Span)]) {
        for (key, span) in spans {
            if span.std().is_zero() {
                rules.wrong(&self.key(key), "it must be longer than zero");
            }
        }
    }

    fn at_least_one(&self, rules: &mut Findings<'_>, numbers: &[(&str, usize)]) {
        for (key, number) in numbers {
            if *number == 0 {
                rules.wrong(&self.key(key), "it must be at least 1");
            }
        }
    }

    /// `short` must be shorter than `long`; the shorter one is blamed.
    fn below(&self, rules: &mut Findings<'_>, short: (&str, Span), long: (&str, Span)) {
        if short.1 >= long.1 {
            rules.wrong(
                &self.key(short.0),
                format!(
                    "{} is not below `{}.{}`, {}",
                    short.1, self.0, long.0, long.1
                ),
            );
        }
    }
}
