//! The behaviours of the replaced service that can be seen from outside, and the tests that hold each here. What differs on
//! purpose is in the changelog, and its test says so.

use std::path::Path;

/// A behaviour by the replaced service's own word for it, the file with the tests that hold it, and their names.
type Row = (&'static str, &'static str, &'static [&'static str]);

const GHFE: &[Row] = &[
    (
        "SignatureMismatch",
        "services/src/ghfe/tests/golden.rs",
        &["signatures_that_do_not_match_are_refused_without_a_trace"],
    ),
    (
        "MissingHeaders, BadHeaderAndJSONPaths",
        "services/src/ghfe/tests/golden.rs",
        &["missing_headers_and_broken_bodies_are_refused_without_a_trace"],
    ),
    (
        "the order of checks, and the form of answers",
        "services/src/ghfe/tests/wire.rs",
        &[
            "the_order_of_checks",
            "answers_are_plain_text_without_a_last_line_end",
        ],
    ),
    (
        "PingWritesEventRow",
        "services/src/ghfe/tests/golden.rs",
        &["ping_writes_its_row"],
    ),
    (
        "InstallationEvents",
        "services/src/ghfe/tests/golden.rs",
        &["installation_events_are_logged_with_their_account"],
    ),
    (
        "InstallationEvent_Missing",
        "services/src/ghfe/tests/golden.rs",
        &["installation_events_without_their_account_are_refused"],
    ),
    (
        "IgnoredAction",
        "services/src/ghfe/tests/golden.rs",
        &["actions_that_mean_nothing_store_no_job"],
    ),
    (
        "IgnoredNoLabel_PayloadMinimized",
        "services/src/ghfe/tests/golden.rs",
        &["a_job_without_our_labels_leaves_what_explains_it"],
    ),
    (
        "QueuedJobStored",
        "services/src/ghfe/tests/golden.rs",
        &[
            "a_queued_job_is_stored",
            "labels_are_stored_as_sent_and_sorted",
        ],
    ),
    (
        "QueuedAlreadyExists",
        "services/src/ghfe/tests/golden.rs",
        &["a_job_that_is_there_is_not_stored_again"],
    ),
    (
        "MissingPayloadParts, QueuedMissingInstallOrURL",
        "services/src/ghfe/tests/golden.rs",
        &["jobs_without_what_they_need_are_refused"],
    ),
    (
        "InProgressAndCompleted",
        "services/src/ghfe/tests/golden.rs",
        &[
            "a_job_runs_and_completes",
            "an_unknown_job_is_stored_as_it_is_told",
        ],
    ),
    (
        "InProgressAndCompleted, what each must tell",
        "services/src/ghfe/tests/wire.rs",
        &["in_progress_and_completed_need_what_stores_a_job"],
    ),
    (
        "InProgressAndCompleted, the database down",
        "services/src/ghfe/tests/faults.rs",
        &[
            "a_database_that_is_away_is_503",
            "a_locked_table_is_503_and_leaves_nothing",
        ],
    ),
    (
        "TrimWorkflowJobPayload",
        "services/src/ghfe/tests/wire.rs",
        &["trim_workflow_job_payload"],
    ),
    (
        "TrimWorkflowJobPayload, of a published payload",
        "services/src/ghfe/tests/published.rs",
        &["a_routed_one_is_trimmed_as_the_replaced_service_does"],
    ),
    (
        "every published payload",
        "services/src/ghfe/tests/published.rs",
        &["each_gets_its_answer_and_its_row"],
    ),
    (
        "every published job, with our labels",
        "services/src/ghfe/tests/wire.rs",
        &["published_jobs_with_our_labels"],
    ),
    (
        "MatchLabels",
        "services/src/ghfe/tests/golden.rs",
        &["labels_and_owner_decide_the_pool"],
    ),
    (
        "StagingProxy HappyPath, UpstreamFailure, Negatives",
        "services/src/ghfe/tests/proxy.rs",
        &[
            "staging_s_answer_is_the_answer",
            "what_does_not_get_there_is_said_and_written",
            "nothing_else_goes_there",
        ],
    ),
    (
        "Trace",
        "services/src/ghfe/tests/reads.rs",
        &[
            "only_the_token_opens_it",
            "an_id_is_a_number",
            "what_is_unknown_is_said_to_be",
            "events_have_the_shape_of_the_replaced_service",
            "a_payload_is_shown_whole",
        ],
    ),
    (
        "Setup",
        "services/src/ghfe/tests/setup.rs",
        &[
            "without_a_number_nobody_is_asked",
            "an_unknown_installation_leads_to_the_other_app",
            "github_s_trouble_is_no_verdict",
            "the_right_app_is_told_what_to_do_next",
            "the_wrong_app_leads_to_the_right_one",
            "a_hostile_login_is_only_text",
        ],
    ),
    (
        "Health, Routes",
        "services/src/ghfe/tests/golden.rs",
        &["every_path_takes_deliveries_and_other_methods_are_refused"],
    ),
];

const SCHEDULER: &[Row] = &[
    (
        "Routes_AllPathsServed, Usage_JSON, Workers_PaginationAndLinkHeader, InvalidParam, FieldNames, RenderWorker",
        "services/src/scheduler/pages/tests.rs",
        &[
            "every_path_is_served_and_an_empty_list_is_a_list",
            "usage_shows_what_is_alive_oldest_first",
            "links_lead_through_all_pages_newest_first",
            "days_bound_the_list_from_the_first_moment_to_before_the_last",
            "a_wrong_parameter_is_named_whatever_the_database_does",
            "a_job_has_the_fields_that_clients_know",
            "a_worker_has_the_fields_that_clients_know",
            "what_was_stored_of_a_failure_is_shown_as_it_is",
        ],
    ),
    (
        "Provision, the pod's shape",
        "services/src/kubernetes/tests/shape.rs",
        &[
            "the_pod_is_what_the_replaced_service_makes_and_what_rise_adds",
            "a_pool_without_a_storage_limit_sets_none",
            "names_are_made_fit_for_labels",
        ],
    ),
    (
        "SkipsWhenSlotsNonPositive, RespectsEntityMaxWorkers",
        "tests/integration/scheduler/waiting.rs",
        &[
            "with_all_boards_at_work_a_job_waits_for_the_first_that_is_free",
            "an_entity_never_has_more_workers_than_its_cap",
        ],
    ),
    (
        "FailureMarksWorker",
        "tests/integration/scheduler/trouble.rs",
        &["a_refused_runner_fails_its_worker_with_the_reason"],
    ),
    (
        "AvailableSlots, SyncOneJob's messages",
        "services/model/src/wire_tests.rs",
        &[
            "available_slots",
            "what_is_written_of_a_job_that_cannot_run",
        ],
    ),
    (
        "SyncOneJob",
        "services/model/src/jobs.rs",
        &[
            "what_github_says_and_what_it_means",
            "only_a_run_that_is_over_proves_that_a_queued_job_never_runs",
            "a_404_proves_nothing_within_githubs_own_limit",
        ],
    ),
    (
        "Phase2, Phase3: pod phases",
        "services/model/src/machine/tests.rs",
        &[
            "the_log_decides_over_a_pod_that_succeeded",
            "a_failed_pod_is_marked_first_and_looked_into_then",
            "a_bound_worker_waits_for_its_jobs_conclusion",
            "finished_pods_go_after_their_grace_and_beyond_the_number_kept",
        ],
    ),
    (
        "Phase3, Phase4: runners",
        "services/model/src/machine/ending_tests.rs",
        &[
            "a_runner_that_never_comes_online_fails_after_two_minutes",
            "a_runner_that_nobody_needs_goes_after_ten_minutes_and_is_no_failure",
            "a_pod_that_hangs_after_its_job_is_ended_and_its_board_is_free",
            "it_is_condemned_deregistered_read_again_closed_and_then_killed",
            "a_busy_answer_to_the_deletion_takes_it_back",
        ],
    ),
    (
        "GitHub client: groups, JIT configurations, removals",
        "services/src/github/tests/doors.rs",
        &[
            "an_organisations_runner_from_group_to_removal",
            "a_personal_accounts_job_on_its_repositorys_runner",
            "a_plan_without_groups_means_the_default_group",
        ],
    ),
    (
        "GitHub client: pages",
        "services/src/github/tests/lists.rs",
        &[
            "all_pages_are_read_wherever_the_link_points",
            "a_deletion_without_a_body_is_understood",
        ],
    ),
    (
        "GitHub client: tokens",
        "services/src/github/tests/tokens.rs",
        &[
            "many_calls_at_once_make_one_token",
            "a_token_near_its_end_is_not_used",
        ],
    ),
    (
        "GitHub client: what is sent",
        "tests/integration/scheduler/described.rs",
        &["what_is_sent_to_github_is_as_github_describes_it"],
    ),
];

const TABLES: &[Row] = &[
    (
        "its tables, and those of its ancestor",
        "services/src/store/migrate/tests.rs",
        &[
            "what_is_made_from_nothing_is_what_the_replaced_service_has_and_more",
            "the_seed_s_tables_are_taken_over_with_every_row",
            "the_ancestor_s_tables_are_taken_over_and_told_what_they_lack",
            "the_replaced_service_can_run_again_on_the_result",
            "what_cannot_be_mended_is_told_whole_and_left_alone",
        ],
    ),
    (
        "the switch there and back",
        "tests/integration/scheduler/switch.rs",
        &[
            "its_rows_and_pods_are_taken_on_and_no_job_notices",
            "what_we_leave_is_what_it_reads_and_the_way_back_and_forth_kills_nothing",
            "beside_another_kind_of_scheduler_nothing_is_begun_until_it_is_gone",
        ],
    ),
];

#[test]
fn every_row_has_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut lacking = Vec::new();
    for (what, file, tests) in GHFE.iter().chain(SCHEDULER).chain(TABLES) {
        let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        for test in *tests {
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            let named = |line: &&str| line.contains(&format!("fn {test}("));
            let at = lines.iter().position(named);
            let is_test = at.is_some_and(|at| {
                let before = &lines[at.saturating_sub(4)..at];
                before
                    .iter()
                    .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
            });
            if !is_test {
                lacking.push(format!("{what}: {file} has no test {test}"));
            }
        }
    }
    assert_eq!(lacking, Vec::<String>::new());
}
