"""`agent-config-sync door DIR`: write the three files that the gateway loads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent_config_sync.cli.options import errors_end_the_command
from agent_config_sync.install.door import FILES, write_door


def door(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder of its own; name it in plugins.load.paths.")
    ],
) -> None:
    """Write the plugin that the gateway loads: three small files, because newer gateways copy the whole folder."""
    with errors_end_the_command():
        write_door(directory)
    print(f"wrote {', '.join(FILES)} to {directory}")
