"""What each version of the gateway accepts: our own table, in process, microseconds.

The gateway rejects its whole configuration over one unknown key or bad value, so nothing is offered that it would
refuse. `accepted/VERSION.json` holds the JSON Schema of an agent's entry as that version prints it
(`openclaw config schema`, recorded by tests/gateway/record_rules.py); its own validator is the oracle in the tests.
"""

from __future__ import annotations

import json
from functools import cache, cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from agent_config_sync.errors import RefusedError
from agent_config_sync.gateway.refinements import beyond_schema
from agent_config_sync.model.site import GatewayVersion, Roster

if TYPE_CHECKING:
    from jsonschema_rs import Draft7Validator

INCLUDE_LIMIT = 2 * 1024 * 1024
"""Bytes of an included file that the gateway reads (2026.2.9 to 2026.9.6)."""

ENTRIES_SINCE = GatewayVersion(2026, 8, 1)
"""The first version that takes `agents.entries`, watches included files and says what it runs with."""

SIGUSR1_UNTIL = GatewayVersion(2026, 9, 5)
"""The last version that restarts on SIGUSR1; on later ones SIGUSR2 does, and SIGUSR1 opens Node's debugger."""

_ACCEPTED_BY_ALL = frozenset(
    {
        "agentDir",
        "groupChat",
        "heartbeat",
        "identity",
        "model",
        "name",
        "sandbox",
        "skills",
        "subagents",
        "tools",
        "workspace",
    }
)
"""Keys of an agent's entry that every version from 2026.2.9 on takes."""

_RECORDED = {GatewayVersion(2026, 9, 6): ENTRIES_SINCE}
"""Each recorded version, and the first version that it speaks for."""


class RecordedRules:
    """Rules by a recorded schema; two of the same version are the same object."""

    def __init__(self, recorded: GatewayVersion, *, only: frozenset[str] | None) -> None:
        self._recorded = recorded
        self._only = only

    @cached_property
    def _accepted(self) -> dict[str, Any]:
        text = files(__package__).joinpath(f"accepted/{self._recorded}.json").read_text(encoding="utf-8")
        accepted: dict[str, Any] = json.loads(text)
        return accepted

    @cached_property
    def _validator(self) -> Draft7Validator:
        # 75 ms and 12 MB that most rosters can do without, so it is imported for the first row that needs it.
        from jsonschema_rs import Draft7Validator  # noqa: PLC0415

        return Draft7Validator(self._accepted["agent"])

    def takes_agent_key(self, key: str) -> bool:
        return key in self._accepted["agent"]["properties"] and (self._only is None or key in self._only)

    def agent_key_problem(self, key: str, value: object) -> str | None:
        if not self.takes_agent_key(key):
            return "this version of the gateway does not take it"
        for error in self._validator.iter_errors({key: value}):
            where = ".".join(str(part) for part in error.instance_path)
            return ascii(f"{where}: {error.message[:160]}")[1:-1]
        return beyond_schema(key, value, channels=frozenset(self._accepted["channels"]))


@cache
def rules_for(version: GatewayVersion | None) -> RecordedRules:
    """Return the rules of a gateway; of an unknown or older one, what every version takes."""
    for recorded, since in _RECORDED.items():
        if version is not None and version >= since:
            return RecordedRules(recorded, only=None)
    return RecordedRules(max(_RECORDED), only=_ACCEPTED_BY_ALL)


def roster_for(version: GatewayVersion | None) -> Roster:
    """Return the roster that a gateway takes best; a list with one default is taken by all."""
    return "entries" if version is not None and version >= ENTRIES_SINCE else "list"


def check_size(content: bytes) -> None:
    """Raise RefusedError for a file that the gateway would not read."""
    if len(content) > INCLUDE_LIMIT:
        raise RefusedError(
            f"agents.json would have {len(content):,} bytes and the gateway reads at most {INCLUDE_LIMIT:,}: "
            "scope agents to gateways (agents.gateways), or shorten their settings"
        )
