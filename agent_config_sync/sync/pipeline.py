"""One pass: a snapshot becomes files, checked and durable, and the gateway is told. No loop, no database."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from agent_config_sync.errors import PublishError, RefusedError
from agent_config_sync.events import Events, NotKept, Renaming
from agent_config_sync.gateway.layout_watch import KEEP_ALL_AWAY, look_at_layout
from agent_config_sync.gateway.reload import Deferred, Told, ready, tell
from agent_config_sync.gateway.rules import check_size
from agent_config_sync.gateway.running import KeysInFiles
from agent_config_sync.gateway.section import agents_in
from agent_config_sync.gateway.surroundings import Neighbour, Surroundings
from agent_config_sync.history import History
from agent_config_sync.model.published import PublishedSet
from agent_config_sync.model.site import Site
from agent_config_sync.model.snapshot import Snapshot
from agent_config_sync.publish import atomic
from agent_config_sync.publish.atomic import Ownership
from agent_config_sync.publish.gate import Gate
from agent_config_sync.publish.output import OnDisk, Output, content_hash
from agent_config_sync.render.agents_json import AgentsJson
from agent_config_sync.settings import Settings
from agent_config_sync.state import State
from agent_config_sync.sync.prepared import Prepared

if TYPE_CHECKING:
    from agent_config_sync.sync.furnishing import Furnished, Furnishing
    from agent_config_sync.sync.keyring import Keyring

NOT_MIGRATED = "workspaces: the database has no tables for them yet: agent-config-sync migrate"


class Pipeline:
    """The blocking half of a pass; the loop calls it in a worker thread, holding the pass lock."""

    def __init__(
        self,
        settings: Settings,
        surroundings: Surroundings,
        events: Events,
        gate: Gate,
        *,
        state: State,
        furnishing: Furnishing | None = None,
        keyring: Keyring | None = None,
    ) -> None:
        """furnishing, keyring: None where no workspaces are made."""
        self.output = Output(settings.output, sibling=settings.config_path, gate=gate)
        self.state = state
        self.furnishing = furnishing
        self.keyring = keyring
        self._keys_warnings: tuple[str, ...] = ()
        self.history = History(self.state.history_folder)
        self._settings = settings
        self._surroundings = surroundings
        self._events = events
        self._gate = gate
        self._agents_json = AgentsJson()
        self._not_kept: str | None = None

    def sweep(self) -> None:
        """Remove what a killed process left."""
        self.output.sweep()
        self.state.sweep()
        self.history.sweep()
        if self.keyring is not None:
            self.keyring.sweep()

    def give_keys(self, snapshot: Snapshot) -> bool:
        """Bring the keys of skills to what the snapshot says, whatever becomes of its agents; return whether the
        gateway has to read its configuration again for them.

        Raises: RefusedError when nobody can tell how that is laid out, StoppedError.
        """
        if self.keyring is None:
            return False
        given = self.keyring.give(snapshot, self._look_around())
        self._keys_warnings = given.warnings
        return given.changed

    def keys_withheld(self, snapshot: Snapshot) -> tuple[str, ...]:
        """Return what keeps keys from skills.

        Raises: RefusedError when nobody can tell.
        """
        return self.keyring.withheld(snapshot, self._look_around()) if self.keyring is not None else ()

    def prepare(
        self,
        snapshot: Snapshot,
        tokens: Mapping[str, str] | None = None,
        *,
        furnish: bool = False,
        look: bool = False,
    ) -> Prepared:
        """Render and check.

        tokens: of the agents; furnish: write what workspaces lack, for agents.json comes after them, else only see
        what it would be; look: see whether they still are what they were.

        Raises: RefusedError when the result may not replace what is there, PublishError when that cannot be read, or
        what is remembered of workspaces not be written.
        """
        neighbour = self._look_around()
        before = self.output.look()
        furnished: Furnished | None = None
        if self.furnishing is not None:
            furnished = self.furnishing.furnish(
                snapshot,
                neighbour.site,
                tokens or {},
                standing=before.content if before is not None else None,
                write=furnish,
                look=look,
            )
        housing = furnished.housing if furnished is not None else None
        rendered = self._agents_json.render(snapshot, neighbour.site, housing)
        if neighbour.site.beside is None:
            check_size(rendered.content)
        not_of_rows = neighbour.site.base_agents if neighbour.site.beside is not None else frozenset()
        full = before is not None and _has_agents(before, beside=not_of_rows)
        if rendered.entries == 0 and full and not self._may_be_empty(snapshot):
            raise RefusedError(
                "the database shows no agent at all, so the last good roster stays: check the account and the rights "
                "of this login; to empty the roster on purpose set agents.status, or allow_empty"
            )
        same = before is not None and before.content == rendered.content
        of_rows = _nobody(snapshot) + rendered.warnings
        around, unseen = self._around(neighbour, rendered.content)
        if furnished is not None:
            of_rows += furnished.of_rows
            around += furnished.around
        elif self.furnishing is not None:
            around += (NOT_MIGRATED,)
        return Prepared(
            snapshot=snapshot,
            neighbour=neighbour,
            content=rendered.content,
            content_hash=before.content_hash if before is not None and same else content_hash(rendered.content),
            warnings=around + rendered.untaken + of_rows,
            of_rows=of_rows,
            unseen=unseen,
            default=rendered.default,
            before=before,
            workspaces=furnished.outcomes if furnished is not None else (),
            keys=self._keys,
        )

    def site(self) -> Site:
        """Return what is known beside the rows.

        Raises: RefusedError.
        """
        return self._look_around().site

    def publish(self, prepared: Prepared) -> None:
        """Make it the file, durably; it is owed to the gateway from before the rename on.

        Raises: PublishError, StoppedError; the old file stands.
        """
        before = prepared.before
        if self._settings.config_file == "managed" and before is not None and not self.history.sets():
            # Somebody had one of its own after all; a gateway makes one when it starts without any.
            kept = self.output.path.with_name(f"{self.output.path.name}.before")
            atomic.replace(kept, before.content, gate=self._gate, like=Ownership.of(self.output.path))
        self.state.before_publish(prepared.content_hash)
        self.output.replace(
            prepared.content,
            prepared.content_hash,
            ready=lambda: self._events.emit(Renaming(str(self.output.path))),
        )

    def remember(self, prepared: Prepared, tables: frozenset[str]) -> None:
        """Keep what later passes and lives must know of this one.

        Raises: PublishError.
        """
        self.state.save(default=prepared.default, layout=prepared.neighbour.included_at, tables=tables)

    def on_disk(self, snapshot: Snapshot) -> Prepared | None:
        """Return what stands on disk although no snapshot became that: it may still be owed. None if nothing stands
        there, or what is no JSON: the gateway could not read it.
        """
        before = self.output.look()
        if before is None or not _is_json(before):
            return None
        return self._older(snapshot, self._look_around(), before, before.content, before.content_hash)

    def held(self, snapshot: Snapshot, held: PublishedSet) -> Prepared:
        """Return the set that is held in place, whatever the snapshot says.

        Raises: RefusedError when the gateway has changed since, or the set is lost.
        """
        neighbour = self._look_around()
        before = self.output.look()
        misfit = held.misfit(neighbour.site)
        if misfit is not None:
            raise RefusedError(f"{held.title} is held and {misfit}: agent-config-sync resume")
        in_place = before is not None and before.content_hash == held.content_hash
        content = before.content if before is not None and in_place else self.history.content_of(held.content_hash)
        if content is None:
            raise RefusedError(f"{held.title} is held and its content is lost: agent-config-sync resume")
        return self._older(snapshot, neighbour, before, content, held.content_hash)

    def hold(self, number: int) -> PublishedSet:
        """Let every pass from now on publish this set again; return it.

        Raises: RefusedError when it is not there or not for this gateway, PublishError when that cannot be remembered.
        """
        kept, _ = self.history.read(number)
        self.state.refresh()
        misfit = kept.misfit(self._look_around().site)
        if misfit is not None:
            raise RefusedError(f"{kept.title} is not published again: {misfit}")
        self.state.save(held=kept)
        return kept

    def end_hold(self) -> None:
        """Let every pass from now on publish what the database says.

        Raises: PublishError when that cannot be remembered.
        """
        self.state.save(held=None)

    def keep(self, prepared: Prepared, reason: str) -> None:
        """Keep what is in place now, so that it can be restored; that it cannot be kept is reported once."""
        if not self.history.lacks(prepared.content_hash):
            return
        try:
            self.history.keep(prepared.content, prepared.content_hash, reason=reason, site=prepared.neighbour.site)
        except PublishError as error:
            if self._not_kept != str(error):
                self._not_kept = str(error)
                self._events.emit(NotKept(str(error)))

    def tell(self, prepared: Prepared) -> Told | Deferred:
        """Tell the gateway of the file, in the way of its version.

        A signal restarts the gateway, and this process with it where it is the gateway's child. So its time is
        remembered before it is sent, and its debt counts as paid in the same breath: no restart follows from a restart.

        Raises: PublishError when that cannot be remembered, StoppedError.
        """
        method = prepared.neighbour.method
        last = self.state.remembered.signalled_at
        now = time.time()
        not_yet = ready(prepared.neighbour.gateway, method, signalled_at=last, now=now)
        if not_yet is not None:
            return not_yet
        if method == "signal":
            self.state.save(signalled_at=now)
        told = tell(prepared.neighbour.gateway, method, gate=self._gate)
        if method == "signal":
            sent = isinstance(told, Told)
            self.state.save(**({"confirmed": prepared.content_hash} if sent else {"signalled_at": last}))
        return told

    def _around(self, neighbour: Neighbour, content: bytes) -> tuple[tuple[str, ...], str | None]:
        """Return what is odd about the gateway, with what keeps `content` away from it, and the first of these that
        keeps all of it away."""
        warnings = (*neighbour.warnings, *self._keys_warnings)
        if neighbour.layout is None:
            return warnings, None
        found = look_at_layout(
            self._settings.config_path,
            self.output.path,
            neighbour.layout,
            content,
            neighbour.site.layout,
            version=neighbour.site.version,
        )
        unseen = next((str(finding) for finding in found if finding.kind in KEEP_ALL_AWAY), None)
        return (*warnings, *map(str, found)), unseen

    def _look_around(self) -> Neighbour:
        neighbour = self._surroundings.look(self.state.remembered.default, self.state.remembered.layout)
        return neighbour if self.keyring is None else self.keyring.at(neighbour)

    def _older(
        self, snapshot: Snapshot, neighbour: Neighbour, before: OnDisk | None, content: bytes, hashed: str
    ) -> Prepared:
        """Return content that is not the snapshot's, so it puts no snapshot in force."""
        warnings, unseen = self._around(neighbour, content)
        return Prepared(
            snapshot=replace(snapshot, at=""),
            neighbour=neighbour,
            content=content,
            content_hash=hashed,
            warnings=warnings,
            of_rows=(),
            unseen=unseen,
            default=self.state.remembered.default,
            before=before,
            keys=self._keys,
        )

    @property
    def _keys(self) -> KeysInFiles:
        return self.keyring.in_files if self.keyring is not None else KeysInFiles()

    def _may_be_empty(self, snapshot: Snapshot) -> bool:
        return self._settings.allow_empty or snapshot.excluded


def _nobody(snapshot: Snapshot) -> tuple[str, ...]:
    """Say why nobody is in the roster: a table that is not ours may have other words for an active agent."""
    if snapshot.agents:
        return ()
    if snapshot.excluded:
        return ("agents: status, gateways or instance_type of each row of the account keep it off this gateway",)
    return ("agents: the account has no row that this login can see",)


def _is_json(before: OnDisk) -> bool:
    try:
        orjson.loads(before.content)
    except orjson.JSONDecodeError:
        return False
    return True


def _has_agents(before: OnDisk, *, beside: frozenset[str]) -> bool:
    """Return whether the file on disk holds a roster with an agent in it; an unreadable one counts as empty.

    beside: agents that are not of the database.
    """
    return bool(agents_in(before.content).keys() - beside)
