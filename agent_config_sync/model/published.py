"""What was published: one set of files, with its number, time and reason."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from agent_config_sync.model.site import Layout, Roster, Site


class PublishedSet(BaseModel):
    """One set, without its bytes. at: in UTC; reason: what woke the pass; size: in bytes."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    number: int
    at: datetime
    reason: str
    content_hash: str
    size: int
    gateway_version: str | None
    roster: Roster
    layout: Layout

    @property
    def title(self) -> str:
        return f"set {self.number} of {self.at:%Y-%m-%d %H:%M} UTC"

    def misfit(self, site: Site) -> str | None:
        """Return why the gateway might not take this set now, None if it was made for just such a gateway."""
        then, now = self.gateway_version, str(site.version) if site.version is not None else None
        if now is None and then is not None:
            return f"it was made for OpenClaw {then}, and which one runs here is not known: set gateway_version"
        for what, this, other in (
            ("OpenClaw", then or "of unknown version", now or "of unknown version"),
            ("roster", self.roster, site.roster),
            ("layout", self.layout, site.layout),
        ):
            if this != other:
                return f"it was made for {what} {this}, and {other} is what the gateway has now"
        return None
