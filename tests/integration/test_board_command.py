"""People use the board from the command line."""

from __future__ import annotations

import asyncio
import os
import pty
from collections.abc import Awaitable
from datetime import datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID

import orjson
import pytest
from commands import Ended, command, started
from harness import DEADLINE, Operator

from agent_config_sync.board import tasks, threads
from agent_config_sync.board.actor import Person
from agent_config_sync.runtime.tools.wire import task_document, thread_message

HOSTILE = "a\x1b[31mred\x1b[0m\nb\x07\u202ec"

ADA = Person("default", "ada")


class Board(Protocol):
    def __call__(self, *words: str, said: str | bytes = b"", **environment: str) -> Awaitable[Ended]: ...


@pytest.fixture
def board(database: str) -> Board:
    """Run a command of the board on the test's database."""

    def run(*words: str, said: str | bytes = b"", **environment: str) -> Awaitable[Ended]:
        return command("board", *words, said=said, **{"AGENT_CONFIG_SYNC_DSN": database, **environment})

    return run


@pytest.fixture(autouse=True)
async def _team(operator: Operator) -> None:
    await operator.execute("""
        INSERT INTO agents (name, display_name, is_default, is_orchestrator)
        VALUES ('lead', 'Lead', true, true), ('coder', 'Coder', false, false), ('writer', 'Writer', false, false);
        INSERT INTO memberships (account_id, user_id, role, name)
        VALUES ('default', 'ada', 'owner', 'Ada'), ('default', 'bob', 'member', 'Bob')
    """)


async def made(board: Board, *words: str) -> str:
    """Create a task and return its id."""
    ended = await board("create", *words)
    assert (ended.status, ended.err) == (0, "")
    return ended.out.strip()


async def put(operator: Operator, title: str = "A task", **columns: object) -> str:
    """Put a task onto the board as a person at the database does, and return its id."""
    names = ", ".join(("title", *columns))
    places = ", ".join(f"${place}" for place in range(1, len(columns) + 2))
    return str(
        await operator.fetchval(
            f"INSERT INTO board_tasks ({names}) VALUES ({places}) RETURNING id::text", title, *columns.values()
        )
    )


async def status_of(operator: Operator, task: str) -> str:
    return str(await operator.fetchval("SELECT status FROM board_tasks WHERE id = $1::text::uuid", task))


async def assigned(operator: Operator, task: str) -> set[str]:
    asked = "SELECT coalesce(agent, user_id) AS name FROM board_assignees WHERE task_id = $1::text::uuid"
    return {record["name"] for record in await operator.fetch(asked, task)}


# --- create


async def test_a_task_that_is_created_is_in_the_inbox_and_its_id_is_printed(board: Board, operator: Operator) -> None:
    task = await made(board, "Fix the login", "--person", "ada")
    asked = "SELECT id::text, title, status, priority, created_by_type, created_by FROM board_tasks"
    assert tuple(await operator.fetchrow(asked) or ()) == (task, "Fix the login", "inbox", 3, "user", "ada")


async def test_a_task_is_created_with_all_that_is_said_of_it(board: Board, operator: Operator) -> None:
    task = await made(
        board, "Fix it", "--description", "All of it", "--priority", "high", "--label", "web", "--label", "login",
        "--due", "2030-12-24T17:00+00:00", "--assign", "coder", "--assign", "ada",
    )  # fmt: skip
    found = await tasks.see(operator, ADA, UUID(task))
    assert (found.description, found.priority, found.labels) == ("All of it", 2, ("web", "login"))
    assert found.due_at is not None
    assert found.due_at.isoformat() == "2030-12-24T17:00:00+00:00"
    assert (found.status, found.agents, found.people) == ("assigned", ("coder",), ("ada",))


async def test_a_task_is_due_when_its_day_ends_where_it_is_created(board: Board, operator: Operator) -> None:
    await board("create", "Fix it", "--due", "2030-12-24", TZ="Asia/Tokyo")
    due = await operator.fetchval("SELECT due_at AT TIME ZONE 'UTC' FROM board_tasks")
    assert due == datetime(2030, 12, 24, 14, 59, 59)  # noqa: DTZ001 - so PostgreSQL says it


async def test_a_task_that_is_due_when_time_ends_can_be_seen(board: Board, operator: Operator) -> None:
    await operator.execute("INSERT INTO board_tasks (title, due_at) VALUES ('Fix it', '9999-12-31T23:59Z')")
    task = await operator.fetchval("SELECT id::text FROM board_tasks")
    for words in (("list",), ("show", task), ("show", task, "--json")):
        ended = await board(*words, TZ="Asia/Tokyo")
        assert (ended.status, ended.err) == (0, "")


async def test_a_description_is_read_from_a_pipe(board: Board, operator: Operator) -> None:
    ended = await board("create", "Fix it", "--description", "-", said="line one\nline ä\n")
    assert ended.status == 0
    assert await operator.fetchval("SELECT description FROM board_tasks") == "line one\nline ä"


async def test_the_creator_is_the_user_of_this_system_where_none_is_named(board: Board, operator: Operator) -> None:
    await board("create", "Fix it", LOGNAME="grace")
    assert await operator.fetchval("SELECT created_by FROM board_tasks") == "grace"


async def test_nothing_is_created_where_an_assignee_is_unknown(board: Board, operator: Operator) -> None:
    ended = await board("create", "Fix it", "--assign", "coder", "--assign", "nobody")
    assert ended == Ended(1, "", "agent-config-sync: Neither agents of the board nor members: nobody\n")
    assert await operator.fetchval("SELECT count(*) FROM board_tasks") == 0


# --- list


async def test_an_empty_board_says_so(board: Board) -> None:
    assert await board("list") == Ended(0, "no such task\n", "")
    assert await board("list", "--json") == Ended(0, "[]\n", "")


async def test_tasks_are_listed_by_status_then_by_urgency_then_the_newest_first(
    board: Board, operator: Operator
) -> None:
    await put(operator, "in review", status="review", priority=1)
    await put(operator, "older", priority=2)
    await put(operator, "newer", priority=2)
    await put(operator, "urgent", priority=1)
    head, *lines = (await board("list")).out.splitlines()
    assert head.split() == ["TASK", "PRIORITY", "STATUS", "CREATED", "ASSIGNED", "TITLE"]
    assert [line.split("  ")[-1] for line in lines] == ["urgent", "newer", "older", "in review"]


async def test_what_is_archived_is_listed_only_where_it_is_asked_for(board: Board, operator: Operator) -> None:
    await put(operator, "here")
    await board("move", await put(operator, "away"), "archived")
    titles = {words: [task["title"] for task in orjson.loads((await board("list", *words, "--json")).out)]
              for words in ((), ("--all",), ("--status", "archived"))}  # fmt: skip
    assert titles == {(): ["here"], ("--all",): ["here", "away"], ("--status", "archived"): ["away"]}


async def test_only_tasks_of_an_agent_are_listed(board: Board, operator: Operator) -> None:
    await made(board, "of the coder", "--assign", "coder", "--assign", "bob")
    await made(board, "of the writer", "--assign", "writer")
    lines = (await board("list", "--agent", "coder")).out.splitlines()[1:]
    assert [line.split("  ")[-2:] for line in lines] == [["coder, bob", "of the coder"]]


async def test_a_list_that_was_cut_says_so(board: Board, operator: Operator) -> None:
    for _ in range(3):
        await put(operator)
    ended = await board("list", "--limit", "2")
    assert (len(ended.out.splitlines()), ended.err) == (3, "there are more than 2: --limit\n")
    assert (await board("list", "--limit", "3")).err == ""


async def test_ids_are_shown_as_far_as_they_tell_tasks_apart(board: Board, operator: Operator) -> None:
    twins = ("aaaaaaaa-bbbb-4000-8000-000000000001", "aaaaaaaa-bbbb-4fff-8000-000000000001")
    for task in (*twins, "cccccccc-0000-4000-8000-000000000000"):
        await put(operator, id=UUID(task))
    shown = [line.split()[0] for line in (await board("list")).out.splitlines()[1:]]
    assert sorted(shown) == ["aaaaaaaa-bbbb-40", "aaaaaaaa-bbbb-4f", "cccccccc"]
    for beginning in shown:
        assert (await board("show", beginning)).status == 0


async def test_no_line_is_wider_than_the_terminal(board: Board, operator: Operator, database: str) -> None:
    await put(operator, "A title that goes on and on and on, as titles of tasks do")
    mine, theirs = pty.openpty()
    environment = {**os.environ, "AGENT_CONFIG_SYNC_DSN": database, "COLUMNS": "60"}
    try:
        async with started("board", "list", stdout=theirs, env=environment) as process, asyncio.timeout(DEADLINE):
            assert await process.wait() == 0
        lines = os.read(mine, 10_000).decode().splitlines()
    finally:
        os.close(mine)
        os.close(theirs)
    assert len(lines) == 2
    assert len(lines[1]) == 60
    assert lines[1].endswith("…")
    assert (await board("list")).out.splitlines()[1].endswith("as titles of tasks do")


# --- show


async def test_a_task_is_shown_with_its_documents_and_its_thread(board: Board, operator: Operator) -> None:
    task = await made(board, "Fix the login", "--description", "one\ntwo", "--assign", "coder", "--person", "ada")
    await board("comment", task, "first line\nsecond line", "--person", "ada")
    document = await operator.fetchval(
        "INSERT INTO board_documents (task_id, title, type) VALUES ($1::text::uuid, 'Plan', 'note') RETURNING id::text",
        task,
    )
    ended = await board("show", task[:8])
    lines = ended.out.splitlines()
    assert ended.status == 0
    assert lines[0] == "Fix the login"
    assert f"  {'id':12}  {task}" in lines
    assert f"  {'assigned':12}  coder" in lines
    assert lines[lines.index("Documents") + 1] == f"  {document}  note, version 1: Plan"
    thread = lines[lines.index("Thread") + 1 :]
    assert thread[0].endswith("Ada (ada)")
    assert thread[1:] == ["    first line", "    second line"]
    assert "  one\n  two\n" in ended.out


async def test_the_end_of_a_long_thread_is_shown(board: Board, operator: Operator) -> None:
    task = await put(operator)
    for content in ("one", "two", "three"):
        await threads.post(operator, ADA, UUID(task), content)
    ended = await board("show", task, "--limit", "2")
    assert "Thread, its last 2 (--limit)\n" in ended.out
    assert [line.strip() for line in ended.out.splitlines() if line.startswith("    ")] == ["two", "three"]


async def test_a_task_as_json_is_what_agents_get(board: Board, operator: Operator) -> None:
    task = await put(operator, "Fix it", description="All of it")
    await threads.post(operator, ADA, UUID(task), "hello")
    await operator.execute(
        "INSERT INTO board_documents (task_id, title, type) SELECT id, 'Plan', 'note' FROM board_tasks"
    )
    shown = orjson.loads((await board("show", task, "--json")).out)
    found, thread = await threads.load(operator, ADA, UUID(task))
    assert shown["task"] == task_document(found)
    assert shown["thread"] == [thread_message(message) for message in thread]
    assert [(each["title"], each["type"], each["version"]) for each in shown["documents"]] == [("Plan", "note", 1)]
    assert orjson.loads((await board("list", "--json")).out) == [task_document(found)]


# --- comment


async def test_a_comment_says_whom_it_reaches_and_how(board: Board) -> None:
    task = await made(board, "Fix it", "--assign", "bob", "--assign", "writer")
    ended = await board("comment", task, "@coder, look at this", "--person", "ada")
    assert ended == Ended(0, "told: coder (mention), bob\n", "")


async def test_a_comment_as_json_names_the_message_and_whom_it_reaches(board: Board, operator: Operator) -> None:
    task = await made(board, "Fix it", "--assign", "bob")
    ended = await board("comment", task, "@coder", "--person", "ada", "--json")
    assert orjson.loads(ended.out) == {
        "messageId": await operator.fetchval("SELECT id::text FROM board_messages"),
        "told": [
            {"type": "mention", "recipientType": "agent", "recipientId": "coder"},
            {"type": "thread_update", "recipientType": "user", "recipientId": "bob"},
        ],
    }


async def test_who_has_not_read_an_earlier_comment_is_told_of_this_one(board: Board) -> None:
    task = await made(board, "Fix it", "--assign", "coder")
    assert (await board("comment", task, "one")).out == "told: coder, lead\n"
    assert (await board("comment", task, "two")).out == "told: coder, lead\n"


async def test_a_comment_that_reaches_nobody_says_so(board: Board, operator: Operator) -> None:
    await operator.execute("UPDATE agents SET is_orchestrator = false")
    assert (await board("comment", await put(operator), "hello")).out == "told: nobody\n"


@pytest.mark.parametrize("words", [(), ("-",)])
async def test_a_comment_is_read_from_a_pipe(board: Board, operator: Operator, words: tuple[str, ...]) -> None:
    assert (await board("comment", await put(operator), *words, said="hello\n")).status == 0
    assert await operator.fetchval("SELECT content FROM board_messages") == "hello"


# --- assign


async def test_agents_and_people_are_assigned_and_printed(board: Board, operator: Operator) -> None:
    task = await put(operator)
    assert await board("assign", task, "@Coder", "ada") == Ended(0, "coder, ada (assigned)\n", "")
    assert await assigned(operator, task) == {"coder", "ada"}
    assert (await board("assign", task, "writer")).out == "coder, writer, ada (assigned)\n"


async def test_a_task_that_loses_its_last_assignee_goes_back_to_the_inbox(board: Board, operator: Operator) -> None:
    task = await made(board, "Fix it", "--assign", "coder", "--assign", "ada")
    assert (await board("assign", task, "--remove", "ada")).out == "coder (assigned)\n"
    assert (await board("assign", task, "--remove", "coder")).out == "nobody (inbox)\n"
    assert await status_of(operator, task) == "inbox"


async def test_an_assignee_takes_the_place_of_another(board: Board, operator: Operator) -> None:
    task = await made(board, "Fix it", "--assign", "coder")
    ended = await board("assign", task, "writer", "--remove", "coder", "--json")
    assert orjson.loads(ended.out) == task_document(await tasks.see(operator, ADA, UUID(task)))
    assert await assigned(operator, task) == {"writer"}


async def test_an_agent_that_works_no_more_can_be_removed(board: Board, operator: Operator) -> None:
    task = await made(board, "Fix it", "--assign", "coder", "--assign", "writer")
    await operator.execute("UPDATE agents SET status = 'archived' WHERE name = 'coder'")
    assert (await board("assign", task, "--remove", "coder")).out == "writer (assigned)\n"


# --- move


async def test_a_task_goes_its_way_to_done_and_is_opened_again(board: Board, operator: Operator) -> None:
    task = await made(board, "Fix it", "--assign", "coder")
    for status in ("in_progress", "review", "done", "review", "done", "archived"):
        assert await board("move", task, status) == Ended(0, f"coder ({status})\n", "")
    assert await status_of(operator, task) == "archived"


async def test_a_move_to_the_inbox_takes_a_task_from_all(board: Board, operator: Operator) -> None:
    task = await made(board, "Fix it", "--assign", "coder", "--assign", "ada")
    assert (await board("move", task, "inbox")).out == "nobody (inbox)\n"
    assert await assigned(operator, task) == set()


async def test_a_move_to_where_a_task_is_says_so(board: Board, operator: Operator) -> None:
    assert await board("move", await put(operator), "inbox") == Ended(0, "inbox already\n", "")


async def test_a_task_is_blocked_for_a_reason_and_for_another(board: Board, operator: Operator) -> None:
    task = await made(board, "Fix it", "--assign", "coder")
    for reason in ("the key is missing", "the key is wrong"):
        assert (await board("move", task, "blocked", "--reason", reason)).out == "coder (blocked)\n"
        assert await operator.fetchval("SELECT blocked_reason FROM board_tasks") == reason
    assert (await board("move", task, "blocked", "--reason", reason)).out == "blocked already\n"
    assert f"  {'status':12}  blocked: the key is wrong\n" in (await board("show", task)).out


async def test_the_reason_of_what_is_archived_is_in_its_history(board: Board, operator: Operator) -> None:
    ended = await board("move", await put(operator), "archived", "--reason", "a duplicate", "--person", "ada", "--json")
    assert orjson.loads(ended.out)["status"] == "archived"
    asked = "SELECT actor_id, meta ->> 'reason' AS reason FROM activities WHERE type = 'task_status_changed'"
    assert tuple(await operator.fetchrow(asked) or ()) == ("ada", "a duplicate")


@pytest.mark.parametrize(
    ("standing", "wanted", "said"),
    [
        ("inbox", "done", "Invalid transition: inbox to done; from inbox it may become assigned, archived"),
        ("done", "inbox", "Invalid transition: done to inbox; from done it may become review, archived"),
        (
            "inbox",
            "assigned",
            "Invalid assignees: a task that is assigned needs one; from inbox it may become assigned, archived",
        ),
    ],
)
async def test_a_move_that_is_refused_says_why_and_what_a_task_may_become(
    board: Board, operator: Operator, standing: str, wanted: str, said: str
) -> None:
    task = await put(operator, status=standing)
    assert await board("move", task, wanted) == Ended(1, "", f"agent-config-sync: {said}\n")
    assert await status_of(operator, task) == standing


async def test_what_is_archived_becomes_nothing_else(board: Board, operator: Operator) -> None:
    task = await put(operator)
    await board("move", task, "archived")
    ended = await board("move", task, "inbox")
    assert (ended.status, ended.err) == (
        1,
        "agent-config-sync: Invalid transition: archived to inbox; from archived it may become nothing else\n",
    )


# --- what is turned away


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["list", "--status", "open"], "--status takes inbox, assigned"),
        (["list", "--limit", "0"], "--limit"),
        (["show", "abc"], "4 characters"),
        (["create", "x", "--priority", "6"], "--priority takes 1"),
        (["create", "x", "--due", "tomorrow"], "--due takes a day"),
        (["create", "x", "--due", "0001-01-01T00:00+14:00"], "--due takes a day"),
        (["create", "x\udcff"], "UTF-8"),
        (["create", "x", "--description", "-", "--config", "-"], "--config -"),
        (["assign", "abcd"], "--remove NAME"),
        (["move", "abcd", "open"], "STATUS takes inbox, assigned"),
        (["move", "abcd", "blocked"], "--reason"),
        (["move", "abcd", "blocked", "--reason", " "], "--reason"),
    ],
)
async def test_wrong_usage_ends_with_2(board: Board, operator: Operator, words: list[str], hint: str) -> None:
    ended = await board(*words)
    assert (ended.status, ended.out) == (2, "")
    assert hint in ended.err
    assert await operator.fetchval("SELECT count(*) FROM board_tasks") == 0


async def test_a_pipe_that_holds_no_text_is_turned_away(board: Board, operator: Operator) -> None:
    ended = await board("comment", await put(operator), "-", said=b"\xff")
    assert ended == Ended(2, "", "agent-config-sync: standard input is not UTF-8\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "abcd"], "Not found: task abcd"),
        (["show", "none"], "Not found: task none"),
        (["comment", "abcd", "x"], "Not found: task abcd"),
        (["assign", "abcd", "coder"], "Not found: task abcd"),
        (["move", "abcd", "review"], "Not found: task abcd"),
        (["list", "--agent", "nobody"], "Unknown assignee slugs: nobody"),
        (["list", "--agent", " "], "Invalid assignee: its name is empty"),
        (["create", " "], "Invalid title: 1 to 2,000 characters"),
    ],
)
async def test_what_the_board_refuses_ends_with_1(board: Board, words: list[str], said: str) -> None:
    ended = await board(*words)
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert said in ended.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["comment", "TASK", " "], "Invalid content: 1 to 100,000 characters"),
        (["comment", "TASK", "-"], "Invalid content: 1 to 100,000 characters"),
        (["assign", "TASK", "nobody", "ada"], "Neither agents of the board nor members: nobody"),
        (["assign", "TASK", "--remove", "ada"], "Not assigned: ada"),
        (["move", "TASK", "archived", "--reason", " "], "Invalid reason: 1 to 2,000 characters"),
    ],
)
async def test_what_a_task_refuses_ends_with_1(board: Board, operator: Operator, words: list[str], said: str) -> None:
    task = await put(operator)
    ended = await board(*(task if word == "TASK" else word for word in words))
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert said in ended.err
    assert await assigned(operator, task) == set()


async def test_a_nul_in_a_text_is_turned_away(board: Board, operator: Operator) -> None:
    ended = await board("comment", await put(operator), "-", said="a\0b")
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert "NUL" in ended.err


async def test_a_beginning_of_several_tasks_lists_them(board: Board, operator: Operator) -> None:
    await put(operator, "One", id=UUID("abcd0000-0000-4000-8000-000000000001"))
    await put(operator, "Two", id=UUID("abcd1111-0000-4000-8000-000000000001"))
    ended = await board("show", "ABCD")
    said = "agent-config-sync: Ambiguous: task ABCD is abcd0000 (One), abcd1111 (Two)\n"
    assert ended == Ended(1, "", said)
    assert (await board("show", "abcd1")).out.startswith("Two\n")


async def test_a_beginning_of_many_tasks_lists_some_of_them(board: Board, operator: Operator) -> None:
    for number in range(12):
        await put(operator, id=UUID(f"abcd{number:04}-0000-4000-8000-000000000001"))
    ended = await board("show", "abcd")
    assert ended.err.count("(A task)") == 10
    assert ended.err.endswith("and others\n")


async def test_a_task_of_another_account_is_not_there(board: Board, operator: Operator) -> None:
    task = await put(operator)
    for words in (("show", task), ("comment", task, "x"), ("assign", task, "coder"), ("move", task, "archived")):
        ended = await board(*words, AGENT_CONFIG_SYNC_ACCOUNT="acme")
        assert ended == Ended(1, "", f"agent-config-sync: Not found: task {task}\n")
    assert (await board("list", AGENT_CONFIG_SYNC_ACCOUNT="acme")).out == "no such task\n"
    assert await status_of(operator, task) == "inbox"


async def test_a_config_file_says_which_account(board: Board, operator: Operator, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('account = "acme"\n')
    await board("create", "Theirs", "--config", str(tmp_path / "c.toml"))
    assert await operator.fetchval("SELECT account_id FROM board_tasks") == "acme"


async def test_nothing_that_agents_write_moves_the_cursor(board: Board, operator: Operator) -> None:
    task = await put(operator, HOSTILE, id=UUID("abcd0000-0000-4000-8000-000000000001"), description=HOSTILE,
                     labels=[HOSTILE], created_by=HOSTILE, created_by_type="agent")  # fmt: skip
    await put(operator, HOSTILE, id=UUID("abcd0001-0000-4000-8000-000000000001"))
    await operator.execute("""
        INSERT INTO board_messages (task_id, author_type, author_id, content) SELECT id, 'agent', title, title
        FROM board_tasks
    """)
    await operator.execute("INSERT INTO board_documents (task_id, title, type) SELECT id, $1, 'note' FROM board_tasks",
                           HOSTILE)  # fmt: skip
    await operator.execute("INSERT INTO memberships (account_id, user_id, role) VALUES ('default', $1, 'member')",
                           "e\u202ev")  # fmt: skip
    outputs = [
        await board("list"),
        await board("show", task),
        await board("show", "abcd"),
        await board("assign", task, "e\u202ev"),
        await board("assign", task, HOSTILE),
        await board("comment", task, "x"),
        await board("move", task, "blocked", "--reason", HOSTILE),
        await board("show", task),
    ]
    for ended in outputs:
        text = (ended.out + ended.err).replace("\n", "")
        assert text.isprintable()
        assert text
    assert len(outputs[0].out.splitlines()) == 3


# --- a database that cannot answer


async def test_a_database_without_a_board_says_how_to_make_one(empty_database: str) -> None:
    ended = await command("board", "list", "--dsn", empty_database)
    assert ended == Ended(1, "", "agent-config-sync: the database has no board yet: agent-config-sync migrate\n")


async def test_a_login_without_the_rights_is_told_which(board: Board, operator: Operator, database: str) -> None:
    login = f"board_box_{os.getpid()}"
    await operator.execute(f"CREATE ROLE {login} LOGIN IN ROLE agent_config_reader")
    try:
        ended = await command("board", "list", "--dsn", database.replace("postgres@", f"{login}@"))
    finally:
        await operator.execute(f"DROP ROLE {login}")
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert "GRANT agent_config_operator TO this login" in ended.err


async def test_an_operator_may_do_all_of_it(operator: Operator, database: str) -> None:
    login = f"board_person_{os.getpid()}"
    await operator.execute(f"CREATE ROLE {login} LOGIN IN ROLE agent_config_operator")
    dsn = database.replace("postgres@", f"{login}@")
    try:
        task = (await command("board", "create", "Fix it", "--dsn", dsn)).out.strip()
        for words in (
            ("assign", task, "coder", "ada"),
            ("comment", task, "@coder, look"),
            ("move", task, "in_progress"),
            ("show", task),
            ("list",),
        ):
            ended = await command("board", *words, "--dsn", dsn)
            assert (ended.status, ended.err) == (0, "")
    finally:
        await operator.execute(f"DROP ROLE {login}")
