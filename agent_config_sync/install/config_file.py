"""Change openclaw.json: a copy and a record first, then one rename of a text that the gateway has taken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from agent_config_sync.errors import RefusedError, SyncError
from agent_config_sync.gateway.include import read_json5
from agent_config_sync.history import History
from agent_config_sync.install.candidate import try_out
from agent_config_sync.install.copies import keep_copy, sweep_copies
from agent_config_sync.install.delivery import delivery_config, give_delivery, take_delivery, tell_given
from agent_config_sync.install.door import FILES
from agent_config_sync.install.found import Found
from agent_config_sync.install.job import Job
from agent_config_sync.install.json5_text import Json5Text
from agent_config_sync.install.keys import give_keys, take_keys
from agent_config_sync.install.login import login_problem
from agent_config_sync.install.openclaw_json import (
    Registration,
    move_section,
    obstacle,
    register,
    unregister,
)
from agent_config_sync.install.places import Places
from agent_config_sync.install.record import Record, document_before, hash_of, read_record, write_record
from agent_config_sync.install.sources import (
    named,
    plugin_config,
    plugin_settings,
    without_password,
)
from agent_config_sync.install.verification import look_at_config
from agent_config_sync.publish import atomic
from agent_config_sync.publish.gate import Gate
from agent_config_sync.publish.lock import pass_lock
from agent_config_sync.settings import Settings
from agent_config_sync.state import State


def sweep(job: Job) -> None:
    """Remove what a killed run has left."""
    places = job.places
    places.candidate.unlink(missing_ok=True)
    for path in (places.config, places.target, places.base, places.keys, places.candidate, places.record):
        atomic.sweep(path)
    for path in (places.config, places.output, places.base):
        sweep_copies(path)
    for name in FILES:
        atomic.sweep(places.door / name)
    lock = pass_lock(places.output)
    if places.output.parent.is_dir() and lock.try_acquire():  # else somebody is writing, and sweeps himself
        atomic.sweep(places.output)
        state = State(places.state, places.output)
        state.sweep()
        History(state.history_folder).sweep()
        lock.release()


def check_can_join(job: Job, found: Found) -> None:
    """Look for what only a person can clear away, before anything is changed, the database too.

    Raises: RefusedError that names it.
    """
    places = job.places
    places.output_name()
    _with_plugin(job, found, found.document, _config(job, found, job.settings))
    give_delivery(job, found, found.document)
    if found.included_at is None:
        _check_base(places)
    problem = obstacle(found.effective)
    if problem is not None:
        raise RefusedError(f"{places.config} would not bring the plugin up: {problem}")


def write_config(job: Job, found: Found, held: tuple[str, ...]) -> bool:
    """Let openclaw.json include our file and name the plugin; return whether it was changed.

    held: agents that the database has now. Raises: SyncError; openclaw.json is as it was then.
    """
    places = job.places
    document, base = found.document, None
    if found.included_at is None:
        document, base = move_section(document, held, output=places.output_name())
    config = _config(job, found, _bare(job, found))
    document = give_keys(job, found, _with_plugin(job, found, document, config))
    document, given = give_delivery(job, found, document)
    content = document.text.encode()
    if content == found.content:
        look_at_config(job, found)
        if not job.options.look and read_record(places.record) is None:
            _remember(job, found, content, base, held, given)  # somebody has set it up by hand
        return False
    if job.options.look:
        job.say("would", places.config.name, f"name the plugin and include {places.output.name}")
        return False
    known, standing = read_record(places.record), places.base.read_bytes() if places.base.exists() else None
    _remember(job, found, content, base, held, given)
    try:
        if base is not None:
            atomic.replace(places.base, base.encode(), gate=Gate(), like=job.like_config())
        verdict, _ = try_out(job, content)
    except SyncError:
        _forget(job, known, standing)
        raise
    like = job.like_config()
    found.check_unchanged(places)
    atomic.replace(places.target, content, gate=Gate(), like=like)
    job.say("done", places.config.name, f"it names the plugin and includes {places.output.name}; {verdict}")
    tell_given(job, given)
    if like.mode & 0o077 and _holds_password(config):
        job.say(
            "note", places.config.name, f"others may read it, and it holds a password now: chmod 600 {places.config}"
        )
    return True


def _check_base(places: Places) -> None:
    if not places.base.exists():
        return
    known = read_record(places.record)
    ours = known is not None and known.base_hash == hash_of(places.base.read_bytes())
    if not ours and read_json5(places.base) != {}:
        raise RefusedError(f"{places.base} is there already and is not ours: move it away")


def _config(job: Job, found: Found, settings: Settings) -> dict[str, object]:
    """Return what the plugin's config must say."""
    told = plugin_settings(job.places.config, found.effective, settings)
    return {"command": str(job.places.command), **told, **delivery_config(job, found)}


def _with_plugin(job: Job, found: Found, document: Json5Text, config: Mapping[str, object]) -> Json5Text:
    try:
        return register(document, found.effective, Registration(str(job.places.door), config))
    except ValueError:
        raise RefusedError(
            f"{job.places.config} has no place for the plugin: the objects and arrays of plugins must be written out "
            "there"
        ) from None


def _holds_password(config: Mapping[str, object]) -> bool:
    written = Settings.model_validate({key: value for key, value in config.items() if key in ("dsn", "password")})
    return written != without_password(written)


def _bare(job: Job, found: Found) -> Settings:
    """Return the settings without a password where the gateway's process can log in without and openclaw.json does not
    hold one already."""
    bare = without_password(job.settings)
    if bare == job.settings or _holds_password(plugin_config(found.effective)):
        return job.settings
    problem = login_problem([str(job.places.command)], job.places, named(bare), None)
    return bare if problem is None else job.settings


def _remember(
    job: Job,
    found: Found,
    content: bytes,
    base: str | None,
    held: tuple[str, ...],
    given: Mapping[str, str | None],
) -> None:
    """Keep a copy of openclaw.json, and a record of what is about to be done to it."""
    places = job.places
    known = read_record(places.record)
    if known is None or base is not None or not known.wrote_config():
        before = found.content
        if before is not None and known is not None and known.wrote_config():
            # Somebody has taken our include out, such as a gateway that flattens; the rest of us is there, and not his.
            earlier = document_before(known)
            without_keys = take_keys(found.document, earlier, places.keys.name)
            without_delivery = take_delivery(without_keys, earlier, known.delivery)
            before = unregister(without_delivery, earlier, str(places.door)).text.encode()
        record = Record(
            config=str(places.config),
            output=str(places.output),
            backup=_copied(job, places.config, before) if before is not None else None,
            moved=base is not None,
            held=held,
            config_hash=hash_of(content),
            base_hash=hash_of(base.encode()) if base is not None else None,
            output_backup=known.output_backup if known is not None else None,
            delivery={**given, **(known.delivery if known is not None else {})},
        )
    else:
        # The way back leads to the first copy, and byte for byte only while nobody else has changed anything.
        untouched = found.content is not None and known.config_hash == hash_of(found.content)
        record = known.model_copy(
            update={"config_hash": hash_of(content) if untouched else "", "delivery": {**given, **known.delivery}}
        )
    write_record(places.record, record)


def remember_output(job: Job, found: Found, before: bytes | None, *, due: str) -> None:
    """Keep a copy of an agents.json that is not ours, and a record that leads back to it, or to none, unless there is
    one. due: the hash of ours, which is about to take its place.

    Raises: PublishError.
    """
    places = job.places
    known = read_record(places.record)
    if known is not None and known.owns_output():
        confirm_output(job)
        return
    record = Record(
        config=str(places.config),
        output=str(places.output),
        backup=_copied(job, places.config, found.content) if found.content is not None else None,
        moved=False,
        config_hash=hash_of(found.content or b""),
        output_backup=_copied(job, places.output, before) if before is not None else None,
        output_due=due,
    )
    write_record(places.record, record)


def confirm_output(job: Job) -> None:
    """Record that agents.json is ours now.

    Raises: PublishError.
    """
    known = read_record(job.places.record)
    if known is not None and known.output_due is not None:
        write_record(job.places.record, known.model_copy(update={"output_due": None}))


def _copied(job: Job, path: Path, content: bytes) -> str:
    """Keep a copy of a file, and say so if it is new; return its path."""
    copy, new = keep_copy(path, content)
    if new:
        job.say("done", "backup", str(copy))
    return str(copy)


def _forget(job: Job, known: Record | None, standing: bytes | None) -> None:
    """Put back what `_remember` and the new file of the operator's own have replaced."""
    places = job.places
    if standing is None:
        places.base.unlink(missing_ok=True)
    elif places.base.read_bytes() != standing:
        atomic.replace(places.base, standing, gate=Gate(), like=job.like_config())
    if known is not None:
        write_record(places.record, known)
    else:
        places.record.unlink(missing_ok=True)
