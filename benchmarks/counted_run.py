"""`agent-config-sync run` that says each half second, in the file named TASKS, how many tasks its loop has."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

from agent_config_sync.cli.main import app

PAUSE = 0.5
"""Seconds."""


def say_tasks(loop: asyncio.AbstractEventLoop, path: Path) -> None:
    new = path.with_suffix(".new")
    while not loop.is_closed():
        new.write_text(str(len(asyncio.all_tasks(loop))), encoding="utf-8")
        new.replace(path)  # whoever reads it finds a number
        time.sleep(PAUSE)


class Loop(asyncio.SelectorEventLoop):
    """The loop that every platform of ours has, counted from its first turn on."""

    def run_forever(self) -> None:
        threading.Thread(target=say_tasks, args=(self, Path(os.environ["TASKS"])), daemon=True).start()
        super().run_forever()


if __name__ == "__main__":
    asyncio.events.new_event_loop = Loop
    app(["run"])
