"""A real gateway, found or the way to get one; and what every test of it promises."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from gateway.debugger import DebuggerWatch
from gateway.model_server import ModelServer
from gateway.openclaw import Installation
from gateway.oracle import Oracle
from gateway.scene import Deploy, Deployment, Scene, deployed
from harness import connected

from agent_config_sync.gateway.rules import RecordedRules, rules_for
from agent_config_sync.model.site import GatewayVersion, Roster

DEADLINE = 240
"""Seconds of one test, the start of a gateway included."""

NEWEST = ".gateway/2026.9.6"
"""Where `make test-gateway` installs the newest version that is known."""


def chosen() -> Installation:
    """Return the gateway that AGENT_CONFIG_SYNC_TEST_GATEWAY names, else the newest; it may not be there."""
    given = os.environ.get("AGENT_CONFIG_SYNC_TEST_GATEWAY")
    return Installation(Path(given).absolute() if given else Path(__file__).parents[2] / NEWEST)


def pytest_report_header() -> str:
    return f"gateway: OpenClaw {chosen().version}" if chosen().is_complete() else "gateway: none"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each test a deadline, and leave out those that mean nothing on this version of the gateway."""
    version = chosen().version if chosen().is_complete() else None
    others: list[pytest.Item] = []
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(DEADLINE))
        if version is not None and not _is_for(item, version):
            others.append(item)
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


def _is_for(item: pytest.Item, version: GatewayVersion) -> bool:
    since, until = (item.get_closest_marker(f"gateway_{name}") for name in ("since", "until"))
    return (since is None or version >= GatewayVersion(*since.args)) and (
        until is None or version <= GatewayVersion(*until.args)
    )


@pytest.fixture(scope="session")
def installation() -> Installation:
    """The gateway that `make test-gateway` has installed, or another one by AGENT_CONFIG_SYNC_TEST_GATEWAY."""
    installation = chosen()
    if not installation.is_complete():
        pytest.fail(
            f"there is no OpenClaw gateway in {installation.folder}: run `make test-gateway`, which installs it (about "
            "a minute), or set AGENT_CONFIG_SYNC_TEST_GATEWAY to a folder of tests/gateway/install_gateway.sh"
        )
    return installation


@pytest.fixture(params=["list", pytest.param("entries", marks=pytest.mark.gateway_since(2026, 8, 1))])
def roster(request: pytest.FixtureRequest) -> Roster:
    """Each form of the roster that the gateway takes."""
    form: Roster = request.param
    return form


@pytest.fixture
def oracle(installation: Installation, roster: Roster, tmp_path: Path) -> Oracle:
    home = tmp_path / "oracle"
    home.mkdir(mode=0o700)
    return Oracle(installation, home, roster)


@pytest.fixture(scope="session")
def rules(installation: Installation) -> RecordedRules:
    """Our rules for its version."""
    return rules_for(installation.version)


@pytest.fixture(scope="session")
def debugger_watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DebuggerWatch]:
    """Looks at Node's debugger port as long as any gateway of these tests lives."""
    with DebuggerWatch(tmp_path_factory.getbasetemp()) as watch:
        yield watch


@pytest.fixture(autouse=True)
def _no_debugger(debugger_watch: DebuggerWatch) -> Iterator[None]:
    """No test opens the debugger's port, not for a moment."""
    yield
    assert not debugger_watch.seen, "a gateway opened Node's debugger port"


@pytest.fixture(scope="module")
def deploy(
    installation: Installation, server_dsn: str, tmp_path_factory: pytest.TempPathFactory, debugger_watch: DebuggerWatch
) -> Iterator[Deploy]:
    """Start a gateway, of another installation where one is given, that lives until the end of the module."""
    with ExitStack() as stack:

        def deployment(of: Installation = installation, **changes: Any) -> Deployment:
            home = tmp_path_factory.mktemp("home")
            return stack.enter_context(deployed(of, server_dsn, home, **changes))

        yield deployment


@pytest.fixture(scope="module")
def shared(deploy: Deploy) -> Deployment:
    """The module's gateway; another one where a module says so."""
    return deploy()


@pytest.fixture(scope="module")
def model_server() -> Iterator[ModelServer]:
    """A model for the module's gateway, which `model` lets answer."""
    server = ModelServer()
    yield server
    server.close()


@pytest.fixture
async def model(model_server: ModelServer) -> AsyncIterator[ModelServer]:
    """The module's model, which answers and has not been asked yet."""
    async with model_server.serving():
        yield model_server


@pytest.fixture
async def scene(shared: Deployment) -> AsyncIterator[Scene]:
    """An operator at the database of a gateway that runs."""
    async with connected(shared.dsn) as operator:
        yield Scene(shared.gateway, operator)
