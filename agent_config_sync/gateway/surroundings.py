"""Look at the gateway beside us: what it is, and how its configuration is laid out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent_config_sync.errors import RefusedError, SettingsError
from agent_config_sync.events import ReloadMethod
from agent_config_sync.gateway.base_file import BaseFile
from agent_config_sync.gateway.include import ConfigLayout, read_layout, signature
from agent_config_sync.gateway.process import GatewayProcess
from agent_config_sync.gateway.reload import UNTOLD, Gateway, choose_method
from agent_config_sync.gateway.rules import roster_for, rules_for
from agent_config_sync.gateway.version import find_version
from agent_config_sync.model.site import GatewayVersion, Layout, Site
from agent_config_sync.publish.atomic import FileSignature
from agent_config_sync.settings import Settings

NOT_STARTED = "the gateway that gateway_command starts does not run"
"""Why there is no process where we start it ourselves."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The gateway as it is now: what renderers need of it, whom to tell, how, and what is odd about it.

    included_at: how its configuration includes our file, as far as is known. layout: what that was read from.
    """

    site: Site
    gateway: Gateway
    method: ReloadMethod
    included_at: Layout | None
    layout: ConfigLayout | None
    warnings: tuple[str, ...]


@dataclass(slots=True)
class Surroundings:
    """Finds the gateway anew at every pass; its configuration is parsed only when a file of it changed."""

    settings: Settings
    supervised: Callable[[], GatewayProcess | None] | None = None
    """The gateway that this process has started, None where it starts none."""
    _process: GatewayProcess | None = None
    _named: tuple[FileSignature | None, GatewayProcess] | None = None
    """The process that the pid file named, and the file that did."""
    _layout: ConfigLayout | None = None
    _seen: Mapping[Path, FileSignature | None] = field(default_factory=dict)
    _warnings: tuple[str, ...] = ()
    _base_file: BaseFile | None = None

    def __post_init__(self) -> None:
        if self.settings.config_file == "managed":
            self._base_file = BaseFile(self.settings)
        if self.settings.gateway_pid is not None:
            self._process = GatewayProcess.find(self.settings.gateway_pid)

    def look(self, last_default: str | None, last_layout: Layout | None) -> Neighbour:
        """Return the gateway beside us. last_default, last_layout: of the last publish, maybe in an earlier life.

        Raises: RefusedError when nobody can tell which layout the file must have.
        """
        settings = self.settings
        process, missing = self._find_process()
        version = find_version(settings.gateway_version, process, settings.gateway_command or ())
        if self._base_file is not None:
            return self._managed(self._base_file, process, version, missing, last_default)
        self._look_at_layout()
        # Without an include the last known layout stays: it is the one that the person will put back.
        included_at = (self._layout.included_at if self._layout is not None else None) or last_layout
        if settings.layout == "auto" and included_at is None and self._layout is None and self._warnings:
            raise RefusedError(f"{self._warnings[0]}; until then nobody can tell which layout the file must have")
        site = Site(
            gateway=settings.gateway,
            version=version,
            roster=roster_for(version) if settings.roster == "auto" else settings.roster,
            layout=(included_at or "root") if settings.layout == "auto" else settings.layout,
            rules=rules_for(version),
            base=self._layout.base if self._layout is not None else {},
            base_complete=self._layout.complete if self._layout is not None else not self._warnings,
            last_default=last_default,
            gateway_beats=settings.heartbeats == "gateway",
        )
        gateway = Gateway(settings.config_path, process, version, missing)
        method = choose_method(settings.reload, version, process)
        return Neighbour(site, gateway, method, included_at, self._layout, self._warnings)

    def _managed(
        self,
        base_file: BaseFile,
        process: GatewayProcess | None,
        version: GatewayVersion | None,
        missing: str,
        last_default: str | None,
    ) -> Neighbour:
        """Return a gateway whose whole configuration is ours; it watches that itself, whatever its version.

        Raises: RefusedError when nobody can tell what it must hold beside the agents.
        """
        settings = self.settings
        base, warnings = base_file.look()
        section = base.get("agents")
        site = Site(
            gateway=settings.gateway,
            version=version,
            roster=roster_for(version) if settings.roster == "auto" else settings.roster,
            layout="root",
            rules=rules_for(version),
            base=section if isinstance(section, Mapping) else {},
            last_default=last_default,
            gateway_beats=settings.heartbeats == "gateway",
            beside={key: value for key, value in base.items() if key != "agents"},
        )
        method = choose_method(settings.reload, version, process)
        if settings.reload == "auto" and method == "touch":
            method = "watch"
        return Neighbour(site, Gateway(settings.config_path, process, version, missing), method, None, None, warnings)

    def _find_process(self) -> tuple[GatewayProcess | None, str]:
        """Return the process that we were told of, or None and why. A pid that was told once means the process that had
        it then; a pid file is written anew by each new gateway, so while it stays the same it means the same process.
        """
        pid_file = self.settings.gateway_pid_file
        if self.supervised is not None and (process := self.supervised()) is not None:
            return process, NOT_STARTED
        if pid_file is None:
            return self._process, UNTOLD if self.supervised is None else NOT_STARTED
        written = signature(pid_file)
        try:
            pid = int(pid_file.read_text(encoding="ascii").strip())
        except OSError as error:
            return None, f"{pid_file} cannot be read ({error.strerror}): start the gateway, or set gateway_pid_file"
        except ValueError:
            return None, f"{pid_file} holds no process id: set gateway_pid_file to the file that the gateway writes"
        process = GatewayProcess.find(pid)
        if process is not None:
            if self._named is not None and self._named[0] == written and self._named[1] != process:
                return None, (
                    f"pid {pid} is another process now than the gateway that stood in {pid_file}: start the gateway"
                )
            self._named = (written, process)
        return process, f"no process has the pid {pid} that stands in {pid_file}: start the gateway"

    def _look_at_layout(self) -> None:
        """Read how the configuration includes our file, if it changed; what cannot be read leaves what was known.

        An editor may replace the file by moving it away first, so a missing one is no news while something is known.
        """
        config = self.settings.config_path
        seen = {path: signature(path) for path in self._seen or (config,)}
        if seen == self._seen:
            return
        self._seen = seen
        self._warnings = ()
        try:
            known = self._layout.values if self._layout is not None else {}
            self._layout = read_layout(config, self.settings.output, keys=self.settings.skills_json, known=known)
        except FileNotFoundError:
            return
        except SettingsError as error:
            self._warnings = (str(error),)
            return
        except OSError as error:
            self._seen = {}  # a disk may fail once; the file does not change when it works again
            self._warnings = (f"{config} cannot be read ({error.strerror}): let this user read it",)
            return
        self._seen = self._layout.sources
        self._warnings = self._layout.unread
