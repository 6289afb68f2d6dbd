"""What the simulator does for both APIs, and around them."""

from generor_async.simulator.behaviour.rows import Behaviour, assumed, documented

__all__ = ["SHARED"]

SHARED: tuple[Behaviour, ...] = (
    assumed(
        "limits.others",
        "Nobody else uses the keys",
        "test_others.py::test_requests_of_others_are_counted_as_those_of_the_key_itself",
        "test_others.py::test_the_ledger_has_nothing_of_others_and_nobody_pays_for_them",
        "test_switches.py::test_others_share_the_limits_of_the_key",
        switch="others",
        otherwise="other users: steady, in bursts, taking every place that is free, or holding jobs, from one time to "
        "another",
    ),
    documented(
        "luma.headers",
        "Every answer of Luma has X-Request-Id, echoed or a UUID, and X-API-Version",
        "Luma errors / Error response format",
        "test_server.py::test_a_request_id_is_echoed",
        "test_server.py::test_a_request_without_an_id_gets_a_uuid",
        "test_server.py::test_every_luma_answer_names_its_api_version",
    ),
    assumed(
        "server.request_id",
        "Generor has an X-Request-Id too; one that no header could carry back, or that is very long, is replaced",
        "test_server.py::test_a_request_id_that_no_header_could_carry_back_is_replaced",
        unswitched="no client sends one",
    ),
    documented(
        "generor.method_not_allowed",
        "A method that a path of Generor's doesn't have is a 405 METHOD_NOT_ALLOWED",
        "Generor API / Error Codes",
        "test_server.py::test_generor_words_a_wrong_method_its_own_way",
        "test_statuses.py::test_a_method_that_a_path_does_not_have_is_refused",
    ),
    assumed(
        "server.unknown",
        "Unknown paths, Luma's 405 and bodies that are too large or broken are refused in the API's own shape",
        "test_server.py::test_luma_words_an_unknown_path_its_own_way",
        "test_server.py::test_luma_words_a_wrong_method_its_own_way",
        "test_server.py::test_generor_words_an_unknown_path_its_own_way",
        "test_server.py::test_a_body_that_is_too_large_is_refused_in_the_apis_own_shape",
        "test_server.py::test_a_body_that_breaks_the_protocol_is_refused",
        unswitched="a refusal either way",
    ),
    assumed(
        "server.caller_gone",
        "A caller who leaves stops nothing: the work is done and charged, and the ledger says unanswered",
        "test_server.py::test_a_caller_who_leaves_is_charged_all_the_same",
        unswitched="the dearer reading; the other loses nothing",
    ),
    documented(
        "storage.expiry",
        "A presigned URL is good for an hour and a 403 from then on, while the data stays",
        "Luma errors / Presigned URL expiry",
        "test_storage.py::test_a_url_is_good_for_an_hour_and_answers_403_from_then_on",
        "test_storage.py::test_the_data_outlives_the_url",
    ),
    assumed(
        "storage.conduct",
        "Beyond that the bucket does as Amazon S3: errors in XML, no second Authorization, ranges, If-Range",
        "test_storage.py::test_an_authorization_header_beside_the_signature_is_refused",
        "test_storage.py::test_a_range_gives_that_part",
        "test_storage.py::test_if_range_gives_the_part_only_of_the_same_file",
        unswitched="the URLs of the vendor's example are S3's",
    ),
    assumed(
        "outputs.real",
        "Outputs are real files of the ratio and format asked for, the same for the same seed",
        "test_outputs.py::test_a_picture_has_the_ratio_asked_for",
        "test_outputs.py::test_a_picture_is_of_the_format_asked_for",
        "test_outputs.py::test_the_same_arguments_give_the_same_bytes_and_few_of_them",
        "test_outputs.py::test_a_clip_is_a_small_mp4_of_its_ratio_that_can_be_streamed",
        unswitched="what a model draws is nobody's promise",
    ),
)
