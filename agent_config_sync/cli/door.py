"""`agent-config-sync door DIR`: write the three files that the gateway loads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent_config_sync.cli.options import FAILED, errors_end_the_command
from agent_config_sync.resources import resource

FILES = ("index.js", "openclaw.plugin.json", "package.json")


def door(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder of its own; name it in plugins.load.paths.")
    ],
) -> None:
    """Write the plugin that the gateway loads: three small files, because newer gateways copy the whole folder."""
    with errors_end_the_command():
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for name in FILES:
                (directory / name).write_bytes(resource(name).read_bytes())
        except OSError as error:
            typer.echo(f"agent-config-sync: {directory} cannot be written: {error.strerror}", err=True)
            raise typer.Exit(FAILED) from None
    print(f"wrote {', '.join(FILES)} to {directory}")
