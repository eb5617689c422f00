"""An agent's token: its hash in the database, itself on the gateway's host, and no moment without a good one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from commands import Ended, command
from harness import Operator, Running, Start

from agent_config_sync.events import Furnished, Published, Reported, Warned
from agent_config_sync.token_store import TokenStore, token_hash

GOOD = "SELECT token_hash FROM agent_tokens WHERE agent = $1 AND revoked_at IS NULL"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "workspaces"


@pytest.fixture
async def running(start: Start, operator: Operator, root: Path) -> Running:
    await operator.execute("INSERT INTO agents (name, is_default) VALUES ('front', true), ('coder', false)")
    return await start(wait=Reported, workspace_root=root)


def token_of(root: Path, agent: str) -> str:
    lines = (root / agent / "TOOLS.md").read_text().splitlines()
    return next(line.removeprefix("AUTH_TOKEN=") for line in lines if line.startswith("AUTH_TOKEN="))


async def good(operator: Operator, agent: str) -> list[str]:
    return [row["token_hash"] for row in await operator.fetch(GOOD, agent)]


async def ask(running: Running, *words: str) -> Ended:
    settings = running.plugin.settings
    assert settings.dsn is not None
    return await command(
        *words,
        AGENT_CONFIG_SYNC_DSN=settings.dsn.get_secret_value(),
        AGENT_CONFIG_SYNC_GATEWAY="here",
        AGENT_CONFIG_SYNC_CONFIG_PATH=str(settings.config_path),
        AGENT_CONFIG_SYNC_STATE_DIR=str(settings.state_dir),
        AGENT_CONFIG_SYNC_GATEWAY_VERSION="2026.9.6",
        OPENCLAW_WORKSPACE_ROOT=str(settings.workspace_root),
    )


async def test_each_agent_has_a_token_of_its_own_and_the_database_its_hash(
    running: Running, operator: Operator, root: Path
) -> None:
    tokens = {agent: token_of(root, agent) for agent in ("front", "coder")}
    assert len(set(tokens.values())) == 2
    assert {agent: await good(operator, agent) for agent in tokens} == {
        agent: [token_hash(token)] for agent, token in tokens.items()
    }


async def test_the_token_stands_in_two_files_that_nobody_else_can_read(running: Running, root: Path) -> None:
    token = token_of(root, "coder").encode()
    settings = running.plugin.settings
    places = [*root.rglob("*"), *settings.state_dir.rglob("*"), *settings.output.parent.rglob("*")]
    holding = [path for path in places if path.is_file() and token in path.read_bytes()]
    assert {path.name for path in holding} == {"TOOLS.md", running.plugin.pipeline.state.tokens_path.name}
    assert {stat.S_IMODE(path.stat().st_mode) for path in holding} == {0o600}


async def test_the_next_pass_and_the_next_life_give_the_same_token(
    running: Running, operator: Operator, root: Path, start: Start
) -> None:
    token = token_of(root, "coder")
    await running.plugin.stop()
    await start(wait=Reported, workspace_root=root)
    assert token_of(root, "coder") == token
    assert await operator.fetchval("SELECT count(*) FROM agent_tokens") == 2


async def test_rotation_gives_another_one_and_revokes_the_first(
    running: Running, operator: Operator, root: Path
) -> None:
    before = token_of(root, "coder")
    ended = await ask(running, "templates", "sync", "--gateway-id", "here", "--rotate-tokens")
    assert (ended.status, "coder: written (TOOLS.md)" in ended.out) == (0, True)
    now = token_of(root, "coder")
    assert now != before
    assert await good(operator, "coder") == [token_hash(now)]


async def test_a_running_sync_keeps_a_token_that_a_command_has_rotated(
    running: Running, operator: Operator, root: Path
) -> None:
    await ask(running, "templates", "sync", "--gateway-id", "here", "--rotate-tokens")
    now = token_of(root, "coder")
    running.events.forget()
    await operator.execute("UPDATE agents SET model = 'a/b'")
    await running.events.until(Published)
    assert token_of(root, "coder") == now
    assert await good(operator, "coder") == [token_hash(now)]


async def test_a_rotation_that_fails_to_write_leaves_the_old_token_good(
    running: Running, operator: Operator, root: Path
) -> None:
    before = token_of(root, "coder")
    (root / "coder" / "memory").rename(root / "memory")
    (root / "coder" / "memory").write_text("in the way")
    ended = await ask(running, "templates", "sync", "--gateway-id", "here", "--rotate-tokens")
    assert (ended.status, "coder: failed" in ended.out) == (1, True)
    assert token_hash(before) in await good(operator, "coder")
    (root / "coder" / "memory").unlink()
    ended = await ask(running, "templates", "sync", "--gateway-id", "here")
    assert ended.status == 0
    assert await good(operator, "coder") == [token_hash(token_of(root, "coder"))]


async def test_a_lost_file_of_tokens_means_new_ones_and_the_old_are_revoked(
    running: Running, operator: Operator, root: Path, start: Start
) -> None:
    before = token_of(root, "coder")
    await running.plugin.stop()
    running.plugin.pipeline.state.tokens_path.unlink()
    await start(wait=Reported, workspace_root=root)
    now = token_of(root, "coder")
    assert now != before
    assert await good(operator, "coder") == [token_hash(now)]


async def test_a_hash_that_the_database_lost_is_told_again(running: Running, operator: Operator, root: Path) -> None:
    await operator.execute("DELETE FROM agent_tokens")
    running.events.forget()
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(Reported)
    assert await good(operator, "coder") == [token_hash(token_of(root, "coder"))]


async def test_a_token_that_an_operator_revoked_is_replaced(running: Running, operator: Operator, root: Path) -> None:
    before = token_of(root, "coder")
    await operator.execute("UPDATE agent_tokens SET revoked_at = now() WHERE agent = 'coder'")
    running.events.forget()
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(Furnished)
    assert token_of(root, "coder") != before
    assert await good(operator, "coder") == [token_hash(token_of(root, "coder"))]


async def test_an_agent_that_is_gone_has_no_good_token(running: Running, operator: Operator) -> None:
    running.events.forget()
    await operator.execute("UPDATE agents SET status = 'retired' WHERE name = 'coder'")
    await running.events.until(Reported)
    assert await good(operator, "coder") == []


async def test_another_gateways_tokens_are_not_ours_to_revoke(running: Running, operator: Operator) -> None:
    await operator.execute("INSERT INTO agent_tokens (agent, gateway, token_hash) VALUES ('coder', 'there', 'x')")
    running.events.forget()
    await operator.execute("NOTIFY agent_config_changed")
    await running.events.until(Reported)
    assert "x" in await good(operator, "coder")


async def test_without_the_right_to_issue_them_agents_work_without_and_it_is_said(
    start: Start, operator: Operator, root: Path, database: str
) -> None:
    login = f"mute_{os.getpid()}"
    await operator.execute("INSERT INTO agents (name) VALUES ('coder')")
    await operator.execute(f"CREATE ROLE {login} LOGIN IN ROLE agent_config_reader")
    columns = "account_id, agent, gateway, token_hash"
    await operator.execute(f"REVOKE INSERT ({columns}) ON agent_tokens FROM agent_config_reader")
    try:
        running = await start(wait=Reported, workspace_root=root, dsn=database.replace("postgres@", f"{login}@"))
        assert token_of(root, "coder") == ""
        assert any("agents get no token" in line for line in running.events.of(Warned)[-1].warnings)
        await running.plugin.stop()
    finally:
        await operator.execute("DELETE FROM gateway_status")
        await operator.execute(f"DROP ROLE {login}")


def test_the_store_keeps_only_the_agents_that_are_there(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens")
    first = store.mint(["a", "b"], keep=["a", "b"])
    second = store.mint(["c"], keep=["a", "c"])
    assert set(second) == {"a", "c"}
    assert second["a"] == first["a"]
    assert TokenStore(tmp_path / "tokens").look() == second


def test_a_broken_file_of_tokens_counts_as_lost(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("{")
    assert TokenStore(tmp_path / "tokens").look() == {}
