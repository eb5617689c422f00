"""No wait on a network or another process is without a deadline: this walks every one in the source."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "agent_config_sync"

ENDS_BY_ITSELF = ("asyncio.sleep", "contextlib.AsyncExitStack")

IN_A_THREAD = ("asyncio.to_thread", "in_worker")
"""They end with the function that they are given."""

STATEMENTS = ("execute", "fetch", "fetchrow", "fetchval", "add_listener", "reload_schema_state", "transaction")
"""What asyncpg's connections do; each connection is opened with a deadline for every statement (see the last test)."""

LIBRARIES = ("asyncio", "asyncpg", "httpx2", "starlette", "tenacity", "uvicorn", "websockets")

OURS_ALL_THE_SAME = (
    *("Door.open", "_read", "apply_pending", "attempts", "connect", "do", "gateway.process.send", "link.listen"),
    *(
        "open_connection",
        "plugin.start",
        "plugin.stop",
        "contact.reader.read",
        "plugin.wait",
        "reader.read",
        "self._keys.close",
        "self._passes.restore",
    ),
    *("self._plugin.start", "self._report.write", "self._session.close", "self._session.connect", "self.close"),
    "self._workspaces.read",
    "serve",
    *("tasks.get", "threads.post", "threads.write", "tool.run", "use", "use_tool", "write"),
)
"""Calls of ours by a name that is a library's too, or by another name."""

WAITING = (
    *("accept", "acquire", "communicate", "connect", "get", "input", "join", "poll", "recv", "recv_into", "recvfrom"),
    *("select", "send", "sendall", "sendto", "urlopen", "wait"),
)
"""Names of functions that hold their thread until somebody else does something."""

WITH_ARGUMENTS_HARMLESS = frozenset(["get", "join"])
"""They wait when they are called without arguments: of a queue and a thread, not of a dict and a text."""

PROGRAMS = ("subprocess.", "os.system", "os.popen", "os.wait", "os.spawn", "os.posix_spawn")
"""How other programs are run and waited for; `subprocess.run` alone can have a deadline of its own."""

REASONS = {
    "cli/demo.py: asyncio.wait([event, ended], return_when=asyncio.FIRST_COMPLETED)": "until a person ends the demo",
    "cli/demo.py: self._events.get()": "a task that the wait for the person cancels",
    "cli/demo_board.py: self._events.get()": "within the deadline of what is waited for, or a task that a person ends",
    "cli/demo_board.py: lock": "who holds it asks the database, with a deadline",
    "cli/demo_model.py: asyncio.get_running_loop().create_server(lambda: Connection(self._answer, "
    "self._connections), '127.0.0.1', 0)": "a socket of this machine",
    "cli/demo_model.py: self._actor(named[-1])": "a statement, which has a deadline",
    "cli/demo_model.py: server": "it is open already",
    "cli/demo_board.py: stopped.wait()": "until a person ends the demo",
    "cli/demo.py: stopped.wait()": "a task that is the wait for the person",
    "cli/options.py: _greeted.get()": "a context variable",
    "cli/run.py: asyncio.wait([running, *reasons], return_when=asyncio.FIRST_COMPLETED)": "the daemon's own life",
    "cli/run.py: running": "what has ended already",
    "cli/standin_gateway.py: asyncio.get_running_loop().create_server(lambda: Connection(self._answer, "
    "self.connections), '127.0.0.1', self.port, backlog=1024)": "it takes a port of the loopback",
    "cli/standin_gateway.py: connection.ended.wait()": "broken just before",
    "cli/standin_gateway.py: self.listen()": "it takes a port of the loopback",
    "cli/standin_gateway.py: self.model(seen)": "a script's own; who asks has a deadline",
    "cli/systemd.py: channel.sendto(state.encode(), '\\x00' + address[1:] if address.startswith('@') else address)": (
        "its socket has a timeout"
    ),
    "gateway/door.py: asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), "
    "sys.stdin)": "a pipe that is open already",
    "gateway/door.py: self._reader.readline()": "the daemon's own life: it ends with the gateway that holds the pipe",
    "gateway/keeper.py: inbox.wait(LOOK)": "a wait for so long",
    "gateway/keeper.py: inbox.wait(left)": "the gateway's own life, or what is left of the time to end",
    "gateway/keeper.py: os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)": "looks, and waits for nobody",
    "gateway/keeper.py: os.waitpid(-1, os.WNOHANG)": "looks, and waits for nobody",
    "gateway/keeper.py: os.waitpid(ended.si_pid, os.WNOHANG)": "what has ended already",
    "gateway/keeper.py: select.poll()": "makes what waits",
    "gateway/keeper.py: self._poll.poll(None if seconds is None else max(0.0, seconds) * 1000)": "as it is told",
    "gateway/keeper.py: subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2, start_new_session=True, "
    "preexec_fn=end_with_keeper)": "starts it and waits for nothing",
    "gateway/http_client.py: self.reader.read(_AT_ONCE)": "called by `exchange` alone, within its deadline",
    "gateway/http_client.py: connection.state.send(event)": "makes bytes of it, and sends nothing",
    "gateway/http_client.py: arrived.poll(0)": "it looks, and waits for nothing",
    "gateway/http_client.py: select.poll()": "it makes an object",
    "gateway/rpc.py: connection.recv()": "called by `running` alone, within its deadline",
    "gateway/rpc.py: connection.send(orjson.dumps({'type': 'req', 'id': number, 'method': method, "
    "'params': params}).decode())": "called by `running` alone, within its deadline",
    "plugin.py: self._drain()": "it ends what is under way, within its own deadline",
    "plugin.py: pool.close()": "it ends connections without asking them",
    "gateway/supervision.py: asyncio.create_subprocess_exec(*(sys.executable, '-I', '-S', str(KEEPER), "
    "str(self._pace.grace), *self._command), stdin=PIPE, stdout=PIPE, stderr=printed, env=_environment(), "
    "start_new_session=True)": "starts it",
    "gateway/supervision.py: asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol("
    "reader), os.fdopen(output, 'rb', buffering=0))": "a pipe that is open already",
    "gateway/supervision.py: asyncio.wait([self._running])": "cancelled just before",
    "gateway/supervision.py: keeper.stdout.readline()": "the gateway's own life",
    "gateway/supervision.py: keeper.wait()": "it has closed its output, with its last act",
    "gateway/supervision.py: self._wanted.wait()": "until there are files for the gateway, or the stop",
    "plugin.py: asyncio.wait([self._watching])": "cancelled just before",
    "plugin.py: self._running": "the daemon's own life",
    "plugin.py: asyncio.wait([self._running, leaving], return_when=asyncio.FIRST_COMPLETED)": "the daemon's own life",
    "postgres/link.py: asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)": "the probe ends one of them in time",
    "postgres/link.py: asyncio.wait([probing])": "cancelled just before, over terminated connections",
    "postgres/link.py: self._reading": "who holds it has a deadline for every statement",
    "postgres/pool.py: self._pool": "it begins without a connection",
    "postgres/pool.py: self._pool.release(connection)": "it asks the server for nothing but, at times, a ROLLBACK",
    "runtime/lifecycle.py: asyncio.wait(tasks)": "cancelled just before; a statement and a command have deadlines",
    "runtime/delivery.py: self._in_force.wait()": "until the gateway runs with its agents",
    "runtime/lifecycle.py: news.wait()": "until there is news; beside it, it is looked for at intervals",
    "runtime/lifecycle.py: self._begun.wait()": "until the output is ours",
    "runtime/lifecycle.py: self._drain()": "who gives it sets its deadline",
    "runtime/lifecycle.py: self._left.wait()": "until an operator asks for another process",
    "runtime/upgrade_command.py: asyncio.create_subprocess_exec(*command, env={**environment, TARGET: "
    "version}, stdin=asyncio.subprocess.DEVNULL, stdout=said, stderr=asyncio.subprocess.STDOUT, "
    "start_new_session=True)": "it begins a program, and waits for nobody",
    "runtime/sessions.py: asyncio.wait([self._running])": "cancelled just before; a statement has a deadline",
    "runtime/sessions.py: self._wake.wait()": "until there are agents, or others",
    "runtime/delivery.py: asyncio.wait(cancelled)": "cancelled just before; a statement has a deadline",
    "runtime/delivery.py: self._bench.github.close()": "it closes sockets",
    "runtime/beats.py: call_tool(self._bench, agent, call.name, call.arguments, turn)": (
        "statements and GitHub, which have deadlines, within that of the turn"
    ),
    "runtime/heartbeats.py: asyncio.wait([self._running])": "cancelled just before; a statement has a deadline",
    "runtime/turns.py: attempts": "a loop that ends when a lease does",
    "runtime/turns.py: call_tool(self._bench, agent, call.name, call.arguments, turn)": (
        "statements and GitHub, which have deadlines, within that of the turn"
    ),
    "runtime/github.py: self._client.aclose()": "it closes sockets",
    "skills/entering.py: self._lend()": "a connection, which is made within a deadline or lent by its one other user",
    "skills/service.py: asyncio.wait([self._running])": "cancelled just before; a look ends with its files",
    "skills/service.py: self._wake.wait()": "until an account lets its agents install skills",
    "sync/loop.py: asyncio.wait([self._running])": "cancelled just before; a pass that writes ends with its file",
    "sync/payment.py: asyncio.wait([self._confirming])": "cancelled just before",
    "sync/session.py: self._links.aclose()": "ends a link, which waits for nobody",
    "worker.py: asyncio.shield(task)": "a thread that writes files, which cannot be given up half way",
    "worker.py: asyncio.wait([task])": "a thread that writes files, which cannot be given up half way",
    "web/admin.py: admission.close()": "ends a fetch, which has a deadline",
    "web/admin.py: asyncio.wait([working])": "cancelled just before",
    "web/admin_pages.py: forms.read(request)": "a request, within the server's own deadline",
    "web/admission.py: self._opening": "who holds it imports a module",
    "web/admission.py: self._role_of(person.subject)": "a statement, which has a deadline",
    "web/admission.py: self._verifier.close()": "ends a fetch, which has a deadline",
    "web/admin.py: github.close()": "it closes sockets",
    "web/tool_api.py: large": "one that is free",
    "web/tool_api.py: read(request, largest=largest)": "a request, within the server's own deadline",
    "web/agent_api.py: read(request)": "a request, within the server's own deadline",
    "web/bodies.py: read(request)": "a request, within the server's own deadline",
    "web/bodies.py: request.stream()": "a request, within the server's own deadline",
    "web/desk.py: self._reload(LOCK_DEADLINE)": "waits for the pass under way, within its deadline",
    "web/fleet_watch.py: self._looked": "who holds it only tells the others",
    "web/fleet_watch.py: self._read()": "a statement, which has a deadline",
    "web/board_pages.py: forms.read(request, largest=LARGEST, most=MOST_FIELDS)": (
        "a request, within the server's own deadline"
    ),
    "postgres/work_watch.py: over.wait()": "until the connection is lost",
    "web/forms.py: read(request, largest=largest)": "a request, within the server's own deadline",
    "web/login_pages.py: forms.read(request)": "a request, within the server's own deadline",
    "web/app.py: self._app(scope, receive, send_with_headers)": "an answer, within the server's own deadline",
    "web/app.py: refusal(scope, receive, send_with_headers)": "an answer, within the server's own deadline",
    "web/app.py: send(message)": "an answer, within the server's own deadline",
    "web/admin.py: syncs.close()": "ends syncs: one that writes ends with its file",
    "web/template_sync.py: asyncio.shield(running)": "a pass lock and statements, which have deadlines, and files",
    "web/template_sync.py: asyncio.wait(self._running)": "cancelled just before; one that writes ends with its file",
    "web/template_sync.py: self._turn": "who holds it is a sync, see above",
    "web/jwks.py: asyncio.wait([fetching])": "a fetch, which has a deadline of its own",
    "web/jwks.py: asyncio.wait([self._fetching])": "cancelled just before",
    "web/server.py: _Server(app).serve([listener])": "until it is told to stop",
    "web/server.py: asyncio.Event().wait()": "until it is told to stop",
    "web/service.py: asyncio.wait([self._serving])": "cancelled just before",
}
"""The waits that need no deadline of their own, each with why."""


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield str(path.relative_to(PACKAGE)), ast.parse(path.read_text(encoding="utf-8"))


def of_library(name: str) -> Iterator[str]:
    """Return the names of all that may be awaited of a library."""
    found = importlib.util.find_spec(name)
    assert found is not None
    assert found.origin is not None
    for path in Path(found.origin).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.AsyncFunctionDef):
                yield node.name


OF_LIBRARIES = {name for library in LIBRARIES for name in of_library(library)}

OURS = {
    node.name
    for _, tree in trees()
    for node in ast.walk(tree)
    if isinstance(node, ast.AsyncFunctionDef) and node.name not in OF_LIBRARIES
}


def waits(node: ast.AST) -> Iterator[ast.expr]:
    """Return what is awaited, or holds its thread, outside of any `asyncio.timeout`."""
    if isinstance(node, ast.AsyncWith):
        for item in node.items:
            if is_deadline(item.context_expr):
                for inner in ast.walk(node):
                    if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):  # which runs later
                        yield from waits(inner)
                return
            yield item.context_expr
    elif isinstance(node, ast.AsyncFor) or (isinstance(node, ast.comprehension) and node.is_async):
        yield node.iter
    elif isinstance(node, ast.Await):
        yield node.value
        if isinstance(node.value, ast.Call):  # which does not hold its thread as well
            for child in ast.iter_child_nodes(node.value):
                yield from waits(child)
            return
    elif isinstance(node, ast.Call) and holds_its_thread(node):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from waits(child)


def is_deadline(context: ast.expr) -> bool:
    deadlines = ("asyncio.timeout", "asyncio.timeout_at")
    return isinstance(context, ast.Call) and ast.unparse(context.func) in deadlines and is_some(context.args[0])


def is_some(value: ast.expr) -> bool:
    return not (isinstance(value, ast.Constant) and value.value is None)


def has_timeout(call: ast.Call) -> bool:
    return any(keyword.arg == "timeout" and is_some(keyword.value) for keyword in call.keywords)


def holds_its_thread(call: ast.Call) -> bool:
    """Return whether it waits for somebody else, as long as that one likes."""
    called = ast.unparse(call.func)
    name = called.rpartition(".")[2]
    if called.startswith(PROGRAMS):
        return True
    if name in ("flock", "lockf"):
        return "LOCK_NB" not in ast.unparse(call)
    if name in WITH_ARGUMENTS_HARMLESS and (call.args or call.keywords):
        return False
    return name in WAITING or called == "socket.create_connection"


def is_bounded(wait: ast.expr) -> bool:
    """Return whether it ends: by itself, by a deadline of its own, or by those of our function that it calls."""
    if not isinstance(wait, ast.Call):
        return False
    called = ast.unparse(wait.func)
    name = called.rpartition(".")[2]
    if called == "asyncio.shield" or name == "enter_async_context":
        return is_bounded(wait.args[0])
    if called in IN_A_THREAD:
        return ast.unparse(wait.args[0]).rpartition(".")[2] not in WAITING
    ours = called in OURS_ALL_THE_SAME or name in OURS
    return ours or has_timeout(wait) or called in ENDS_BY_ITSELF or name in STATEMENTS


def unbounded() -> set[str]:
    return {f"{name}: {ast.unparse(wait)}" for name, tree in trees() for wait in waits(tree) if not is_bounded(wait)}


def test_every_wait_has_a_deadline_or_a_reason() -> None:
    assert unbounded() - REASONS.keys() == set()


def test_every_reason_is_still_needed() -> None:
    assert REASONS.keys() - unbounded() == set()


def test_what_waits_is_called_by_its_full_name() -> None:
    """So that it is found here."""
    modules = {"asyncio", "fcntl", "http.client", "os", "select", "socket", "subprocess", "urllib.request"}
    imported = [
        f"{name}: from {node.module}"
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in modules
    ]
    assert imported == []


PLANTED = """
    await event.wait()
    await connection.close()
    await asyncio.open_connection(host, port)
    await asyncio.wait([task], timeout=None)
    await asyncio.shield(task)
    await asyncio.to_thread(thread.join)
    await in_worker(program.wait)
    await asyncio.gather(one, other)
    [row async for row in queue]
    async with lock: pass
    async with asyncio.timeout(None): await event.wait()
    async with connecting, asyncio.timeout(1): pass
    async with asyncio.timeout(1): later(lambda: queue.get())
    async for row in queue: pass
    subprocess.run(["program"])
    subprocess.run(["program"], timeout=None)
    subprocess.Popen(["program"])
    os.waitpid(number, 0)
    socket.create_connection(address)
    channel.recv(1)
    thread.join()
    lock.acquire()
    event.wait()
    fcntl.flock(descriptor, fcntl.LOCK_EX)
""".strip().splitlines()


@pytest.mark.parametrize("planted", [line.strip() for line in PLANTED])
def test_a_wait_without_a_deadline_is_found(planted: str) -> None:
    assert [wait for wait in waits(ast.parse(f"async def planted():\n {planted}")) if not is_bounded(wait)]


def test_every_connection_is_opened_with_deadlines() -> None:
    opened = [
        {keyword.arg for keyword in node.keywords if is_some(keyword.value)}
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "asyncpg.connect"
    ]
    assert opened
    assert all(keywords >= {"timeout", "command_timeout"} for keywords in opened)
