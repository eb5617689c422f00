"""A workspace as it is beside what it should hold: what there is to do, without doing it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from agent_config_sync.publish.atomic import FileSignature
from agent_config_sync.publish.folder import below, read_in
from agent_config_sync.publish.manifest import Manifest
from agent_config_sync.publish.output import content_hash
from agent_config_sync.publish.workspace import Change, Demand, FileContent, WorkspaceContent

_MODE = 0o600
_SKILLS = "skills"


@dataclass(slots=True)
class Plan:
    """What there is to do in one workspace. first: it is ours from now on."""

    first: bool
    writes: list[tuple[FileContent, bytes | None]] = field(default_factory=list)
    removals: list[tuple[str, bytes]] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    seen: dict[str, FileSignature] = field(default_factory=dict)
    manifest: Manifest = field(default_factory=Manifest)

    @property
    def changes(self) -> tuple[Change, ...]:
        return (
            *(Change(file.path, before, file.content) for file, before in self.writes),
            *(Change(path, before, None) for path, before in self.removals),
        )


def plan_of(
    folder: int, content: WorkspaceContent, manifest: Manifest | None, demand: Demand, known: dict[str, FileSignature]
) -> Plan:
    """Compare a workspace with what it should hold. known: files that need not be looked at.

    Raises: OSError.
    """
    plan = Plan(first=manifest is None)
    if manifest is None:  # somebody else's, unless it is empty
        manifest = Manifest(bootstrapped=bool(os.listdir(folder)))
    if demand.bootstrap:
        manifest = manifest.model_copy(update={"bootstrapped": False})
    files: dict[str, tuple[str, ...]] = {}
    for file in content.files:
        ours = manifest.files.get(file.path, ())
        if file.owner == "nobody" and manifest.bootstrapped:
            files.update({file.path: ours} if ours else {})
            continue
        if file.path in known and file.content_hash == (ours[0] if ours else None):
            files[file.path] = ours
            plan.seen[file.path] = known[file.path]
            continue
        before, signature, intact = _look(folder, file)
        if file.owner == "agent" and before is not None and not demand.overwrite:
            files.update({file.path: ours} if ours else {})
            continue
        if intact and signature is not None:
            files[file.path] = (file.content_hash,)
            plan.seen[file.path] = signature
            continue
        if _is_skill(file.path) and before is not None and not ours and not demand.overwrite:
            plan.foreign.append(file.path)
            continue
        plan.writes.append((file, before))
        files[file.path] = (file.content_hash, *(each for each in ours[:1] if each != file.content_hash))
    wanted = {file.path for file in content.files}
    for path, ours in manifest.files.items():
        if path not in wanted and _is_skill(path):
            found = _read(folder, path)
            if found is not None and content_hash(found) in ours:
                plan.removals.append((path, found))
                files[path] = ours  # until it is gone
            elif found is not None:
                plan.foreign.append(path)
    plan.manifest = Manifest(files=files, bootstrapped=True)
    return plan


def _look(folder: int, file: FileContent) -> tuple[bytes | None, FileSignature | None, bool]:
    """Return what stands where a file should: its bytes, what identifies it, and whether it is just what it should be:
    a hard link or a readable secret is not."""
    where, _, name = file.path.rpartition("/")
    try:
        with below(folder, where, create=False) as inside:
            found = read_in(inside, name, at_most=max(len(file.content), 1_000_000))
            if found is None:
                os.stat(name, dir_fd=inside, follow_symlinks=False)
                return b"", None, False  # no file, and yet something
    except FileNotFoundError:
        return None, None, False
    intact = found.content == file.content and found.mode == _MODE and found.links == 1
    return found.content, found.signature, intact


def _read(folder: int, path: str) -> bytes | None:
    where, _, name = path.rpartition("/")
    try:
        with below(folder, where, create=False) as inside:
            found = read_in(inside, name, at_most=1_000_000)
            return found.content if found is not None else None
    except FileNotFoundError:
        return None


def _is_skill(path: str) -> bool:
    return path.startswith(f"{_SKILLS}/")
