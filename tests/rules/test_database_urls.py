"""Passwords in the URLs and connection strings of databases."""

import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.database_urls import has_password, is_database_url, is_redis_url, without_password

WITHOUT = [
    "",
    "results",
    "/srv/results",
    "C:\\results",
    "postgresql://",
    "postgresql:///app",
    "postgres://db/app",
    "postgresql://ann@db/app",
    "postgresql://ann:@db/app",
    "postgresql://db:5432/app",
    "postgresql://a:1,b:2,[::1]:3/app?target_session_attrs=read-write",
    "postgresql://%2Frun%2Fpostgresql/app",
    "postgresql:///app?host=/run/postgresql&passfile=/home/ann/.pgpass",
    "postgresql://db/app?password=",
    "postgresql://db/app?require_auth=password",
    "postgresql://db:5432/app?application_name=a@b:c",
    "host=db user=ann",
    "service=app passfile='/home/ann/.pgpass'",
    "host=db password=''",
    "host=db password= ",
    "redis://cache/0",
    "redis://cache:6379/0?protocol=3",
    "rediss://ann@cache/0",
    "unix:///run/redis.sock?db=1",
    "valkey://[::1]:6379",
]
WITH = [
    "postgresql://ann:hush@db/app",
    "postgres://:hush@db/app",
    "POSTGRESQL://ann:hush@db/app",
    "postgresql+psycopg://ann:hush@db/app",
    "postgresql://ann:hush@",
    "postgresql://ann:hush@a:1,b:2/app",
    "postgresql://ann:hu@sh@db/app",
    "postgresql://ann:hu:sh@db/app",
    "postgresql://ann:hu/sh@db/app",
    "postgresql://ann:hu?sh@db/app",
    "postgresql://ann:hu#sh@db/app",
    "postgresql://ann:123/sh@db/app",
    "postgresql://ann:%68ush@db/app",
    "postgresql://db/app?password=hush",
    "postgresql://db/app?user=ann&password=hush",
    "postgresql://db/app?p%61ssword=hush",
    "postgresql://db/app?sslpassword=hush",
    "postgresql://db/app?oauth_client_secret=hush",
    "postgresql://db/app?scram_client_key=hush",
    "host=db password=hush",
    "host=db password = hush",
    "password='hu sh' host=db",
    "password='hush",
    r"password=hu\ sh",
    r"password=\'hush",
    "host=db\npassword=hush",
    "redis://:hush@cache/0",
    "rediss://ann:hush@cache",
    "redis://cache/0?password=hush",
    "rediss://cache?ssl_password=hush",
    "unix://ann:hush@/run/redis.sock",
    "unix:///run/redis.sock?password=hush",
    "valkey://:hush@cache",
]


@pytest.mark.parametrize("text", WITHOUT)
def test_a_text_without_a_password(text: str) -> None:
    assert not has_password(text)


@pytest.mark.parametrize("text", WITH)
def test_a_text_with_a_password(text: str) -> None:
    assert has_password(text)
    shown = without_password(text)
    assert not any(part in shown for part in ("hu", "sh", "123"))
    assert not has_password(shown)


def test_what_is_shown_names_the_server() -> None:
    assert without_password("postgresql://ann:hush@a:1,b:2/app?sslmode=require") == "postgresql://ann@a:1,b:2/app"
    assert without_password("host=db password='hu sh' dbname=app") == "host=db dbname=app"
    assert without_password("unix:///run/redis.sock?password=hush") == "unix:///run/redis.sock"
    assert without_password("postgresql://ann:hu/sh@db/app") == "postgresql://..."


def test_urls_are_told_from_paths() -> None:
    assert is_database_url("postgresql://db/app")
    assert is_database_url("Postgres:///app")
    assert not any(map(is_database_url, ("results", "postgresql:/db", "file:///x", "redis://cache", "s3://bucket")))
    assert is_redis_url("valkey://cache")
    assert is_redis_url("unix:///run/redis.sock")
    assert not any(map(is_redis_url, ("limits.sqlite", "postgresql://db", "http://cache")))


NAMES = st.text(string.ascii_letters + string.digits + "_-.", min_size=1, max_size=8)
PASSWORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
HOSTS = st.sampled_from(["db", "db:5432", "[::1]:1", "a,b:2", "10.0.0.1", ""])


@given(PASSWORDS, NAMES, HOSTS, NAMES)
def test_every_password_is_found_and_not_shown(password: str, user: str, hosts: str, database: str) -> None:
    secret = f"<{password}>"
    for spelled in (quote(secret, safe=""), secret):
        for text in (
            f"postgresql://{user}:{spelled}@{hosts}/{database}",
            f"redis://{hosts}/0?password={quote(secret, safe='')}",
        ):
            assert has_password(text)
            assert spelled not in without_password(text)
    escaped = secret.replace("\\", "\\\\").replace("'", "\\'")
    for text in (f"host=db password='{escaped}' dbname=app", f"password = '{escaped}'"):
        assert has_password(text)
        assert escaped not in without_password(text)


@given(NAMES, HOSTS, NAMES)
def test_a_url_without_a_password_is_shown_whole(user: str, hosts: str, database: str) -> None:
    for text in (f"postgresql://{user}@{hosts}/{database}", f"redis://{hosts}/0", f"unix:///run/{database}"):
        assert not has_password(text)
        assert without_password(text) == text
