"""Notifications of the board become turns on a real gateway: assigned by SQL, worked through with tools, answered."""

from __future__ import annotations

import asyncio
import json
import shlex
import signal
import socket
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from board_ground import Board
from gateway.model_server import ModelRequest, ModelServer, Says
from gateway.openclaw import TURN_DEADLINE, OpenClaw
from gateway.scene import Deploy, Deployment, Scene, until
from harness import connected, psql

from agent_config_sync.gateway.tool_search import open_search

ROWS = """
    DELETE FROM agents;
    INSERT INTO agents (name, is_default, model, soul_content) VALUES
        ('lead', true, 'fake/scripted-1', 'You are the lead of these tests.'),
        ('coder', false, 'fake/scripted-2', 'You are the coder of these tests.');
    INSERT INTO memberships (account_id, user_id, role, name) VALUES ('default', 'ada', 'owner', 'Ada Lovelace');
"""

CALL = """
import json, re, sys, urllib.request
[token] = re.findall("^AUTH_TOKEN=(.+)$", open("TOOLS.md").read(), re.MULTILINE)
headers = {"x-openclaw-session-key": sys.argv[2], "authorization": "Bearer " + token}
headers["content-type"] = "application/json"
request = urllib.request.Request(sys.argv[1], sys.argv[3].encode(), headers)
print(urllib.request.urlopen(request, timeout=30).read().decode())
"""
"""What an agent's program does with a tool that is an endpoint."""

TAKES_TOOLS = pytest.mark.gateway_since(2026, 5, 12)


def prepared(model_server: ModelServer, root: Path) -> Callable[[OpenClaw, str], None]:
    """Return what makes a gateway one whose agents have workspaces of ours, a model, and programs."""

    def prepare(gateway: OpenClaw, dsn: str) -> None:
        model_server.offer_to(gateway, dsn)

        def change(config: dict[str, Any]) -> None:
            tools = config.setdefault("tools", {})
            tools["exec"] = {"host": "gateway", "security": "full", "ask": "off"}
            if "toolSearch" in tools:
                tools["toolSearch"] = open_search(gateway.installation.version)  # as install.sh sets it

        gateway.edit_config(change)
        ended = psql(dsn, "-c", ROWS)
        assert ended.returncode == 0, ended.stderr
        gateway.run_sync("--dsn", dsn, workspace_root=str(root), state_dir=str(gateway.home / "first"))

    return prepare


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number: int = taken.getsockname()[1]
        return number


@pytest.fixture(scope="module")
def shared(deploy: Deploy, model_server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A gateway whose plugin delivers, and knows of it what the configuration says."""
    root = tmp_path_factory.mktemp("clawd") / "agents"
    return deploy(
        prepare=prepared(model_server, root),
        workspace_root=str(root),
        health_port=free_port(),
        delivery=True,
        delivery_interval=1,
        delivery_backoff_base=5,
    )


@pytest.fixture(scope="module")
def over_http(deploy: Deploy, model_server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """One whose agents use the tools over HTTP."""
    root = tmp_path_factory.mktemp("clawd") / "agents"
    return deploy(
        prepare=prepared(model_server, root),
        workspace_root=str(root),
        health_port=free_port(),
        delivery=True,
        client_tools=False,
    )


@pytest.fixture
def mark() -> str:
    """A word that stands nowhere yet."""
    return uuid.uuid4().hex


@pytest.fixture
def board(scene: Scene) -> Board:
    return Board(scene.operator)


async def task_of(board: Board, mark: str) -> UUID:
    """Let ada make a task."""
    [row] = await board.act("user/ada", "INSERT INTO board_tasks (title) VALUES ($1) RETURNING id", f"Engine {mark}")
    task: UUID = row["id"]
    return task


async def outcomes(scene: Scene, task: UUID, count: int) -> list[str]:
    """Return how the notifications of agents about a task have ended, once so many have."""

    async def look() -> list[str] | None:
        rows = await scene.operator.fetch(
            "SELECT outcome FROM board_notifications WHERE task_id = $1 AND agent IS NOT NULL"
            " AND (delivered_at IS NOT NULL OR dead_at IS NOT NULL) ORDER BY created_at",
            task,
        )
        return [row["outcome"] for row in rows] if len(rows) >= count else None

    what = f"{count} notifications have ended"
    return await until(look, what, gateway=scene.gateway, deadline=TURN_DEADLINE)


async def thread(scene: Scene, task: UUID) -> list[tuple[str, str]]:
    rows = await scene.operator.fetch(
        "SELECT author_id, content FROM board_messages WHERE task_id = $1 ORDER BY seq", task
    )
    return [(row["author_id"], row["content"]) for row in rows]


async def effects(scene: Scene, task: UUID) -> list[str]:
    """Return the tools that have changed something in turns about a task."""
    rows = await scene.operator.fetch(
        "SELECT tool FROM delivery_effects JOIN board_notifications ON id = notification_id"
        " WHERE task_id = $1 ORDER BY done_at",
        task,
    )
    return [row["tool"] for row in rows]


async def documents(scene: Scene, title: str) -> int:
    found: int = await scene.operator.fetchval("SELECT count(*) FROM board_documents WHERE title = $1", title)
    return found


async def line_in(scene: Scene, words: str) -> bool | None:
    """Return whether the gateway's log has these words by now."""
    return True if words in scene.gateway.log() else None


def said_before(request: ModelRequest) -> str:
    """Return what the model itself has said in the session, as it is told."""
    said = [message.get("content") for message in request.body["messages"] if message["role"] == "assistant"]
    return json.dumps(said)


@TAKES_TOOLS
async def test_a_task_assigned_by_sql_is_worked_through_three_rounds_of_tools_to_a_reply_and_review(
    scene: Scene, board: Board, model: ModelServer, mark: str
) -> None:
    task = await task_of(board, mark)
    script = model.script(
        mark,
        Says("Let me read it.", (("task_load", {"taskId": str(task)}),)),
        Says(calls=(("document_upsert", {"title": "Plan", "content": "Wheels first.", "type": "deliverable"}),)),
        Says(calls=(("task_status", {"status": "review"}),)),
        Says("The plan is written."),
    )
    await board.assign("user/ada", task, "coder")
    assert await outcomes(scene, task, 1) == ["replied"]
    assert await thread(scene, task) == [("coder", "The plan is written.")]
    assert await board.status(task) == "review"
    document = await scene.operator.fetchval("SELECT id FROM board_documents WHERE content = 'Wheels first.'")
    assert len(script.heard) == 4
    for request, result in zip(
        script.heard[1:], (f'"title":"Engine {mark}"', f'"documentId":"{document}"', '"status":"review"'), strict=True
    ):
        assert '"success":true' in request.last_words
        assert result in request.last_words
    assert {request.model for request in script.heard} == {"scripted-2"}
    assert all("You are the coder of these tests." in request.prompt for request in script.heard)
    assert not any("You are the lead of these tests." in request.prompt for request in script.heard)


@TAKES_TOOLS
async def test_a_turn_is_in_the_gateways_session_of_the_agent_and_the_task(
    scene: Scene, board: Board, model: ModelServer, mark: str
) -> None:
    task = await task_of(board, mark)
    model.script(mark, Says("Begun."))
    await board.assign("user/ada", task, "coder")
    await outcomes(scene, task, 1)
    async with scene.gateway.rpc() as rpc:
        sessions = (await rpc.ask("sessions.list"))["sessions"]
    assert f"agent:coder:default:task:{task}:v1" in {session["key"] for session in sessions}


@TAKES_TOOLS
async def test_a_second_message_in_the_thread_goes_on_with_the_session(
    scene: Scene, board: Board, model: ModelServer, mark: str
) -> None:
    task = await task_of(board, mark)
    script = model.script(mark, Says("Begun."), Says("Round ones."))
    await board.assign("user/ada", task, "coder")
    await outcomes(scene, task, 1)
    await board.say("user/ada", task, "Which wheels?")
    assert await outcomes(scene, task, 2) == ["replied", "replied"]
    assert [content for _, content in await thread(scene, task)] == ["Begun.", "Which wheels?", "Round ones."]
    assert "Begun." in said_before(script.heard[-1])
    assert "Which wheels?" in script.heard[-1].prompt


@TAKES_TOOLS
async def test_a_restart_of_the_gateway_in_a_turn_loses_nothing_and_does_nothing_twice(
    scene: Scene, board: Board, model: ModelServer, mark: str
) -> None:
    task, stopping = await task_of(board, mark), asyncio.Event()
    write = (("document_upsert", {"title": mark, "content": "Wheels first.", "type": "deliverable"}),)
    script = model.script(mark, Says(calls=write, after=stopping), Says("One."), Says("Two."), Says("Three."))
    await board.assign("user/ada", task, "coder")
    await script.came.wait()
    stopped = asyncio.create_task(asyncio.to_thread(scene.gateway.stop))
    await until(lambda: line_in(scene, "SIGTERM"), "the gateway begins to stop", gateway=scene.gateway)
    stopping.set()
    await stopped
    await board.say("user/ada", task, "Which wheels?")
    scene.gateway.start()
    assert await outcomes(scene, task, 2) == ["replied", "replied"]
    replies = [content for author, content in await thread(scene, task) if author == "coder"]
    assert len(replies) == len(set(replies)) == 2
    assert await documents(scene, mark) == 1
    assert replies[0] in said_before(script.heard[-1])


@TAKES_TOOLS
async def test_a_turn_in_which_the_gateway_was_killed_is_taken_again_and_does_nothing_twice(
    scene: Scene, board: Board, model: ModelServer, mark: str
) -> None:
    task = await task_of(board, mark)
    write = Says(calls=(("document_upsert", {"title": mark, "content": "Wheels first.", "type": "deliverable"}),))
    script = model.script(mark, write, Says("Never heard.", held=True), write, Says("Here it is."))
    await board.assign("user/ada", task, "coder")

    async def written() -> bool | None:
        return True if len(script.heard) == 2 else None

    async def gone() -> bool | None:
        return True if not scene.gateway.alive() else None

    await until(written, "the document is written, and the turn goes on", gateway=scene.gateway, deadline=TURN_DEADLINE)
    scene.gateway.end(signal.SIGKILL)
    await until(gone, "everything has ended", gateway=scene.gateway)
    scene.gateway.stop()
    scene.gateway.start()
    # OpenClaw 2026.9.6 goes on with the session by itself, and refuses our turn until it has done so.
    assert await outcomes(scene, task, 1) == ["replied"]
    assert [author for author, _ in await thread(scene, task)] == ["coder"]
    assert await effects(scene, task) == ["document_upsert"]
    assert await documents(scene, mark) == 1


async def test_where_tools_are_endpoints_the_prompt_says_so_and_what_an_agents_program_does_counts_for_its_turn(
    over_http: Deployment, model: ModelServer, mark: str
) -> None:
    async with connected(over_http.dsn) as operator:
        scene, board = Scene(over_http.gateway, operator), Board(operator)
        task = await task_of(board, mark)
        door = f"http://127.0.0.1:{over_http.gateway.plugin_config['health_port']}"
        session = f"agent:coder:default:task:{task}:v1"
        words = (sys.executable, "-c", CALL, f"{door}/agent/task-status", session, json.dumps({"status": "review"}))
        script = model.script(mark, Says(calls=(("exec", {"command": shlex.join(words)}),)), Says("Please look at it."))
        await board.assign("user/ada", task, "coder")
        assert await outcomes(scene, task, 1) == ["replied"]
        first, second = script.heard
        assert f"POST {door}<path>" in first.prompt
        assert f"x-openclaw-session-key: {session}" in first.prompt
        assert "task_status" not in first.tools
        assert await effects(scene, task) == ["task_status"], second.prompt[-2000:]
        assert await board.status(task) == "review"
        assert await thread(scene, task) == [("coder", "Please look at it.")]
