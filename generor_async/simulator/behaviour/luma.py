"""What the simulated Luma Agents API does."""

from generor_async.simulator.behaviour.rows import Behaviour, assumed, client, documented, measured, page

__all__ = ["LUMA"]

SUBMITTING = "Luma errors / Synchronous errors on POST /v1/generations"
POLLING = "Luma errors / Synchronous errors on GET /v1/generations/{generation_id}"
FAILING = "Luma errors / Asynchronous failures"
REFUSED_EITHER_WAY = "a refusal either way, only its words differ"
EARLY_LIMITS = "Luma, rate-limits page of spring 2026"
LOGS = "public logs"
FREE_TO_CHANGE = "no client can depend on it"

KEYS = (
    documented(
        "luma.keys.refusals",
        "A key that is missing, malformed, unknown, revoked or expired is a 401, each in the vendor's words",
        f"{SUBMITTING} / 401 — Unauthorized",
        "luma/test_api.py::test_a_missing_or_malformed_key_is_told_so",
        "luma/test_api.py::test_a_key_that_is_no_good_is_told_why",
        "luma/test_api.py::test_a_key_expires_while_it_is_in_use",
    ),
    documented(
        "luma.keys.standing",
        "A client that is suspended or deactivated is a 403 when it submits",
        f"{SUBMITTING} / 403 — Forbidden",
        "luma/test_api.py::test_a_key_that_is_no_good_is_told_why",
    ),
    assumed(
        "luma.keys.standing_everywhere",
        "A suspended or deactivated client is refused everywhere, also when it looks at what it has paid for",
        "test_switches.py::test_suspended_may_read_lets_a_suspended_client_fetch_what_it_paid_for",
        switch="suspended_may_read",
    ),
    documented(
        "luma.keys.own_generations",
        "A generation belongs to the key that made it: to another key, even of the same client, it is not found",
        f"{POLLING} / 404 — Not Found / Generation belongs to another API key",
        "luma/test_api.py::test_a_generation_of_another_key_is_not_found_even_with_the_same_client",
    ),
    assumed(
        "luma.keys.shared_files",
        "Files and the balance belong to the API client, and all its keys share them",
        "luma/test_files.py::test_the_keys_of_a_client_share_its_files",
        unswitched="who uses one key never notices",
    ),
)

LIMITS = (
    page(
        "luma.rpm.sliding_window",
        "Submissions have a limit in a sliding window of 60 seconds, in which requests age out one by one",
        "Luma guides / Rate limits",
        "luma/test_api.py::test_requests_age_out_one_by_one",
        "test_switches.py::test_luma_window_says_how_long_a_full_minute_lasts",
        switch="luma_window",
        otherwise="`fixed`: minutes of the clock, which nobody reports",
    ),
    documented(
        "luma.units",
        "Both limits count requests: each is one unit, whatever it asks for",
        f"{SUBMITTING} / 429 — Too Many Requests",
        "luma/test_limits.py::test_each_request_is_one_unit_unless_it_weighs_more",
        "test_switches.py::test_luma_weights_says_what_an_edit_takes_of_both_limits",
        switch="luma_weights",
        otherwise="`measured`: an edit of uni-1-max is three units of both, all else one. One log of September 2026 "
        "has it; two sources would make it the default. Or any other table, `ray-3.2/video=2`",
    ),
    assumed(
        "luma.units.refusal",
        "Where a request of several units is refused, X-RateLimit-Remaining is what is left, which may be more than "
        "none, and Retry-After is until one unit is free",
        "luma/test_limits.py::test_a_heavy_request_may_be_refused_while_units_are_left",
        unswitched="who counts as the contract has it never meets one",
    ),
    documented(
        "luma.rpm.reset",
        "X-RateLimit-Reset is when the oldest request ages out, on a 201 as on a 429",
        f"{SUBMITTING} / 429 — Too Many Requests / Requests-per-minute (RPM) limit exceeded",
        "luma/test_api.py::test_a_submission_is_answered_as_documented",
        "test_switches.py::test_luma_reset_says_what_a_201_tells_and_a_429_never_changes",
        switch="luma_reset",
        otherwise="`minute`: on a 201 it is a minute from now (the rate-limits page of spring 2026); the contract goes "
        "before a page",
    ),
    page(
        "luma.rpm.fail_open",
        "While what counts submissions is down (the fault `limits_down`) a 201 carries no X-RateLimit-*, and nothing "
        "is counted or refused for a limit",
        EARLY_LIMITS,
        "luma/test_limits.py::test_while_the_limits_are_down_nothing_is_counted_or_told",
        "test_faults_wire.py::test_luma_takes_everything_while_its_limits_are_down",
    ),
    page(
        "luma.abuse",
        "A ceiling over all requests of a client, GET too: beyond it a 429 with Retry-After and no X-RateLimit-*, "
        "which its `detail` alone tells from that of jobs",
        f"{EARLY_LIMITS}, and FAQ",
        "luma/test_limits.py::test_the_ceiling_against_abuse_counts_requests_of_every_kind",
        "luma/test_limits.py::test_a_path_that_nobody_knows_counts_against_abuse_too",
        "test_switches.py::test_luma_abuse_limit_refuses_polls_as_well",
        switch="luma_abuse_limit",
        otherwise="a number: so many requests a minute. By default there is none: the page says thousands, and no "
        "number",
    ),
    assumed(
        "luma.abuse.words",
        "That `detail` is 'Too many requests'; requests without a good key aren't counted",
        "luma/test_limits.py::test_the_ceiling_against_abuse_counts_requests_of_every_kind",
        unswitched="no page gives the words, so no client can go by them",
    ),
    documented(
        "luma.rpm.refusal",
        "Beyond it comes a 429 with X-RateLimit-* and a Retry-After until the oldest request ages out, at least 1",
        f"{SUBMITTING} / 429 — Too Many Requests / Requests-per-minute (RPM) limit exceeded",
        "luma/test_api.py::test_too_many_requests_in_a_minute_are_told_when_the_oldest_ages_out",
    ),
    page(
        "luma.rpm.per_client",
        "The limits are the API client's: all its keys share them",
        "Luma guides / Rate limits",
        "luma/test_api.py::test_the_keys_of_a_client_share_its_window",
        "luma/test_api.py::test_slots_belong_to_the_client",
    ),
    page(
        "luma.rpm.submissions_only",
        "Only submissions draw on it, and only their 201 and the 429 of this limit carry X-RateLimit-*",
        "Luma guides / Rate limits",
        "luma/test_api.py::test_looking_and_files_do_not_draw_on_the_window",
        "luma/test_api.py::test_a_request_that_is_refused_for_its_fields_counts_but_shows_no_limit_headers",
    ),
    assumed(
        "luma.rpm.rejected",
        "A request that this limit refuses doesn't count against it",
        "luma/test_api.py::test_rejected_requests_count_when_told_so",
        "test_switches.py::test_count_rejected_makes_asking_too_often_put_the_next_request_off",
        switch="count_rejected",
    ),
    assumed(
        "luma.rpm.refused",
        "A request with a good key that is refused for anything else counts, be it for its fields, slots or balance",
        "luma/test_api.py::test_a_submission_refused_for_its_slot_counts_against_the_minute_and_costs_nothing",
        "test_switches.py::test_count_errors_says_whether_what_luma_refuses_counts",
        switch="count_errors",
    ),
    documented(
        "luma.jobs.limit",
        "Generations that have not ended have a limit; beyond it comes a 429 with Retry-After 60 and no X-RateLimit-*",
        f"{SUBMITTING} / 429 — Too Many Requests / Concurrent job limit exceeded",
        "luma/test_api.py::test_too_many_unfinished_jobs_are_told_to_wait_a_minute_without_limit_headers",
    ),
    measured(
        "luma.jobs.words",
        "That 429 says 'Concurrent generation limit reached' and the limit in parentheses",
        f"{LOGS} of several repositories, June to September 2026",
        "luma/test_api.py::test_too_many_unfinished_jobs_are_told_to_wait_a_minute_without_limit_headers",
        "test_switches.py::test_luma_wording_says_how_a_full_house_is_put",
        switch="luma_wording",
        otherwise="`units`: 'Concurrent generation capacity reached', with the limit in units and what the request "
        "needs (the same logs, later; the punctuation is assumed); `contract`: 'Too many concurrent jobs', which "
        "nobody has met",
    ),
    page(
        "luma.jobs.expiry",
        "A job that hasn't ended within an hour of its submission holds no slot any more",
        f"{EARLY_LIMITS}, and FAQ",
        "luma/test_limits.py::test_a_job_holds_its_slot_for_an_hour_at_most",
        "test_switches.py::test_luma_job_expiry_says_for_how_long_a_slot_is_held",
        switch="luma_job_expiry",
        otherwise="another number of seconds, or infinity. The contract is silent, so the page decides",
    ),
    assumed(
        "luma.jobs.release_at",
        "A slot is free when its job has ended, whether or not anybody has polled it since",
        "luma/test_limits.py::test_slots_agree_with_a_list_of_all_jobs",
        "test_switches.py::test_luma_release_at_says_whether_a_job_must_be_polled_to_free_its_slot",
        switch="luma_release_at",
        otherwise="`poll`: at the first poll after its end",
    ),
    assumed(
        "luma.jobs.release",
        "A slot is free the moment its job has ended",
        "luma/test_api.py::test_a_job_that_ends_frees_its_slot_at_once_however_it_ends",
        "test_switches.py::test_release_lag_keeps_the_slot_of_a_job_that_has_ended",
        switch="release_lag",
    ),
    assumed(
        "luma.order",
        "A submission is judged in this order: key, standing, minute, fields, slots, balance, media",
        "luma/test_api.py::test_a_request_that_is_refused_for_its_fields_counts_but_shows_no_limit_headers",
        "luma/test_api.py::test_a_submission_refused_for_its_slot_counts_against_the_minute_and_costs_nothing",
        unswitched="of two refusals that are due, either may come first",
    ),
)

MONEY = (
    page(
        "luma.money.prices",
        "Images cost what the price list says, more with each picture that goes in",
        "Luma guides / Prices",
        "luma/test_api.py::test_a_submission_is_charged_at_its_price",
    ),
    page(
        "luma.money.video_prices",
        "Videos cost what the price list says, by type, resolution and duration, with HDR more, with EXR still more",
        "Luma, pricing page of late 2026",
        "luma/test_api.py::test_a_video_is_charged_as_the_price_list_says",
    ),
    assumed(
        "luma.money.other_prices",
        "Layering is charged by the layer and twice that for 2k, reframing at 360p half of 540p; HDR doubles an edit"
        " and ten seconds alike; an edit and a reframing are as long as their `duration` says",
        "luma/test_api.py::test_a_layering_is_charged_by_the_layer_and_twice_that_for_2k",
        "luma/test_api.py::test_what_the_price_list_leaves_out_is_charged_all_the_same",
        unswitched="the API never tells a price",
    ),
    assumed(
        "luma.money.charged_at_submission",
        "The price is taken when a generation is submitted",
        "luma/test_api.py::test_a_submission_is_charged_at_its_price",
        "test_switches.py::test_luma_charge_at_says_when_the_money_goes",
        switch="luma_charge_at",
    ),
    assumed(
        "luma.money.failures_cost",
        "What a failed generation has cost is not given back, the worst that a client can meet",
        "luma/test_api.py::test_a_job_that_fails_keeps_what_was_charged_at_submission",
        "test_switches.py::test_luma_refund_failures_gives_back_what_a_failed_job_cost",
        switch="luma_refund_failures",
        otherwise="that of moderation, `generation_failed` and `output_not_found` is, as the FAQ says (page)",
    ),
    documented(
        "luma.money.no_balance",
        "A balance that doesn't cover the price is a 402, and nothing is queued",
        f"{SUBMITTING} / 402 — Payment Required",
        "luma/test_api.py::test_a_balance_that_does_not_cover_the_price_is_a_402_and_queues_nothing",
    ),
    assumed(
        "luma.money.refused_is_free",
        "What is refused costs nothing",
        "luma/test_api.py::test_a_refused_submission_is_not_charged",
        unswitched="a client that is charged for a refusal can do nothing about it",
    ),
    documented(
        "luma.money.budget_exhausted",
        "A generation may fail because the money went meanwhile (here: when jobs are charged at completion)",
        f"{FAILING} / Failure codes",
        "luma/test_api.py::test_charged_at_completion_the_job_that_ends_when_the_money_is_gone_fails_for_it",
        switch="luma_charge_at",
        otherwise="`completion`: so that it can happen at all",
    ),
)

LIFE = (
    documented(
        "luma.generations.created",
        "A submission is answered with 201 and the generation, queued and without output",
        f"{SUBMITTING} / 201 — Created (success)",
        "luma/test_api.py::test_a_submission_is_answered_as_documented",
    ),
    documented(
        "luma.generations.states",
        "queued, then processing, then completed or failed; `output` is empty until it is completed",
        f"{POLLING} / 200 — OK (success)",
        "luma/test_api.py::test_a_generation_is_queued_then_processed_then_completed",
        "luma/test_api.py::test_output_is_empty_until_it_is_completed",
    ),
    assumed(
        "luma.generations.times",
        "How long each takes is drawn from a distribution for its model and type: an image about 20 seconds",
        "luma/test_api.py::test_half_of_all_images_take_about_twenty_seconds",
        "test_switches.py::test_luma_durations_says_how_long_jobs_take",
        switch="luma_durations",
        otherwise="`measured`: image 31 s, an edit of uni-1-max 93, video 100 (one source each), video edit and "
        "reframe 300 to 900 (a comment)",
    ),
    measured(
        "luma.generations.edit_times",
        "An edit of uni-1 takes 60 to 70 seconds",
        f"{LOGS} of two apps, September 2026",
        "luma/test_limits.py::test_an_edit_takes_as_long_as_two_apps_have_measured",
    ),
    documented(
        "luma.generations.not_found",
        "An id that doesn't exist or is no UUID is a 404, in the same words as another key's",
        f"{POLLING} / 404 — Not Found",
        "luma/test_api.py::test_a_generation_that_is_not_there_is_a_404",
    ),
    documented(
        "luma.generations.fresh_urls",
        "Each look at a completed generation gives a new presigned URL, good for an hour",
        "Luma errors / Presigned URL expiry / How to get a fresh URL",
        "luma/test_api.py::test_every_look_gives_a_fresh_url_that_is_good_for_an_hour",
    ),
    documented(
        "luma.generations.failures",
        "`[[moderate]]` and `[[fail:CODE]]` in a prompt end in that failure, with the vendor's reason",
        f"{FAILING} / Failure codes",
        "luma/test_api.py::test_a_prompt_can_ask_for_each_documented_failure",
        "luma/test_api.py::test_a_failure_shows_only_when_it_happens",
    ),
    client(
        "luma.generations.newer_failures",
        "There are five newer failure codes, and there may be any other",
        "generation",
        "luma/test_api.py::test_a_prompt_can_ask_for_any_other_failure_code",
    ),
    assumed(
        "luma.generations.newer_reasons",
        "How the reasons of the newer failure codes are worded",
        "luma/test_api.py::test_a_prompt_can_ask_for_any_other_failure_code",
        unswitched="words for people",
    ),
    client(
        "luma.generations.layers",
        "Layering gives a picture for each layer, with index, label, description and kind of edge",
        "generation",
        "luma/test_api.py::test_layering_gives_a_picture_for_each_layer_and_the_background_last",
    ),
    assumed(
        "luma.generations.layer_count",
        "There are three to five layers, the background last, with these names",
        "luma/test_api.py::test_layering_gives_a_picture_for_each_layer_and_the_background_last",
        unswitched=FREE_TO_CHANGE,
    ),
    assumed(
        "luma.generations.ratio_chosen",
        "Without a ratio the model takes any of its own, and an edit the ratio of the generation that it edits",
        "luma/test_api.py::test_the_model_chooses_a_ratio_when_none_is_asked_for",
        "luma/test_api.py::test_an_edit_keeps_the_ratio_of_its_source",
        unswitched="who needs a ratio asks for it",
    ),
    assumed(
        "luma.generations.video_file",
        "A video is one MP4, also with `hdr` and `exr_export`",
        "luma/test_api.py::test_a_video_is_an_mp4",
        unswitched="a client takes the files that `output` lists",
    ),
)

FIELDS = (
    documented(
        "luma.fields.rules",
        "Each rule of the error page is a 400 in the vendor's very words",
        f"{SUBMITTING} / 400 — Bad Request",
        "luma/test_rules.py::test_a_documented_bad_request_is_told_in_the_vendors_words",
    ),
    client(
        "luma.fields.layering_and_video",
        "The rules of layering and video are the client's",
        "GenerationCreateParams",
        "luma/test_rules.py::test_any_other_bad_request_is_told_in_the_vendors_manner",
        "luma/test_video.py::test_a_video_with_options_that_do_not_go_together_is_refused",
        "luma/test_video.py::test_a_video_edit_with_options_that_do_not_go_together_is_refused",
        "luma/test_video.py::test_a_reframe_with_options_that_do_not_go_together_is_refused",
        "luma/test_video.py::test_good_video_options_are_taken",
    ),
    assumed(
        "luma.fields.other_words",
        "What breaks them is a 400, in words after the vendor's manner; so is a body that is no JSON object",
        "luma/test_rules.py::test_any_other_bad_request_is_told_in_the_vendors_manner",
        "luma/test_rules.py::test_a_body_that_is_not_json_is_a_400",
        unswitched=REFUSED_EITHER_WAY,
    ),
    assumed(
        "luma.fields.absent",
        "null is as good as absent, unknown fields are ignored, and a missing prompt is told what an empty one is",
        "luma/test_rules.py::test_a_good_request_is_taken",
        "luma/test_rules.py::test_a_request_without_a_prompt_is_told_what_an_empty_one_is_told",
        unswitched="a client that sends neither never notices",
    ),
    documented(
        "luma.fields.ratios",
        "The nine ratios of uni-1 are taken",
        f"{SUBMITTING} / 400 — Bad Request / Invalid aspect ratio",
        "luma/test_rules.py::test_every_valid_ratio_is_taken",
    ),
    assumed(
        "luma.fields.video_ratios",
        "ray-3.2 takes 1:1, 16:9, 21:9, 3:4, 4:3 and 9:16",
        "luma/test_rules.py::test_any_other_bad_request_is_told_in_the_vendors_manner",
        unswitched="the server decides, and says which are valid",
    ),
)

MEDIA = (
    documented(
        "luma.media.fetching",
        "A URL that can't be fetched, gives an error or no image, and data that isn't base64, is a 422",
        f"{SUBMITTING} / 422 — Unprocessable Entity",
        "luma/test_media.py::test_data_that_is_not_base64_is_told_as_documented",
        "luma/test_media.py::test_a_host_that_does_not_exist_is_told_as_documented",
        "luma/test_media.py::test_an_image_that_is_gone_is_told_as_documented",
        "luma/test_media.py::test_a_document_is_told_as_documented",
    ),
    documented(
        "luma.media.too_large",
        "An image of more than 50 MB is a 413, by URL or inline, as source or reference",
        f"{SUBMITTING} / 413 — Payload Too Large",
        "luma/test_media.py::test_inline_data_of_more_than_50_mb_is_told_as_documented",
        "luma/test_media.py::test_the_text_of_a_url_decides_what_becomes_of_it",
    ),
    assumed(
        "luma.media.not_fetched",
        "No URL but the simulator's own is ever fetched: its text decides what becomes of it (see `luma/media.py`)",
        "luma/test_media.py::test_the_text_of_a_url_decides_what_becomes_of_it",
        "luma/test_media.py::test_any_other_url_is_taken",
        unswitched="a simulator doesn't go out",
    ),
    documented(
        "luma.media.upstream",
        "Upstream that is down is a 502, and ingestion that is down a 503 for requests with URLs alone",
        f"{SUBMITTING} / 503 — Service Unavailable",
        "luma/test_media.py::test_a_prompt_can_bring_the_upstream_down",
        "luma/test_media.py::test_without_ingestion_a_url_is_refused_and_the_same_image_inline_is_taken",
    ),
    client(
        "luma.media.by_id",
        "A reference may be an earlier generation of the caller's, or a file that is ready",
        "MediaRef",
        "luma/test_media.py::test_an_edit_goes_on_from_an_earlier_generation",
        "luma/test_files.py::test_a_ready_file_can_be_referenced",
    ),
    assumed(
        "luma.media.bad_id",
        "A generation or file that can't be used is a 422, named by its place in the request",
        "luma/test_media.py::test_a_generation_of_another_key_can_not_be_used",
        "luma/test_media.py::test_a_generation_that_has_not_completed_can_not_be_used",
        "luma/test_media.py::test_a_generation_of_the_wrong_kind_can_not_be_used",
        "luma/test_files.py::test_a_file_that_is_not_ready_can_not_be_referenced",
        unswitched=REFUSED_EITHER_WAY,
    ),
    assumed(
        "luma.media.megabytes",
        "50 MB are 50 x 1024 x 1024 bytes",
        "luma/test_media.py::test_inline_data_of_more_than_50_mb_is_told_as_documented",
        unswitched="pictures between the two readings are rare",
    ),
)

FILES = (
    client(
        "luma.files.presigned",
        "A file is announced, put to a presigned URL without a key, and completed",
        "Files API",
        "luma/test_files.py::test_a_presigned_upload_is_offered_with_all_that_the_put_needs",
        "luma/test_files.py::test_a_file_is_pending_until_its_ingest_has_ended",
    ),
    client(
        "luma.files.inline",
        "A small file goes inline, as a form",
        "Files API",
        "luma/test_files.py::test_a_small_file_goes_inline_and_needs_no_more",
    ),
    client(
        "luma.files.list",
        "Files are listed newest first, 25 a page unless told otherwise, by an opaque cursor",
        "Files API",
        "luma/test_files.py::test_files_are_listed_newest_first_page_by_page",
        "luma/test_files.py::test_a_page_has_25_files_unless_told_otherwise",
        "luma/test_files.py::test_a_listing_can_be_narrowed_by_purpose_and_state",
    ),
    client(
        "luma.files.delete",
        "A deletion is soft, and answered with 204",
        "Files API",
        "luma/test_files.py::test_a_deletion_is_soft_and_has_no_body",
    ),
    assumed(
        "luma.files.errors",
        "A file that isn't there is a 404, a wrong field a 400, an upload that is not there yet a 400 on completion",
        "luma/test_files.py::test_a_file_that_is_not_there_or_not_ones_own_is_a_404",
        "luma/test_files.py::test_a_file_that_can_not_be_is_refused",
        "luma/test_files.py::test_an_upload_can_not_be_completed_before_the_bytes_are_there",
        unswitched=REFUSED_EITHER_WAY,
    ),
    assumed(
        "luma.files.ingest",
        "An ingest takes one to three seconds; a file of another size than announced fails in it",
        "luma/test_files.py::test_a_file_is_pending_until_its_ingest_has_ended",
        "luma/test_files.py::test_a_file_of_another_size_than_announced_fails",
        unswitched="a client waits for `ready` or `failed`, however long it takes",
    ),
    assumed(
        "luma.files.inline_limit",
        "Inline files have 32 MiB at most, beyond which comes a 413",
        "luma/test_files.py::test_an_inline_file_that_is_too_large_is_refused",
        unswitched="the presigned way takes any size",
    ),
    assumed(
        "luma.files.deleted",
        "A deleted file can be looked at but not deleted or completed, and is listed only by `state=deleted`",
        "luma/test_files.py::test_a_deletion_is_soft_and_has_no_body",
        "luma/test_files.py::test_a_deleted_file_can_be_neither_deleted_nor_completed_again",
        unswitched="either way the file is gone",
    ),
    assumed(
        "luma.files.expiry",
        "A file is deleted the moment its `expires_at` has passed",
        "luma/test_files.py::test_a_file_is_gone_when_its_time_has_come",
        unswitched=FREE_TO_CHANGE,
    ),
)

LUMA: tuple[Behaviour, ...] = (*KEYS, *LIMITS, *MONEY, *LIFE, *FIELDS, *MEDIA, *FILES)
