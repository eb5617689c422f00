"""The keys that people have entered, on their way to the gateway: our secrets file, and the `skills.json` of it.

The order is such that a key is never named before it can be read, nor read after it was taken back: a key is in the
secrets file before its row says so, `skills.json` is written next, and what nobody names any more goes last.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent_config_sync.errors import PublishError, RenderError
from agent_config_sync.events import Events, KeysGiven
from agent_config_sync.gateway.running import ExpectedKeys, KeysInFiles
from agent_config_sync.gateway.surroundings import Neighbour
from agent_config_sync.model.credentials import EnteredKey, SkillEntry
from agent_config_sync.model.workspace import SkillRow, WorkspaceRows
from agent_config_sync.publish import atomic
from agent_config_sync.publish.atomic import Ownership
from agent_config_sync.publish.gate import Gate
from agent_config_sync.render.front_matter import split
from agent_config_sync.render.skill import render_skill
from agent_config_sync.render.skill_metadata import metadata_of
from agent_config_sync.render.skills_json import (
    REFERENCES_SINCE,
    RenderedSkills,
    beside_with_keys,
    is_ours,
    provider,
    render_skills_json,
)
from agent_config_sync.secret_store import SecretStore
from agent_config_sync.settings import Settings
from agent_config_sync.state import State

_FOR_OTHERS = 0o077


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

    def give(self, rows: WorkspaceRows | None, neighbour: Neighbour) -> Given:
        """Bring the files to what the rows say; the pass lock must be held. What fails is a warning: it must not keep
        the agents from being published.

        Raises: StoppedError.
        """
        entered = rows.entered if rows is not None else None
        if rows is None or entered is None or not (entered or self._path.exists() or self._store.path.exists()):
            return Given()
        try:
            return self._give([self._with_entries(key, rows) for key in entered], neighbour)
        except PublishError as error:
            withheld = (f"keys of skills: {error}",)
            self._tell(replace(self._said, withheld=withheld))
            return Given(warnings=withheld)

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

    def withheld(self, rows: WorkspaceRows | None, neighbour: Neighbour) -> tuple[str, ...]:
        """Return what keeps keys from skills, without giving any."""
        if rows is None or not rows.entered:
            return ()
        try:
            return self._rendered([self._with_entries(key, rows) for key in rows.entered], neighbour).warnings
        except PublishError as error:
            return (f"keys of skills: {error}",)

    def _give(self, entered: Sequence[EnteredKey], neighbour: Neighbour) -> Given:
        """Raises: PublishError, StoppedError."""
        self._store.open_to_gateway(wanted=self._by_reference(neighbour))
        rendered = self._rendered(entered, neighbour)
        reachable = self._obstacle(neighbour) is None
        changed = self._write(rendered.content, needed=bool(entered) and reachable)
        self._note(rendered.digests)
        self._tell(KeysGiven(len(entered) if reachable else 0, rendered.plain, rendered.warnings), anew=changed)
        self._store.keep({key.id for key in entered})
        return Given(changed, rendered.warnings)

    def _rendered(self, entered: Sequence[EnteredKey], neighbour: Neighbour) -> RenderedSkills:
        """Return the file, which holds no key that would reach nobody. Raises: PublishError."""
        values, obstacle = self._store.look(), self._obstacle(neighbour)
        rendered = render_skills_json(
            entered if obstacle is None else (),
            values,
            version=neighbour.site.version,
            by_reference=self._by_reference(neighbour),
        )
        if obstacle is None or not entered:
            return rendered
        why = f"keys of skills: {obstacle}; until then {len(entered)} of them reach nobody"
        return replace(rendered, warnings=(*rendered.warnings, why))

    def _note(self, digests: ExpectedKeys) -> None:
        """Keep what the gateway should have, and what it should have no more since the last change."""
        before = self.in_files.wanted
        if digests != before:
            gone = {
                entry: {member: kept for member, kept in members.items() if digests.get(entry, {}).get(member) != kept}
                for entry, members in before.items()
            }
            self.in_files = KeysInFiles(digests, gone)

    def _tell(self, given: KeysGiven, *, anew: bool = False) -> None:
        """Say what is given now, if that is news. anew: it is."""
        if anew or given != self._said:
            self._said = given
            self._events.emit(given)

    def _write(self, content: bytes, *, needed: bool) -> bool:
        """Return whether the file had to be written. needed: also where there is none.

        Raises: PublishError, StoppedError.
        """
        standing = atomic.read(self._path)
        if standing is None and not needed:
            return False
        if standing is not None and not is_ours(standing):
            raise PublishError(f"{self._path} is somebody else's: give it another name, and include it by that")
        if standing == content and not stat.S_IMODE(self._path.stat().st_mode) & _FOR_OTHERS:
            return False
        self._state.save(confirmed=None)  # it is owed to the gateway from before the rename on
        atomic.replace(self._path, content, gate=self._gate, like=None)
        return True

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
