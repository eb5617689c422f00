"""postgres/server.py: a name for the database without any part of a password."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_config_sync.postgres.server import server_of
from agent_config_sync.settings import Settings

SECRET = "hunter2"


def name_of(**members: object) -> str:
    return server_of(Settings.model_validate({"gateway": "here", **members})).name


@pytest.mark.parametrize(
    ("dsn", "name"),
    [
        ("postgresql://db.example:5433/config", "PostgreSQL config on db.example:5433"),
        (f"postgresql://me:{SECRET}@db/config", "PostgreSQL config on db"),
        (f"postgres://me:{SECRET}@db:1/config?sslmode=require", "PostgreSQL config on db:1"),
        ("postgresql://a:1,b:2/config", "PostgreSQL config on a:1,b:2"),
        (f"postgresql://db/config?password={SECRET}", "PostgreSQL config on db"),
        (f"postgresql://me:{SECRET}@/config?host=/run", "PostgreSQL config"),
        ("postgresql:///config", "PostgreSQL config"),
        ("postgresql://me:p%40ss@db/config", "PostgreSQL config on db"),
    ],
)
def test_a_plain_dsn_is_named_by_host_and_database(dsn: str, name: str) -> None:
    assert name_of(dsn=dsn) == name


def test_members_are_named_without_a_dsn() -> None:
    assert name_of(host="db", port=5433, database="config", password=SECRET) == "PostgreSQL config on db:5433"


def test_nothing_set_is_just_postgresql() -> None:
    assert name_of() == "PostgreSQL"


def test_a_member_beside_a_dsn_wins_as_it_does_for_the_driver() -> None:
    assert name_of(dsn="postgresql://db/config", host="other") == "PostgreSQL config on other"


MALFORMED = [
    f"postgresql://me:p@{SECRET}@db/config",
    f"postgresql://me:{SECRET}@x@db/config",
    f"postgresql://me:{SECRET}/x@db/config",
    f"postgresql://me:1/{SECRET}@db/config",
    f"postgresql://me:1/{SECRET}?x@db/config",
    f"postgresql://me:1?{SECRET}@db/config",
    f"postgresql://me:1#{SECRET}@db/config",
    f"postgresql://me:{SECRET}#@db/config",
    f"postgresql://me:{SECRET}:@db:x/config",
    f"postgresql://me:1,{SECRET}/x@db/config",
    f"postgresql://me:{SECRET}",
    f"postgresql://me:{SECRET}/config",
    f"postgresql://me:{SECRET}\n@db/config@",
    f"postgresql://me:[{SECRET}]@db/config/x",
    f"postgresql:/me:{SECRET}@db/config",
    f"postgresql:me:{SECRET}@db/config",
    f"postgres//me:{SECRET}@db/config",
    f"http://me:{SECRET}@db/config",
    f"me:{SECRET}@db/config",
    f" postgresql://me:{SECRET}@db/config",
    f"postgresql://me:{SECRET}@db/config ",
    f"postgresql://db/config:{SECRET}",
    f"postgresql://db/config@{SECRET}",
    f"postgresql://db:{SECRET}@/x/y",
    f"postgresql://db/config?password=@{SECRET}",
    f"postgresql://db:5432:{SECRET}/config",
    f"host=db password={SECRET}",
    f"password={SECRET}",
    SECRET,
]


@pytest.mark.parametrize("dsn", MALFORMED)
def test_the_name_of_a_malformed_dsn_holds_no_part_of_the_password(dsn: str) -> None:
    assert SECRET not in name_of(dsn=dsn)


@pytest.mark.parametrize("dsn", MALFORMED)
def test_a_server_does_not_show_its_keywords(dsn: str) -> None:
    assert SECRET not in repr(server_of(Settings.model_validate({"gateway": "here", "dsn": dsn})))


stray = st.text("@/?#:,%[]& ." + string.digits + "\n", max_size=4)


@given(stray, stray)
def test_whatever_stands_around_a_password_in_a_url_it_is_not_in_the_name(before: str, after: str) -> None:
    assert SECRET not in name_of(dsn=f"postgresql://me:{before}{SECRET}{after}@db.example:5432/config")


@pytest.mark.parametrize("database", ["", "config"])
def test_the_keywords_hold_what_the_driver_needs(database: str) -> None:
    dsn = f"postgresql://me:{SECRET}@db/{database}"
    assert server_of(Settings.model_validate({"gateway": "here", "dsn": dsn})).keywords == {"dsn": dsn}
