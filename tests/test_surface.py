"""The public surface: every call of both APIs with the shape that is fixed for it, and the package's own names."""

import ast
import asyncio
import importlib
import inspect
import pydoc
import subprocess
import sys
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from attrs import fields, fields_dict, frozen
from support.spec import operations

import generor_async
from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    ExpectedWait,
    Job,
    Luma,
    MapOutcome,
    Page,
    Pages,
    RowOutcome,
    ShiftEnd,
    Storage,
    StoredOutput,
    Submitted,
    WaitingCall,
    resume_run,
    run_batch,
    run_shift,
)
from generor_async.api.generor import models as generor_models
from generor_async.api.generor import operations as generor_operations
from generor_async.api.luma import models as luma_models
from generor_async.api.luma import operations as luma_operations
from generor_async.sync import run_batch as blocking_run_batch
from generor_async.sync import run_shift as blocking_run_shift
from generor_async.values import UNSET, MediaRef, Model, RetrySafety, Unset

ENDPOINTS = {**generor_operations.ENDPOINTS, **luma_operations.ENDPOINTS}
BUILDERS = {**generor_operations.BUILDERS, **luma_operations.BUILDERS}

ORDER = """
    prompt model_id privacy_mode team_id count language temperature preference preference_two aspect_ratio image_url
    seconds generate_audio ending_frame_url reference_images reference_videos reference_audio video_url parameters
    user_text user_text_two avoid_duplicates thinking_mode story_context character_context character_name character_id
    support_for mode model_speech item_index total_count translation_of source_language
"""
"""The fields of the two request tables of `estimate` and `generate`."""
PAGING = "page per_page sort max_items"
MEDIA = "model type aspect_ratio style output_format web_search image_ref source layering video user_id"

Scope = Literal["none", "read", "write", "generate"]


@frozen
class Call:
    """One row of the table: `call` is written as it is made, `*` before what is keyword-only."""

    http: str
    name: str
    positional: str
    required: str
    optional: str
    retry_safety: RetrySafety
    key: bool
    returns: str
    scope: Scope


def row(
    http: str, call: str, retry_safety: RetrySafety, returns: str, *, key: bool = False, scope: Scope | None = None
) -> Call:
    """Read one row: `users.get(username)`, `creations.update(creation_id, *, privacy_mode=, license=)`."""
    name, _, arguments = call.removesuffix(")").partition("(")
    before, _, after = arguments.partition("*,")
    words = after.replace(",", " ").split()
    method = http.partition(" ")[0]
    return Call(
        http=http,
        name=name,
        positional=before.replace(",", " "),
        required=" ".join(word for word in words if not word.endswith("=")),
        optional=" ".join(word.removesuffix("=") for word in words if word.endswith("=")),
        retry_safety=retry_safety,
        key=key,
        returns=returns,
        scope=scope or ("read" if method == "GET" else "write"),
    )


def paged(http: str, call: str, returns: str, *, key: bool = False) -> Call:
    """Read one row of a list that comes in pages: it takes the paging keywords too."""
    star = "" if "*," in call else ", *" if not call.endswith("()") else "*"
    asked = " ".join(f"{word}=" for word in PAGING.split())
    return row(http, f"{call.removesuffix(')')}{star}, {asked})", "read", f"Pages[{returns}]", key=key)


def words_of(*texts: str) -> list[str]:
    return " ".join(texts).split()


ORDERED = "slug, *, model_id, " + " ".join(f"{word}=" for word in ORDER.split() if word != "model_id")
GENEROR = (
    row("GET /generators", "generators.list(*, status=)", "read", "list[Generator]"),
    row("GET /generators/{slug}", "generators.get(slug)", "read", "Generator"),
    paged("GET /generators/{slug}/creations", "generators.list_creations(slug)", "Creation"),
    row("POST /generators/{slug}/estimate", f"generators.estimate({ORDERED})", "read", "Estimate", scope="none"),
    row(
        "POST /generators/{slug}/generate",
        f"generators.generate({ORDERED})",
        "bills",
        "GenerateResult",
        key=True,
        scope="generate",
    ),
    paged("GET /creations", "creations.list(*, generator=)", "Creation", key=True),
    paged("GET /creations/public", "creations.list_public(*, generator=)", "Creation"),
    paged("GET /creations/search", "creations.search(q)", "Creation"),
    row("GET /creations/{id}", "creations.get(creation_id)", "read", "Creation"),
    row("GET /creations/{id}/status", "creations.status(creation_id)", "read", "CreationStatus", key=True),
    row(
        "PATCH /creations/{id}",
        "creations.update(creation_id, *, privacy_mode=, license=)",
        "idempotent",
        "Creation",
        key=True,
    ),
    row("DELETE /creations/{id}", "creations.delete(creation_id)", "idempotent", "None", key=True),
    row("GET /models", "models.list()", "read", "dict[str, list[Model]]"),
    row("GET /models/{type}", "models.list_by_type(type)", "read", "list[Model]"),
    row("GET /models/{type}/{id}", "models.get(type, model_id)", "read", "Model"),
    row("GET /users/me", "users.me()", "read", "Profile", key=True),
    row("PATCH /users/me", "users.update_me(*, bio=, website=)", "idempotent", "Profile", key=True),
    row("GET /users/{username}", "users.get(username)", "read", "User"),
    paged("GET /users/{username}/creations", "users.list_creations(username)", "Creation"),
    paged("GET /users/{username}/followers", "users.list_followers(username)", "User"),
    paged("GET /users/{username}/following", "users.list_following(username)", "User"),
    row("POST /users/{username}/follow", "users.follow(username)", "idempotent", "Following", key=True),
    row("DELETE /users/{username}/follow", "users.unfollow(username)", "idempotent", "Following", key=True),
    row("GET /users/{username}/follow", "users.is_following(username)", "read", "Following", key=True),
    row("GET /teams", "teams.list()", "read", "list[Team]", key=True),
    row("POST /teams", "teams.create(*, name)", "plain", "Team", key=True),
    row("GET /teams/{id}", "teams.get(team_id)", "read", "Team", key=True),
    row("DELETE /teams/{id}", "teams.leave(team_id)", "idempotent", "None", key=True),
    row("POST /teams/{id}/members", "teams.add_member(team_id, *, username)", "plain", "Team", key=True),
    row(
        "DELETE /teams/{id}/members/{user_id}", "teams.remove_member(team_id, user_id)", "idempotent", "None", key=True
    ),
    row("POST /teams/join/{invite_code}", "teams.join(invite_code)", "plain", "Team", key=True),
    row("POST /teams/{id}/invite", "teams.regenerate_invite(team_id)", "plain", "Invite", key=True),
    paged("GET /teams/{id}/creations", "teams.list_creations(team_id)", "Creation", key=True),
    paged("GET /creations/{id}/comments", "comments.list(creation_id)", "Comment"),
    row(
        "POST /creations/{id}/comments",
        "comments.create(creation_id, *, text, parent_id=)",
        "plain",
        "Comment",
        key=True,
    ),
    row("DELETE /comments/{id}", "comments.delete(comment_id)", "idempotent", "None", key=True),
    row("POST /comments/{id}/vote", "comments.vote(comment_id, *, vote)", "plain", "Comment", key=True),
    row("GET /creations/{id}/rating", "ratings.get(creation_id)", "read", "Rating"),
    row("POST /creations/{id}/rating", "ratings.rate(creation_id, *, score)", "idempotent", "Rating", key=True),
    row("GET /credits/balance", "credits.balance()", "read", "Balance", key=True),
    paged("GET /credits/transactions", "credits.list_transactions(*, type=)", "Transaction", key=True),
    paged("GET /feed", "feed.list(*, generator=)", "Creation", key=True),
    row("GET /api-keys", "api_keys.list()", "read", "list[ApiKey]", key=True),
    row("POST /api-keys", "api_keys.create(*, name, scopes=)", "plain", "NewApiKey", key=True),
    row("DELETE /api-keys/{id}", "api_keys.revoke(key_id)", "idempotent", "None", key=True),
)


def luma(http: str, call: str, retry_safety: RetrySafety, returns: str) -> Call:
    """Read one row of Luma's table: each of its calls needs a key, and its keys have no scopes."""
    return row(http, call, retry_safety, returns, key=True, scope="none")


LUMA = (
    luma(
        "POST /generations",
        f"generations.create(*, prompt, {' '.join(f'{word}=' for word in MEDIA.split())})",
        "bills",
        "Generation",
    ),
    luma("GET /generations/{id}", "generations.get(generation_id)", "read", "Generation"),
    luma(
        "POST /files",
        "files.create(*, mime_type, size_bytes, filename=, purpose=, expires_at=, user_id=)",
        "plain",
        "CreatedFile",
    ),
    luma(
        "POST /files",
        "files.create_inline(content, *, filename, mime_type, purpose=, expires_at=, user_id=)",
        "plain",
        "CreatedFile",
    ),
    luma("POST /files/{id}/complete", "files.complete(file_id)", "idempotent", "File"),
    luma("GET /files/{id}", "files.get(file_id)", "read", "File"),
    luma("GET /files", "files.list(*, limit=, cursor=, purpose=, state=, max_items=)", "read", "Pages[File]"),
    luma("DELETE /files/{id}", "files.delete(file_id)", "idempotent", "None"),
)

CALLS = pytest.mark.parametrize(
    ("api", "call"),
    [
        pytest.param(api, call, id=f"{api}.{call.name}")
        for api, table in (("generor", GENEROR), ("luma", LUMA))
        for call in table
    ],
)


def client_of(api: str) -> AsyncGeneror | AsyncLuma:
    return AsyncLuma("luma-api-test") if api == "luma" else AsyncGeneror("gnr_live_test")


def method_of(api: str, call: Call) -> Callable[..., Any]:
    resource, method = call.name.split(".")
    found: Callable[..., Any] = getattr(getattr(client_of(api), resource), method)
    return found


def test_the_table_has_every_call_of_the_spec_and_no_other() -> None:
    named = [f"{api}.{call.name}" for api, table in (("generor", GENEROR), ("luma", LUMA)) for call in table]
    assert sorted(named) == sorted([*operations("generor"), *operations("luma")])
    assert sorted(named) == sorted(ENDPOINTS) == sorted(BUILDERS)


@CALLS
def test_an_endpoint_is_what_the_table_says(api: str, call: Call) -> None:
    endpoint = ENDPOINTS[f"{api}.{call.name}"]
    assert endpoint.name == f"{api}.{call.name}"
    assert f"{endpoint.method} {anonymous(endpoint.template)}" == anonymous(call.http)
    assert endpoint.retry_safety == call.retry_safety
    assert endpoint.auth == ("required" if call.key else "optional")
    assert endpoint.scope == call.scope


def anonymous(template: str) -> str:
    """Return a path's template without the names of its parameters."""
    return "/".join("{}" if segment.startswith("{") else segment for segment in template.split("/"))


@CALLS
def test_a_method_takes_the_arguments_of_the_table(api: str, call: Call) -> None:
    parameters = inspect.signature(method_of(api, call)).parameters.values()
    by_kind = {kind: [p for p in parameters if p.kind is kind] for kind in {p.kind for p in parameters}}
    positional = by_kind.pop(inspect.Parameter.POSITIONAL_OR_KEYWORD, [])
    keywords = by_kind.pop(inspect.Parameter.KEYWORD_ONLY, [])
    assert not by_kind
    assert [p.name for p in positional] == call.positional.split()
    assert all(p.default is p.empty for p in positional)
    assert {p.name for p in keywords if p.default is p.empty} == set(call.required.split())
    assert {p.name for p in keywords if p.default is not p.empty} == set(call.optional.split())
    for optional in keywords:
        if optional.name == "max_items":
            assert optional.default is None
        elif optional.default is not optional.empty:
            assert optional.default is UNSET


@CALLS
def test_a_method_returns_what_the_table_says(api: str, call: Call) -> None:
    method = method_of(api, call)
    returned = typing.get_type_hints(method)["return"]
    assert spelled(returned) == call.returns
    # A paged call is a plain def that returns at once; all others are awaited.
    assert inspect.iscoroutinefunction(method) is (typing.get_origin(returned) is not Pages)


def spelled(annotation: Any) -> str:
    """Write a type as the table does."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is not None:
        return f"{origin.__name__}[{', '.join(spelled(argument) for argument in arguments)}]"
    return "None" if annotation is type(None) else str(annotation.__name__)


@CALLS
def test_a_builder_takes_the_same_arguments_but_for_max_items(api: str, call: Call) -> None:
    name = f"{api}.{call.name}"
    method, builder = (inspect.signature(found) for found in (method_of(api, call), BUILDERS[name]))
    assert list(builder.parameters) == [name for name in method.parameters if name != "max_items"]


def test_34_fields_are_estimated_and_generated() -> None:
    assert len(ORDER.split()) == 34


@pytest.mark.parametrize("method", ["estimate", "generate"])
def test_the_fields_that_take_two_types_do(method: str) -> None:
    hints = typing.get_type_hints(getattr(AsyncGeneror("gnr_live_test").generators, method))
    for name in ("aspect_ratio", "preference", "preference_two", "character_id"):
        assert set(typing.get_args(hints[name])) == {str, int, Unset}


@pytest.mark.parametrize("client", [AsyncGeneror, AsyncLuma])
def test_a_client_is_made_with_keywords_but_for_its_key(client: type[AsyncGeneror | AsyncLuma]) -> None:
    parameters = inspect.signature(client).parameters
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    assert [name for name, p in parameters.items() if p.kind is not inspect.Parameter.KEYWORD_ONLY] == ["api_key"]
    expected: dict[str, object] = {
        "api_key": None,
        "base_url": None,
        "timeout": UNSET,
        "attempt_timeout": UNSET,
        "max_retries": 4,
        "max_connections": 100,
        "connector": None,
        "inline_on_503": False,
        "inline_on_422": False,
        "max_reply_bytes": 8 * 1024 * 1024,
        "proxy": None,
        "ssl": None,
        "trust_env": False,
        "on_event": None,
        "allow_insecure": False,
    }
    assert {name: defaults[name] for name in expected} == expected
    assert "clock" in parameters


@pytest.mark.parametrize("client", [AsyncGeneror, AsyncLuma])
def test_a_client_has_the_methods_that_belong_to_no_resource(client: type[AsyncGeneror | AsyncLuma]) -> None:
    def keywords(method: str) -> list[str]:
        return [
            p.name for p in inspect.signature(getattr(client, method)).parameters.values() if p.kind is p.KEYWORD_ONLY
        ]

    assert keywords("request") == ["query", "json", "retry_safety"]
    assert inspect.signature(client.request).parameters["retry_safety"].default == "plain"
    assert set(
        words_of("timeout attempt_timeout max_retries extra_headers extra_query extra_body on_progress request_id")
    ) <= set(keywords("with_options"))
    assert list(inspect.signature(client.send).parameters) == ["self", "operation"]
    assert list(inspect.signature(client.close).parameters) == ["self", "drain"]
    assert list(inspect.signature(client.download).parameters)[:3] == ["self", "result", "to"]
    assert keywords("download") == ["overwrite", "max_bytes", "on_progress"]
    assert list(inspect.signature(client.read).parameters) == ["self", "result", "max_bytes"]
    assert list(inspect.signature(client.stream).parameters)[:2] == ["self", "output"]
    assert keywords("stream") == ["index", "range", "if_range", "max_bytes"]
    assert list(inspect.signature(client.save).parameters)[:3] == ["self", "result", "writer"]
    assert keywords("save") == ["index", "max_bytes"]
    for method in (client.download, client.read, client.stream, client.save):
        assert inspect.signature(method).parameters["max_bytes"].default == 2 * 1024**3
    assert inspect.iscoroutinefunction(client.__aenter__)
    assert inspect.iscoroutinefunction(client.__aexit__)
    assert not hasattr(client, "__del__")


def test_results_of_both_clients_are_saved_in_object_storage() -> None:
    parameters = inspect.signature(Storage).parameters
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        "url": inspect.Parameter.empty,
        "client": None,
        "store": None,
    }
    hints = typing.get_type_hints(Storage.save)
    results = {result.__name__ for result in typing.get_args(hints["result"])}
    assert results == {"GenerateResult", "GeneratedCreation", "Creation", "Generation", "Job"}
    assert hints["return"] == list[StoredOutput]
    assert list(inspect.signature(StoredOutput.signed_url).parameters) == ["self", "expires_in"]


@pytest.mark.parametrize("start", [run_batch, blocking_run_batch])
def test_outputs_of_a_batch_may_go_to_object_storage(start: Any) -> None:
    assert inspect.signature(start).parameters["media"].default is None
    batch = typing.get_type_hints(start)["return"]
    assert inspect.signature(batch.report).parameters["signed_links"].default is None
    outcomes = typing.get_type_hints(RowOutcome)
    assert (outcomes["files"], outcomes["urls"]) == (tuple[Path, ...], tuple[str, ...])


@pytest.mark.parametrize("work", [run_shift, blocking_run_shift])
def test_a_worker_needs_the_address_of_a_run_alone(work: Any) -> None:
    parameters = inspect.signature(work).parameters
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        **dict.fromkeys(("client", "url", "name"), inspect.Parameter.empty),
        **dict.fromkeys(("concurrency", "on_row", "lease")),
        "drain": 8.0,
    }
    assert typing.get_type_hints(work)["return"] is ShiftEnd
    assert set(fields_dict(ShiftEnd)) == {"reason", "done", "failed", "unknown"}
    assert set(fields_dict(Submitted)) == {"new", "known", "rejected", "duplicates"}
    assert list(inspect.signature(resume_run).parameters) == ["url", "name", "after_failover", "even_unchanged"]


@pytest.mark.parametrize("start", [run_batch, blocking_run_batch])
def test_a_batch_may_be_a_run_in_a_database(start: Any) -> None:
    parameters = inspect.signature(start).parameters
    assert (parameters["name"].default, parameters["lease"].default) == (None, None)
    assert typing.get_type_hints(typing.get_type_hints(start)["return"].submit)["return"] is Submitted


def test_files_of_luma_are_uploaded_in_one_call() -> None:
    upload = AsyncLuma("luma-api-test").files.upload
    parameters = inspect.signature(upload).parameters
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        "source": inspect.Parameter.empty,
        "mime_type": None,
        "purpose": "input",
        "size_bytes": None,
        "on_progress": None,
    }
    assert [name for name, p in parameters.items() if p.kind is not p.KEYWORD_ONLY] == ["source"]
    assert inspect.iscoroutinefunction(upload)


@pytest.mark.parametrize("client", [AsyncLuma, Luma])
def test_submit_and_run_show_the_arguments_of_create(client: type[AsyncLuma | Luma]) -> None:
    generations = client("luma-api-test").generations
    create = inspect.signature(generations.create, eval_str=True).parameters
    for name, more in (("submit", {"on_submitted": None}), ("run", {"resubmit": 0, "on_submitted": None})):
        method = getattr(generations, name)
        parameters = inspect.signature(method, eval_str=True).parameters
        assert list(parameters) == [*create, *more]
        assert {each: parameters[each] for each in create} == dict(create)
        assert {each: parameters[each].default for each in more} == more
        assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters.values())
        shown = pydoc.plain(pydoc.render_doc(method))
        assert "prompt: str" in shown
        for each in parameters:
            assert f"    {each}: " in shown, "and is described"
        wrong: dict[str, Any] = {"promt": "a heron"}
        with pytest.raises(TypeError, match="prompt"):
            asyncio.run(_awaited(method(**wrong)))


async def _awaited(made: Any) -> None:
    await made


def test_nested_options_are_typed_dicts_of_the_same_keys_as_their_classes() -> None:
    pairs = [
        (getattr(luma_models, name.removesuffix("Dict"), MediaRef), getattr(luma_models, name))
        for name in luma_models.__all__
        if name.endswith("Dict")
    ]
    assert len(pairs) == 11
    for cls, mapping in pairs:
        if cls is not MediaRef:
            assert set(mapping.__annotations__) == {each.name for each in fields(cls)}
            assert mapping.__required_keys__ == {each.name for each in fields(cls) if each.default is not UNSET}
    everything = typing.get_type_hints(luma_operations.generations_create)
    assert luma_models.VideoOptionsDict in typing.get_args(everything["video"])
    assert luma_models.MediaRefDict in typing.get_args(everything["source"])


def test_jobs_of_luma_are_submitted_taken_up_and_run() -> None:
    generations = AsyncLuma("luma-api-test").generations
    job = generations.job("d290f1ee-6c54-4b01-90e6-d701748f0851")
    assert isinstance(job, Job)
    assert (job.id, job.generation) == ("d290f1ee-6c54-4b01-90e6-d701748f0851", None)
    assert job.expected_seconds is None
    assert inspect.iscoroutinefunction(generations.submit)
    assert inspect.iscoroutinefunction(generations.run)
    assert inspect.isasyncgenfunction(job.updates)
    assert inspect.signature(job.wait).parameters["timeout"].default == float("inf")
    for method in (job.wait, job.refresh, job.download):
        assert inspect.iscoroutinefunction(method)
    assert hasattr(Job, "__await__")


@pytest.mark.parametrize("client", [AsyncLuma("luma-api-test"), AsyncGeneror("gnr_live_test"), Luma("luma-api-test")])
def test_clients_tell_how_long_calls_will_wait(client: AsyncLuma | AsyncGeneror | Luma) -> None:
    expected = {
        name: (each.kind, each.default) for name, each in inspect.signature(client.expected_wait).parameters.items()
    }
    keyword = inspect.Parameter.KEYWORD_ONLY
    assert expected == {
        "operation": (inspect.Parameter.POSITIONAL_OR_KEYWORD, None),
        "user": (keyword, UNSET),
        "priority": (keyword, UNSET),
    }
    assert {name: each.default for name, each in inspect.signature(client.waiting).parameters.items()} == {"user": None}
    assert not inspect.iscoroutinefunction(client.expected_wait)
    assert isinstance(client.expected_wait(), ExpectedWait)
    assert client.waiting() == []
    assert [each.name for each in fields(ExpectedWait)] == ["seconds", "low", "high"]
    assert [each.name for each in fields(WaitingCall)] == ["call_id", "operation", "user", "position", "wait"]


def test_many_requests_are_mapped_to_outcomes() -> None:
    for method in (AsyncLuma("luma-api-test").generations.map, AsyncGeneror("gnr_live_test").generators.map):
        parameters = inspect.signature(method).parameters
        assert {name: parameter.default for name, parameter in parameters.items()} == {
            "requests": inspect.Parameter.empty,
            "ordered": False,
            "concurrency": None,
        }
        assert [name for name, p in parameters.items() if p.kind is not p.KEYWORD_ONLY] == ["requests"]
        assert inspect.isasyncgen(method([]))
    assert {"request", "result", "error", "cost"} == {each.name for each in fields(MapOutcome)}


def test_pages_and_a_page_have_their_ways_to_go_on() -> None:
    pages: Any = Pages
    page: Any = Page
    for method in (pages.first_page, pages.collect, page.next_page):
        assert inspect.iscoroutinefunction(method)
    assert inspect.isasyncgenfunction(pages.by_page)
    assert hasattr(pages, "__aiter__")
    assert hasattr(pages, "__await__")
    assert {"items", "meta", "has_next"} <= set(dir(page))
    assert inspect.signature(pages.collect).parameters["max_items"].kind is inspect.Parameter.KEYWORD_ONLY


ERRORS = {
    "APIError": "GenerorAsyncError",
    "APIConnectionError": "APIError",
    "APITimeoutError": "APIConnectionError TimeoutError",
    "ResponseShapeError": "APIError",
    "OutcomeUnknownError": "APIError",
    "APIStatusError": "APIError",
    "BadRequestError": "APIStatusError",
    "InvalidRequestError": "BadRequestError ValueError",
    "BuysAgainError": "InvalidRequestError",
    "AuthenticationError": "APIStatusError",
    "MissingAPIKeyError": "AuthenticationError",
    "InsufficientCreditsError": "APIStatusError",
    "PermissionDeniedError": "APIStatusError",
    "NotFoundError": "APIStatusError",
    "MethodNotAllowedError": "APIStatusError",
    "ConflictError": "APIStatusError",
    "PayloadTooLargeError": "APIStatusError",
    "UnprocessableEntityError": "APIStatusError",
    "ClientClosedError": "APIConnectionError",
    "BudgetExceededError": "GenerorAsyncError",
    "ClientDrainingError": "GenerorAsyncError",
    "RateLimitError": "APIStatusError",
    "ConcurrentJobsError": "RateLimitError",
    "InternalServerError": "APIStatusError",
    "BadGatewayError": "InternalServerError",
    "ServiceUnavailableError": "InternalServerError",
    "GatewayTimeoutError": "InternalServerError",
    "GenerationFailedError": "GenerorAsyncError",
    "ContentModeratedError": "GenerationFailedError",
    "BudgetExhaustedError": "GenerationFailedError",
    "OutputNotFoundError": "GenerationFailedError",
    "InputRejectedError": "GenerationFailedError",
    "DeadlineExceededError": "GenerorAsyncError TimeoutError",
    "DownloadError": "GenerorAsyncError",
    "UploadError": "GenerorAsyncError",
    "StorageError": "GenerorAsyncError",
    "JournalError": "GenerorAsyncError",
    "FolderError": "JournalError",
    "DatabaseChangedError": "FolderError",
    "StaleRowError": "JournalError",
}
"""Each error's bases."""


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_stands_where_the_tree_has_it(name: str) -> None:
    error = getattr(generor_async, name)
    assert [base.__name__ for base in error.__bases__] == ERRORS[name].split()


def test_every_public_error_is_in_the_tree() -> None:
    errors = {
        name
        for name in generor_async.__all__
        if isinstance(found := getattr(generor_async, name), type) and issubclass(found, BaseException)
    }
    assert errors == {"GenerorAsyncError", *ERRORS}


@pytest.mark.parametrize(
    "name",
    words_of(
        "AsyncGeneror AsyncLuma Job Pages Page MediaRef Secret UNSET Unset Clock ResponseInfo RateLimit response_of",
        "Event Events CallStarted CallEnded AttemptStarted AttemptEnded RetryScheduled Throttled JobSubmitted",
        "JobPolled JobEnded DownloadProgress UploadProgress Storage StoredOutput ExpectedWait WaitingCall",
    ),
)
def test_a_name_is_public(name: str) -> None:
    assert name in generor_async.__all__


def test_all_is_sorted_complete_and_importable() -> None:
    names = generor_async.__all__
    assert names == sorted(names, key=kind_and_name)
    assert len(names) == len(set(names))
    namespace: dict[str, Any] = {}
    exec("from generor_async import *", namespace)
    assert set(names) <= set(namespace)


def kind_and_name(name: str) -> tuple[int, str]:
    """Sort as linters do: constants, then classes, then functions."""
    if name.isupper():
        return 0, name
    return (1 if name[0].isupper() else 2), name


def test_nothing_else_is_to_be_seen() -> None:
    seen = {
        name
        for name in dir(generor_async)
        if not name.startswith("_") and not isinstance(getattr(generor_async, name), types.ModuleType)
    }
    assert seen == set(generor_async.__all__)


@pytest.mark.parametrize(("api", "table"), [("generor", GENEROR), ("luma", LUMA)])
def test_a_client_shows_only_resources_and_methods(api: str, table: tuple[Call, ...]) -> None:
    resources = {call.name.partition(".")[0] for call in table}
    public = {name for name in dir(client_of(api)) if not name.startswith("_")}
    shared = set(
        words_of(
            "budgets check close download drain events expected_wait jobs rate_limits read request save send stream"
            " waiting with_options"
        )
    )
    assert public == resources | shared


@pytest.mark.parametrize("module", [generor_models, luma_models])
def test_every_model_can_be_written_and_read(module: types.ModuleType) -> None:
    models = [
        each for name in module.__all__ if isinstance(each := getattr(module, name), type) and issubclass(each, Model)
    ]
    assert len(models) >= 6
    for model in models:
        public = {name for name in dir(model) if not name.startswith("_")} - {each.name for each in fields(model)}
        assert public == {"extra", "from_dict", "to_dict", "to_json", "wire_names"}


def test_a_media_reference_has_one_method_for_each_kind_and_one_for_what_is_at_hand() -> None:
    public = {name for name in dir(MediaRef) if not name.startswith("_")} - {each.name for each in fields(MediaRef)}
    assert public == {"bytes", "file", "generation", "of", "to_json", "uploaded", "url"}


def test_every_name_is_what_its_module_has() -> None:
    (checked,) = [node for node in ast.parse(inspect.getsource(generor_async)).body if isinstance(node, ast.If)]
    there = {
        alias.name: getattr(importlib.import_module(str(node.module)), alias.name)
        for node in checked.body
        if isinstance(node, ast.ImportFrom) and node.module != "generor_async"
        for alias in node.names
    }
    assert there.keys() == set(generor_async.__all__)
    assert {name: getattr(generor_async, name) for name in there} == there
    everything: dict[str, object] = {}
    exec("from generor_async import *", everything)
    assert there.items() <= everything.items()
    assert set(there) <= set(dir(generor_async))
    with pytest.raises(AttributeError, match="no attribute 'Nobody'"):
        getattr(generor_async, "Nobody")  # noqa: B009 - type checkers know that there is none


@pytest.mark.parametrize("client", [AsyncGeneror, AsyncLuma])
def test_annotations_of_a_client_can_be_evaluated_before_it_is_made(client: type[AsyncGeneror | AsyncLuma]) -> None:
    code = (
        f"from generor_async import {client.__name__} as client\n"
        "import inspect, typing\n"
        "print(*typing.get_type_hints(client))\n"
        "for name in ('__init__', 'send', 'request', 'download', 'read', 'stream', 'save', 'check', 'with_options'):\n"
        "    typing.get_type_hints(getattr(client, name))\n"
        "    inspect.signature(getattr(client, name), eval_str=True)\n"
        "print(typing.get_type_hints(client.rate_limits.fget))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    assert "RateLimits" in ended.stdout


def test_a_client_that_is_only_made_imports_nothing_that_sends() -> None:
    code = (
        "import sys\n"
        "from generor_async import AsyncLuma\n"
        "client = AsyncLuma('luma-api-key')\n"
        "view = client.with_options(timeout=3)\n"
        "engine = 'generor_async.engine.session'\n"
        "print(engine in sys.modules, 'generor_async.generor' in sys.modules, 'generations' in dir(view))\n"
        "print(engine in sys.modules, view._session is client._session, view.generations is client.generations)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stdout.split() == ["False", "False", "True", "True", "True", "False"], ended.stderr


def test_the_version_is_that_of_the_installed_package(tmp_path: Path) -> None:
    metadata = tmp_path / "generor_async-7.8.9.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.4\nName: generor-async\nVersion: 7.8.9\n", "utf-8")
    code = "import sys\nsys.path.insert(0, sys.argv[1])\nimport generor_async\nprint(generor_async.__version__)"
    ended = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("7.8.9\n", "")
    code = code.replace("print", "import importlib.metadata\nsys.path.clear()\nprint")
    ended = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert "AttributeError: __version__ needs an installed package" in ended.stderr
