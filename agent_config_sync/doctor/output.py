"""Can the file be written where it belongs, and is it ours to replace?"""

from __future__ import annotations

import os
import pwd
import shlex
from collections.abc import Iterator
from pathlib import Path

from agent_config_sync.doctor.finding import Cure, Finding, edit, of_error
from agent_config_sync.errors import PublishError
from agent_config_sync.publish import atomic
from agent_config_sync.settings import Settings


def examine_output(settings: Settings) -> tuple[Finding, ...]:
    """Return what is wrong with the output and the state directory."""
    findings = [*_folder(settings.output.parent, "output_unwritable")] or [*_file(settings)]
    return (*findings, *_folder(settings.state_dir, "state_unwritable"))


def _file(settings: Settings) -> Iterator[Finding]:
    output = settings.output
    try:
        atomic.signature(output)
    except PublishError as error:
        yield of_error("output_foreign", error)
        return
    owner, beside = _owner(output), _owner(settings.config_path)
    if owner is not None and beside is not None and owner != beside:
        what = f"{output} belongs to {_name(owner)} and {settings.config_path.name} to {_name(beside)}"
        yield Finding("output_foreign", what, Cure("run", shlex.join(("chown", _name(beside), str(output)))))


def _folder(folder: Path, name: str) -> Iterator[Finding]:
    there = folder
    while not _may(there, os.F_OK) and there != there.parent:
        there = there.parent  # it will be made, or may not be looked at
    if not _may(there, os.W_OK | os.X_OK):
        setting = "output_path" if name == "output_unwritable" else "state_dir"
        me = _name(os.geteuid())
        yield Finding(name, f"{me} may not write in {there}", edit(f"let {me} write there, or set {setting}"))


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _owner(path: Path) -> int | None:
    try:
        return path.lstat().st_uid
    except OSError:
        return None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
