"""`agent-config-sync history`, `restore` and `resume`: what was published, and back to it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated

import orjson
import typer

from agent_config_sync.cli.options import (
    FAILED,
    AsJson,
    Config,
    Dsn,
    GatewayVersion,
    LogLevel,
    Output,
    errors_end_the_command,
    given,
    settings_of,
)
from agent_config_sync.cli.sync import one_pass, sentence
from agent_config_sync.cli.table import table
from agent_config_sync.logs import printable, set_up_logs
from agent_config_sync.model.published import PublishedSet
from agent_config_sync.plugin import Plugin
from agent_config_sync.sync.visit import Visit


def history(config: Config = None, output: Output = None, as_json: AsJson = False) -> None:
    """List the last published sets, the newest first. Needs no database."""
    with errors_end_the_command():
        settings = settings_of(given(output_path=output), config)
        pipeline = Plugin(settings).pipeline
        sets = pipeline.history.sets()[::-1]
        held, before = pipeline.state.remembered.held, pipeline.output.look()
    in_place = next((kept for kept in sets if before is not None and kept.content_hash == before.content_hash), None)
    if as_json:
        members = [
            {**kept.model_dump(mode="json"), "in_place": kept == in_place, "held": kept == held} for kept in sets
        ]
        print(orjson.dumps(members, option=orjson.OPT_INDENT_2).decode())
    elif sets:
        print("\n".join(_table(sets, in_place, held)))
    else:
        print(f"{pipeline.history.folder} holds no set yet; state_dir must be the one that run has")


def restore(
    number: Annotated[int, typer.Argument(metavar="N", help="A number that history shows.")],
    dsn: Dsn = None,
    config: Config = None,
    output: Output = None,
    gateway_version: GatewayVersion = None,
    log_level: LogLevel = None,
    as_json: AsJson = False,
) -> None:
    """Publish an older set again and hold it in place until `resume`, whatever the database says."""
    options = given(dsn=dsn, output_path=output, gateway_version=gateway_version, log_level=log_level)
    _pass_again(options, config, as_json=as_json, do=lambda visit: visit.restore(number))


def resume(
    dsn: Dsn = None,
    config: Config = None,
    output: Output = None,
    gateway_version: GatewayVersion = None,
    log_level: LogLevel = None,
    as_json: AsJson = False,
) -> None:
    """End what `restore` began: publish what the database says, now and from now on."""
    options = given(dsn=dsn, output_path=output, gateway_version=gateway_version, log_level=log_level)
    _pass_again(options, config, as_json=as_json, do=_resume)


async def _resume(visit: Visit) -> None:
    if not visit.holds:
        print("note: no set was held in place here; state_dir must be the one that run has", file=sys.stderr)
    await visit.resume()


def _pass_again(
    options: dict[str, object], config: str | None, *, as_json: bool, do: Callable[[Visit], Awaitable[None]]
) -> None:
    with errors_end_the_command():
        settings = settings_of(options, config)
        set_up_logs("error" if as_json else str(options.get("log_level", "warning")), "text")
        summary = asyncio.run(one_pass(settings, do))
    if as_json:
        print(orjson.dumps(summary, option=orjson.OPT_INDENT_2).decode())
    elif summary["refused"] is None:
        print(sentence(summary))
    if summary["refused"] is not None:
        raise typer.Exit(FAILED)


def _table(sets: list[PublishedSet], in_place: PublishedSet | None, held: PublishedSet | None) -> list[str]:
    heads = ("SET", "PUBLISHED (UTC)", "BYTES", "REASON", "")
    rows = []
    for kept in sets:
        marks = [mark for mark, is_so in (("in place", kept == in_place), ("held", kept == held)) if is_so]
        when = f"{kept.at:%Y-%m-%d %H:%M:%S}"
        rows.append((str(kept.number), when, f"{kept.size:,}", kept.reason, ", ".join(marks)))
    return [printable(line) for line in table(heads, rows)]
