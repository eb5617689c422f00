"""Take ten thousand random steps and say what came of them: `make chaos`, `make chaos STEPS=500 SEED=7`.

The same seed draws the same steps; what the machine and the scheduler make of them differs from run to run.
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import sys

from chaos.machine import chaos
from chaos.tally import Tally
from chaos.world import SERVER_SETTINGS

from agent_config_sync.cli.throwaway import throwaway_server


def main() -> int:
    parser = argparse.ArgumentParser(description="Operators, faults and restarts at random.")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    options = parser.parse_args()
    for name in list(os.environ):
        if name.startswith(("AGENT_CONFIG_SYNC_", "HEALTH_", "PG", "OPENCLAW_")):
            del os.environ[name]
    logging.getLogger("agent_config_sync").setLevel(logging.CRITICAL)
    print(f"SEED={options.seed} STEPS={options.steps}", flush=True)
    tally = Tally()
    try:
        with throwaway_server(SERVER_SETTINGS) as server:
            chaos(server, tally, steps=options.steps, seed=options.seed, say=lambda line: print(line, flush=True))
    finally:
        print(tally.table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
