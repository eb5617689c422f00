"""Whom a text means by @: examples by name, and any text, compared with an oracle that was written apart."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Iterator

import orjson
import pytest
from board_ground import Board
from harness import Operator, connected, database_dsn
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mention_oracle import Letters, Mention, Somebody, mentions

from agent_config_sync.postgres.migrate import migrate

EXAMPLES = int(os.environ.get("AGENT_CONFIG_SYNC_TEST_MENTIONS", "150"))
"""Texts of each kind; many more where mentions are touched."""

CAST = [
    Somebody("agent", "lead", "Lead"),
    Somebody("agent", "coder", "The Coder", "Engineer"),
    Somebody("agent", "coder-2", "The Coder Two"),
    Somebody("agent", "writer"),
    Somebody("agent", "reviewer", "Quinn", "QA / Reviewer"),
    Somebody("agent", "tester", "Änne", "Quality Assurance"),
    Somebody("agent", "a", "All Star"),
    Somebody("user", "ada", "Ada Lovelace", email="countess@example.org"),
    Somebody("user", "bob"),
    Somebody("user", "c", "Ada", email="ada.l@example.org"),
    Somebody("user", "d", "Coder"),
    Somebody("user", "e", "Jörg Öl", email="@example.org"),
    Somebody("user", "f", "漢 字", email="lead@example.org"),
]


@pytest.fixture(scope="module", params=["C", "C.UTF-8"])
def tongue(request: pytest.FixtureRequest, server_dsn: str) -> Iterator[str]:
    """The DSN of a database whose locale knows letters of ASCII, and one that knows all."""
    name = f"tongue_{os.getpid()}_{len(request.param)}"
    asyncio.run(_make(server_dsn, name, request.param))
    yield database_dsn(server_dsn, name)
    asyncio.run(_drop(server_dsn, name))


async def _make(server_dsn: str, name: str, locale: str) -> None:
    async with connected(server_dsn) as server:
        await server.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE '{locale}'"
        )
    async with connected(database_dsn(server_dsn, name)) as connection:
        await migrate(connection)


async def _drop(server_dsn: str, name: str) -> None:
    async with connected(server_dsn) as server:
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def reader(tongue: str) -> AsyncIterator[Operator]:
    """Somebody who asks the database whom a text means."""
    async with connected(tongue) as connection:
        yield connection


async def _gather(connection: Operator, everybody: list[Somebody]) -> Letters:
    """Let these be everybody; return what the locale knows."""
    async with connection.transaction():
        await connection.execute("DELETE FROM memberships; DELETE FROM agents")
        for each in everybody:
            if each.kind == "agent":
                await connection.execute(
                    "INSERT INTO agents (name, display_name, role) VALUES ($1, $2, $3)", each.id, each.name, each.role
                )
            else:
                await connection.execute(
                    "INSERT INTO memberships (account_id, user_id, role, name, email)"
                    " VALUES ('default', $1, 'member', $2, $3)",
                    each.id,
                    each.name,
                    each.email,
                )
    return Letters(await connection.fetchval("SELECT lower('Ä') = 'ä'"))


async def _meant(connection: Operator, text: str, author: Mention = ("user", "ada")) -> list[Mention]:
    found = await connection.fetchval("SELECT board_mentions('default', $1, $2, $3)", text, *author)
    return [(each["type"], each["id"]) for each in orjson.loads(found)]


# Any text -------------------------------------------------------------------------------------------------------------

NAMES = [name for each in CAST for _, name in each.names()] + ["all", "qa", "nobody", "cod", "Ada Love", "x" * 199]

pieces = st.one_of(
    st.sampled_from(NAMES)
    .flatmap(lambda name: st.sampled_from([name, name.upper(), name.title(), name[:-1]]))
    .map("@{}".format),
    st.sampled_from(NAMES).map('@"{}"'.format),
    st.sampled_from(NAMES),
    st.sampled_from(
        [
            " ",
            "\n",
            "\t",
            "@",
            '"',
            "`",
            "```",
            "> ",
            "\n>",
            "\n \t> ",
            ".",
            ",",
            "-",
            "_",
            "'",
            "!",
            ":",
            "é",
            "ß",
            "字",
            "💥",
        ]
    ),
    st.sampled_from(["mail@example.org", "x@lead", "(@lead)", "\r\n", "\\", "%", "@all", "@ALL", "@qa.", "'s"]),
)
texts = st.lists(pieces, max_size=14).map("".join)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=texts, author=st.sampled_from([each.mention for each in CAST] + [("system", "x")]))
@example(text="```\n@lead", author=("user", "ada"))
@example(text="`@lead` ```x``` @coder", author=("user", "ada"))
async def test_the_database_means_whom_the_oracle_means(reader: Operator, text: str, author: Mention) -> None:
    letters = await _once(reader)
    assert await _meant(reader, text, author) == mentions(text, CAST, author, letters)


async def _once(connection: Operator) -> Letters:
    """Gather the cast unless it is there."""
    known: set[str] = {row[0] for row in await connection.fetch("SELECT name FROM agents")}
    if known == {each.id for each in CAST if each.kind == "agent"}:
        return Letters(await connection.fetchval("SELECT lower('Ä') = 'ä'"))
    return await _gather(connection, CAST)


short = st.text("aAbé -Ä_", min_size=1, max_size=5)
crowds = st.lists(
    st.tuples(short, st.one_of(st.none(), short), st.one_of(st.none(), short)), min_size=1, max_size=5
).map(
    lambda rows: (
        [
            Somebody("user", f"u{number}", name, email=f"{email}@x" if email else None)
            for number, (name, _, email) in enumerate(rows)
        ]
        + [
            Somebody("agent", f"a{'b' * number}", display, "qa" if number == 2 else None)
            for number, (_, display, _) in enumerate(rows)
        ]
    )
)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    crowd=crowds,
    text=st.lists(st.one_of(short, short.map("@{}".format), short.map('@"{}"'.format)), max_size=8).map("".join),
)
async def test_names_that_begin_alike_are_told_apart(reader: Operator, crowd: list[Somebody], text: str) -> None:
    letters = await _gather(reader, crowd)
    assert await _meant(reader, text, ("user", "u0")) == mentions(text, crowd, ("user", "u0"), letters)


# Examples -------------------------------------------------------------------------------------------------------------

EVERYBODY = ["coder", "lead", "reviewer", "writer", "ada", "bob"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("no one", []),
        ("@coder", ["coder"]),
        ("@CODER, please", ["coder"]),
        ("(@coder)", ["coder"]),
        ("@coder's engine", ["coder"]),
        ("@the coder did", ["coder"]),
        ('@"The Coder" did', ["coder"]),
        ('@"The Coder did"', []),
        ("@coders", []),
        ("@coder-2", []),
        ("@coder_", []),
        ("@coder.", ["coder"]),
        ("@ada lovelace", ["ada"]),
        ("@ada", []),
        ("@countess!", ["ada"]),
        ("countess@example.org", []),
        ("a.@coder", []),
        ("@bob", ["bob"]),
        ("@qa", ["reviewer"]),
        ("@all", EVERYBODY),
        ("@ALL hands", EVERYBODY),
        ("@allhands", []),
        ("`@coder`", []),
        ("`@coder` and @writer", ["writer"]),
        ("```\n@coder\n```\n@writer", ["writer"]),
        ("```\n@coder", []),
        ("> @coder\n@writer", ["writer"]),
        ("  > @coder", []),
        ("a > @coder", ["coder"]),
        ("@coder @coder @Coder", ["coder"]),
        ("@coder@writer", ["coder"]),
        ("@coder,@writer", ["coder", "writer"]),
        ("@@coder", ["coder"]),
        ("@ coder", []),
        ("@", []),
        ('@""', []),
        ("@ghost @peer", []),
    ],
)
async def test_a_text_means(board: Board, text: str, meant: list[str]) -> None:
    await board.connection.execute(
        "INSERT INTO agents (name, status, instance_type)"
        " VALUES ('ghost', 'disabled', 'primary'), ('peer', 'active', 'peer')"
    )
    found = await _meant(board.connection, text, ("system", "x"))
    assert [name for _, name in found] == meant


@pytest.mark.parametrize("author", [("agent", "coder"), ("user", "ada")])
async def test_all_are_all_but_the_author(board: Board, author: Mention) -> None:
    found = await _meant(board.connection, "@all", author)
    assert [name for _, name in found] == [name for name in EVERYBODY if name != author[1]]


async def test_an_author_who_is_named_is_shown(board: Board) -> None:
    assert await _meant(board.connection, "@all, @coder", ("agent", "coder")) == [
        (kind, name) for kind, name in zip(["agent"] * 4 + ["user"] * 2, EVERYBODY, strict=True)
    ]


async def test_an_agent_called_qa_is_meant_before_the_one_who_reviews(board: Board) -> None:
    await board.connection.execute("INSERT INTO agents (name) VALUES ('qa')")
    assert await _meant(board.connection, "@qa") == [("agent", "qa")]


async def test_a_mention_says_who_it_is(board: Board) -> None:
    found = await board.connection.fetchval("SELECT board_mentions('default', '@coder @countess', 'user', 'bob')")
    assert orjson.loads(found) == [
        {"type": "agent", "id": "coder", "name": "The Coder", "slug": "coder"},
        {"type": "user", "id": "ada", "name": "Ada Lovelace"},
    ]


async def test_nobody_of_another_account_is_meant(board: Board) -> None:
    assert orjson.loads(await board.connection.fetchval("SELECT board_mentions('other', '@all', 'user', 'ada')")) == []


async def test_a_text_full_of_mentions_means_the_first_of_them(board: Board) -> None:
    """A text costs no more than so many of them, whatever is in it."""
    many = " ".join(f"@nobody{number}" for number in range(499))
    assert await _meant(board.connection, f"{many} @coder") == [("agent", "coder")]
    assert await _meant(board.connection, f"{many} @nobody @coder") == []
    again = " ".join(itertools.repeat("@nobody", 10_000))
    assert await _meant(board.connection, f"{again} @coder") == [("agent", "coder")]
