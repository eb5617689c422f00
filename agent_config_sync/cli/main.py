"""The command line: one file a command."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from agent_config_sync import __version__
from agent_config_sync.cli.admin import admin
from agent_config_sync.cli.board import app as board
from agent_config_sync.cli.demo import demo
from agent_config_sync.cli.diff import diff
from agent_config_sync.cli.doctor import doctor
from agent_config_sync.cli.door import door
from agent_config_sync.cli.history import history, restore, resume
from agent_config_sync.cli.import_ import import_
from agent_config_sync.cli.install import install
from agent_config_sync.cli.migrate import migrate
from agent_config_sync.cli.options import errors_end_the_command, take_greeting
from agent_config_sync.cli.run import run
from agent_config_sync.cli.skills import app as skills
from agent_config_sync.cli.status import status
from agent_config_sync.cli.sync import sync
from agent_config_sync.cli.templates import app as templates
from agent_config_sync.cli.wait import wait
from agent_config_sync.cli.worktree import app as worktree

app = typer.Typer(
    name="agent-config-sync",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="PostgreSQL as the control plane of OpenClaw agents.",
)


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def common(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
    greeted: Annotated[
        bool, typer.Option("--greeted", hidden=True, help="Take the line of the gateway's plugin from standard input.")
    ] = False,
) -> None:
    """PostgreSQL as the control plane of OpenClaw agents."""
    if greeted:
        with errors_end_the_command():
            take_greeting(sys.stdin.buffer.readline())


for command in (run, sync, diff, status, wait, doctor, history, restore, resume, migrate, admin, demo, door):
    app.command()(command)
app.command("import")(import_)
app.add_typer(templates, name="templates")
app.add_typer(skills, name="skills")
app.add_typer(board, name="board")
app.add_typer(worktree, name="worktree")
app.command(hidden=True)(install)  # install.sh is the way in
