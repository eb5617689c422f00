"""The containers of deploy/compose agree with each other, with the settings, and with what is tested."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyjson5
import pytest
import yaml
from unit.builders import REPOSITORY

from agent_config_sync.setting_sources import load_settings
from agent_config_sync.settings import FURTHER_NAMES, SETTING_NAMES

FOLDER = REPOSITORY / "deploy" / "compose"
COMPOSE = (FOLDER / "compose.yml").read_text(encoding="utf-8")
RUNTIME = (FOLDER / "runtime.Dockerfile").read_text(encoding="utf-8")
OPENCLAW = (FOLDER / "openclaw.Dockerfile").read_text(encoding="utf-8")
EXAMPLE = (FOLDER / ".env.example").read_text(encoding="utf-8")
DSN = "postgresql://here@db/ops"

_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
_SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE)["services"]


def example() -> dict[str, str]:
    """Return the variables of .env.example with their values, in the form that compose and a shell read."""
    lines = (line for line in EXAMPLE.splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def handed_on() -> Iterator[str]:
    """Yield the variables that compose hands on as they are, which it writes without a value."""
    for service in _SERVICES.values():
        yield from (name for name, value in service.get("environment", {}).items() if value is None)


def environment(service: str) -> dict[str, str]:
    """Return what a service is told where .env says nothing but the database."""

    def meant(found: re.Match[str]) -> str:
        return found[3] if found[2] == "-" else DSN

    given = _SERVICES[service]["environment"].items()
    return {name: _VARIABLE.sub(meant, str(value)) for name, value in given if value is not None}


def pinned(pattern: str, text: str) -> str:
    (found,) = set(re.findall(pattern, text, re.MULTILINE))
    return str(found)


def copied() -> list[str]:
    """Return what the runtime's image takes from the repository."""
    lines = re.findall(r"^COPY (?!--from)(.*)$", RUNTIME, re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


# Variables -----------------------------------------------------------------------------------------------------------


def test_the_example_lists_each_variable_of_compose_and_no_other() -> None:
    assert set(example()) == {name for name, _, _ in _VARIABLE.findall(COMPOSE)} | set(handed_on())


def test_the_example_says_what_each_variable_is() -> None:
    blocks = re.findall(r"((?:^#.*\n)+)^(\w+)=", EXAMPLE, re.MULTILINE)
    assert [name for _, name in blocks] == list(example())


def test_the_example_and_compose_have_the_same_defaults() -> None:
    defaults = {(name, default) for name, kind, default in _VARIABLE.findall(COMPOSE) if kind != "?"}
    assert {(name, example()[name]) for name, _ in defaults} == defaults


def test_compose_does_not_start_without_a_database() -> None:
    assert [name for name, kind, _ in _VARIABLE.findall(COMPOSE) if kind == "?"] == ["AGENT_CONFIG_SYNC_DSN"]


def test_our_process_is_told_only_settings_that_there_are() -> None:
    known = {f"AGENT_CONFIG_SYNC_{name.upper()}" for name in SETTING_NAMES}
    known |= {*itertools.chain(*FURTHER_NAMES.values()), "OPENCLAW_CONFIG_PATH"}
    told = set(_SERVICES["runtime"]["environment"]) | set(re.findall(r"AGENT_CONFIG_SYNC_\w+", RUNTIME))
    assert told <= known


def test_the_settings_of_our_process_are_those_of_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in [*re.findall(r"(AGENT_CONFIG_SYNC_\w+)=(\S+)", RUNTIME), *environment("runtime").items()]:
        monkeypatch.setenv(name, value)
    settings = load_settings(command_line={})
    assert settings.output == Path("/root/clawd/openclaw.json")
    assert settings.workspaces == Path("/root/clawd/agents")
    assert settings.health_address == ("0.0.0.0", 3000)
    assert settings.config_base is not None
    assert f"{settings.config_base}\n" in RUNTIME


def test_the_gateway_is_told_only_what_its_start_script_knows() -> None:
    script = (FOLDER / "start-openclaw.sh").read_text(encoding="utf-8")
    assert not [name for name in _SERVICES["openclaw"]["environment"] if name not in script]


# Places --------------------------------------------------------------------------------------------------------------


def test_both_see_the_same_configuration_and_the_same_folders() -> None:
    name = "OPENCLAW_CONFIG_PATH"
    assert environment("runtime")[name] == environment("openclaw")[name]
    volumes = {service: set(_SERVICES[service]["volumes"]) for service in ("runtime", "openclaw")}
    assert {volume.rpartition(":")[2] for volume in volumes["openclaw"]} == {"/root/clawd", "/root/.openclaw"}
    assert volumes["openclaw"] < volumes["runtime"]


def test_the_tokens_of_agents_are_out_of_the_gateways_sight() -> None:
    assert "state:/var/lib/agent-config-sync" in _SERVICES["runtime"]["volumes"]
    assert "AGENT_CONFIG_SYNC_STATE_DIR=/var/lib/agent-config-sync" in RUNTIME
    assert not [volume for volume in _SERVICES["openclaw"]["volumes"] if volume.startswith("state:")]


def test_both_run_as_the_one_user_who_may_read_the_files_of_both() -> None:
    assert "USER 1000:1000" in RUNTIME.splitlines()
    assert "USER 1000:1000" in OPENCLAW.splitlines()
    assert not [name for name, service in _SERVICES.items() if "user" in service]


def test_nothing_is_published_beyond_this_machine_unless_it_is_asked_for() -> None:
    published = {name: service["ports"] for name, service in _SERVICES.items() if "ports" in service}
    assert list(published) == ["pod"]
    hosts = [_VARIABLE.sub(lambda found: found[3], port).split(":")[0] for port in published["pod"]]
    assert hosts == ["127.0.0.1"] * 2


def test_the_gateway_and_our_process_are_on_one_loopback() -> None:
    assert {_SERVICES[name]["network_mode"] for name in ("runtime", "openclaw")} == {"service:pod"}
    assert not [name for name in environment("runtime") if "PEERS" in name]  # so agents ask from the loopback


def test_nobody_gets_rights_that_a_user_does_not_have() -> None:
    for name in ("pod", "runtime", "openclaw"):
        assert _SERVICES[name]["cap_drop"] == ["ALL"], name
        assert _SERVICES[name]["security_opt"] == ["no-new-privileges:true"], name


# Versions and what is built ------------------------------------------------------------------------------------------


def test_the_gateway_is_the_one_that_is_tested() -> None:
    tested = pinned(r"^GATEWAY_VERSION \?= (\S+)$", (REPOSITORY / "Makefile").read_text(encoding="utf-8"))
    assert pinned(r"^ARG OPENCLAW_VERSION=(\S+)$", OPENCLAW) == tested
    assert pinned(r"\$\{OPENCLAW_VERSION:-([^}]*)\}", COMPOSE) == tested


def test_the_gateways_node_is_the_one_that_is_tested() -> None:
    script = (REPOSITORY / "tests" / "gateway" / "install_gateway.sh").read_text(encoding="utf-8")
    assert pinned(r"^FROM node:([\d.]+)-", OPENCLAW) == pinned(r"\$\{NODE_VERSION:-([\d.]+)\}", script)


def test_what_docker_is_shown_is_what_the_image_copies() -> None:
    ignored = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[1] == "*"
    assert sorted(line[1:] for line in ignored if line.startswith("!")) == sorted(copied())


def test_what_the_image_copies_is_all_that_the_program_is_built_of(tmp_path: Path) -> None:
    for name in copied():
        source, target = REPOSITORY / name, tmp_path / "context" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
         "--wheel-dir", tmp_path, tmp_path / "context"],
        check=True, timeout=100,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    built = {name for name in zipfile.ZipFile(wheel).namelist() if "dist-info" not in name}
    package = REPOSITORY / "agent_config_sync"
    files = {path.relative_to(REPOSITORY) for path in package.rglob("*") if path.is_file()}
    assert built >= {str(path) for path in files if "__pycache__" not in path.parts}
    migrations = {path.name for path in (REPOSITORY / "migrations").iterdir()}
    assert built >= {f"agent_config_sync/resources/migrations/{name}" for name in migrations}


# The base file -------------------------------------------------------------------------------------------------------


def test_no_secret_and_no_variable_stands_in_the_base_file() -> None:
    text = (REPOSITORY / "deploy" / "openclaw.base.json5").read_text(encoding="utf-8")
    assert "${" not in text
    assert "auth" not in pyjson5.decode(text)["gateway"]


def test_the_base_file_has_the_port_that_is_published() -> None:
    base = pyjson5.decode((REPOSITORY / "deploy" / "openclaw.base.json5").read_text(encoding="utf-8"))
    port = base["gateway"]["port"]
    assert any(published.endswith(f":{port}") for published in _SERVICES["pod"]["ports"])
    assert f"http://127.0.0.1:{port}/" in " ".join(_SERVICES["openclaw"]["healthcheck"]["test"])
    assert base["gateway"]["controlUi"]["allowedOrigins"] == [
        f"http://{host}:{port}" for host in ("127.0.0.1", "localhost")
    ]
