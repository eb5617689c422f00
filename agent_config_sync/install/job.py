"""One installation: what was asked for, where, and whom to tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from agent_config_sync.install.places import Places
from agent_config_sync.publish.atomic import Ownership
from agent_config_sync.settings import Settings

Outcome: TypeAlias = Literal["done", "already", "would", "note", "unseen"]
Say: TypeAlias = Callable[[Outcome, str, str], None]
"""Tells a person of one step: its outcome, its name, and what is so now; of what could not be seen, how "verified, but
not" goes on."""


@dataclass(frozen=True, slots=True)
class Options:
    """look: change nothing; force: go on where something would be lost; restart: the gateway may be restarted;
    delivery: agents get their turns from the board."""

    look: bool = False
    force: bool = False
    restart: bool = True
    delivery: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """What every step works with."""

    settings: Settings
    places: Places
    options: Options
    say: Say

    def like_config(self) -> Ownership:
        """Return owner and mode of a new file: those of openclaw.json, else private to the owner of the folder."""
        known = Ownership.of(self.places.target)
        if known is not None:
            return known
        folder = self.places.config.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        return Ownership(0o600, status.st_uid, status.st_gid)
