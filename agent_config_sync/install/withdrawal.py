"""Take agent-config-sync away from a gateway: what was there is there again; the database stays.

First openclaw.json, by one rename; only then what it no longer names. So this too may be killed anywhere and run again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from agent_config_sync.errors import RefusedError
from agent_config_sync.gateway.include import read_effective, read_json5
from agent_config_sync.install.candidate import try_out
from agent_config_sync.install.config_file import sweep
from agent_config_sync.install.copies import keep_copy
from agent_config_sync.install.delivery import take_delivery
from agent_config_sync.install.found import find
from agent_config_sync.install.job import Job
from agent_config_sync.install.json5_text import Json5Text
from agent_config_sync.install.keys import is_ours, take_keys
from agent_config_sync.install.openclaw_json import is_named, move_back, unregister
from agent_config_sync.install.places import Places
from agent_config_sync.install.record import Record, document_before, hash_of, read_record
from agent_config_sync.install.recovery import recover
from agent_config_sync.install.unit import restart_gateway
from agent_config_sync.publish import atomic
from agent_config_sync.publish.atomic import Ownership
from agent_config_sync.publish.gate import Gate
from agent_config_sync.publish.lock import lifetime_lock, pass_lock
from agent_config_sync.state import State

PATIENCE = 30.0
"""Seconds for the gateway to stop the process that writes agents.json; it takes one or two."""


async def withdraw(job: Job) -> None:
    """Take it away from this gateway.

    Raises: SyncError that says what stands in the way; openclaw.json is as it was then, or as it was before us.
    """
    recover(job.places, job.options, job.say)
    record = read_record(job.places.record)
    if record is None:
        job.say("already", job.places.config.name, "nothing of ours is recorded for it")
        return
    job = replace(job, places=replace(job.places, output=Path(record.output)))
    places = job.places
    sweep(job)
    included = _restore(job, record)
    for path in included:
        if path == places.base or record.output_backup is None:
            job.say("note", path.name, f"it stays: {places.config.name} includes it")
    if not record.owns_output():
        job.say("already", places.output.name, "it is not ours yet")
    elif record.output_backup is not None:
        await _put_output_back(job, Path(record.output_backup))
    elif places.output not in included:
        await _remove_output(job)
    if places.base not in included and record.moved:
        _remove_base(job, record)
    if places.keys not in included:
        _remove_keys(job)
    _remove_state(places)
    places.record.unlink(missing_ok=True)
    job.say("done", "files", "removed ours; the database stays as it is")


def remove_shared(job: Job) -> None:
    """Remove the plugin's folder, if no other gateway of this user has it."""
    places = job.places
    if places.record.parent.is_dir() and any(places.record.parent.glob("*.json")):
        job.say("note", "plugin", f"{places.door} stays: another gateway loads it")
        return
    shutil.rmtree(places.record.parent, ignore_errors=True)
    if places.config.exists() and is_named(read_effective(places.config)[0], str(places.door)):
        job.say("note", "plugin", f"{places.door} stays: openclaw.json names it, as it did before")
    elif places.door.exists():
        shutil.rmtree(places.door)
        job.say("done", "plugin", f"removed {places.door}")


def _restore(job: Job, record: Record) -> list[Path]:
    """Put openclaw.json back; return those of our files that it includes nevertheless."""
    places = job.places
    if not places.config.exists():
        return []
    found = find(places, mend=True)
    assert found.content is not None  # it exists
    before = Path(record.backup).read_bytes() if record.backup is not None and Path(record.backup).exists() else None
    lost = record.backup is not None and before is None
    if lost and not job.options.force:
        raise RefusedError(
            f"the copy {record.backup} is gone, and only it says what openclaw.json said: put it back, or go on with "
            f"--force (then what {places.base.name} says comes back, and agents of the database do not)"
        )
    base = places.base.read_bytes() if places.base.exists() else None
    base_untouched = base is None or hash_of(base) == record.base_hash
    if lost:
        content, how = _cut_out(job, record, found.document, base), "its copy is gone: without us and our agents"
    elif hash_of(found.content) == record.config_hash and base_untouched:
        if before is None:
            found.check_unchanged(places)
            places.target.unlink()
            job.say("done", places.config.name, "removed it: there was none")
            restart_gateway(job, found, changed=True)
            return []
        content, how = before, "byte for byte what it was"
    else:
        content, how = _cut_out(job, record, found.document, None if base_untouched else base), "without us"
    if content == found.content:
        job.say("already", places.config.name, "it is as it was before")
        return _included(job, read_effective(places.config)[1])
    verdict, sources = try_out(job, content)
    found.check_unchanged(places)
    atomic.replace(places.target, content, gate=Gate(), like=job.like_config())
    job.say("done", places.config.name, f"{how}; {verdict}")
    restart_gateway(job, found, changed=True)
    return _included(job, sources)


def _included(job: Job, sources: tuple[Path, ...]) -> list[Path]:
    return [
        path
        for path in (job.places.output, job.places.base, job.places.keys)
        if Path(os.path.realpath(path)) in sources
    ]


def _cut_out(job: Job, record: Record, now: Json5Text, base: bytes | None) -> bytes:
    """Return openclaw.json as it is now, without what is ours. base: the operator's own file, where he changed it."""
    earlier = document_before(record)
    if record.moved:
        own = base.decode() if base is not None else None
        now = move_back(now, earlier, own, record.held, output=job.places.output_name())
    now = take_delivery(take_keys(now, earlier, job.places.keys.name), earlier, record.delivery)
    return unregister(now, earlier, str(job.places.door)).text.encode()


async def _remove_output(job: Job) -> None:
    async with _alone_with(job.places.output):
        job.places.output.unlink(missing_ok=True)


async def _put_output_back(job: Job, copy: Path) -> None:
    """Put an agents.json back that was there before ours; without its copy ours stays."""
    output, content = job.places.output, atomic.read(copy)
    if content is None:
        job.say("note", output.name, f"it stays as the database had it: {copy} is gone")
        return
    async with _alone_with(output):
        atomic.replace(output, content, gate=Gate(), like=Ownership.of(output) or Ownership.of(copy))
    with contextlib.suppress(FileNotFoundError):
        os.utime(job.places.target)  # older gateways do not watch what it includes
    job.say("done", output.name, "put back what it was")


@contextlib.asynccontextmanager
async def _alone_with(output: Path) -> AsyncIterator[None]:
    """Wait until nobody writes agents.json any more, and remove its locks."""
    lock = lifetime_lock(output)
    async with lock.held(PATIENCE), pass_lock(output).held(PATIENCE):
        yield
    for path in (lock.path, pass_lock(output).path):
        path.unlink(missing_ok=True)


def _remove_keys(job: Job) -> None:
    """Remove the keys that people have entered from this host, as far as they are ours to remove."""
    keys, secrets = job.places.keys, job.settings.secrets
    content = atomic.read(keys)
    if content is not None and is_ours(job, content):
        keys.unlink()
    if secrets.exists() and secrets.parent != job.places.state:
        job.say("note", secrets.name, f"it stays: {secrets} holds keys that people have entered")


def _remove_state(places: Places) -> None:
    """Remove what the process remembers; a folder that other gateways may share keeps what is theirs."""
    if places.state.parent == places.config.parent:
        shutil.rmtree(places.state, ignore_errors=True)
        return
    state = State(places.state, places.output)
    shutil.rmtree(state.history_folder, ignore_errors=True)
    for path in places.state.glob(f"*{state.path.name}*"):  # its lock too
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        places.state.rmdir()


def _remove_base(job: Job, record: Record) -> None:
    base = job.places.base
    with contextlib.suppress(FileNotFoundError):
        content = base.read_bytes()
        if hash_of(content) != record.base_hash and read_json5(base) != {}:
            copy, _ = keep_copy(base, content)
            job.say("note", base.name, f"you have changed it: what it says is in openclaw.json, and a copy in {copy}")
        base.unlink()
