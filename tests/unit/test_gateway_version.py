"""gateway/version.py and GatewayVersion: which OpenClaw is beside us."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.children import child

from agent_config_sync.gateway.process import GatewayProcess
from agent_config_sync.gateway.version import find_version
from agent_config_sync.model.site import GatewayVersion

V = GatewayVersion


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("2026.9.6", V(2026, 9, 6)),
        ("v2026.9.6", V(2026, 9, 6)),
        (" 2026.9.6\n", V(2026, 9, 6)),
        ("2026.8.1-beta.1", V(2026, 8, 1)),
        ("2026.8.1+build", V(2026, 8, 1)),
        ("2026.10.35", V(2026, 10, 35)),
    ],
)
def test_a_version_is_read(text: str, version: GatewayVersion) -> None:
    assert V.parse(text) == version


@pytest.mark.parametrize(
    "text", [None, "", "unknown", "dev", "1.2.3", "2026.9", "2026.9.6.1", "2026.9.x", "\u0662026.9.6", "2026.9.6 x"]
)
def test_what_is_no_version_is_none(text: str | None) -> None:
    assert V.parse(text) is None


def test_versions_are_ordered_as_numbers_and_not_as_text() -> None:
    assert V(2026, 10, 1) > V(2026, 9, 30) > V(2026, 9, 6)


def test_a_version_is_written_as_openclaw_writes_it() -> None:
    assert str(V(2026, 9, 6)) == "2026.9.6"


def installed(folder: Path, package: str) -> Path:
    """An executable deep in a package, as npm installs it."""
    (folder / "package" / "dist").mkdir(parents=True)
    (folder / "package" / "package.json").write_text(package)
    script = folder / "package" / "dist" / "openclaw"
    script.write_text("print('ready', flush=True)\ninput()\n")
    script.chmod(0o755)
    return script


GOOD = '{"name": "openclaw", "version": "2026.5.12"}'


def test_what_was_told_beats_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(installed(tmp_path, GOOD).parent))
    assert find_version("2026.9.6", None) == V(2026, 9, 6)


def test_an_installed_command_tells_by_its_package_through_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = installed(tmp_path, GOOD)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "openclaw").symlink_to(script)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find_version(None, None) == V(2026, 5, 12)
    assert find_version("unknown", None) is None


@pytest.mark.parametrize(
    "package",
    [
        '{"name": "other", "version": "2026.5.12"}',
        '{"name": "openclaw", "version": 20260512}',
        '{"name": "openclaw"}',
        '{"name": "openclaw", "version": "dev"}',
        "[]",
        "{",
        "",
    ],
)
def test_a_package_that_says_something_else_tells_nothing(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(installed(tmp_path, package).parent))
    assert find_version(None, None) is None


def test_without_an_installed_command_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_version(None, None) is None


def test_a_running_gateway_tells_by_the_package_of_its_script(tmp_path: Path) -> None:
    with child(installed(tmp_path, GOOD)) as running:
        assert find_version(None, GatewayProcess.find(running.pid)) == V(2026, 5, 12)


def test_a_gateway_that_hides_its_command_line_tells_by_the_package_of_its_child(tmp_path: Path) -> None:
    script = installed(tmp_path, GOOD)
    starter = tmp_path / "starter.py"
    starter.write_text(f"import subprocess, sys\nsubprocess.run([sys.executable, {str(script)!r}])\n")
    with child(starter) as running:
        assert find_version(None, GatewayProcess.find(running.pid)) == V(2026, 5, 12)


def test_a_running_gateway_tells_through_a_link(tmp_path: Path) -> None:
    script = installed(tmp_path, GOOD)
    (tmp_path / "openclaw").symlink_to(script)
    with child(tmp_path / "openclaw") as running:
        assert find_version(None, GatewayProcess.find(running.pid)) == V(2026, 5, 12)


@pytest.mark.parametrize("inner", ['{"name": "other", "version": "1.0.0"}', '{"type": "module"}', "[]", "{", ""])
def test_a_package_of_another_name_on_the_way_up_is_passed_over(
    inner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = installed(tmp_path, GOOD).parent
    (folder / "package.json").write_text(inner)
    monkeypatch.setenv("PATH", str(folder))
    assert find_version(None, None) == V(2026, 5, 12)


def test_the_nearest_package_named_openclaw_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = installed(tmp_path, GOOD).parent
    (tmp_path / "package.json").write_text('{"name": "openclaw", "version": "2026.9.6"}')
    monkeypatch.setenv("PATH", str(folder))
    assert find_version(None, None) == V(2026, 5, 12)


def test_a_running_gateway_with_an_argument_that_no_path_can_be_is_unknown() -> None:
    with child("-c", "print('ready', flush=True); input() #" + "x" * 5000) as running:
        assert find_version(None, GatewayProcess.find(running.pid)) is None


def test_a_gateway_that_is_gone_is_unknown(tmp_path: Path) -> None:
    with child(installed(tmp_path, GOOD)) as running:
        process = GatewayProcess.find(running.pid)
    assert process is not None
    assert find_version(None, process) is None


def test_a_running_gateway_of_unknown_package_is_not_taken_for_the_installed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(installed(tmp_path, GOOD).parent))
    with child("-c", "print('ready', flush=True); input()") as running:
        assert find_version(None, GatewayProcess.find(running.pid)) is None


@pytest.mark.parametrize("words", [("openclaw", "gateway"), ("node", "SCRIPT"), ("nice", "-n", "5", "SCRIPT")])
def test_the_command_that_starts_it_tells_before_it_runs(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = installed(tmp_path, GOOD)
    monkeypatch.setenv("PATH", str(script.parent if words[0] == "openclaw" else tmp_path))
    command = tuple(str(script) if word == "SCRIPT" else word for word in words)
    assert find_version(None, None, command) == V(2026, 5, 12)


def test_the_command_tells_where_its_process_does_not(tmp_path: Path) -> None:
    with child("-c", "print('ready', flush=True); input()") as running:
        process = GatewayProcess.find(running.pid)
        assert find_version(None, process, (str(installed(tmp_path, GOOD)),)) == V(2026, 5, 12)


def test_a_running_gateway_beats_the_command_that_starts_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "next").mkdir()
    later = installed(tmp_path / "next", GOOD.replace("5.12", "9.6"))
    with child(installed(tmp_path, GOOD)) as running:
        assert find_version(None, GatewayProcess.find(running.pid), (str(later),)) == V(2026, 5, 12)
