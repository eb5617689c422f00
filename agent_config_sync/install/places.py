"""Where an installation keeps its things."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from agent_config_sync.errors import RefusedError
from agent_config_sync.gateway_paths import gateway_path
from agent_config_sync.install.openclaw_json import BASE
from agent_config_sync.model.credentials import KEYS_FILE
from agent_config_sync.settings import Settings


def data_folder() -> Path:
    """Return the folder of the Python environment and the door, outside of those that the gateway copies or watches."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "agent-config-sync"


@dataclass(frozen=True, slots=True)
class Places:
    """Paths of one gateway's installation. config: openclaw.json, which may be a link; output: our agents.json."""

    config: Path
    output: Path
    data: Path

    @classmethod
    def of(cls, settings: Settings) -> Places:
        return cls(settings.config_path.absolute(), settings.output, data_folder())

    @property
    def target(self) -> Path:
        """The file behind openclaw.json: a link stays a link."""
        return Path(os.path.realpath(self.config))

    @property
    def base(self) -> Path:
        return self.config.with_name(BASE)

    @property
    def keys(self) -> Path:
        """The file that gives skills their keys."""
        return self.config.with_name(KEYS_FILE)

    @property
    def candidate(self) -> Path:
        """Where a new openclaw.json is shown to the gateway's validator: includes are confined to this folder."""
        return self.config.with_name(f".{self.config.name}.candidate")

    @property
    def state(self) -> Path:
        """The state folder of the process that the gateway will start."""
        return (gateway_path("OPENCLAW_STATE_DIR") or self.config.parent).absolute() / "agent-config-sync"

    @property
    def door(self) -> Path:
        return self.data / "door"

    @property
    def record(self) -> Path:
        name = hashlib.sha256(os.fsencode(self.config)).hexdigest()[:12]
        return self.data / "gateways" / f"{name}.json"

    def others(self) -> list[Path]:
        """Return the records of this user's other gateways."""
        return sorted(path for path in self.record.parent.glob("*.json") if path != self.record)

    @property
    def lock(self) -> Path:
        return self.data / "install.lock"

    @property
    def restart_due(self) -> Path:
        """Stands from a change of the Python environment, which install.sh makes, until the gateway was restarted."""
        return self.data / "restart-due"

    @property
    def command(self) -> Path:
        """What the gateway starts: through a link that always leads to a whole environment."""
        current = self.data / "current" / "bin" / "agent-config-sync"
        return current if current.exists() else Path(sys.executable).with_name("agent-config-sync")

    def output_name(self) -> str:
        """Return our file as openclaw.json names it.

        Raises: RefusedError when it is not in the gateway's folder, to which includes are confined.
        """
        name = os.path.relpath(self.output, self.config.parent)
        if name.startswith(".."):
            raise RefusedError(
                f"{self.output} is not in {self.config.parent}, and the gateway includes no file from elsewhere: "
                "unset output_path"
            )
        return name
