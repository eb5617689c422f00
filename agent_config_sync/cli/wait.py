"""`agent-config-sync wait`: until what is in the database is in force everywhere."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict
from typing import Annotated

import orjson
import typer

from agent_config_sync.cli.database import open_connection
from agent_config_sync.cli.options import NOT_YET, AsJson, Config, Dsn, errors_end_the_command, given, settings_of
from agent_config_sync.logs import printable
from agent_config_sync.postgres.failures import QUERY_FAILURES, query_failure
from agent_config_sync.postgres.reached import Reached, current_snapshot, read_reached, wake
from agent_config_sync.settings import Settings

POLL = 0.1
"""Seconds between two looks: a status wakes nobody, so nothing can be awaited."""


def wait(
    dsn: Dsn = None,
    config: Config = None,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0, help="Give up after this long.")
    ] = 60,
    as_json: AsJson = False,
) -> None:
    """Wait until every live gateway runs with what is in the database now. Ends with 3 if one does not in time."""
    with errors_end_the_command():
        settings = settings_of(given(dsn=dsn), config)
        fleet = asyncio.run(_wait(settings, timeout))
    done = is_done(fleet)
    if as_json:
        members = {"done": done, "gateways": [asdict(gateway) for gateway in fleet]}
        print(orjson.dumps(members, option=orjson.OPT_INDENT_2).decode())
    else:
        for gateway in fleet:
            print(printable(sentence(gateway)))
    if not done:
        who = "one gateway or more is behind" if any(not gateway.stale for gateway in fleet) else "no live gateway"
        print(f"agent-config-sync: {who} after {timeout:g} s", file=sys.stderr)
        raise typer.Exit(NOT_YET)


def is_done(fleet: list[Reached]) -> bool:
    """Return whether there is a live gateway, and none that is behind."""
    live = [gateway.reached for gateway in fleet if not gateway.stale]
    return bool(live) and all(live)


def sentence(gateway: Reached) -> str:
    """Return where one gateway stands."""
    match gateway:
        case Reached(stale=True):
            told = "silent, not waited for"
        case Reached(reached=True, state="offered"):
            told = "offered; it cannot be asked what it runs with"
        case Reached(reached=True):
            told = gateway.state
        case Reached(error=str(error)):
            told = f"behind, {gateway.state}: {error}"
        case _:
            told = f"behind, {gateway.state}"
    return f"{gateway.gateway}: {told}"


async def _wait(settings: Settings, timeout: float) -> list[Reached]:  # noqa: ASYNC109 - what is there at the end is told
    clock = asyncio.get_running_loop().time
    give_up = clock() + timeout
    async with open_connection(settings) as connection:
        try:
            snapshot = await current_snapshot(connection)
            await wake(connection, "wait")
            while True:
                fleet = await read_reached(connection, settings.account, snapshot)
                if is_done(fleet) or clock() >= give_up:
                    _show("")
                    return fleet
                behind = [gateway.gateway for gateway in fleet if not (gateway.stale or gateway.reached)]
                _show(f"waiting for {', '.join(behind) or 'a gateway to report'} ({give_up - clock():.0f} s)")
                await asyncio.sleep(min(POLL, max(0.0, give_up - clock())))
        except QUERY_FAILURES as error:
            raise query_failure(error, "the database") from None


def _show(text: str) -> None:
    """Show progress to a person, in one line that is overwritten; a pipe sees nothing."""
    if sys.stderr.isatty():
        print(f"\r\033[K{printable(text)[:120]}", end="", file=sys.stderr, flush=True)
