"""`agent-config-sync admin`: a link with which one person logs in to the admin pages of this gateway."""

from __future__ import annotations

import typer

from agent_config_sync.cli.options import Config, errors_end_the_command, given, settings_of
from agent_config_sync.cli.person import Person, person_or_user
from agent_config_sync.errors import SettingsError
from agent_config_sync.state import State


def admin(person: Person = None, config: Config = None) -> None:
    """Print a link to the admin pages. It is good once, and for ten minutes; it needs this machine's files."""
    from agent_config_sync.web.logins import LIFETIME, Logins  # noqa: PLC0415 - a daemon without pages has no use for it

    with errors_end_the_command():
        settings = settings_of(given(), config)
        if settings.health_url is None or settings.workspaces is None:
            raise SettingsError(
                "there are no admin pages: the process of this gateway serves them where health_port is set, and it "
                "makes workspaces (docs/skills.md)"
            )
        code = Logins(State(settings.state_dir, settings.output).logins_folder).issue(person_or_user(person))
        print(f"{settings.health_url}/admin/login?code={code}")
        typer.echo(f"good once, within {LIFETIME / 60:.0f} minutes", err=True)
