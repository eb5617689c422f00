"""The endpoints of the board: who acts, and everybody who only says so, is turned away with nothing done."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from board_site import ARCHIVED, ASSIGNED, FOREIGN, FOREIGN_NOTE, SESSION, BoardSite, open_board
from harness import Operator, Start, eventually
from web_client import exchange

from agent_config_sync.errors import SettingsError
from agent_config_sync.events import HealthServed
from agent_config_sync.runtime.tools.catalog import TOOLS
from agent_config_sync.setting_sources import load_settings
from agent_config_sync.token_store import token_hash
from agent_config_sync.web import tool_api

STATUS = "/agent/task-status"
BEGIN = {"taskId": str(ASSIGNED), "status": "in_progress"}


@pytest.fixture
async def site(start: Start, operator: Operator, port: int, tmp_path: Path) -> AsyncIterator[BoardSite]:
    site = await open_board(start, operator, port, tmp_path)
    yield site
    await site.pool.close()


async def untouched(site: BoardSite) -> bool:
    return bool(await site.operator.fetchval("SELECT status = 'assigned' FROM board_tasks WHERE id = $1", ASSIGNED))


async def acted(site: BoardSite) -> str | None:
    """Return in whose name the task was begun."""
    name: str | None = await site.operator.fetchval(
        "SELECT actor_id FROM activities WHERE meta ->> 'newStatus' = 'in_progress' AND target_id = $1", str(ASSIGNED)
    )
    return name


# --- who acts


async def test_an_agent_acts_in_its_session_with_its_token(site: BoardSite) -> None:
    answer = await site.ask(STATUS, BEGIN, agent="coder")
    assert (answer.status, answer.json["status"]) == (200, "in_progress")
    assert await acted(site) == "coder"


async def test_an_answer_is_json_and_may_be_kept_by_nobody(site: BoardSite) -> None:
    answer = await site.ask(STATUS, BEGIN, agent="coder")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_standing_session_needs_no_row(site: BoardSite) -> None:
    await site.operator.execute("DELETE FROM agent_sessions")
    key = "agent:coder:default"
    assert (await site.ask(STATUS, BEGIN, agent="coder", x_openclaw_session_key=key)).status == 200


async def test_the_standing_session_of_each_agent_is_opened_by_itself(
    start: Start, operator: Operator, port: int, tmp_path: Path
) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead'), ('coder')")
    await start(workspace_root=tmp_path / "ws", health_port=port)
    opened = "SELECT array_agg(session_key ORDER BY agent) = $1 FROM agent_sessions"
    await eventually(operator, opened, ["agent:coder:default", "agent:lead:default"])


async def test_a_key_that_another_account_uses_locks_nobody_out(
    start: Start, operator: Operator, port: int, tmp_path: Path
) -> None:
    await operator.execute("INSERT INTO agents (account_id, name) VALUES ('default', 'coder'), ('other', 'spy')")
    await operator.execute(
        "INSERT INTO agent_sessions (account_id, agent, session_key) VALUES ('other', 'spy', 'agent:coder:default')"
    )
    await start(workspace_root=tmp_path / "ws", health_port=port)
    await eventually(operator, "SELECT count(*) = 1 FROM agent_sessions WHERE agent = 'coder'")


async def test_a_restart_locks_nobody_out(site: BoardSite, start: Start, port: int) -> None:
    settings = site.running.plugin.settings
    await site.running.plugin.stop()
    running = await start(workspace_root=settings.workspaces, health_port=port)
    running.events.rewind()
    await running.events.until(HealthServed)
    assert (await site.ask(STATUS, BEGIN, agent="coder")).status == 200


STRANGERS: dict[str, dict[str, str]] = {
    "no session": {"x_openclaw_session_key": ""},
    "a session of nobody": {"x_openclaw_session_key": "agent:nobody:default"},
    "another agent's session": {"x_openclaw_session_key": "agent:lead:default"},
    "another account's session": {"x_openclaw_session_key": "agent:spy:other"},
    "a session of another form": {"x_openclaw_session_key": "coder"},
    "a task that is none of its": {"x_openclaw_session_key": f"agent:coder:default:task:{FOREIGN}:v1"},
    "no token": {"authorization": ""},
    "a token of nobody": {"authorization": "Bearer 0123456789"},
    "a token without its scheme": {"authorization": "0123456789"},
    "a word in place of a token": {"authorization": "Bearer"},
}


async def test_a_stranger_is_turned_away(site: BoardSite) -> None:
    for who, headers in STRANGERS.items():
        answer = await site.ask(STATUS, BEGIN, agent="coder", **headers)
        assert (answer.status, answer.json["success"]) == (401, False), who
        assert answer.headers["www-authenticate"] == "bearer", who
        assert await untouched(site), who


async def test_a_token_that_was_revoked_opens_nothing(site: BoardSite) -> None:
    await site.operator.execute("UPDATE agent_tokens SET revoked_at = now() WHERE agent = 'coder'")
    assert (await site.ask(STATUS, BEGIN, agent="coder")).status == 401


async def test_a_token_of_another_gateway_opens_nothing(site: BoardSite) -> None:
    await site.operator.execute("UPDATE agent_tokens SET gateway = 'there' WHERE agent = 'coder'")
    assert (await site.ask(STATUS, BEGIN, agent="coder")).status == 401


async def test_an_agent_of_the_same_name_in_another_account_opens_nothing(site: BoardSite) -> None:
    await site.operator.execute(
        "INSERT INTO agent_tokens (account_id, agent, gateway, token_hash) VALUES ('other', 'coder', 'here', $1)",
        token_hash("theirs"),
    )
    assert (await site.ask(STATUS, BEGIN, agent="coder", authorization="Bearer theirs")).status == 401


async def test_an_agent_that_was_retired_opens_nothing(site: BoardSite) -> None:
    token = site.token_of("coder")
    await site.operator.execute("UPDATE agents SET status = 'retired' WHERE name = 'coder'")
    answer = await site.ask(STATUS, BEGIN, x_openclaw_session_key=SESSION["coder"], authorization=f"Bearer {token}")
    assert answer.status == 401


async def test_the_session_of_a_task_ends_with_it(site: BoardSite) -> None:
    await site.operator.execute("UPDATE board_tasks SET status = 'archived' WHERE id = $1", ASSIGNED)
    assert (await site.ask("/agent/task-load", {"taskId": str(ASSIGNED)}, agent="coder")).status == 401


async def test_every_tool_turns_strangers_away_before_it_reads_what_they_want(site: BoardSite) -> None:
    for tool in TOOLS:
        for headers in ({"x_openclaw_session_key": "agent:lead:default"}, {"authorization": "Bearer x"}):
            answer = await site.ask(tool.path, b"no json", agent="coder", **headers)
            assert answer.status == 401, tool.name


async def test_only_the_orchestrator_gets_as_far_as_its_arguments(site: BoardSite) -> None:
    for tool in TOOLS:
        if tool.only_to_lead is not None:
            assert (await site.ask(tool.path, b"no json", agent="coder")).status == 403, tool.name
            assert (await site.ask(tool.path, b"no json", agent="lead")).status == 400, tool.name


async def test_where_the_key_alone_opens_no_token_is_wanted(
    start: Start, operator: Operator, port: int, tmp_path: Path
) -> None:
    site = await open_board(start, operator, port, tmp_path, session_key_only=True)
    for headers in ({}, {"authorization": "Bearer whatever"}):
        answer = await site.ask(STATUS, BEGIN, x_openclaw_session_key="agent:coder:default", **headers)
        assert answer.status == 200
    for key in ("agent:nobody:default", "agent:spy:other", ""):
        assert (await site.ask(STATUS, BEGIN, x_openclaw_session_key=key)).status == 401
    await site.pool.close()


# --- from where


async def test_a_forwarded_address_makes_nobody_near_or_far(site: BoardSite) -> None:
    for header in ("x_forwarded_for", "forwarded", "x_real_ip"):
        assert (await site.ask(STATUS, BEGIN, agent="coder", **{header: "203.0.113.7"})).status == 200, header


# --- what is sent

BODIES: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, "Invalid JSON body"),
    "blanks": (b"  \n", 400, "Invalid JSON body"),
    "no JSON": (b"{taskId: 1}", 400, "Invalid JSON arguments"),
    "half of it": (b'{"taskId": "', 400, "Invalid JSON arguments"),
    "null": (b"null", 400, "Invalid JSON arguments"),
    "a list": (b"[]", 400, "Invalid JSON arguments"),
    "a text": (b'"x"', 400, "Invalid JSON arguments"),
    "an object without its members": (b"{}", 400, "Invalid arguments: status"),
    "a member of another type": (b'{"taskId": 7, "status": "review"}', 400, "Invalid arguments: taskId"),
    "a status that is none": (b'{"status": "finished"}', 400, "Invalid arguments: status"),
    "a status that agents do not give": (b'{"status": "archived"}', 400, "Invalid arguments: status"),
    "too deep": (b"[" * 100_000, 400, "Invalid JSON arguments"),
    "no UTF-8": (b'{"taskId": "\xff"}', 400, "Invalid JSON arguments"),
    "a lone surrogate": (b'{"taskId": "\\ud800", "status": "review"}', 400, "Invalid JSON arguments"),
}


async def test_what_is_not_said_as_it_has_to_be_is_refused(site: BoardSite) -> None:
    for what, (body, status, error) in BODIES.items():
        answer = await site.ask(STATUS, body, agent="coder")
        assert (answer.status, answer.json["success"]) == (status, False), what
        assert answer.json["error"].startswith(error), what
        assert await untouched(site), what


async def test_members_that_no_tool_knows_are_left_out(site: BoardSite) -> None:
    assert (await site.ask(STATUS, {**BEGIN, "comment": "x"}, agent="coder")).status == 200


async def test_a_body_that_is_too_large_is_not_read(site: BoardSite) -> None:
    large = orjson.dumps({"taskId": str(ASSIGNED), "title": "x" * 1024 * 1024})
    assert (await site.ask("/agent/task-update", large, agent="coder")).status == 413


async def test_a_document_may_be_large(site: BoardSite) -> None:
    whole = {"title": "Log", "type": "note", "content": "x" * 1_000_000}
    assert (await site.ask("/agent/document", whole, agent="coder")).status == 200
    answer = await site.ask("/agent/document", {**whole, "content": "x" * 1_000_001}, agent="coder")
    assert (answer.status, answer.json["error"]) == (422, "Invalid content: 1,000,000 characters at most")


@contextlib.asynccontextmanager
async def slowly(site: BoardSite, length: int) -> AsyncIterator[None]:
    """Ask with a body that comes at the end; yield once the other side waits for it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    head = f"host: 127.0.0.1\r\nx-openclaw-session-key: {SESSION['coder']}\r\ncontent-length: {length}\r\n"
    head += f"authorization: Bearer {site.token_of('coder')}\r\nexpect: 100-continue"
    writer.write(f"POST /agent/document HTTP/1.1\r\n{head}\r\n\r\n".encode())
    assert b"100" in await reader.readline()
    yield
    writer.write(b" " * length)
    assert b"it is empty" in await reader.read()
    writer.close()


async def test_some_large_bodies_are_read_at_once_and_all_small_ones(site: BoardSite) -> None:
    large = orjson.dumps({"title": "Log", "type": "note", "content": "x" * tool_api.SMALL})
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(tool_api.MOST_LARGE):
            await stack.enter_async_context(slowly(site, 1_000_000))
        refused = await site.ask("/agent/document", large, agent="coder")
        assert (refused.status, refused.json["success"]) == (429, False)
        assert (await site.ask(STATUS, BEGIN, agent="coder")).status == 200
    assert (await site.ask("/agent/document", large, agent="coder")).status == 200


async def test_curl_need_not_say_what_it_sends(site: BoardSite) -> None:
    for kind in ("application/x-www-form-urlencoded", "text/plain", ""):
        assert (await site.ask(STATUS, BEGIN, agent="coder", content_type=kind)).status == 200, kind


async def test_only_post_is_allowed(site: BoardSite) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        answer = await site.ask(STATUS, BEGIN, agent="coder", method=method)
        assert (answer.status, answer.headers["allow"], answer.json["success"]) == (405, "post", False), method


# --- what is another account's

OF_OTHERS = """
    SELECT (SELECT json_agg(t ORDER BY id) FROM (SELECT * FROM board_cards('other')) AS t)::text
        || (SELECT json_agg(m ORDER BY id) FROM board_messages AS m WHERE account_id = 'other')::text
        || (SELECT json_agg(d ORDER BY id) FROM board_documents AS d WHERE account_id = 'other')::text
        || (SELECT json_agg(n ORDER BY id) FROM board_notifications AS n WHERE account_id = 'other')::text
        || (SELECT json_agg(a ORDER BY id) FROM activities AS a WHERE account_id = 'other')::text
"""


async def test_no_tool_shows_or_changes_what_is_another_accounts(site: BoardSite) -> None:
    before = await site.operator.fetchval(OF_OTHERS)
    said = {
        "taskId": str(FOREIGN),
        "documentId": str(FOREIGN_NOTE),
        "agentId": "spy",
        "assigneeSlug": "spy",
        "assigneeSlugs": ["spy"],
        "recipientSlugs": ["spy"],
        "assignedAgentIds": ["spy"],
        "query": "foreign secret",
        "assignedUserIds": ["u-eve"],
        "title": "@spy",
        "content": "@spy @u-eve",
        "message": "@spy",
        "reason": "x",
        "status": "review",
        "type": "note",
        "prNumber": 1,
    }
    for tool in TOOLS:
        known = tool.parameters.model_fields
        for left_out in (
            (),
            ("assigneeSlug", "assigneeSlugs", "recipientSlugs", "assignedAgentIds", "assignedUserIds"),
        ):
            arguments = {name: value for name, value in said.items() if name in known and name not in left_out}
            for agent in ("lead", "coder"):
                answer = await site.ask(tool.path, arguments, agent=agent)
                assert answer.status in (200, 400, 403, 404, 422), tool.name
                assert b"oreign deploy" not in answer.body, tool.name
                assert b"foreign secret" not in answer.body, tool.name
    assert await site.operator.fetchval(OF_OTHERS) == before


# --- whether there is one


async def test_a_failure_of_ours_is_told_as_one_that_programs_know(
    site: BoardSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("inside")

    monkeypatch.setattr(tool_api, "who_acts", fails)
    answer = await site.ask(STATUS, BEGIN, agent="coder")
    assert (answer.status, answer.json) == (500, {"error": "internal error, see the log", "success": False})


async def test_a_conflict_is_told_as_one(site: BoardSite) -> None:
    answer = await site.ask(STATUS, {"taskId": str(ARCHIVED), "status": "review"}, agent="coder")
    assert (answer.status, answer.json["success"]) == (409, False)


async def test_without_its_tables_the_board_says_what_to_do(site: BoardSite) -> None:
    await site.operator.execute("DROP TABLE agent_sessions")
    answer = await site.ask(STATUS, BEGIN, agent="coder")
    assert answer.status == 503
    assert "agent-config-sync migrate" in answer.json["error"]


async def test_a_board_that_is_off_is_not_there(start: Start, operator: Operator, port: int, tmp_path: Path) -> None:
    site = await open_board(start, operator, port, tmp_path, board=False)
    for tool in TOOLS:
        assert (await site.ask(tool.path, {}, agent="coder")).status == 404
    await site.pool.close()


async def test_a_board_needs_workspaces_and_health(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="board needs workspaces and health"):
        load_settings(command_line={"board": True, "config_path": str(tmp_path / "openclaw.json")})


async def test_the_document_describes_every_tool(site: BoardSite) -> None:
    request = f"GET /openapi.json HTTP/1.1\r\nhost: 127.0.0.1:{site.port}\r\n\r\n"
    document = (await exchange(site.port, request.encode())).json
    for tool in TOOLS:
        described = document["paths"][tool.path]["post"]
        asked = described["requestBody"]["content"]["application/json"]["schema"]["properties"]
        assert asked.keys() == tool.parameters.model_fields.keys()
        assert described["parameters"][0]["name"] == "x-openclaw-session-key"
