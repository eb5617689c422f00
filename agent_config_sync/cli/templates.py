"""`agent-config-sync templates`: what becomes of the templates of the agents' workspaces."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from agent_config_sync.cli.options import (
    FAILED,
    NOT_YET,
    AsJson,
    Config,
    Dsn,
    errors_end_the_command,
    given,
    settings_of,
)
from agent_config_sync.errors import RefusedError, SettingsError
from agent_config_sync.logs import set_up_logs
from agent_config_sync.model.workspace import ROLES, Role
from agent_config_sync.template_folder import read_own_templates

if TYPE_CHECKING:
    from agent_config_sync.render.template_set import TemplateSet
    from agent_config_sync.sync.on_demand import AgentReport, OnDemand

app = typer.Typer(help="The templates of the agents' workspaces.", no_args_is_help=True)

Folder = Annotated[
    str | None, typer.Option("--folder", help="A folder of your own templates (templates_dir).", show_default=False)
]


@app.command()
def context(agent: str, dsn: Dsn = None, config: Config = None) -> None:
    """Print the variables that an agent's templates see, as JSON; its token is not shown."""
    with errors_end_the_command():
        _, variables = asyncio.run(_on_demand(dsn, None, config).agent(agent))
        print(orjson.dumps(variables.variables(), option=orjson.OPT_INDENT_2).decode())


@app.command()
def render(
    agent: Annotated[
        str | None, typer.Argument(help="An agent of this gateway; not with --sample.", show_default=False)
    ] = None,
    file: Annotated[
        str | None, typer.Argument(help="A file of the workspace, such as AGENTS.md; default: all.", show_default=False)
    ] = None,
    sample: Annotated[
        str | None,
        typer.Option(help="An agent that nobody has: main, lead or worker; needs no database.", show_default=False),
    ] = None,
    folder: Folder = None,
    dsn: Dsn = None,
    config: Config = None,
) -> None:
    """Print what an agent finds in its workspace, without its token."""
    with errors_end_the_command():
        if sample is not None:
            if file is not None:
                raise SettingsError("--sample is an agent itself: name the file alone")
            _print_files(_of_sample(sample, folder, config), agent)
        elif agent is None:
            raise SettingsError("name an agent, or take one that nobody has with --sample main, lead or worker")
        else:
            made, _ = asyncio.run(_on_demand(dsn, folder, config).agent(agent))
            if made.content is None:
                raise RefusedError(made.error or f"agent {agent} has no workspace")
            _print_files({each.path: each.content.decode() for each in made.content.files}, file)
            for warning in made.warnings:
                print(f"warning: {warning}", file=sys.stderr)


@app.command()
def lint(folder: Folder = None, config: Config = None) -> None:
    """Check every template for every role. Ends with 3 if an agent would not get a file, or not all of it."""
    from agent_config_sync.render.lint import lint as complaints_about  # noqa: PLC0415

    with errors_end_the_command():
        found = complaints_about(_templates(folder, config))
        for complaint in found:
            print(f"{complaint.severity}: {complaint.what}")
    if any(complaint.severity == "error" for complaint in found):
        raise typer.Exit(NOT_YET)


@app.command()
def sync(
    gateway_id: Annotated[str, typer.Option(help="This gateway: its id in the table gateways, or its name.")],
    board_id: Annotated[str | None, typer.Option(help="Only the agents of this board.", show_default=False)] = None,
    include_main: Annotated[bool, typer.Option(help="The main agent too.")] = True,
    reset_sessions: Annotated[bool, typer.Option("--reset-sessions", help="Begin their sessions anew.")] = False,
    rotate_tokens: Annotated[bool, typer.Option("--rotate-tokens", help="Give them new tokens.")] = False,
    force_bootstrap: Annotated[bool, typer.Option("--force-bootstrap", help="Write BOOTSTRAP.md once more.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also the files that belong to the agent (SELF, USER, MEMORY, ...).")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Move the workspaces of agents that are gone to the archive.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    dsn: Dsn = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make workspaces what they should be now, and what every pass leaves alone. Ends with 1 if one of them failed."""
    from agent_config_sync.publish.workspace import Demand  # noqa: PLC0415
    from agent_config_sync.sync.on_demand import Order  # noqa: PLC0415

    order = Order(
        gateway_id=gateway_id,
        board_id=board_id,
        include_main=include_main,
        reset_sessions=reset_sessions,
        rotate_tokens=rotate_tokens,
        demand=Demand(overwrite=overwrite, bootstrap=force_bootstrap),
        prune=prune,
        dry_run=dry_run,
    )
    with errors_end_the_command():
        set_up_logs("error", "text")
        report = asyncio.run(_on_demand(dsn, None, config).sync(order))
        if as_json:
            print(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
        else:
            for each in report.agents:
                print(_told(each, dry_run=dry_run))
            for warning in report.warnings:
                print(f"warning: {warning}", file=sys.stderr)
    if report.failed:
        raise typer.Exit(FAILED)


def _told(report: AgentReport, *, dry_run: bool) -> str:
    became = f"would be {report.became}" if dry_run and report.became == "written" else report.became
    line = f"{report.agent}: {became}"
    if report.files:
        line += f" ({', '.join(report.files)})"
    if report.why is not None:
        line += f": {report.why}"
    return "\n".join([line, *(f"  {note}" for note in report.notes)])


def _on_demand(dsn: str | None, folder: str | None, config: str | None) -> OnDemand:
    """Return what answers for the workspaces, also where they are not made: then they would be beside the rest."""
    from agent_config_sync.plugin import Plugin  # noqa: PLC0415

    set_up_logs("error", "text")
    settings = settings_of(given(dsn=dsn, templates_dir=folder), config)
    return Plugin(settings.model_copy(update={"profile_sync": True})).on_demand()


def _of_sample(sample: str, folder: str | None, config: str | None) -> dict[str, str]:
    # Every command imports this module, and a daemon has no use for Jinja.
    from agent_config_sync.render.sample import samples  # noqa: PLC0415
    from agent_config_sync.render.workspace import FILES, render_file  # noqa: PLC0415

    role = _role(sample)
    agent = next(each for each in samples() if each.role == role)
    templates = _templates(folder, config)
    return {each.path: render_file(each, agent.profile, agent.role, agent.context, templates) for each in FILES}


def _print_files(files: dict[str, str], wanted: str | None) -> None:
    if wanted is not None and wanted not in files:
        raise SettingsError(f"this workspace has no file {wanted}: one of {', '.join(files)}")
    for path, text in files.items():
        if wanted is None:
            sys.stdout.write(f"==> {path} <==\n{text}\n")
        elif path == wanted:
            sys.stdout.write(text)


def _templates(folder: str | None, config: str | None) -> TemplateSet:
    from agent_config_sync.render.template_set import TemplateSet  # noqa: PLC0415

    own = read_own_templates(settings_of(given(templates_dir=folder), config))
    return TemplateSet(own.templates, literal=own.literal)


def _role(sample: str | None) -> Role:
    found = next((role for role in ROLES if role == sample), None)
    if found is None:
        raise SettingsError(f"--sample takes {', '.join(ROLES)}")
    return found
