"""What the simulated Generor API does."""

from generor_async.simulator.behaviour.rows import Behaviour, assumed, documented

__all__ = ["GENEROR"]

DOCUMENT = "Generor API"
GENERATE = f"{DOCUMENT} / POST /generators/{{slug}}/generate"
ESTIMATE = f"{DOCUMENT} / POST /generators/{{slug}}/estimate"
READ_LENIENTLY = "its answer is read leniently"
REFUSED_EITHER_WAY = "a refusal either way"

GATE = (
    documented(
        "generor.keys.scopes",
        "A key with scopes may do what they allow, one without any everything; else 403",
        f"{DOCUMENT} / Scopes",
        "generor/test_api.py::test_a_scoped_key_may_do_only_what_its_scopes_allow",
    ),
    assumed(
        "generor.keys.estimate_scope",
        "An estimate needs no scope",
        "generor/test_api.py::test_a_scoped_key_may_do_only_what_its_scopes_allow",
        unswitched="it is open to callers without any key",
    ),
    documented(
        "generor.keys.needed",
        "What is marked AUTH needs a key, and a 401 says so; nothing else does",
        f"{DOCUMENT} / Authentication",
        "test_statuses.py::test_a_key_is_needed_where_the_spec_says_so_and_nowhere_else",
        "generor/test_api.py::test_what_is_public_needs_no_key",
    ),
    assumed(
        "generor.keys.bad_on_public",
        "A bad key is a 401 also where none is needed",
        "generor/test_api.py::test_a_bad_key_is_refused_even_where_none_is_needed",
        "test_switches.py::test_bad_key_on_public_says_what_becomes_of_a_bad_key_where_none_is_needed",
        switch="bad_key_on_public",
    ),
    documented(
        "generor.keys.made",
        "A new key is shown once, later its prefix only; ten at most are active; a revoked one fails at once",
        f"{DOCUMENT} / API Keys",
        "generor/test_account.py::test_a_new_key_shows_as_in_the_documents",
        "generor/test_account.py::test_a_listed_key_shows_its_prefix_only",
        "generor/test_account.py::test_there_are_ten_active_keys_at_most",
        "generor/test_account.py::test_a_new_key_works_and_a_revoked_one_does_not",
    ),
    assumed(
        "generor.keys.eleventh",
        "The eleventh key is a 400; a key may make one with more scopes; revoked ones are no longer listed",
        "generor/test_account.py::test_there_are_ten_active_keys_at_most",
        "generor/test_account.py::test_a_new_key_works_and_a_revoked_one_does_not",
        unswitched=REFUSED_EITHER_WAY,
    ),
)

LIMITS = (
    documented(
        "generor.windows.tiers",
        "Each key has the requests a minute, an hour and a day of its account's tier",
        f"{DOCUMENT} / Rate Limits",
        "generor/test_api.py::test_the_headers_tell_the_tier_and_its_minute",
        "generor/test_api.py::test_each_key_has_windows_of_its_own",
        "generor/test_api.py::test_the_hour_refuses_when_it_is_used_up",
    ),
    documented(
        "generor.windows.without_key",
        "Without a key there are 15 requests a minute and IP address",
        f"{DOCUMENT} / Rate Limits",
        "generor/test_api.py::test_without_a_key_there_are_15_a_minute",
    ),
    documented(
        "generor.windows.headers",
        "Every answer carries X-RateLimit-*, refusals too, and a 429 a Retry-After that is enough",
        f"{DOCUMENT} / Rate Limits",
        "test_statuses.py::test_a_documented_status_is_reached",
        "generor/test_api.py::test_after_the_last_request_of_a_minute_comes_a_429",
        "generor/test_api.py::test_waiting_as_told_is_enough",
    ),
    assumed(
        "generor.windows.kind",
        "The windows slide: each request ages out by itself",
        "generor/test_api.py::test_a_fixed_window_resets_for_all_at_once",
        "test_switches.py::test_generor_window_says_how_long_a_full_minute_lasts",
        switch="generor_window",
    ),
    assumed(
        "generor.windows.refused",
        "Every request counts, those too that are refused for anything but the windows themselves",
        "generor/test_api.py::test_refusals_count_and_carry_the_headers_too",
        "test_switches.py::test_count_errors_says_whether_what_generor_refuses_counts",
        switch="count_errors",
    ),
    assumed(
        "generor.windows.rejected",
        "A request that a window refuses counts in none of the three",
        "test_limits.py::test_several_windows_take_a_request_together_or_not_at_all",
        "test_limits.py::test_a_rejected_request_does_not_count_unless_told_so",
        "test_switches.py::test_count_rejected_makes_asking_too_often_put_the_next_request_off",
        switch="count_rejected",
    ),
    assumed(
        "generor.windows.shown",
        "Of the three, the headers tell of the one that has the smallest share left",
        "generor/test_api.py::test_the_hour_binds_when_it_has_the_smaller_share_left",
        "test_switches.py::test_generor_window_shown_says_which_window_the_headers_tell_of",
        switch="generor_window_shown",
    ),
    assumed(
        "generor.windows.no_tier",
        "Without a key there is no X-RateLimit-Tier, and an unknown key counts as none",
        "generor/test_api.py::test_without_a_key_there_are_15_a_minute",
        unswitched="the tier is an account's, and there is none",
    ),
)

MAKING = (
    documented(
        "generor.estimate.free",
        "An estimate needs no key, costs nothing and creates nothing",
        ESTIMATE,
        "generor/test_generate.py::test_an_estimate_needs_no_key_and_changes_nothing",
        "generor/test_generate.py::test_the_documents_estimate_comes_out_as_printed",
    ),
    documented(
        "generor.estimate.history",
        "Times come from the latest generations once there are three samples, from the catalogue before",
        ESTIMATE,
        "generor/test_generate.py::test_estimates_come_from_history_after_three_samples",
        "generor/test_generate.py::test_history_averages_the_latest_ten",
    ),
    documented(
        "generor.generate.discount",
        "A bulk discount of one percent an item, ten at most",
        ESTIMATE,
        "generor/test_generate.py::test_the_bulk_discount_is_rounded_down",
    ),
    assumed(
        "generor.generate.rounding",
        "The discount is rounded down, as in the documents' example, and the options' multipliers multiply each other",
        "generor/test_generate.py::test_the_bulk_discount_is_rounded_down",
        "generor/test_generate.py::test_the_documents_estimate_comes_out_as_printed",
        unswitched="the estimate tells the price beforehand",
    ),
    documented(
        "generor.generate.snapped",
        "Seconds that the model lacks are snapped to the nearest that it has, ties to the lower, and reported",
        f"{ESTIMATE} / Snapped video durations",
        "generor/test_generate.py::test_an_unsupported_duration_snaps_as_in_the_documents",
        "generor/test_generate.py::test_durations_snap_to_the_nearest_and_ties_to_the_lower",
        "generor/test_generate.py::test_generate_reports_the_same_adjustment",
    ),
    documented(
        "generor.generate.dropped",
        "Unknown and invalid keys of `parameters` are dropped silently, and `applied_parameters` are those used",
        f"{GENERATE} / Generator Parameters",
        "generor/test_generate.py::test_unknown_and_invalid_parameters_are_dropped_silently",
    ),
    assumed(
        "generor.generate.precedence",
        "A ratio or count at the top level goes before one inside `parameters`",
        "generor/test_generate.py::test_a_count_among_the_parameters_counts",
        unswitched="who gives it once never notices",
    ),
    documented(
        "generor.generate.ratios",
        "A ratio is given by id, ratio or name, and the ids mean another thing for videos",
        GENERATE,
        "generor/test_generate.py::test_an_integer_ratio_means_another_thing_for_videos",
        "generor/test_generate.py::test_a_picture_has_the_ratio_asked_for",
    ),
    documented(
        "generor.generate.rules",
        "What breaks a rule of the body is a 400 VALIDATION_ERROR that names the field",
        GENERATE,
        "generor/test_generate.py::test_what_breaks_a_rule_is_refused_by_name",
        "generor/test_generate.py::test_vision_needs_a_picture_and_no_prompt",
    ),
    assumed(
        "generor.generate.types",
        "Wrong types are refused; null is as good as absent; a field that the model has no use for is passed over",
        "generor/test_generate.py::test_what_breaks_a_rule_is_refused_by_name",
        "generor/test_generate.py::test_a_translation_needs_no_prompt",
        unswitched="a program that sends what is documented never notices",
    ),
    documented(
        "generor.generate.relations",
        "A generation can be made under a team of one's own, and follow from a creation that one can see",
        f"{GENERATE} / Additional text-generation fields",
        "generor/test_generate.py::test_a_team_that_one_is_not_in_is_forbidden",
        "generor/test_generate.py::test_a_parent_must_exist",
    ),
    documented(
        "generor.generate.answer",
        "The answer comes when all is made: the creations with their fields, and what they cost",
        GENERATE,
        "generor/test_generate.py::test_a_joke_has_the_documented_fields",
        "generor/test_generate.py::test_a_picture_costs_what_the_documents_example_says",
        "generor/test_generate.py::test_several_items_are_several_creations",
        "generor/test_generate.py::test_the_time_taken_is_the_simulated_time",
    ),
    assumed(
        "generor.generate.moderated",
        "A prompt that moderation rejects (`[[moderate]]`) is a 400 at once, for free",
        "generor/test_generate.py::test_a_moderated_prompt_is_refused_at_once_and_for_free",
        unswitched="a 4xx either way: as it stands it is never to be sent again",
    ),
    assumed(
        "generor.generate.failure",
        "A generation that fails (`[[fail:CODE]]`) is a 500 half way through",
        "generor/test_generate.py::test_a_failing_generation_ends_in_500_and_costs_nothing",
        unswitched="the one documented status for it",
    ),
)

MONEY = (
    documented(
        "generor.money.cost",
        "`credit_cost` is the difference of the balances before and after, so overlapping calls count each other",
        f"{GENERATE} / How the cost fields work",
        "generor/test_generate.py::test_the_cost_of_overlapping_calls_counts_each_other",
        "generor/test_generate.py::test_the_cost_can_be_made_exact",
        switch="exact_cost",
        otherwise="`True`: what the call itself cost",
    ),
    documented(
        "generor.money.drift",
        "The charge differs from the estimate where it is made by the second",
        f"{GENERATE} / How the cost fields work",
        "generor/test_generate.py::test_the_charge_for_video_drifts_from_the_estimate",
    ),
    documented(
        "generor.money.no_credits",
        "Credits that don't suffice are a 402",
        f"{DOCUMENT} / Error Codes",
        "generor/test_generate.py::test_credits_that_do_not_suffice_are_a_402",
    ),
    assumed(
        "generor.money.reserved",
        "The price is reserved when work begins and taken when it ends: credits are not promised twice",
        "generor/test_generate.py::test_credits_are_not_promised_twice",
        "generor/test_generate.py::test_the_last_credit_can_be_spent",
        unswitched="a lost answer is charged all the same, as the ledger shows",
    ),
    assumed(
        "generor.money.failures_free",
        "A generation that fails costs nothing",
        "generor/test_generate.py::test_a_failing_generation_ends_in_500_and_costs_nothing",
        "test_switches.py::test_generor_failures_cost_charges_for_what_failed",
        switch="generor_failures_cost",
    ),
    documented(
        "generor.money.history",
        "The balance has its parts, and the history its types",
        f"{DOCUMENT} / Credits",
        "generor/test_account.py::test_the_balance_has_the_documented_parts",
        "generor/test_account.py::test_the_history_has_every_type_and_comes_to_the_balance",
    ),
    assumed(
        "generor.money.others",
        "What else happens on the account, such as a bonus or another user's spend, is in the history by its type",
        "generor/test_account.py::test_what_else_happens_on_the_account_is_in_its_history",
        unswitched="nothing happens unless `change_credits` says so",
    ),
    assumed(
        "generor.money.order",
        "Free credits are spent first, then earned ones, and `max` is what free ones can add up to",
        "generor/test_account.py::test_free_credits_are_spent_first",
        unswitched="the total is the same",
    ),
)

THINGS = (
    documented(
        "generor.pages",
        "Lists come in pages of 20 unless told otherwise, 100 at most, newest first, with `meta`",
        f"{DOCUMENT} / Pagination",
        "generor/test_creations.py::test_pages_say_where_they_lie",
        "generor/test_creations.py::test_pages_join_without_gap_or_overlap",
        "generor/test_creations.py::test_wrong_paging_is_refused",
    ),
    assumed(
        "generor.pages.beyond",
        "A page past the last is empty, and lists without dates are paged in the catalogue's order",
        "generor/test_creations.py::test_a_page_past_the_last_is_empty",
        "generor/test_catalogue.py::test_the_generators_take_five_pages_of_twenty",
        unswitched="`meta` says where the last page is",
    ),
    assumed(
        "generor.lists.filter",
        "A filter by a generator that doesn't exist is a 400",
        "generor/test_creations.py::test_own_creations_are_filtered_by_generator",
        unswitched="a slug that is misspelt never finds anything",
    ),
    assumed(
        "generor.lists.at_once",
        "What is made is listed at once",
        "generor/test_creations.py::test_a_listing_may_lag_behind",
        "test_switches.py::test_listing_lag_keeps_what_is_new_out_of_lists",
        switch="listing_lag",
    ),
    assumed(
        "generor.lists.completed",
        "Lists show what is completed: nothing unfinished, failed or cancelled, and no `generator_data`",
        "generor/test_generate.py::test_a_failed_creation_says_so_and_is_not_listed",
        "generor/test_creations.py::test_own_creations_are_listed_newest_first",
        unswitched="`listing_lag` brings the same about",
    ),
    documented(
        "generor.creations.privacy",
        "A private creation is its owner's alone: 401 without a key, 403 with another's",
        f"{DOCUMENT} / GET /creations/{{id}}",
        "generor/test_creations.py::test_a_private_creation_is_its_owners_alone",
    ),
    documented(
        "generor.creations.owned",
        "Only its owner changes or deletes a creation, and a comment its author",
        f"{DOCUMENT} / PATCH /creations/{{id}}",
        "generor/test_creations.py::test_nobody_changes_what_is_anothers",
        "generor/test_creations.py::test_only_its_author_deletes_a_comment",
    ),
    documented(
        "generor.creations.deleted",
        "A deletion is soft: the creation is gone from every list",
        f"{DOCUMENT} / DELETE /creations/{{id}}",
        "generor/test_creations.py::test_a_deleted_creation_is_gone_with_its_file",
    ),
    assumed(
        "generor.creations.cancelled",
        "A creation in the making exists for its owner, who cancels it by deleting it, and then pays nothing",
        "generor/test_generate.py::test_a_creation_in_the_making_can_be_watched_and_cancelled",
        unswitched="no call tells the id of one before it is made",
    ),
    assumed(
        "generor.creations.search",
        "A search finds prompts that hold every word of it, and needs one",
        "generor/test_creations.py::test_search_finds_prompts_with_every_word",
        "generor/test_creations.py::test_search_needs_words",
        unswitched="what is found depends on the service anyway",
    ),
    assumed(
        "generor.creations.files",
        "Its files are served to whoever knows the URL, without an end, without ranges",
        "generor/test_creations.py::test_the_picture_is_served_under_the_relative_url",
        unswitched="the other kind of host is Luma's bucket",
    ),
    documented(
        "generor.ratings",
        "A rating is from 1 to 5, and replaces an earlier one",
        f"{DOCUMENT} / Ratings",
        "generor/test_creations.py::test_a_rating_is_the_average_of_everybodys_last_score",
        "generor/test_creations.py::test_a_wrong_score_is_refused",
    ),
    documented(
        "generor.comments",
        "A comment is written, answered, and voted up or down",
        f"{DOCUMENT} / Comments",
        "generor/test_creations.py::test_comments_are_written_answered_and_listed",
        "generor/test_creations.py::test_a_wrong_vote_is_refused",
    ),
    assumed(
        "generor.comments.second_vote",
        "A second vote replaces the first",
        "generor/test_creations.py::test_a_later_vote_replaces_an_earlier_one",
        unswitched=READ_LENIENTLY,
    ),
    documented(
        "generor.models",
        "The catalogue has every model and generator that the documents name, as printed",
        f"{DOCUMENT} / Models",
        "test_catalog.py::test_every_model_id_in_the_documents_has_its_name_and_type",
        "test_catalog.py::test_every_generator_that_the_documents_name_is_there",
        "generor/test_catalogue.py::test_the_documented_image_model_is_as_printed",
        "generor/test_catalogue.py::test_the_documented_video_model_is_as_printed",
    ),
    assumed(
        "generor.models.others",
        "All other models, generators, parameters, prices and times are made up; the list groups models by type",
        "test_catalog.py::test_a_generator_hangs_together",
        "generor/test_catalogue.py::test_models_are_grouped_by_type",
        unswitched="a program asks the catalogue",
    ),
    documented(
        "generor.users.profile",
        "One's own profile has address and credits, and two fields to change",
        f"{DOCUMENT} / Users",
        "generor/test_people.py::test_the_profile_has_what_the_documents_show",
        "generor/test_people.py::test_bio_and_website_can_be_changed_and_taken_away",
    ),
    assumed(
        "generor.users.others",
        "Others see no money and no address; a wrong change is refused as a whole; nobody follows themselves",
        "generor/test_people.py::test_others_see_no_money_and_no_address",
        "generor/test_people.py::test_a_wrong_change_is_refused_as_a_whole",
        "generor/test_people.py::test_nobody_follows_themselves",
        unswitched=READ_LENIENTLY,
    ),
    documented(
        "generor.teams.owner",
        "Only a team's owner removes members and changes its invite code",
        f"{DOCUMENT} / Teams",
        "generor/test_people.py::test_only_the_owner_removes_members_and_changes_the_code",
        "generor/test_people.py::test_an_invite_code_lets_in_until_it_is_changed",
    ),
    assumed(
        "generor.teams.members",
        "Members alone see a team; any of them adds others; joining twice changes nothing; the eldest inherits it",
        "generor/test_people.py::test_strangers_do_not_see_a_team",
        "generor/test_people.py::test_a_member_is_added_by_name",
        "generor/test_people.py::test_joining_twice_changes_nothing",
        "generor/test_people.py::test_a_team_is_inherited_and_at_last_gone",
        unswitched=READ_LENIENTLY,
    ),
)

GENEROR: tuple[Behaviour, ...] = (*GATE, *LIMITS, *MAKING, *MONEY, *THINGS)
