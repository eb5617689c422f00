"""The keys that people have entered, on their way to the gateway: our secrets file, and the `skills.json` of it.

The order is such that a key is never named before it can be read, nor read after it was taken back: a key is in the
secrets file before its row says so, `skills.json` is written next, and what nobody names any more goes last. A key is
nowhere else, so it is let go only for a row that says so: a database that shows no key of this gateway at all may be
another one, or one that is being restored.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent_config_sync.errors import PublishError, RenderError
from agent_config_sync.events import Events, KeysGiven
from agent_config_sync.gateway.running import ExpectedKeys, KeysInFiles
from agent_config_sync.gateway.surroundings import Neighbour
from agent_config_sync.model.credentials import EnteredKey, SkillEntry
from agent_config_sync.model.snapshot import Snapshot
from agent_config_sync.model.workspace import SkillRow, WorkspaceRows
from agent_config_sync.publish import atomic
from agent_config_sync.publish.atomic import Ownership
from agent_config_sync.publish.gate import Gate
from agent_config_sync.publish.output import content_hash
from agent_config_sync.render.front_matter import split
from agent_config_sync.render.skill import render_skill
from agent_config_sync.render.skill_metadata import metadata_of
from agent_config_sync.render.skills_json import (
    EMPTY,
    REFERENCES_SINCE,
    RenderedSkills,
    beside_with_keys,
    holds_our_keys_alone,
    provider,
    render_skills_json,
    without_keys,
    without_revoked,
)
from agent_config_sync.secret_store import SecretStore
from agent_config_sync.settings import Settings
from agent_config_sync.state import State


@dataclass(frozen=True, slots=True)
class Given:
    """What became of the keys in a pass. changed: the gateway has to read its configuration again."""

    changed: bool = False
    warnings: tuple[str, ...] = ()


class Keyring:
    """Gives the gateway those keys that the database says, and takes all others away."""

    def __init__(self, settings: Settings, store: SecretStore, state: State, gate: Gate, events: Events) -> None:
        self._settings = settings
        self._store = store
        self._state = state
        self._gate = gate
        self._events = events
        self._path = settings.skills_json
        self._entries: dict[str, tuple[SkillRow, tuple[SkillEntry, ...]]] = {}
        self._said = KeysGiven(0, plain=False)
        self.in_files = KeysInFiles()
        """What the gateway should run with."""

    def give(self, snapshot: Snapshot, neighbour: Neighbour) -> Given:
        """Bring the files to what the rows say; the pass lock must be held. What fails is a warning: it must not keep
        the agents from being published.

        Raises: StoppedError.
        """
        rows = snapshot.workspaces
        if rows is None or rows.entered is None:
            return Given()
        if not rows.keys_known and not snapshot.agents:
            return Given()  # this is not what was there, or not yet
        included = neighbour.layout is not None and neighbour.layout.includes_keys
        if not (rows.entered or included or self._path.exists() or self._store.path.exists()):
            return Given()
        entered = [self._with_entries(key, rows) for key in rows.entered]
        warnings: list[str] = []
        changed, rendered = False, RenderedSkills(EMPTY)
        try:
            self._store.open_to_gateway(wanted=self._by_reference(neighbour))
            rendered = self._rendered(entered, neighbour)
            needed = included or (bool(entered) and self._obstacle(neighbour) is None)
            changed = self._write(rendered.content, warnings, needed=needed)
            self._note(rendered.digests)
            self._let_go(rows, warnings)
        except PublishError as error:
            warnings.append(f"keys of skills: {error}")
            changed = self._take_away(entered, warnings) or changed
        told = (*rendered.warnings, *warnings)
        self._tell(KeysGiven(rendered.given, rendered.plain, told), anew=changed)
        return Given(changed, told)

    def withheld(self, snapshot: Snapshot, neighbour: Neighbour) -> tuple[str, ...]:
        """Return what keeps keys from skills, without giving any."""
        rows = snapshot.workspaces
        if rows is None or not rows.entered:
            return ()
        try:
            return self._rendered([self._with_entries(key, rows) for key in rows.entered], neighbour).warnings
        except PublishError as error:
            return (f"keys of skills: {error}",)

    def at(self, neighbour: Neighbour) -> Neighbour:
        """Return the gateway with a configuration that includes the file of keys, where the whole of it is ours."""
        beside = neighbour.site.beside
        if beside is None or not self._path.exists():
            return neighbour
        secrets = str(self._store.path) if _takes_references(neighbour) else None
        with_keys = beside_with_keys(beside, self._path.name, secrets)
        return replace(neighbour, site=replace(neighbour.site, beside=with_keys))

    def sweep(self) -> None:
        """Remove what a killed process left."""
        atomic.sweep(self._path)
        self._store.sweep()

    def _rendered(self, entered: Sequence[EnteredKey], neighbour: Neighbour) -> RenderedSkills:
        """Return the file, which holds no key that would reach nobody. Raises: PublishError."""
        values, obstacle = self._store.look(), self._obstacle(neighbour)
        rendered = render_skills_json(
            entered if obstacle is None else (),
            values,
            version=neighbour.site.version,
            by_reference=self._by_reference(neighbour),
            own=_own_entries(neighbour),
        )
        if obstacle is None or not entered:
            return rendered
        why = f"keys of skills: {obstacle}; until then {len(entered)} of them reach nobody"
        return replace(rendered, warnings=(*rendered.warnings, why))

    def _let_go(self, rows: WorkspaceRows, warnings: list[str]) -> None:
        """Remove the keys that no row names any more. Raises: PublishError."""
        assert rows.entered is not None  # the caller has looked
        wanted = {key.id for key in rows.entered}
        if rows.keys_known:
            self._store.keep(wanted)
        elif left := len(self._store.look().keys() - wanted):
            warnings.append(
                f"keys of skills: {self._store.path} holds {left} of which the database knows nothing, so they are "
                "kept and not given: look whether this is the right database, or remove that file"
            )

    def _take_away(self, entered: Sequence[EnteredKey], warnings: list[str]) -> bool:
        """Take back what was taken back, though no key can be read; return whether the file had to be written."""
        try:
            standing = atomic.read(self._path)
            if standing is None or content_hash(standing) not in self._state.remembered.skills_json:
                return False
            return self._write(without_revoked(standing, entered), warnings, needed=False)
        except PublishError as error:
            warnings.append(f"keys of skills: {error}")
            return False

    def _write(self, content: bytes, warnings: list[str], *, needed: bool) -> bool:
        """Return whether the file had to be written. needed: also where there is none.

        Raises: PublishError, StoppedError.
        """
        standing = atomic.read(self._path)
        if standing is None and not needed:
            return False
        if standing is not None and not self._is_ours(standing):
            if not self._state.remembered.skills_json:
                raise PublishError(f"{self._path} is somebody else's: give it another name, and include it by that")
            self._keep_what_was_changed(standing, warnings)
        if standing == content and not stat.S_IMODE(self._path.stat().st_mode) & atomic.FOR_OTHERS:
            return False
        # It is owed to the gateway, and known as ours, from before the rename on.
        kept = (content_hash(content), *([content_hash(standing)] if standing is not None else []))
        self._state.save(confirmed=None, skills_json=kept)
        atomic.replace(self._path, content, gate=self._gate, like=None)
        return True

    def _is_ours(self, content: bytes) -> bool:
        """Return whether we wrote a file: it is remembered, or holds nothing, or our keys alone."""
        return (
            content == EMPTY
            or content_hash(content) in self._state.remembered.skills_json
            or holds_our_keys_alone(content, frozenset(self._store.look().values()))
        )

    def _keep_what_was_changed(self, standing: bytes, warnings: list[str]) -> None:
        """Keep a copy, without keys, of what somebody wrote into our file. Raises: PublishError, StoppedError."""
        rest = without_keys(standing)
        if rest is None:
            return
        copy = self._path.with_name(f"{self._path.name}.changed")
        atomic.replace(copy, rest, gate=self._gate, like=None)
        warnings.append(
            f"{self._path} is made from the database, and somebody had changed it: what it said beside keys is in "
            f"{copy}; say that in openclaw.json, where it beats ours"
        )

    def _note(self, digests: ExpectedKeys) -> None:
        """Keep what the gateway should have, and what it should have no more since the last change."""
        before = self.in_files.wanted
        if digests != before:
            gone = {
                entry: {
                    member: kept - digests.get(entry, {}).get(member, frozenset()) for member, kept in members.items()
                }
                for entry, members in before.items()
            }
            self.in_files = KeysInFiles(digests, gone)

    def _tell(self, given: KeysGiven, *, anew: bool = False) -> None:
        """Say what is given now, if that is news. anew: it is."""
        if anew or given != self._said:
            self._said = given
            self._events.emit(given)

    def _by_reference(self, neighbour: Neighbour) -> bool:
        """Return whether the gateway reads keys from our secrets file: it takes references, and is told of the file."""
        if neighbour.site.beside is not None:
            return _takes_references(neighbour)
        told = neighbour.layout.secret_provider if neighbour.layout is not None else None
        if told is None:
            return False
        return _takes_references(neighbour) and provider(str(self._store.path)).items() <= told.items()

    def _obstacle(self, neighbour: Neighbour) -> str | None:
        """Return what keeps the file from the gateway, and the way out; None if nothing does."""
        config = self._settings.config_path
        owner = Ownership.of(Path(os.path.realpath(config)))
        if owner is not None and os.geteuid() not in (0, owner.uid):
            return f"{config} is of another user, who could not read them: run this as that user"
        if neighbour.site.beside is None and (neighbour.layout is None or not neighbour.layout.includes_keys):
            return (
                f'{config} does not include {self._path.name}: run install.sh again, or say "skills": '
                f'{{"$include": ["./{self._path.name}"]}} there'
            )
        return None

    def _with_entries(self, key: EnteredKey, rows: WorkspaceRows) -> EnteredKey:
        """Return the key with what the gateway calls the operators' own skill of that folder, too."""
        row = rows.skills.get(key.skill)
        if row is None:
            return key
        known = self._entries.get(key.skill)
        if known is None or known[0] is not row:
            known = self._entries[key.skill] = (row, _entries_of(row))
        return replace(key, entries=tuple(dict.fromkeys((*key.entries, *known[1]))))


def _takes_references(neighbour: Neighbour) -> bool:
    version = neighbour.site.version
    return version is not None and version >= REFERENCES_SINCE


def _own_entries(neighbour: Neighbour) -> Mapping[str, Any]:
    """Return what the operator's own files say of skills, by their entries."""
    if neighbour.layout is not None:
        return neighbour.layout.own_skills
    skills = (neighbour.site.beside or {}).get("skills")
    entries = skills.get("entries") if isinstance(skills, Mapping) else None
    return entries if isinstance(entries, Mapping) else {}


def _entries_of(row: SkillRow) -> tuple[SkillEntry, ...]:
    try:
        made = render_skill(row)
    except RenderError:
        return ()
    parts = split(made.content.decode()) if made is not None else None
    if made is None or parts is None:
        return ()
    said = metadata_of(parts[0])
    return tuple(SkillEntry(name, said.primary_env) for name in dict.fromkeys((made.name, said.key)) if name)
