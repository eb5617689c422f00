"""`agent-config-sync templates`: what becomes of the templates of the agents' workspaces."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from agent_config_sync.cli.options import NOT_YET, Config, errors_end_the_command, given, settings_of
from agent_config_sync.errors import SettingsError
from agent_config_sync.model.workspace import ROLES, Role
from agent_config_sync.template_folder import read_own_templates

if TYPE_CHECKING:
    from agent_config_sync.render.template_set import TemplateSet

app = typer.Typer(help="The templates of the agents' workspaces.", no_args_is_help=True)

Folder = Annotated[
    str | None, typer.Option("--folder", help="A folder of your own templates (templates_dir).", show_default=False)
]


@app.command()
def render(
    file: Annotated[
        str | None, typer.Argument(help="A file of the workspace, such as AGENTS.md; default: all.", show_default=False)
    ] = None,
    sample: Annotated[
        str | None, typer.Option(help="An agent that nobody has: main, lead or worker.", show_default=False)
    ] = None,
    folder: Folder = None,
    config: Config = None,
) -> None:
    """Print what an agent would find in its workspace."""
    # Every command imports this module, and a daemon has no use for Jinja.
    from agent_config_sync.render.sample import samples  # noqa: PLC0415
    from agent_config_sync.render.workspace import FILES, render_file  # noqa: PLC0415

    with errors_end_the_command():
        role = _role(sample)
        agent = next(each for each in samples() if each.role == role)
        chosen = tuple(each for each in FILES if file in (None, each.path))
        if not chosen:
            raise SettingsError(f"no workspace has a file {file}: one of {', '.join(each.path for each in FILES)}")
        templates = _templates(folder, config)
        for each in chosen:
            text = render_file(each, agent.profile, agent.role, agent.context, templates)
            sys.stdout.write(text if file is not None else f"==> {each.path} <==\n{text}\n")


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


def _templates(folder: str | None, config: str | None) -> TemplateSet:
    from agent_config_sync.render.template_set import TemplateSet  # noqa: PLC0415

    own = read_own_templates(settings_of(given(templates_dir=folder), config))
    return TemplateSet(own.templates, literal=own.literal)


def _role(sample: str | None) -> Role:
    found = next((role for role in ROLES if role == sample), None)
    if found is None:
        raise SettingsError(f"--sample takes {', '.join(ROLES)}")
    return found
