"""Keys and addresses, before anything is sent."""

import pytest

from generor_async.engine.auth import as_secret, missing_key, resolve_base_url, resolve_key
from generor_async.errors import InvalidRequestError
from generor_async.rules.vendors import GENEROR, LUMA, Vendor
from generor_async.values import Secret


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for vendor in (GENEROR, LUMA):
        monkeypatch.delenv(vendor.key_variable, raising=False)
        monkeypatch.delenv(vendor.url_variable, raising=False)


def address(url: str | None, vendor: Vendor = LUMA, *, allow_insecure: bool = False) -> str:
    return resolve_base_url(vendor, url, allow_insecure=allow_insecure)


@pytest.mark.parametrize("vendor", [GENEROR, LUMA], ids=["generor", "luma"])
def test_the_vendors_own_address_is_the_default(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    assert address(None, vendor) == vendor.base_url
    monkeypatch.setenv(vendor.url_variable, "")
    assert address(None, vendor) == vendor.base_url
    monkeypatch.setenv(vendor.url_variable, "https://mirror.example/v1/")
    assert address(None, vendor) == "https://mirror.example/v1"
    assert address("https://other.example", vendor) == "https://other.example"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080",
        "http://127.8.9.1",
        "http://localhost:1/v1",
        "http://api.localhost",
        "http://[::1]:8080/v1",
    ],
)
def test_plain_http_is_for_this_machine(url: str) -> None:
    assert address(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://generor.com/api/v1",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://mylocalhost",
    ],
)
def test_plain_http_to_another_host_is_refused_unless_it_is_meant(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="unencrypted") as caught:
        address(url)
    assert "allow_insecure=True" in str(caught.value)
    assert address(url, allow_insecure=True) == url


@pytest.mark.parametrize(
    ("url", "one"),
    [
        ("http://LOCALHOST", "http://localhost"),
        ("HTTPS://Mirror.example:443/V1/", "https://mirror.example/V1"),
        ("https://mirror.example:8443/%7E//", "https://mirror.example:8443/%7E"),
    ],
)
def test_spellings_of_one_address_are_one(url: str, one: str) -> None:
    assert address(url) == one


@pytest.mark.parametrize(
    "url",
    [
        "",
        "generor.com",
        "ftp://generor.com",
        "file:///etc/passwd",
        "https://",
        "https:///v1",
        "https://x:port",
        "https://x:99999",
        "https://[::1",
        " https://generor.com",
        "https://generor.com\n",
        "https://gene\nror.com",
        "https://generor.com/\tv1",
        "https://generor.com/a b",
        "javascript:alert(1)",
    ],
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        address(url)
    assert caught.value.field == "base_url"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://me:hush@x.example", "https://hush@x.example", "https://x.example?a=hush", "https://x/#hush"]
)
def test_an_address_carries_no_credentials_query_or_fragment(url: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        address(url)
    assert "hush" not in str(caught.value)


def test_credentials_are_not_shown_whatever_else_is_wrong() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        address("ftp://me:hush@x.example")
    assert "hush" not in str(caught.value)


def test_a_wrong_address_of_the_environment_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMA_BASE_URL", "nonsense")
    with pytest.raises(InvalidRequestError) as caught:
        address(None)
    assert caught.value.field == "LUMA_BASE_URL"


def test_the_key_given_is_taken_over_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMA_AGENTS_API_KEY", "luma-api-env")
    given = Secret("luma-api-given")
    assert resolve_key(LUMA, given, LUMA.base_url) == given
    assert resolve_key(LUMA, None, LUMA.base_url) == Secret("luma-api-env")


def test_no_key_anywhere_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_key(LUMA, None, LUMA.base_url) is None
    monkeypatch.setenv("LUMA_AGENTS_API_KEY", "")
    assert resolve_key(LUMA, None, LUMA.base_url) is None


@pytest.mark.parametrize("vendor", [GENEROR, LUMA], ids=["generor", "luma"])
def test_the_prefix_is_checked_against_the_vendors_own_address_alone(vendor: Vendor) -> None:
    other = Secret("sk-other")
    with pytest.raises(InvalidRequestError, match=f"does not start with {vendor.key_prefix}"):
        resolve_key(vendor, other, vendor.base_url)
    assert resolve_key(vendor, other, "http://127.0.0.1:8080") == other


def test_the_alphabet_of_a_key_is_never_checked() -> None:
    odd = Secret("gnr_live_XYZ!~$%&/()=?")
    assert resolve_key(GENEROR, odd, GENEROR.base_url) == odd


def test_a_key_is_wrapped_at_once() -> None:
    assert as_secret("k") == Secret("k")
    assert as_secret(Secret("k")) == Secret("k")
    assert as_secret(None) is None


@pytest.mark.parametrize("vendor", [GENEROR, LUMA], ids=["generor", "luma"])
def test_a_missing_key_says_which_variable_to_set_and_where_a_key_comes_from(vendor: Vendor) -> None:
    error = missing_key(vendor, "x.y")
    assert vendor.key_variable in str(error)
    assert vendor.key_source in str(error)
    assert (error.operation, error.response, error.outcome) == ("x.y", None, "not_sent")
