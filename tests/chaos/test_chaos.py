"""Three hundred steps that are the same each time; `make chaos` takes ten thousand others."""

from __future__ import annotations

from chaos.machine import chaos
from chaos.tally import Tally
from chaos.world import SERVER_SETTINGS

from agent_config_sync.cli.throwaway import throwaway_server


def test_whatever_happens_the_file_ends_up_as_the_database_says() -> None:
    tally = Tally()
    with throwaway_server(SERVER_SETTINGS) as server:
        chaos(server, tally, steps=300, seed=1)
    print(tally.table())
    assert (tally.lost_updates, tally.torn_files, tally.unpaid_reloads, tally.left_over) == (0, 0, 0, 0)
