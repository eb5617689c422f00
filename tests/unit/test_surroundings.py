"""gateway/surroundings.py: the gateway beside us, looked at anew at every pass."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, NoReturn

import pytest
from unit.children import handling

from agent_config_sync.errors import RefusedError
from agent_config_sync.gateway import surroundings as module
from agent_config_sync.gateway.include import read_layout
from agent_config_sync.gateway.process import GatewayProcess
from agent_config_sync.gateway.surroundings import Surroundings
from agent_config_sync.settings import Settings

SECTION = '{"agents": {"$include": "./agents.json"}}'


def beside(folder: Path, text: str | None = None, **changes: Any) -> Surroundings:
    config = folder / "openclaw.json"
    if text is not None:
        config.write_text(text)
    return Surroundings(Settings.model_validate({"gateway": "here", "config_path": config, **changes}))


@pytest.fixture(autouse=True)
def _no_installed_gateway(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize(
    ("text", "setting", "layout"),
    [
        (SECTION, "auto", "section"),
        ('{"$include": "./agents.json"}', "auto", "root"),
        ("{}", "auto", "root"),
        (None, "auto", "root"),
        (SECTION, "root", "root"),
        (None, "section", "section"),
    ],
)
def test_the_layout_is_the_one_of_the_include_unless_it_is_set(
    text: str | None, setting: str, layout: str, tmp_path: Path
) -> None:
    assert beside(tmp_path, text, layout=setting).look(None, None).site.layout == layout


@pytest.mark.parametrize(
    ("version", "setting", "roster"),
    [
        ("2026.9.6", "auto", "entries"),
        (None, "auto", "list"),
        ("2026.9.6", "list", "list"),
        (None, "entries", "entries"),
    ],
)
def test_the_roster_is_the_one_of_the_version_unless_it_is_set(
    version: str | None, setting: str, roster: str, tmp_path: Path
) -> None:
    assert beside(tmp_path, gateway_version=version, roster=setting).look(None, None).site.roster == roster


def test_a_missing_config_is_no_warning_for_there_may_be_no_gateway_yet(tmp_path: Path) -> None:
    assert beside(tmp_path).look(None, None).warnings == ()


def test_a_config_that_breaks_keeps_the_layout_of_before_with_a_warning(tmp_path: Path) -> None:
    neighbours = beside(tmp_path, SECTION)
    neighbours.look(None, None)
    neighbours.settings.config_path.write_text("{ broken")
    found = neighbours.look(None, None)
    assert found.site.layout == "section"
    assert "is not valid JSON5" in found.warnings[0]


def test_an_include_that_was_taken_out_leaves_the_layout_for_the_one_that_comes_back(tmp_path: Path) -> None:
    assert beside(tmp_path, "{}").look(None, "section").site.layout == "section"


def test_a_warning_stays_until_its_cause_is_gone(tmp_path: Path) -> None:
    neighbours = beside(tmp_path, SECTION)
    neighbours.look(None, None)
    neighbours.settings.config_path.write_text("{ broken")
    assert neighbours.look(None, None).warnings == neighbours.look(None, None).warnings != ()
    neighbours.settings.config_path.write_text(SECTION)
    assert neighbours.look(None, None).warnings == ()


def test_a_config_that_could_not_be_read_once_is_read_again_although_it_did_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EIO, "Input/output error")

    surroundings = beside(tmp_path, SECTION)
    with monkeypatch.context() as patched:
        patched.setattr(module, "read_layout", failing)
        with pytest.raises(RefusedError, match="Input/output error"):
            surroundings.look(None, None)
    assert surroundings.look(None, None).site.layout == "section"


def test_an_unchanged_config_is_not_parsed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    neighbours = beside(tmp_path, SECTION)
    neighbours.look(None, None)
    monkeypatch.setattr(module, "read_layout", lambda *_, **__: pytest.fail("it was parsed"))
    assert neighbours.look(None, None).site.layout == "section"


def test_the_last_default_is_passed_on(tmp_path: Path) -> None:
    assert beside(tmp_path).look("lead", None).site.last_default == "lead"


def test_a_pid_names_the_process_that_had_it_when_it_was_told(tmp_path: Path) -> None:
    with handling() as running:
        neighbours = beside(tmp_path, gateway_pid=running.pid, gateway_version="2026.9.6")
        first = neighbours.look(None, None).gateway.process
    assert first is not None
    assert neighbours.look(None, None).gateway.process == first


def test_a_pid_file_is_read_anew_at_every_look(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    neighbours = beside(tmp_path, gateway_pid_file=pid_file, gateway_version="2026.9.6")
    with handling() as first, handling() as second:
        for running in (first, second):
            pid_file.write_text(f"{running.pid}\n")
            assert neighbours.look(None, None).gateway.process == GatewayProcess.find(running.pid)


@pytest.mark.parametrize("content", [None, b"", b"x", b"-1", b"\xff", b"1 2", b"9999999999"])
def test_a_pid_file_that_names_nobody_means_no_process(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "pid").write_bytes(content)
    assert beside(tmp_path, gateway_pid_file=tmp_path / "pid").look(None, None).gateway.process is None


def test_without_a_pid_there_is_no_process_and_it_is_not_ours(tmp_path: Path) -> None:
    process = beside(tmp_path).look(None, None).gateway.process
    assert process is None or process.pid != os.getpid()


def test_a_change_of_the_operators_base_file_is_seen(tmp_path: Path) -> None:
    base = tmp_path / "base.json5"
    base.write_text("{}")
    neighbours = beside(tmp_path, '{"agents": {"$include": ["./base.json5", "./agents.json"]}}')
    neighbours.look(None, None)
    base.write_text("{entries: {mine: {}}}")
    assert neighbours.look(None, None).site.base_agents == {"mine"}


def test_a_mend_of_the_operators_base_file_is_seen(tmp_path: Path) -> None:
    base = tmp_path / "base.json5"
    neighbours = beside(tmp_path, '{"agents": {"$include": ["./base.json5", "./agents.json"]}}')
    neighbours.look(None, None)
    base.write_text("{entries: {mine: {}}}")
    assert neighbours.look(None, None).site.base_agents == {"mine"}


def test_a_base_file_that_breaks_holds_what_it_held_with_a_warning(tmp_path: Path) -> None:
    base = tmp_path / "base.json5"
    base.write_text("{entries: {mine: {}}}")
    neighbours = beside(tmp_path, '{"agents": {"$include": ["./base.json5", "./agents.json"]}}')
    neighbours.look(None, None)
    base.write_text("{entries: {mine")
    found = neighbours.look(None, None)
    assert (set(found.site.base_agents), found.site.base_complete) == ({"mine"}, True)
    assert f"{base} is not valid JSON5" in found.warnings[0]
    base.unlink()
    found = neighbours.look(None, None)
    assert (set(found.site.base_agents), found.site.base_complete) == ({"mine"}, True)
    assert f"includes {base}, which is not there" in found.warnings[0]


def test_a_base_file_that_was_never_read_leaves_the_base_incomplete(tmp_path: Path) -> None:
    neighbours = beside(tmp_path, '{"agents": {"$include": ["./base.json5", "./agents.json"]}}')
    assert not neighbours.look(None, None).site.base_complete
    os.utime(neighbours.settings.config_path, (1, 1))  # as we touch it ourselves
    assert not neighbours.look(None, None).site.base_complete
    (tmp_path / "base.json5").write_text("{}")
    assert neighbours.look(None, None).site.base_complete


def test_a_change_between_the_reading_of_a_file_and_its_end_is_seen_by_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    neighbours = beside(tmp_path, SECTION)
    read = read_layout

    def read_and_be_overtaken(*arguments: Any, **keywords: Any) -> Any:
        layout = read(*arguments, **keywords)
        neighbours.settings.config_path.write_text('{"$include": "./agents.json", "x": 1}')
        return layout

    monkeypatch.setattr(module, "read_layout", read_and_be_overtaken)
    assert neighbours.look(None, None).site.layout == "section"
    monkeypatch.setattr(module, "read_layout", read)
    assert neighbours.look(None, None).site.layout == "root"


def test_the_operators_own_section_is_passed_on(tmp_path: Path) -> None:
    neighbours = beside(tmp_path, '{"agents": {"$include": "./agents.json", "defaults": {"x": 1}}}')
    assert neighbours.look(None, None).site.base == {"defaults": {"x": 1}}


def test_the_operators_own_section_is_kept_while_the_configuration_is_broken(tmp_path: Path) -> None:
    neighbours = beside(tmp_path, '{"agents": {"$include": "./agents.json", "entries": {"mine": {}}}}')
    neighbours.look(None, None)
    neighbours.settings.config_path.write_text("{ broken")
    assert neighbours.look(None, None).site.base_agents == {"mine"}


@pytest.mark.parametrize(
    ("text", "at"), [(SECTION, "section"), ('{"$include": "./agents.json"}', "root"), ("{}", None)]
)
def test_how_our_file_is_included_is_told_whatever_the_setting(text: str, at: str | None, tmp_path: Path) -> None:
    assert beside(tmp_path, text, layout="root").look(None, None).included_at == at


def test_a_missing_configuration_has_the_layout_of_the_last_life(tmp_path: Path) -> None:
    found = beside(tmp_path).look(None, "section")
    assert (found.site.layout, found.included_at) == ("section", "section")


def test_a_configuration_that_is_there_beats_the_last_life(tmp_path: Path) -> None:
    assert beside(tmp_path, SECTION).look(None, "root").site.layout == "section"


def test_a_configuration_that_is_moved_away_for_a_moment_is_no_news(tmp_path: Path) -> None:
    neighbours = beside(tmp_path, SECTION)
    neighbours.look(None, None)
    neighbours.settings.config_path.rename(tmp_path / "openclaw.json.bak")
    assert (neighbours.look(None, None).site.layout, neighbours.look(None, None).warnings) == ("section", ())


def test_no_layout_is_guessed_while_the_configuration_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="until then nobody can tell which layout"):
        beside(tmp_path, "{ broken").look(None, None)


def test_a_layout_that_is_set_needs_no_configuration_that_can_be_read(tmp_path: Path) -> None:
    assert beside(tmp_path, "{ broken", layout="section").look(None, None).site.layout == "section"


def test_the_layout_of_the_last_life_counts_while_the_configuration_cannot_be_read(tmp_path: Path) -> None:
    assert beside(tmp_path, "{ broken").look(None, "section").site.layout == "section"


def test_the_gateway_that_is_started_here_is_the_one_beside_us(tmp_path: Path) -> None:
    with handling("SIGUSR1") as running, handling("SIGUSR1") as other:
        settings = beside(tmp_path, gateway_pid=other.pid).settings
        process = GatewayProcess.find(running.pid)
        assert Surroundings(settings, lambda: process).look(None, None).gateway.process == process


def test_while_the_gateway_that_is_started_here_does_not_run_the_reason_says_so(tmp_path: Path) -> None:
    gateway = Surroundings(beside(tmp_path).settings, lambda: None).look(None, None).gateway
    assert (gateway.process, gateway.missing) == (None, "the gateway that gateway_command starts does not run")
