"""What each version of the gateway accepts: our own table, in process, microseconds.

The gateway rejects its whole configuration over one unknown key or bad value, so nothing is offered that it would
refuse. `accepted/VERSION.json` holds the JSON Schema of an agent's entry as that version gives it itself
(recorded by tests/gateway/record_rules.py); its own validator is the oracle in the tests.
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

_KEYS_AT_START = (GatewayVersion(2026, 5, 12), GatewayVersion(2026, 7, 1))
"""From the first of these until before the second, a gateway takes keys of skills when it starts, unless a plugin says
that they may change (measured on 2026.5.12)."""

RECORDED = (
    GatewayVersion(2026, 2, 9),
    GatewayVersion(2026, 3, 13),
    GatewayVersion(2026, 5, 12),
    GatewayVersion(2026, 7, 1),
    GatewayVersion(2026, 8, 1),
    GatewayVersion(2026, 9, 6),
)
"""The versions whose rules were recorded, oldest first."""


class _Recorded:
    """What one version accepts."""

    def __init__(self, version: GatewayVersion) -> None:
        self._version = version

    @cached_property
    def _accepted(self) -> dict[str, Any]:
        text = files(__package__).joinpath(f"accepted/{self._version}.json").read_text(encoding="utf-8")
        accepted: dict[str, Any] = json.loads(text)
        return accepted

    @cached_property
    def _validator(self) -> Draft7Validator:
        # 75 ms and 12 MB that most rosters can do without, so it is imported for the first row that needs it.
        from jsonschema_rs import Draft7Validator  # noqa: PLC0415

        return Draft7Validator(self._accepted["agent"], mask="this")  # a value may be a secret

    def takes_agent_key(self, key: str) -> bool:
        return key in self._accepted["agent"]["properties"]

    def agent_key_problem(self, key: str, value: object) -> str | None:
        for error in self._validator.iter_errors({key: value}):
            where = ".".join(str(part) for part in error.instance_path)
            return ascii(f"{where}: {error.message[:160]}")[1:-1]
        return beyond_schema(key, value, version=self._version, channels=frozenset(self._accepted["channels"]))


class RecordedRules:
    """Rules of a gateway that may be any of some recorded versions: it is given what all of them accept."""

    def __init__(self, recorded: tuple[_Recorded, ...]) -> None:
        self._recorded = recorded

    def takes_agent_key(self, key: str) -> bool:
        return all(recorded.takes_agent_key(key) for recorded in self._recorded)

    def agent_key_problem(self, key: str, value: object) -> str | None:
        if not self.takes_agent_key(key):
            return "this version of the gateway does not take it"
        problems = (recorded.agent_key_problem(key, value) for recorded in self._recorded)
        return next((problem for problem in problems if problem is not None), None)


@cache
def rules_for(version: GatewayVersion | None) -> RecordedRules:
    """Return the rules of a gateway.

    A recorded version and whatever is newer than all of them speak for themselves. One between two recorded versions
    is given what both accept: keys come and go, nobody recorded when, and one key too many costs the gateway its whole
    configuration, one too few only that key. For the same reason an unknown or older one is given what all accept.
    """
    return RecordedRules(tuple(_recorded(each) for each in _standing_for(version)))


@cache
def _recorded(version: GatewayVersion) -> _Recorded:
    return _Recorded(version)


def _standing_for(version: GatewayVersion | None) -> tuple[GatewayVersion, ...]:
    """Return the recorded versions whose rules a gateway of this version is held to."""
    if version is None or version < RECORDED[0]:
        return RECORDED
    before = max(recorded for recorded in RECORDED if recorded <= version)
    later = tuple(recorded for recorded in RECORDED if recorded > version)
    return (before,) if before == version else (before, *later[:1])


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


def takes_keys_at_start(version: GatewayVersion | None) -> bool:
    """Return whether a gateway may take keys of skills only when it starts."""
    return version is not None and _KEYS_AT_START[0] <= version < _KEYS_AT_START[1]
