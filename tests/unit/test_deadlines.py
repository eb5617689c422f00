"""No wait on a network or another process is without a deadline: this walks every one in the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "agent_config_sync"

ENDS_BY_ITSELF = ("asyncio.sleep", "asyncio.to_thread", "asyncio.shield", "contextlib.AsyncExitStack")

STATEMENTS = ("execute", "fetch", "fetchrow", "fetchval", "add_listener", "reload_schema_state", "transaction")
"""What asyncpg's connections do; each connection is opened with a deadline for every statement (see the last test)."""

OF_LIBRARIES = frozenset(
    ["wait", "connect", "read", "recv", "send", "get", "join", "drain", "readline", "acquire", "communicate", "serve"]
)
"""Names that may be a library's, although a function of ours is called so too."""

OURS_ALL_THE_SAME = ("connect", "self._session.connect", "reader.read", "serve", "apply_pending", "attempts", "do")
"""Calls of such a name that are ours, and ours under another name."""

REASONS = {
    "cli/demo.py: asyncio.wait([event, ended], return_when=asyncio.FIRST_COMPLETED)": "until a person ends the demo",
    "cli/run.py: asyncio.wait([running, *reasons], return_when=asyncio.FIRST_COMPLETED)": "the daemon's own life",
    "cli/run.py: running": "what has ended already",
    "gateway/door.py: asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), "
    "sys.stdin)": "a pipe that is open already",
    "gateway/door.py: self._reader.readline()": "the daemon's own life: it ends with the gateway that holds the pipe",
    "gateway/rpc.py: connection.recv()": "called by `running_agents` alone, within its deadline",
    "gateway/rpc.py: connection.send(orjson.dumps({'type': 'req', 'id': number, 'method': method, "
    "'params': params}).decode())": "called by `running_agents` alone, within its deadline",
    "plugin.py: self._running": "the daemon's own life",
    "postgres/link.py: asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)": "the probe ends one of them in time",
    "postgres/link.py: asyncio.wait([probing])": "cancelled just before, over terminated connections",
    "postgres/link.py: self._reading": "who holds it has a deadline for every statement",
    "sync/loop.py: asyncio.wait([self._running])": "cancelled just before; a pass that writes ends with its file",
    "sync/payment.py: asyncio.wait([self._confirming])": "cancelled just before",
    "sync/session.py: self._links.aclose()": "ends a link, which waits for nobody",
    "sync/worker.py: asyncio.wait([task])": "a thread that writes files, which cannot be given up half way",
    "web/app.py: self._app(scope, receive, send_with_headers)": "an answer, within the server's own deadline",
    "web/app.py: refusal(scope, receive, send_with_headers)": "an answer, within the server's own deadline",
    "web/app.py: send(message)": "an answer, within the server's own deadline",
    "web/server.py: _Server(app).serve([listener])": "until it is told to stop",
    "web/server.py: asyncio.Event().wait()": "until it is told to stop",
    "web/service.py: asyncio.wait([self._serving])": "cancelled just before",
}
"""The waits that need no deadline of their own, each with why."""


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield str(path.relative_to(PACKAGE)), ast.parse(path.read_text(encoding="utf-8"))


OURS = {
    node.name
    for _, tree in trees()
    for node in ast.walk(tree)
    if isinstance(node, ast.AsyncFunctionDef) and node.name not in OF_LIBRARIES
}


def waits(node: ast.AST) -> Iterator[ast.expr]:
    """Return what is awaited outside of any `asyncio.timeout`."""
    if isinstance(node, ast.AsyncWith):
        if any(ast.unparse(item.context_expr).startswith("asyncio.timeout(") for item in node.items):
            return
        yield from (item.context_expr for item in node.items)
    elif isinstance(node, ast.AsyncFor):
        yield node.iter
    elif isinstance(node, ast.Await):
        yield node.value
    for child in ast.iter_child_nodes(node):
        yield from waits(child)


def is_bounded(wait: ast.expr) -> bool:
    """Return whether it ends: by itself, by a deadline of its own, or by those of our function that it calls."""
    if not isinstance(wait, ast.Call):
        return False
    called = ast.unparse(wait.func)
    name = called.rpartition(".")[2]
    if name == "enter_async_context":
        return is_bounded(wait.args[0])
    has_timeout = any(keyword.arg == "timeout" for keyword in wait.keywords)
    return has_timeout or called in ENDS_BY_ITSELF or name in STATEMENTS or called in OURS_ALL_THE_SAME or name in OURS


def unbounded() -> set[str]:
    return {f"{name}: {ast.unparse(wait)}" for name, tree in trees() for wait in waits(tree) if not is_bounded(wait)}


def test_every_wait_has_a_deadline_or_a_reason() -> None:
    assert unbounded() - REASONS.keys() == set()


def test_every_reason_is_still_needed() -> None:
    assert REASONS.keys() - unbounded() == set()


@pytest.mark.parametrize("call", ["subprocess.run", "subprocess.Popen", "subprocess.check_output"])
def test_every_other_program_has_a_deadline(call: str) -> None:
    without = [
        f"{name}:{node.lineno}"
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == call
        and not any(keyword.arg == "timeout" for keyword in node.keywords)
    ]
    assert without == []


def test_every_connection_is_opened_with_deadlines() -> None:
    opened = [
        {keyword.arg for keyword in node.keywords}
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "asyncpg.connect"
    ]
    assert opened
    assert all(keywords >= {"timeout", "command_timeout"} for keywords in opened)
