"""How long from an SQL commit until `gateway_status` says `applied`, as a multiple of what the gateway itself needs?

The floor is a bare `mv` of the same file over agents.json, in turns with our changes on the same gateway, until the
gateway says over its RPC that it runs with it. Both kinds of turn ask the RPC at the same pace, so both bear its load.
Times are medians in ms; the ratio is theirs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.openclaw import Installation, Rpc
from gateway.scene import Deployment, Scene, deployed
from harness import connected

from agent_config_sync.cli.throwaway import throwaway_server

PACE = 0.02
"""Seconds between two questions to the gateway; half of it is the error of a figure."""

AGENT = "writer"


async def seconds_until(look: Callable[[], Awaitable[bool]], begun: float, pace: float) -> float:
    """Ask at this pace until the answer is yes; return the seconds since `begun`."""
    async with asyncio.timeout(60):
        while not await look():  # noqa: ASYNC110 - neither the gateway nor the status row sends an event
            await asyncio.sleep(pace)
    return time.perf_counter() - begun


async def floor(scene: Scene, rpc: Rpc, before: str, model: str) -> float:
    """Replace the file as `mv` does; return the seconds until the gateway runs with it."""
    output = scene.gateway.output
    other = output.with_name("other.json")
    other.write_bytes(output.read_bytes().replace(before.encode(), model.encode()))
    begun = time.perf_counter()
    other.rename(output)
    return await seconds_until(lambda: runs(rpc, model), begun, PACE)


async def ours(scene: Scene, rpc: Rpc, model: str) -> tuple[float, float]:
    """Commit; return the seconds until the gateway runs with it, and until the status says so."""
    begun = time.perf_counter()
    transaction = await scene.commit(f"UPDATE agents SET model = '{model}' WHERE name = '{AGENT}'")

    async def applied() -> bool:
        return await scene.applied(transaction) is not None

    running, said = await asyncio.gather(
        seconds_until(lambda: runs(rpc, model), begun, PACE), seconds_until(applied, begun, PACE / 10)
    )
    return running, said


async def runs(rpc: Rpc, model: str) -> bool:
    return bool((await rpc.effective()).entries.get(AGENT, {}).get("model") == model)


async def measure(deployment: Deployment, turns: int) -> None:
    bare: list[float] = []
    running: list[float] = []
    said: list[float] = []
    async with connected(deployment.dsn) as operator:
        scene = Scene(deployment.gateway, operator)
        await scene.reset()
        async with deployment.gateway.rpc() as rpc:
            before = "anthropic/m-start"
            await scene.change(f"UPDATE agents SET model = '{before}' WHERE name = '{AGENT}'")
            for turn in range(turns):
                moved, committed = f"anthropic/m-{turn}-mv", f"anthropic/m-{turn}-commit"
                bare.append(await floor(scene, rpc, before, moved))
                runs_after, said_after = await ours(scene, rpc, committed)
                running.append(runs_after)
                said.append(said_after)
                before = committed
    figures = {"bare mv, until the gateway runs with it": bare, "commit, until the gateway runs with it": running}
    figures["commit, until the status says applied"] = said
    for name, seconds in figures.items():
        print(f"{name:42} p50 {statistics.median(seconds) * 1000:7.1f} ms  ({turns} turns)")
    print(f"ratio of the last to the first: {statistics.median(said) / statistics.median(bare):.3f}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--turns", type=int, default=30)
    chosen = arguments.parse_args()
    installation = Installation(Path(os.environ["AGENT_CONFIG_SYNC_TEST_GATEWAY"]))
    with throwaway_server() as server, tempfile.TemporaryDirectory(prefix="agent-config-sync-bench-") as folder:
        home = Path(folder) / "home"
        home.mkdir()
        with deployed(installation, server.dsn, home, resync_interval=3600) as deployment:
            asyncio.run(measure(deployment, chosen.turns))


if __name__ == "__main__":
    main()
