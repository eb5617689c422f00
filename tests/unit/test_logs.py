"""logs.py: one line for people or one JSON object for machines, whatever the message holds."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from agent_config_sync.logs import JsonFormatter, TextFormatter, json_line, printable, set_up_logs


@pytest.fixture(autouse=True)
def _own_root_logger() -> Iterator[None]:
    """Put pytest's handlers back."""
    root, ours = logging.getLogger(), logging.getLogger("agent_config_sync")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], root.level, ours.level = before


def record(message: str = "said", level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("agent_config_sync", level, "x.py", 1, "%s", (message,), None)
    made.created, made.msecs = 1_800_000_000.25, 250.0
    made.__dict__.update(extra)
    return made


def failed() -> logging.LogRecord:
    made = record()
    error = ValueError("inside")
    made.exc_info = (ValueError, error, None)
    return made


def as_json(made: logging.LogRecord) -> dict[str, object]:
    text = JsonFormatter().format(made)
    assert "\n" not in text
    line: dict[str, object] = json.loads(text)
    return line


def test_a_json_line_has_time_level_and_message() -> None:
    assert as_json(record(level=logging.WARNING)) == {
        "time": "2027-01-15T08:00:00.250Z",
        "level": "warning",
        "message": "said",
    }


@pytest.mark.parametrize("message", ["two\nlines", 'a "quote" \\', "\x00\x1b[2J", "Zoë 🦞", "\u2028", "%s %d"])
def test_any_message_is_one_json_line(message: str) -> None:
    assert as_json(record(message))["message"] == message


def test_fields_of_a_record_are_members_of_its_line() -> None:
    line = as_json(record(fields={"event": "Published", "latency": 0.5}))
    assert (line["event"], line["latency"]) == ("Published", 0.5)


def test_a_field_that_json_does_not_know_is_text() -> None:
    assert as_json(record(fields={"x": {1}}))["x"] == "{1}"


@pytest.mark.parametrize("message", ["\udcff", "a path: /\udcff/x"])
def test_a_message_that_is_no_utf_8_is_a_json_line_all_the_same(message: str) -> None:
    assert as_json(record(message))["message"] == message


@pytest.mark.parametrize("number", [2**63, 2**64, 2**70, -(2**70)])
def test_a_field_may_be_a_number_of_any_size(number: int) -> None:
    assert as_json(record(fields={"n": number}))["n"] == number


def test_a_json_line_is_ascii_or_utf_8_whatever_it_holds() -> None:
    line = json_line({"path": "\udcff", "n": 2**70, "set": {1}, "text": "Zoë"})
    assert json.loads(line) == {"path": "\udcff", "n": 2**70, "set": "{1}", "text": "Zoë"}


def test_an_exception_is_a_member_of_its_line() -> None:
    assert "ValueError: inside" in str(as_json(failed())["exception"])


@pytest.mark.parametrize(
    ("level", "text"), [(logging.INFO, "said"), (logging.WARNING, "warning: said"), (logging.ERROR, "error: said")]
)
def test_a_text_line_has_a_time_and_a_level_unless_it_is_info(level: int, text: str) -> None:
    time, _, rest = TextFormatter().format(record(level=level)).partition(" ")
    assert len(time) == len("08:00:00")
    assert rest == text


def test_a_message_of_many_lines_is_one_line_of_text() -> None:
    assert TextFormatter().format(record("a\nb\r\nc\x1b[2J")).isprintable()


@pytest.mark.parametrize("text", ["Zoë 🦞", "", "a b"])
def test_a_printable_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"), [("a\nb", "a\\nb"), ("\x1b[2J", "\\x1b[2J"), ("\u202ex", "\\u202ex"), ("\udcff", "\\udcff")]
)
def test_what_is_not_printable_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_text_line_of_an_exception_is_followed_by_it() -> None:
    assert TextFormatter().format(failed()).splitlines()[-1] == "ValueError: inside"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("form", "stream", "is_json"),
    [
        ("auto", io.StringIO, True),
        ("auto", Terminal, False),
        ("text", io.StringIO, False),
        ("json", Terminal, True),
    ],
)
def test_auto_is_text_on_a_terminal_and_json_elsewhere(form: str, stream: type[io.StringIO], is_json: bool) -> None:
    written = stream()
    set_up_logs("info", form, written)  # type: ignore[arg-type]
    logging.getLogger("agent_config_sync.x").info("said")
    assert written.getvalue().startswith("{") == is_json


def test_the_level_is_ours_and_others_are_heard_from_warnings_on() -> None:
    written = io.StringIO()
    set_up_logs("debug", "text", written)
    logging.getLogger("agent_config_sync.x").debug("ours")
    logging.getLogger("asyncio").info("theirs")
    logging.getLogger("asyncio").warning("their warning")
    assert [line.split(" ", 1)[1] for line in written.getvalue().splitlines()] == [
        "debug: ours",
        "warning: their warning",
    ]


def test_setting_up_twice_writes_each_line_once() -> None:
    written = io.StringIO()
    set_up_logs("info", "text", written)
    set_up_logs("info", "text", written)
    logging.getLogger("agent_config_sync").info("said")
    assert written.getvalue().count("said") == 1
