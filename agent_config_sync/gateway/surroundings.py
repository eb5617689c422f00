"""Look at the gateway beside us: what it is, and how its configuration is laid out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent_config_sync.errors import RefusedError, SettingsError
from agent_config_sync.events import ReloadMethod
from agent_config_sync.gateway.include import NOT_INCLUDED, ConfigLayout, read_layout
from agent_config_sync.gateway.process import GatewayProcess
from agent_config_sync.gateway.reload import Gateway, choose_method
from agent_config_sync.gateway.rules import roster_for, rules_for
from agent_config_sync.gateway.version import find_version
from agent_config_sync.model.site import Site
from agent_config_sync.settings import Settings


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The gateway as it is now: what renderers need of it, whom to tell, how, and what is odd about it."""

    site: Site
    gateway: Gateway
    method: ReloadMethod
    warnings: tuple[str, ...]


@dataclass(slots=True)
class Surroundings:
    """Finds the gateway anew at every pass; its configuration is parsed only when the file changed."""

    settings: Settings
    _process: GatewayProcess | None = None
    _layout: ConfigLayout = NOT_INCLUDED
    _layout_seen: tuple[int, int, int] | None = None
    _layout_warning: str | None = None
    _layout_known: bool = False

    def look(self, last_default: str | None) -> Neighbour:
        """Return the gateway beside us. last_default: the default agent of the last publish.

        Raises: RefusedError when nobody can tell which layout the file must have.
        """
        settings = self.settings
        process = self._find_process()
        version = find_version(settings.gateway_version, process)
        warnings = self._look_at_layout()
        layout = settings.layout if settings.layout != "auto" else (self._layout.included_at or "root")
        site = Site(
            gateway=settings.gateway,
            version=version,
            roster=roster_for(version) if settings.roster == "auto" else settings.roster,
            layout=layout,
            rules=rules_for(version),
            base_agents=self._layout.base_agents,
            last_default=last_default,
        )
        gateway = Gateway(settings.config_path, process, version)
        return Neighbour(site, gateway, choose_method(settings.reload, version, process), warnings)

    def _find_process(self) -> GatewayProcess | None:
        """Return the process that we were told of. A pid that was told once means the process that had it then; a pid
        file is written anew by each new gateway."""
        pid_file = self.settings.gateway_pid_file
        if pid_file is not None:
            try:
                return GatewayProcess.find(int(pid_file.read_text(encoding="ascii").strip()))
            except (OSError, ValueError):
                return None
        if self._process is None and self.settings.gateway_pid is not None:
            self._process = GatewayProcess.find(self.settings.gateway_pid)
        return self._process

    def _look_at_layout(self) -> tuple[str, ...]:
        config, output = self.settings.config_path, self.settings.output
        seen = _signature(config)
        if seen != self._layout_seen:
            self._layout_seen = seen
            self._layout_warning = None
            try:
                self._layout = NOT_INCLUDED if seen is None else read_layout(config, output)
                self._layout_known = True
            except SettingsError as error:
                self._layout_warning = str(error)
            except OSError as error:
                self._layout_warning = f"{config} cannot be read ({error.strerror}): let this user read it"
            else:
                if seen is not None and self._layout.included_at is None:
                    self._layout_warning = f"{config} does not include {output.name}: the gateway cannot see it"
        if self._layout_warning and not self._layout_known and self.settings.layout == "auto":
            raise RefusedError(f"{self._layout_warning}; until then nobody can tell which layout the file must have")
        return (self._layout_warning,) if self._layout_warning else ()


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
