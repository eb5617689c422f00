"""What somebody has lost of an installation, made again from what is left of it."""

from __future__ import annotations

from pathlib import Path

from agent_config_sync.errors import SyncError
from agent_config_sync.gateway.include import read_layout
from agent_config_sync.install.adoption import roster_of
from agent_config_sync.install.copies import copies_of, lost_copy_of
from agent_config_sync.install.job import Options, Say
from agent_config_sync.install.json5_text import Json5Text
from agent_config_sync.install.openclaw_json import BASE, HEADER, move_section, output_in, own_section
from agent_config_sync.install.places import Places
from agent_config_sync.install.record import Record, document_before, hash_of, read_record, write_record
from agent_config_sync.publish import atomic
from agent_config_sync.publish.atomic import Ownership
from agent_config_sync.publish.gate import Gate


def recover(places: Places, options: Options, say: Say) -> None:
    """Write the record again, and the operator's own file, where openclaw.json is as we leave it and they are gone.

    Raises: RefusedError, PublishError.
    """
    document = _read(places.config)
    if document is None:
        return  # there is none, or it is told later why it cannot be read
    record = read_record(places.record)
    if record is None and (record := _recorded_again(places, document)) is not None:
        if options.look:
            say("would", "record", f"write it again ({_way_back(record)})")
        else:
            write_record(places.record, record)
            say("done", "record", f"it was gone; {_way_back(record)}")
    text = _base_again(places, record, force=options.force) if record is not None and record.moved else None
    if text is None:
        return
    if options.look:
        say("would", BASE, "put it back from the backup")
    else:
        atomic.replace(places.base, text.encode(), gate=Gate(), like=Ownership.of(places.target))
        say("note", BASE, "it was gone: put back from the backup")


def _recorded_again(places: Places, document: Json5Text) -> Record | None:
    """Return what a record would say where openclaw.json is ours; nobody knows who has changed what since.

    A person may lay it out as we do: ours it is where the operator's own file is as we begin it, or a copy is left from
    before us. The way back is the newest such copy, or, where there is none, a name that no file has.
    """
    name = output_in(document)
    if name is None:
        return None
    output = places.config.parent / name
    read = {path: _read(path) for path in copies_of(places.config)}
    earlier = {path: found for path, found in read.items() if found is not None and output_in(found) is None}
    if not earlier and not _is_base_ours(places):
        return None
    backup = next(reversed(earlier), lost_copy_of(places.config))
    outputs = copies_of(output)
    held = tuple(roster_of(own_section(earlier[backup]))) if earlier else ()
    base = move_section(earlier[backup], held, output=name)[1] if earlier else None
    return Record(
        config=str(places.config),
        output=str(output),
        backup=str(backup),
        moved=True,
        held=held,
        config_hash="",
        base_hash=hash_of(base.encode()) if base is not None else None,
        output_backup=str(outputs[-1]) if outputs else None,
    )


def _is_base_ours(places: Places) -> bool:
    """Return whether the operator's own file begins as `move_section` lets it."""
    try:
        return places.base.read_bytes().startswith(HEADER.encode())
    except OSError:
        return False


def _way_back(record: Record) -> str:
    if record.backup is not None and Path(record.backup).exists():
        return f"{record.backup} is the way back"
    return "the copy of openclaw.json is gone too: --uninstall would need it"


def _base_again(places: Places, record: Record, *, force: bool) -> str | None:
    """Return the operator's own file as it was written, None where it is there, or nothing tells what it said.

    force: an empty one will do then.
    """
    try:
        sources = read_layout(places.config, places.output).sources
    except (SyncError, OSError):
        return None
    if places.base.exists() or places.base.resolve() not in sources:
        return None
    if record.backup is not None and not Path(record.backup).exists() and not force:
        return None
    return move_section(document_before(record), record.held, output=places.output_name())[1]


def _read(path: Path) -> Json5Text | None:
    try:
        return Json5Text(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
