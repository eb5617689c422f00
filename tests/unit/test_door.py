"""gateway/door.py: JSON lines between us and the plugin, over real pipes."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from harness import DEADLINE
from unit.builders import PYTHON

from agent_config_sync import __version__
from agent_config_sync.errors import ReloadError, SettingsError
from agent_config_sync.gateway import door as door_module
from agent_config_sync.gateway.door import (
    PIPE_LINES,
    Door,
    DoorHandler,
    Greeting,
    door_settings,
    warn_of_another_version,
)
from agent_config_sync.settings import Settings

SECRET = "t0psecret"


@dataclass
class Plugin:
    """The other side. door: ours; to_us, from_us: its ends of the pipes."""

    door: Door
    to_us: int
    from_us: int
    _rest: bytes = b""

    def says(self, message: object) -> None:
        os.write(self.to_us, json.dumps(message).encode() + b"\n")

    def ends(self) -> None:
        os.close(self.to_us)
        self.to_us = -1

    async def hears(self) -> dict[str, Any]:
        """The next line from us."""
        while b"\n" not in self._rest:
            try:
                self._rest += os.read(self.from_us, 1 << 20)
            except BlockingIOError:
                await asyncio.sleep(0)
        line, _, self._rest = self._rest.partition(b"\n")
        return cast("dict[str, Any]", json.loads(line))


@pytest.fixture
async def plugin() -> AsyncIterator[Plugin]:
    ours_in, theirs_out = os.pipe()
    theirs_in, ours_out = os.pipe()
    os.set_blocking(ours_out, False)
    os.set_blocking(theirs_in, False)
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours_in, "rb", 0)
    )
    other = Plugin(Door(reader, ours_out), theirs_out, theirs_in)
    yield other
    asyncio.get_running_loop().remove_writer(ours_out)
    transport.close()
    await asyncio.sleep(0)
    for descriptor in {other.to_us, other.from_us, ours_out} - {-1}:
        os.close(descriptor)


@pytest.fixture
async def serving(plugin: Plugin) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(plugin.door.serve())
    yield task
    task.cancel()
    await asyncio.wait([task])


def record(message: str) -> logging.LogRecord:
    return logging.LogRecord("x", logging.INFO, "x.py", 1, message, (), None)


def told(line: bytes) -> Door:
    """A door that takes lines of 100 bytes and was told this one."""
    reader = asyncio.StreamReader(limit=100)
    reader.feed_data(line + b"\n")
    reader.feed_eof()
    return Door(reader, -1)


# --- the greeting

GREETING = {
    "config": {"host": "h"},
    "agentChat": {"host": "c"},
    "version": "2026.9.6",
    "pid": 7,
    "configPath": "/g/openclaw.json",
    "stateDir": "/g",
    "token": SECRET,
    "newer": 1,
}


async def test_the_first_line_says_who_the_gateway_is(plugin: Plugin) -> None:
    plugin.says(GREETING)
    greeting = await plugin.door.greeting()
    assert (greeting.version, greeting.pid, greeting.config_path) == ("2026.9.6", 7, "/g/openclaw.json")
    assert greeting.agent_chat == {"host": "c"}


async def test_the_token_is_in_no_text_of_the_greeting(plugin: Plugin) -> None:
    plugin.says(GREETING)
    greeting = await plugin.door.greeting()
    assert SECRET not in repr(greeting) + str(greeting)
    assert greeting.token is not None
    assert greeting.token.get_secret_value() == SECRET


async def test_an_empty_greeting_leaves_everything_open(plugin: Plugin) -> None:
    plugin.says({})
    assert await plugin.door.greeting() == Greeting()


@pytest.mark.parametrize(
    "line", [b"\n", b"hello\n", b"[]\n", b"7\n", b'{"pid": "x"}\n', b'{"config": []}\n', b"\xff\n", b'{"pid": 1']
)
async def test_another_first_line_is_an_error_with_a_way_out(line: bytes, plugin: Plugin) -> None:
    os.write(plugin.to_us, line)
    plugin.ends()
    with pytest.raises(SettingsError, match="to run alone leave --door out"):
        await plugin.door.greeting()


async def test_an_end_before_the_first_line_is_an_error(plugin: Plugin) -> None:
    plugin.ends()
    with pytest.raises(SettingsError, match="to run alone leave --door out"):
        await plugin.door.greeting()


async def test_a_broken_greeting_is_not_quoted(plugin: Plugin) -> None:
    plugin.says({"pid": SECRET, "token": [SECRET]})
    with pytest.raises(SettingsError) as caught:
        await plugin.door.greeting()
    assert SECRET not in f"{caught.value!r}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


# --- its settings


def settings_of(**members: object) -> dict[str, object]:
    return door_settings(Greeting.model_validate(members))


def test_what_the_plugin_observed_becomes_settings() -> None:
    assert settings_of(version="2026.9.6", pid=7, configPath="/g/o.json", stateDir="/g") == {
        "gateway_version": "2026.9.6",
        "gateway_pid": 7,
        "config_path": "/g/o.json",
        "state_dir": "/g/agent-config-sync",
    }


def test_the_gateways_own_token_counts_unless_the_plugins_config_has_one() -> None:
    told = Settings.model_validate(settings_of(token=SECRET)).gateway_token
    assert told is not None
    assert told.get_secret_value() == SECRET
    assert settings_of(token=SECRET, config={"gateway_token": "mine"})["gateway_token"] == "mine"


def test_a_gateway_that_does_not_tell_its_version_has_the_one_of_the_script_that_it_runs(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "openclaw", "version": "2026.3.13"}')
    script = tmp_path / "openclaw.mjs"
    script.touch()
    assert settings_of(version="unknown", script=str(script)) == {"gateway_version": "2026.3.13"}
    assert settings_of(version="2026.9.6", script=str(script)) == {"gateway_version": "2026.9.6"}
    assert settings_of(version="unknown", script=str(tmp_path / "gone")) == {}


CHAT = {"host": "c", "port": 5433, "database": "chat", "user": "u", "password": SECRET, "pollIntervalMs": 1000}


def test_without_a_database_of_its_own_it_is_the_one_of_agent_chat() -> None:
    found = settings_of(agentChat=CHAT, config={"reload": "touch"})
    assert found == {key: value for key, value in CHAT.items() if key != "pollIntervalMs"} | {"reload": "touch"}


@pytest.mark.parametrize("key", ["dsn", "host", "database", "user"])
def test_a_database_of_its_own_is_not_mixed_with_the_one_of_agent_chat(key: str) -> None:
    assert settings_of(agentChat=CHAT, config={key: "x"}) == {key: "x"}


def test_an_empty_database_of_its_own_is_none() -> None:
    assert settings_of(agentChat={"host": "c"}, config={"host": "", "user": ""})["user"] == ""


def test_the_command_is_the_plugins_business() -> None:
    assert settings_of(config={"command": ["x"]}) == {}


def test_an_unknown_key_is_left_out_with_a_warning_that_names_the_nearest(caplog: pytest.LogCaptureFixture) -> None:
    assert settings_of(config={"hots": "x", "port": 5433}) == {"port": 5433}
    assert "unknown setting 'hots', ignored: did you mean host?" in caplog.text


@pytest.mark.parametrize("door", [None, __version__])
def test_a_plugin_of_this_version_is_no_warning(door: str | None, caplog: pytest.LogCaptureFixture) -> None:
    warn_of_another_version(Greeting(door=door))
    assert caplog.text == ""


def test_a_plugin_of_another_version_is_a_warning_with_the_way_out(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_another_version(Greeting(door="0.0.1"))
    assert "the plugin in the gateway is 0.0.1" in caplog.text
    assert "agent-config-sync door" in caplog.text


async def test_the_first_line_from_us_is_our_version(plugin: Plugin) -> None:
    plugin.door.hello()
    assert await plugin.hears() == {"hello": {"version": __version__}}


# --- questions and answers


async def test_an_answer_reaches_the_one_who_asked(plugin: Plugin, serving: asyncio.Task[None]) -> None:
    asking = asyncio.create_task(plugin.door.running())
    question = await plugin.hears()
    assert question["ask"] == "agents"
    plugin.says({"id": question["id"], "agents": {"list": []}})
    assert (await asking).agents == {"list": []}


async def test_what_the_gateway_tells_of_keys_comes_with_the_agents(
    plugin: Plugin, serving: asyncio.Task[None]
) -> None:
    for keys, told in (
        ({"git": {"GIT_PAT": "ab"}}, {"git": {"GIT_PAT": "ab"}}),
        (None, None),
        ([], None),
        ({"a": 7}, None),
    ):
        asking = asyncio.create_task(plugin.door.running())
        plugin.says({"id": (await plugin.hears())["id"], "agents": {}, "keys": keys})
        assert (await asking).keys == told


async def test_what_the_gateway_says_with_a_change_is_the_next_answer_and_is_used_once(
    plugin: Plugin, serving: asyncio.Task[None]
) -> None:
    plugin.says({"changed": True, "agents": {"list": []}})
    await plugin.door.changed.wait()
    assert (await plugin.door.running()).agents == {"list": []}
    asking = asyncio.create_task(plugin.door.running())
    question = await plugin.hears()
    plugin.says({"id": question["id"], "agents": {"entries": {}}})
    assert (await asking).agents == {"entries": {}}


async def test_two_questions_get_each_its_own_answer(plugin: Plugin, serving: asyncio.Task[None]) -> None:
    asking = [asyncio.create_task(plugin.door.running()) for _ in range(2)]
    first, second = await plugin.hears(), await plugin.hears()
    plugin.says({"id": second["id"], "agents": {"n": 2}})
    plugin.says({"id": first["id"], "agents": {"n": 1}})
    assert [said.agents for said in await asyncio.gather(*asking)] == [{"n": 1}, {"n": 2}]


async def test_a_refusal_is_an_error_with_its_reason(plugin: Plugin, serving: asyncio.Task[None]) -> None:
    asking = asyncio.create_task(plugin.door.running())
    plugin.says({"id": (await plugin.hears())["id"], "error": "too old"})
    with pytest.raises(ReloadError, match="cannot be asked what it runs with: too old"):
        await asking


@pytest.mark.parametrize("answer", [{}, {"agents": None}, {"agents": []}, {"agents": "x"}])
async def test_an_answer_without_agents_is_an_error(
    answer: dict[str, object], plugin: Plugin, serving: asyncio.Task[None]
) -> None:
    asking = asyncio.create_task(plugin.door.running())
    plugin.says({"id": (await plugin.hears())["id"], **answer})
    with pytest.raises(ReloadError, match="the plugin gave no reason"):
        await asking


async def test_a_gateway_that_does_not_answer_is_an_error_after_the_deadline(
    plugin: Plugin, serving: asyncio.Task[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "ANSWER_DEADLINE", 0.01)
    with pytest.raises(ReloadError, match=r"did not say within 0\.01 s"):
        await plugin.door.running()


async def test_a_late_answer_is_nobodys_and_the_next_question_gets_its_own(
    plugin: Plugin, serving: asyncio.Task[None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(door_module, "ANSWER_DEADLINE", 0.01)
        with pytest.raises(ReloadError):
            await plugin.door.running()
    late = await plugin.hears()
    asking = asyncio.create_task(plugin.door.running())
    question = await plugin.hears()
    plugin.says({"id": late["id"], "agents": {"late": True}})
    plugin.says({"id": question["id"], "agents": {"late": False}})
    assert (await asking).agents == {"late": False}


async def test_a_second_answer_to_one_question_does_no_harm(plugin: Plugin, serving: asyncio.Task[None]) -> None:
    asking = asyncio.create_task(plugin.door.running())
    question = await plugin.hears()
    plugin.says({"id": question["id"], "agents": {"n": 1}})
    plugin.says({"id": question["id"], "agents": {"n": 2}})
    assert (await asking).agents == {"n": 1}
    plugin.says({"changed": True})
    async with asyncio.timeout(DEADLINE):
        await plugin.door.changed.wait()
    assert not serving.done()


GARBAGE = [
    b"",
    b"hello",
    b"{",
    b"[]",
    b"null",
    b"7",
    b"\xff\x00",
    b'{"id": 99, "agents": {}}',
    b'{"id": "x"}',
    b"{}",
    b'{"id": []}',
    b'{"id": {}, "agents": {}}',
]


@pytest.mark.parametrize("line", GARBAGE)
async def test_a_garbage_line_is_passed_over(line: bytes, plugin: Plugin, serving: asyncio.Task[None]) -> None:
    os.write(plugin.to_us, line + b"\n")
    plugin.says({"changed": True})
    async with asyncio.timeout(DEADLINE):
        await plugin.door.changed.wait()
    assert not serving.done()


async def test_a_change_is_told_to_the_one_who_waits_for_it(plugin: Plugin, serving: asyncio.Task[None]) -> None:
    assert not plugin.door.changed.is_set()
    plugin.says({"changed": True})
    async with asyncio.timeout(DEADLINE):
        await plugin.door.changed.wait()


async def test_serving_ends_with_standard_input(plugin: Plugin, serving: asyncio.Task[None]) -> None:
    plugin.ends()
    async with asyncio.timeout(DEADLINE):
        await serving


async def test_the_end_of_standard_input_keeps_nobody_waiting_for_an_answer(
    plugin: Plugin, serving: asyncio.Task[None]
) -> None:
    asking = asyncio.create_task(plugin.door.running())
    await plugin.hears()
    plugin.ends()
    with pytest.raises(ReloadError, match="the gateway has gone"):
        await asking


async def test_one_who_asks_after_the_end_is_told_at_once(plugin: Plugin) -> None:
    plugin.ends()
    await plugin.door.serve()
    with pytest.raises(ReloadError, match="the gateway has gone"):
        await plugin.door.running()


async def test_a_line_beyond_the_limit_ends_the_talk() -> None:
    door = told(b"x" * 1000)
    await door.serve()
    with pytest.raises(ReloadError, match="the gateway has gone"):
        await door.running()


async def test_a_first_line_beyond_the_limit_is_an_error_with_a_way_out() -> None:
    with pytest.raises(SettingsError, match="to run alone leave --door out"):
        await told(b"x" * 1000).greeting()


# --- log lines


async def test_a_log_record_is_one_line(plugin: Plugin) -> None:
    DoorHandler(plugin.door).emit(record("two\nlines"))
    line = await plugin.hears()
    assert (line["log"]["level"], line["log"]["message"]) == ("info", "two\nlines")


@pytest.mark.parametrize("message", ["\udcff", "\u2028", "\x00"])
async def test_any_message_reaches_the_gateway(message: str, plugin: Plugin) -> None:
    DoorHandler(plugin.door).emit(record(message))
    assert (await plugin.hears())["log"]["message"] == message


async def test_a_number_of_any_size_reaches_the_gateway(plugin: Plugin) -> None:
    made = record("said")
    made.fields = {"n": 2**70}
    DoorHandler(plugin.door).emit(made)
    assert (await plugin.hears())["log"]["n"] == 2**70


async def test_a_record_that_cannot_be_written_harms_nobody_who_logs(
    plugin: Plugin, capsys: pytest.CaptureFixture[str]
) -> None:
    log = logging.Logger("x")  # noqa: LOG001 - one that no other test shares
    log.addHandler(DoorHandler(plugin.door))
    log.info("%d", "x")
    assert "Logging error" in capsys.readouterr().err


async def test_a_log_record_may_come_from_any_thread(plugin: Plugin) -> None:
    await asyncio.to_thread(plugin.door.log, record("from afar"))
    assert (await plugin.hears())["log"]["message"] == "from afar"


async def test_lines_keep_their_order(plugin: Plugin) -> None:
    for number in range(100):
        plugin.door.log(record(str(number)))
    assert [(await plugin.hears())["log"]["message"] for _ in range(100)] == [str(number) for number in range(100)]


async def test_a_line_larger_than_the_pipe_arrives_whole(plugin: Plugin) -> None:
    plugin.door.log(record("x" * 1_000_000))
    assert (await plugin.hears())["log"]["message"] == "x" * 1_000_000


async def test_a_full_pipe_drops_log_lines_and_counts_every_one(plugin: Plugin) -> None:
    """Nobody reads while the lines are sent; that this test ends shows that nothing blocks."""
    fcntl.fcntl(plugin.from_us, fcntl.F_SETPIPE_SZ, 4096)
    sent = PIPE_LINES + 500
    for number in range(sent):
        plugin.door.log(record(str(number)))
    await asyncio.sleep(0)
    arrived = 0
    while plugin.door._waiting:
        await plugin.hears()
        arrived += 1
        await asyncio.sleep(0)
    plugin.door.log(record("after"))
    while (message := (await plugin.hears())["log"]["message"]).isdecimal():
        arrived += 1
    assert message == f"{sent - arrived} log lines were dropped: the gateway did not read"
    assert arrived >= PIPE_LINES
    assert (await plugin.hears())["log"]["message"] == "after"


async def test_dropped_lines_are_counted_once(plugin: Plugin) -> None:
    plugin.door._dropped = 3
    plugin.door.log(record("one"))
    plugin.door.log(record("two"))
    messages = [(await plugin.hears())["log"]["message"] for _ in range(3)]
    assert messages == ["3 log lines were dropped: the gateway did not read", "one", "two"]


async def test_a_question_is_asked_though_log_lines_are_dropped(plugin: Plugin, serving: asyncio.Task[None]) -> None:
    fcntl.fcntl(plugin.from_us, fcntl.F_SETPIPE_SZ, 4096)
    for number in range(PIPE_LINES + 500):
        plugin.door.log(record(str(number)))
    await asyncio.sleep(0)
    asking = asyncio.create_task(plugin.door.running())
    while "ask" not in (line := await plugin.hears()):
        pass
    plugin.says({"id": line["id"], "agents": {}})
    assert (await asking).agents == {}


async def test_a_gateway_that_is_gone_does_no_harm_to_one_who_logs(plugin: Plugin) -> None:
    os.close(plugin.from_us)
    plugin.from_us = -1
    plugin.door.log(record("into the void"))
    await asyncio.sleep(0)
    assert not plugin.door._waiting


async def test_whatever_else_prints_does_not_come_between_the_lines() -> None:
    program = """
import asyncio, logging, os
from agent_config_sync.gateway.door import Door, DoorHandler
async def main():
    door = await Door.open()
    print("from python", flush=True)
    os.system("echo from a child")
    DoorHandler(door).emit(logging.LogRecord("x", logging.INFO, "x.py", 1, "said", (), None))
    await door.serve()
asyncio.run(main())
"""
    running = await asyncio.create_subprocess_exec(
        PYTHON,
        "-c",
        program,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, others = await running.communicate(b"")
    assert [json.loads(line)["log"]["message"] for line in output.splitlines()] == ["said"]
    assert others.split(b"\n")[:2] == [b"from python", b"from a child"]
