"""Where this gateway stands, kept in its row of gateway_status."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agent_config_sync.errors import SyncError
from agent_config_sync.events import Assessed, Events, Reported, StatusContested, StatusUnwritable
from agent_config_sync.postgres.link import Link
from agent_config_sync.postgres.status import Status, StatusReport
from agent_config_sync.settings import Settings
from agent_config_sync.state import State
from agent_config_sync.sync.prepared import Prepared


class Standing:
    """What was said last; a status that cannot be written is reported once and stops nobody."""

    def __init__(self, settings: Settings, events: Events, state: State) -> None:
        self.current = Status("pending")
        self.refusal: str | None = None
        """Why the last snapshot was refused; while it is set the row says so, whatever becomes of older content."""
        self._report = StatusReport(
            account=settings.account, gateway=settings.gateway, resync_interval=settings.resync_interval
        )
        self._events = events
        self._state = state
        self._unwritable: str | None = None
        self._contested = False
        self._namesake = (
            f"another process reports as {settings.gateway} too, so the status is of one and then of the other: "
            "give each gateway a name of its own with the setting gateway"
        )

    @property
    def hold(self) -> str | None:
        """What holds an older set in place; while something does, the database is not in force."""
        held = self._state.remembered.held
        return f"held at {held.title} by restore: agent-config-sync resume ends it" if held is not None else None

    async def say(self, link: Link, *, quietly: bool = False, **changes: Any) -> None:
        """Change members of the status, tell who listens, and write the row.

        quietly: something worse is known already; that the row cannot be written either is no news.
        """
        self.current = replace(self.current, **changes)
        status = self.current
        if self.refusal is not None:
            status = replace(status, state="refused", error=self.refusal)
        elif self.hold is not None:
            status = replace(status, state="pending", error="; ".join(filter(None, (self.hold, status.error))))
        if self._report.contested:
            status = replace(status, warnings=(self._namesake, *status.warnings))
        if self._report.contested != self._contested:
            self._contested = self._report.contested
            if self._contested:
                self._events.emit(StatusContested(self._namesake))
        self._events.emit(Assessed(status.state, status.error, status.gateway_version))
        try:
            await self._report.write(link, status)
        except SyncError as error:
            if self._unwritable != str(error) and not quietly:
                self._unwritable = str(error)
                self._events.emit(StatusUnwritable(str(error)))
        else:
            self._unwritable = None
            self._events.emit(Reported(status.state))


def about(prepared: Prepared) -> dict[str, Any]:
    """Return what a status says of the gateway and of the rows, whatever its state."""
    site = prepared.neighbour.site
    return {
        "warnings": prepared.warnings,
        "gateway_version": str(site.version) if site.version is not None else None,
        "roster": site.roster,
    }
