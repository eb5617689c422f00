"""The main job: an SQL statement changes what a real gateway runs with, and gateway_status tells it truly."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import asyncpg
import pytest
from gateway.openclaw import Effective
from gateway.scene import Deployment, Scene, until
from harness import connected

from agent_config_sync.gateway.rules import INCLUDE_LIMIT, roster_for

FALLBACKS = ["anthropic/claude-haiku-4-5", "anthropic/claude-sonnet-4-5"]

TOO_LARGE = f"""
    UPDATE agents
    SET settings = jsonb_build_object('identity', jsonb_build_object('theme', repeat('y', {INCLUDE_LIMIT})))
    WHERE name = 'writer'
"""


@pytest.fixture
async def scene(shared: Deployment) -> AsyncIterator[Scene]:
    """An operator at the database of a gateway that runs with the roster."""
    async with connected(shared.dsn) as operator:
        scene = Scene(shared.gateway, operator)
        await scene.reset()
        yield scene


async def test_an_updated_model_is_in_force_when_the_status_says_applied(scene: Scene) -> None:
    effective = await scene.change("UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'lead'")
    assert effective.entries["lead"]["model"] == {"primary": "anthropic/claude-opus-4-6", "fallbacks": FALLBACKS}


@pytest.mark.gateway_since(2026, 3, 13)
async def test_an_updated_max_spawn_depth_is_in_force_when_the_status_says_applied(scene: Scene) -> None:
    effective = await scene.change("UPDATE agent_system_config SET value = '2' WHERE key = 'max_spawn_depth'")
    assert effective.defaults["subagents"]["maxSpawnDepth"] == 2


@pytest.mark.gateway_since(2026, 3, 13)
async def test_an_updated_max_spawn_depth_beside_an_updated_agent_is_in_force(scene: Scene) -> None:
    effective = await scene.change(
        "UPDATE agent_system_config SET value = '2' WHERE key = 'max_spawn_depth'",
        "UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'writer'",
    )
    assert effective.defaults["subagents"]["maxSpawnDepth"] == 2


async def test_an_updated_list_of_subagents_is_in_force_when_the_status_says_applied(scene: Scene) -> None:
    effective = await scene.change("UPDATE agents SET allowed_subagents = '{lead,coder}' WHERE name = 'coder'")
    assert effective.entries["coder"]["subagents"]["allowAgents"] == ["coder", "lead"]


async def test_a_shortened_list_of_subagents_is_in_force_when_the_status_says_applied(scene: Scene) -> None:
    effective = await scene.change("UPDATE agents SET allowed_subagents = '{writer}' WHERE name = 'lead'")
    assert effective.entries["lead"]["subagents"]["allowAgents"] == ["writer"]


async def test_the_model_allow_list_holds_the_models_of_the_rows_and_no_others(scene: Scene) -> None:
    effective = await scene.change("UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'coder'")
    models = [FALLBACKS[0], "anthropic/claude-opus-4-5", "anthropic/claude-opus-4-6", FALLBACKS[1]]
    assert effective.allowed_models == models
    assert sorted(effective.defaults["models"]) == models


async def test_a_new_agent_is_in_force_when_the_status_says_applied(scene: Scene) -> None:
    effective = await scene.change("INSERT INTO agents (name, model) VALUES ('analyst', 'anthropic/claude-haiku-4-5')")
    assert effective.entries["analyst"] == {"model": "anthropic/claude-haiku-4-5"}


async def test_a_deleted_agent_is_gone_when_the_status_says_applied(scene: Scene) -> None:
    effective = await scene.change("DELETE FROM agents WHERE name = 'writer'")
    assert sorted(effective.entries) == ["coder", "lead"]


async def test_a_paused_agent_is_gone_and_nobody_may_start_it_any_more(scene: Scene) -> None:
    effective = await scene.change("UPDATE agents SET status = 'paused' WHERE name = 'coder'")
    assert sorted(effective.entries) == ["lead", "writer"]
    assert effective.entries["lead"]["subagents"]["allowAgents"] == ["writer"]


async def test_a_renamed_agent_is_in_force_under_its_new_name_only(scene: Scene) -> None:
    effective = await scene.change("UPDATE agents SET name = 'author' WHERE name = 'writer'")
    assert sorted(effective.entries) == ["author", "coder", "lead"]


async def test_settings_of_a_row_are_in_force_when_the_status_says_applied(scene: Scene) -> None:
    settings = {
        "tools": {"profile": "minimal"},
        "identity": {"name": "Lea"},
        "groupChat": {"mentionPatterns": ["@lea"], "historyLimit": 5},
    }
    effective = await scene.change(f"UPDATE agents SET settings = '{json.dumps(settings)}' WHERE name = 'lead'")
    assert {key: effective.entries["lead"][key] for key in settings} == settings


async def test_a_setting_taken_out_of_a_row_is_gone_when_the_status_says_applied(scene: Scene) -> None:
    effective = await scene.change("UPDATE agents SET settings = NULL WHERE name = 'coder'")
    assert "tools" not in effective.entries["coder"]


async def test_a_model_taken_out_of_a_row_is_gone_when_the_status_says_applied(scene: Scene) -> None:
    effective = await scene.change("UPDATE agents SET model = NULL WHERE name = 'writer'")
    assert "model" not in effective.entries["writer"]


@pytest.mark.gateway_since(2026, 3, 13)
async def test_a_deleted_max_spawn_depth_is_gone_when_the_status_says_applied(scene: Scene) -> None:
    effective = await scene.change("DELETE FROM agent_system_config WHERE key = 'max_spawn_depth'")
    assert "maxSpawnDepth" not in effective.defaults["subagents"]


async def test_fallback_models_are_in_force_in_their_new_order_when_the_status_says_applied(scene: Scene) -> None:
    effective = await scene.change(
        "UPDATE agents SET fallback_models = ARRAY[fallback_models[2], fallback_models[1]] WHERE name = 'lead'"
    )
    assert effective.entries["lead"]["model"]["fallbacks"] == FALLBACKS[::-1]


async def test_the_status_names_the_version_the_roster_and_the_hash_of_the_file(scene: Scene) -> None:
    await scene.change("UPDATE agents SET thinking = 'high' WHERE name = 'lead'")
    status = await scene.status()
    version = scene.gateway.installation.version
    assert (status["gateway_version"], status["roster"], status["error"]) == (str(version), roster_for(version), None)
    assert status["content_hash"] == scene.content_hash()


async def test_the_status_never_says_applied_before_the_gateway_runs_with_it(scene: Scene) -> None:
    before = await scene.status()
    samples: list[tuple[bool, bool]] = []  # (the status says so, the gateway runs with it), in this order of asking

    async with scene.gateway.rpc() as rpc:
        await scene.commit("UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'lead'")

        async def look() -> bool | None:
            status = await scene.status()
            says = status["state"] == "applied" and status["content_hash"] != before["content_hash"]
            runs = (await rpc.effective()).entries["lead"]["model"]["primary"] == "anthropic/claude-opus-4-6"
            samples.append((says, runs))
            return True if sum(says for says, _ in samples) >= 5 else None

        await until(look, "gateway_status says applied", gateway=scene.gateway)
    assert samples[0][0] is False  # the gateway may answer only once it has reloaded, the status does at once
    assert (True, False) not in samples


@pytest.mark.gateway_since(2026, 8, 1)
async def test_what_is_said_to_be_applied_is_soon_the_revision_on_disk_by_the_gateways_own_hashes(scene: Scene) -> None:
    await scene.change("UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'writer'")

    async def look() -> Effective | None:
        effective = await scene.effective()
        return effective if effective.applied_hash == effective.revision_hash else None

    effective = await until(look, "appliedConfigHash equals configRevisionHash", gateway=scene.gateway)
    assert effective.valid


async def test_the_default_agent_of_the_rows_is_the_one_that_the_gateway_reports(scene: Scene) -> None:
    await scene.change("UPDATE agents SET is_default = (name = 'coder')")
    async with scene.gateway.rpc() as rpc:
        assert (await rpc.ask("agents.list"))["defaultId"] == "coder"


async def test_the_changes_of_one_transaction_come_into_force_together(scene: Scene) -> None:
    effective = await scene.change(
        "INSERT INTO agents (name) SELECT 'worker-' || n FROM generate_series(1, 30) AS n",
        "DELETE FROM agents WHERE name = 'writer'",
        "UPDATE agents SET allowed_subagents = '{*}' WHERE name = 'lead'",
    )
    assert len(effective.entries) == 32
    assert effective.entries["lead"]["subagents"]["allowAgents"] == ["*"]


async def test_a_burst_of_200_commits_causes_one_reload_or_two(scene: Scene) -> None:
    before = scene.gateway.reloads()
    updates = [f"UPDATE agents SET model = 'anthropic/burst-{number}' WHERE name = 'writer'" for number in range(200)]
    await scene.operator.execute(";".join(f"BEGIN; {update}; COMMIT" for update in updates[:-1]))
    effective = await scene.change(updates[-1])
    assert effective.entries["writer"]["model"] == "anthropic/burst-199"
    assert 1 <= scene.gateway.reloads() - before <= 2


async def test_an_agent_of_the_operators_own_file_stays_beside_those_of_the_rows(scene: Scene) -> None:
    base = scene.gateway.folder / "agents.base.json5"
    before = base.read_text(encoding="utf-8")
    keyed = roster_for(scene.gateway.installation.version) == "entries"
    local = "entries: {local: {name: 'Local'}}" if keyed else "list: [{id: 'local', name: 'Local'}]"
    base.write_text(f"{{{local}, defaults: {{maxConcurrent: 3}}}}", encoding="utf-8")
    try:
        effective = await scene.change("UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'coder'")
    finally:
        base.write_text(before, encoding="utf-8")
    assert sorted(effective.entries) == ["coder", "lead", "local", "writer"]
    assert effective.defaults["maxConcurrent"] == 3


INVALID = [
    ("model", "anthropic/claude\x01"),
    ("model", "anthropic/${HOME}"),
    ("model", " "),
    ("model", "$include"),
    ("model", "__proto__"),
    ("thinking", "insane"),
    ("fallback_models", '{NULL,""}'),
    ("allowed_subagents", "{nobody,NULL}"),
    ("settings", '{"tools": "x"}'),
    ("settings", '{"heartbeat": {"every": "soon"}}'),
    ("settings", '{"sandbox": {"docker": {"network": "host"}}}'),
    ("settings", '{"no such key": 1}'),
    ("settings", '{"params": {"$include": "/etc/passwd"}}'),
    ("settings", '{"subagents": {"maxConcurrent": 3}}'),
]
"""Columns of an agent, and what no gateway takes there."""


async def test_an_invalid_value_costs_itself_and_never_the_validity_of_the_config(scene: Scene) -> None:
    bad = {f"bad-{number}": cell for number, cell in enumerate(INVALID)}
    literals = {name: "'" + value.replace("'", "''") + "'" for name, (_, value) in bad.items()}
    effective = await scene.change(
        *(f"INSERT INTO agents (name, {bad[name][0]}) VALUES ('{name}', {literals[name]})" for name in bad),
        "UPDATE agents SET model = 'anthropic/claude-opus-4-6' WHERE name = 'coder'",
    )
    assert effective.valid
    assert effective.entries["coder"]["model"] == "anthropic/claude-opus-4-6"
    assert set(bad) <= set(effective.entries)
    warnings = (await scene.status())["warnings"]
    assert [name for name in bad if not any(f"agent {name}: " in warning for warning in warnings)] == []


async def test_a_file_over_the_include_limit_is_refused_and_the_last_good_one_stays_in_force(scene: Scene) -> None:
    before = scene.gateway.output.read_bytes()
    await scene.commit(TOO_LARGE)
    status = await scene.until_status("refused")
    assert "2,097,152" in status["error"]
    assert scene.gateway.output.read_bytes() == before
    effective = await scene.effective()
    assert effective.valid
    assert "identity" not in effective.entries["writer"]


async def test_a_refused_change_that_is_taken_back_is_applied_again(scene: Scene) -> None:
    await scene.commit(TOO_LARGE)
    await scene.until_status("refused")
    settings = '{"identity": {"theme": "calm"}}'
    effective = await scene.change(f"UPDATE agents SET settings = '{settings}' WHERE name = 'writer'")
    assert effective.entries["writer"]["identity"] == {"theme": "calm"}
    assert (await scene.status())["error"] is None


async def test_the_status_is_not_readable_as_applied_while_a_refused_change_waits(scene: Scene) -> None:
    transaction = await scene.commit("DELETE FROM agents")

    async def look() -> asyncpg.Record | None:
        status = await scene.status()
        return status if status["state"] == "refused" else None

    await until(look, "gateway_status says refused", gateway=scene.gateway)
    assert await scene.applied(transaction) is None
    assert sorted((await scene.effective()).entries) == ["coder", "lead", "writer"]
