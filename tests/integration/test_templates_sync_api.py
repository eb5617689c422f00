"""`POST /api/v1/gateways/{gateway_id}/templates/sync`: each option does what it says, each refusal has its status, and
the sync beside which it is served does not notice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from admin_site import Site
from commands import command
from daemon import environment
from harness import DEADLINE, Operator, Start, connected
from oidc import ISSUER, PARTY, OpenIdProvider
from web_client import Answer

from agent_config_sync.events import (
    Event,
    HealthServed,
    LinkLost,
    Listening,
    PersonRefused,
    Published,
    Reported,
    TemplateSyncAsked,
    TemplateSyncEnded,
)
from agent_config_sync.publish.lock import pass_lock
from agent_config_sync.sync import on_demand as on_demand_module
from agent_config_sync.token_store import token_hash
from agent_config_sync.web import server as server_module
from agent_config_sync.web.template_sync import QUEUE

MOVE = "00000000-0000-4000-8000-00000000000b"
HERE = "00000000-0000-4000-8000-00000000000c"

ROWS = f"""
    INSERT INTO gateways (id, name) VALUES ('{HERE}', 'here');
    INSERT INTO boards (id, name) VALUES ('{MOVE}', 'Warehouse');
    INSERT INTO agents (name, is_default) VALUES ('front', true);
    INSERT INTO agents (name, board_id, is_board_lead) VALUES ('lead', '{MOVE}', true);
    INSERT INTO agents (name) VALUES ('coder');
    INSERT INTO memberships (account_id, user_id, role) VALUES
        ('default', 'ada', 'admin'), ('default', 'olga', 'owner'), ('default', 'max', 'member'),
        ('other', 'eve', 'owner')
"""


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdProvider]:
    async with OpenIdProvider().open() as provider:
        yield provider


@pytest.fixture
async def site(start: Start, operator: Operator, port: int, tmp_path: Path, provider: OpenIdProvider) -> Site:
    """Three agents whose workspaces stand, in an account whose agents may install no skills."""
    await operator.execute(ROWS)
    return await served(start, operator, port, tmp_path, provider, workspace_root=tmp_path / "ws")


async def served(
    start: Start, operator: Operator, port: int, tmp_path: Path, provider: OpenIdProvider, **changes: Any
) -> Site:
    people = {"jwks_url": provider.url, "token_issuer": ISSUER, "token_parties": PARTY}
    running = await start(wait=HealthServed, health_port=port, **(people | changes))
    running.events.rewind()
    await running.events.until(Reported)
    return Site(running, operator, provider, port, tmp_path)


async def sync(site: Site, options: str = "", *, gateway: str = "here", who: str | None = "ada") -> Answer:
    token = None if who is None else site.provider.token(who)
    query = f"?{options}" if options else ""
    return await site.ask("POST", f"/api/v1/gateways/{gateway}/templates/sync{query}", token=token)


def became(answer: Answer) -> dict[str, str]:
    return {each["agent"]: each["became"] for each in answer.json["agents"]}


def ws(site: Site, *path: str) -> Path:
    return site.folder.joinpath("ws", *path)


def seen(site: Site, kind: type[Event]) -> int:
    return site.running.events.count(kind)


# --- what it answers


async def test_an_admin_learns_what_became_of_each_agent(site: Site) -> None:
    ws(site, "coder", "SOUL.md").write_text("mine")
    answer = await sync(site)
    assert answer.status == 200
    assert became(answer) == {"coder": "written", "front": "unchanged", "lead": "unchanged"}
    assert ws(site, "coder", "SOUL.md").read_text() != "mine"


async def test_the_answer_is_that_of_the_command(site: Site) -> None:
    ended = await command(
        "templates", "sync", "--gateway-id", "here", "--json", **environment(site.running.plugin.settings)
    )
    told = orjson.loads(ended.out)
    answer = (await sync(site)).json
    assert {name: answer[name] for name in told} == told


async def test_the_answer_counts_agents_as_its_predecessor_did(site: Site) -> None:
    answer = (await sync(site, f"board_id={MOVE}&include_main=false")).json
    wanted = {
        "success": True,
        "gateway_id": HERE,
        "include_main": False,
        "reset_sessions": False,
        "agents_updated": 1,
        "agents_skipped": 1,
        "main_updated": False,
        "errors": [],
    }
    assert {name: answer[name] for name in wanted} == wanted


async def test_an_owner_may_and_the_gateway_is_known_by_its_id_too(site: Site) -> None:
    assert (await sync(site, gateway=HERE, who="olga")).status == 200


async def test_an_agent_that_failed_costs_itself_only(site: Site, operator: Operator) -> None:
    await operator.execute("UPDATE agents SET soul_template = '{{ gone }}' WHERE name = 'coder'")
    answer = await sync(site)
    assert (answer.status, answer.json["success"]) == (207, False)
    assert became(answer) == {"coder": "failed", "front": "unchanged", "lead": "unchanged"}
    (error,) = answer.json["errors"]
    assert (error["agent_id"], error["board_id"]) == ("coder", None)
    assert "'gone' is undefined" in error["message"]


# --- options


async def test_the_main_agent_may_be_left_out(site: Site) -> None:
    ws(site, "front", "SOUL.md").write_text("mine")
    assert became(await sync(site, "include_main=false"))["front"] == "skipped"
    assert ws(site, "front", "SOUL.md").read_text() == "mine"


async def test_one_board_may_be_chosen(site: Site) -> None:
    assert became(await sync(site, f"board_id={MOVE}")) == {
        "coder": "skipped",
        "front": "unchanged",
        "lead": "unchanged",
    }


async def test_files_of_the_agent_are_written_again_only_when_that_is_asked_for(site: Site) -> None:
    ws(site, "coder", "SELF.md").write_text("mine")
    await sync(site)
    assert ws(site, "coder", "SELF.md").read_text() == "mine"
    await sync(site, "overwrite=true")
    assert ws(site, "coder", "SELF.md").read_text() != "mine"


async def test_the_bootstrap_is_written_once_more_only_when_that_is_asked_for(site: Site) -> None:
    ws(site, "coder", "BOOTSTRAP.md").unlink()
    await sync(site)
    assert not ws(site, "coder", "BOOTSTRAP.md").exists()
    await sync(site, "force_bootstrap=true")
    assert ws(site, "coder", "BOOTSTRAP.md").exists()


async def test_tokens_are_new_when_that_is_asked_for_and_only_the_new_ones_are_good(
    site: Site, operator: Operator
) -> None:
    before = site.token_of_coder()
    await sync(site)
    assert site.token_of_coder() == before
    await sync(site, "rotate_tokens=true")
    good = "SELECT token_hash FROM agent_tokens WHERE agent = 'coder' AND revoked_at IS NULL"
    assert site.token_of_coder() != before
    assert [row["token_hash"] for row in await operator.fetch(good)] == [token_hash(site.token_of_coder())]


async def test_sessions_are_begun_anew_when_that_is_asked_for(site: Site) -> None:
    assert (await sync(site)).json["warnings"] == []
    answer = await sync(site, "reset_sessions=true")
    assert answer.json["warnings"] == ["sessions were not reset: the gateway's token is not known, set gateway_token"]
    assert answer.json["reset_sessions"] is True


async def test_the_folder_of_an_agent_that_is_gone_is_moved_only_when_that_is_asked_for(
    site: Site, operator: Operator
) -> None:
    site.running.events.forget()
    await operator.execute("DELETE FROM agents WHERE name = 'coder'")
    await site.running.events.until(Published)
    assert became(await sync(site))["coder"] == "kept"
    assert ws(site, "coder").exists()
    assert became(await sync(site, "prune=true"))["coder"] == "archived"
    assert not ws(site, "coder").exists()


async def test_a_dry_run_says_what_would_be_written_and_writes_nothing(site: Site) -> None:
    ws(site, "coder", "SELF.md").write_text("mine")
    token = site.token_of_coder()
    answer = await sync(site, "dry_run=true&overwrite=true&rotate_tokens=true")
    (coder,) = (each for each in answer.json["agents"] if each["agent"] == "coder")
    assert (coder["became"], answer.json["dry_run"]) == ("written", True)
    assert {"SELF.md", "TOOLS.md"} <= set(coder["files"])
    assert (ws(site, "coder", "SELF.md").read_text(), site.token_of_coder()) == ("mine", token)


# --- who is turned away


@pytest.mark.parametrize(("who", "status"), [(None, 401), ("max", 403), ("eve", 403), ("nobody", 403)])
async def test_who_is_no_admin_is_turned_away(site: Site, who: str | None, status: int) -> None:
    answer = await sync(site, who=who)
    assert (answer.status, answer.json["success"]) == (status, False)
    assert seen(site, TemplateSyncAsked) == 0


async def test_it_is_kept_who_was_turned_away(site: Site) -> None:
    await sync(site, who="max")
    refused = await site.running.events.until(PersonRefused)
    assert refused.person == "max"


async def test_a_stranger_is_not_told_which_options_there_are(site: Site) -> None:
    assert (await sync(site, "gone=1", who=None)).status == 401


async def test_a_page_that_may_not_ask_is_turned_away(site: Site) -> None:
    token = site.provider.token()
    path = "/api/v1/gateways/here/templates/sync"
    assert (await site.ask("POST", path, token=token, origin="https://evil.example")).status == 403
    assert (await site.ask("POST", path, token=token, origin=PARTY)).status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_nothing_is_done_by_another_method(site: Site, method: str) -> None:
    answer = await site.ask(method, "/api/v1/gateways/here/templates/sync", token=site.provider.token())
    assert (answer.status, answer.headers["allow"], answer.json["success"]) == (405, "post", False)


async def test_without_a_provider_it_is_not_there(
    start: Start, operator: Operator, port: int, tmp_path: Path, provider: OpenIdProvider
) -> None:
    await operator.execute(ROWS)
    site = await served(start, operator, port, tmp_path, provider, workspace_root=tmp_path / "ws", token_issuer=None)
    assert (await sync(site)).status == 404


async def test_where_no_workspaces_are_made_it_is_not_there(
    start: Start, operator: Operator, port: int, tmp_path: Path, provider: OpenIdProvider
) -> None:
    await operator.execute(ROWS)
    assert (await sync(await served(start, operator, port, tmp_path, provider))).status == 404


# --- what cannot be done


@pytest.mark.parametrize("gateway", ["there", MOVE, "HERE", "here%00", "..%2fhere"])
async def test_another_gateway_is_not_found(site: Site, gateway: str) -> None:
    assert (await sync(site, gateway=gateway)).status == 404


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (f"board_id={HERE}", "has no board"),
        ("board_id=", "has no board"),
        ("board_id=" + "x" * 201, "board_id: "),
        ("overwite=true", "overwite: there is no such option"),
        ("overwrite=perhaps", "overwrite: "),
        ("dry_run=", "dry_run: "),
    ],
)
async def test_an_option_that_is_not_as_it_should_be_is_told(site: Site, options: str, why: str) -> None:
    answer = await sync(site, options)
    assert (answer.status, answer.json["success"]) == (422, False)
    assert why in answer.json["error"]


async def test_while_a_set_is_held_nothing_is_written(site: Site) -> None:
    await command("restore", "1", **environment(site.running.plugin.settings))
    answer = await sync(site)
    assert answer.status == 409
    assert "agent-config-sync resume ends it" in answer.json["error"]


async def test_a_lock_that_is_not_let_go_of_is_waited_for_in_vain(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_demand_module, "LOCK_DEADLINE", 0.0)
    async with busy(site):
        answer = await sync(site)
    assert answer.status == 503
    assert "is held by" in answer.json["error"]
    assert site.running.events.of(TemplateSyncEnded)[0].error == answer.json["error"]


async def test_a_database_that_is_away_is_told_apart_from_a_failure_of_ours(
    site: Site, operator: Operator, server_dsn: str
) -> None:
    name = await operator.fetchval("SELECT current_database()")
    async with connected(server_dsn) as server:
        await server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    answer = await sync(site)  # the link stands, but there is no other one to be had
    assert (answer.status, answer.json["success"]) == (503, False)


# --- beside the sync


@contextlib.asynccontextmanager
async def busy(site: Site) -> AsyncIterator[None]:
    """Hold the lock of a pass."""
    async with pass_lock(site.running.output).held(DEADLINE):
        yield


async def test_the_link_of_the_loop_is_left_alone(site: Site, operator: Operator) -> None:
    await sync(site)
    assert (seen(site, Listening), seen(site, LinkLost)) == (1, 0)
    site.running.events.forget()
    await operator.execute("UPDATE agents SET model = 'a/b' WHERE name = 'coder'")
    await site.running.events.until(Published)
    assert (await site.ask("GET", "/health")).json["link"]["reconnects"] == 0


async def test_a_change_that_comes_meanwhile_is_in_force_afterwards(site: Site, operator: Operator) -> None:
    asked = [asyncio.create_task(sync(site, "overwrite=true")) for _ in range(QUEUE)]
    for number in range(10):
        await operator.execute("UPDATE agents SET soul_content = $1 WHERE name = 'coder'", f"I am number {number}.")
    assert [answer.status for answer in await asyncio.gather(*asked)] == [200] * QUEUE
    site.running.events.forget()
    await operator.execute("UPDATE agents SET model = 'a/last' WHERE name = 'coder'")
    await site.running.events.until(Published)
    assert "I am number 9." in ws(site, "coder", "SOUL.md").read_text()


async def test_drift_is_healed_by_a_sync_although_the_loop_has_seen_the_file_sound(site: Site) -> None:
    for _ in range(2):
        ws(site, "coder", "AGENTS.md").unlink()
        assert became(await sync(site))["coder"] == "written"
        assert ws(site, "coder", "AGENTS.md").exists()


async def test_two_at_once_are_done_one_after_the_other(site: Site) -> None:
    async with busy(site):
        asked = [asyncio.create_task(sync(site, "rotate_tokens=true")) for _ in range(2)]
        for _ in asked:
            await site.running.events.until(TemplateSyncAsked)
    assert [answer.status for answer in await asyncio.gather(*asked)] == [200, 200]


async def test_one_too_many_is_asked_to_wait(site: Site) -> None:
    async with busy(site):
        asked = [asyncio.create_task(sync(site)) for _ in range(QUEUE)]
        for _ in asked:
            await site.running.events.until(TemplateSyncAsked)
        assert (await sync(site)).status == 429
    assert [answer.status for answer in await asyncio.gather(*asked)] == [200] * QUEUE


async def test_a_sync_that_takes_longer_than_a_connection_may_is_answered(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "LIFETIME", 0.5)
    async with busy(site):
        asked = asyncio.create_task(sync(site))
        await site.running.events.until(TemplateSyncAsked)
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        assert await reader.read() == b""  # one that came later was cut off
        writer.close()
    assert (await asked).status == 200


async def test_whoever_hangs_up_does_not_end_it(site: Site) -> None:
    ws(site, "coder", "SOUL.md").write_text("mine")
    async with busy(site):
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        head = f"host: 127.0.0.1\r\nauthorization: Bearer {site.provider.token()}"
        writer.write(f"POST /api/v1/gateways/here/templates/sync HTTP/1.1\r\n{head}\r\n\r\n".encode())
        await site.running.events.until(TemplateSyncAsked)
        writer.close()
    ended = await site.running.events.until(TemplateSyncEnded)
    assert (ended.written, ended.failed, ended.error) == (1, 0, None)


async def test_a_stop_does_not_wait_for_it(site: Site) -> None:
    async with busy(site):
        asked = asyncio.create_task(sync(site))
        await site.running.events.until(TemplateSyncAsked)
        async with asyncio.timeout(DEADLINE):
            await site.running.plugin.stop()
        asked.cancel()


async def test_it_is_kept_who_asked_and_for_what(site: Site) -> None:
    await sync(site, f"board_id={MOVE}&include_main=false&rotate_tokens=true&dry_run=true", who="olga")
    asked = await site.running.events.until(TemplateSyncAsked)
    assert (asked.person, asked.options) == (
        "olga",
        (f"board_id {MOVE}", "not the main agent", "rotate_tokens", "dry_run"),
    )


async def test_the_document_names_it_and_nothing_that_is_hidden(site: Site) -> None:
    paths = (await site.ask("GET", "/openapi.json")).json["paths"]
    assert not [path for path in paths if path.startswith(("/admin", "/agent/skill"))]
    operation = paths["/api/v1/gateways/{gateway_id}/templates/sync"]["post"]
    assert {parameter["name"] for parameter in operation["parameters"]} == {
        *("gateway_id", "include_main", "board_id", "reset_sessions", "rotate_tokens", "force_bootstrap"),
        *("overwrite", "prune", "dry_run"),
    }
    assert set(operation["responses"]) == {"200", "207", "401", "403", "404", "409", "422", "429", "500", "503"}


async def test_agents_that_may_install_skills_change_nothing_of_it(site: Site, operator: Operator) -> None:
    site.running.events.forget()
    await operator.execute("UPDATE accounts SET skills_poc_enabled = true")
    await operator.execute("NOTIFY agent_config_changed")
    await site.running.events.until(Reported)
    assert (await sync(site)).status == 200
