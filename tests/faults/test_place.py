"""What else may stand in the place of the file: it is left alone or replaced whole, and never written through."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import NOBODY, Operator, Start, eventually, make_settings, model_in, rights_of_nobody
from mounts import mounted

from agent_config_sync.cli.throwaway import ThrowawayServer
from agent_config_sync.events import PassFailed, Published, Reported, SnapshotTaken, WaitingForOther
from agent_config_sync.settings import Settings

UPDATE = "UPDATE agents SET model = 'a/after'"
FAILED = "SELECT state = 'pending' AND error LIKE $1 FROM gateway_status"
IN_STEP = "SELECT state = 'offered' AND error IS NULL FROM gateway_status"


@pytest.fixture
def settings(database: str, tmp_path: Path) -> Settings:
    settings = make_settings(database, tmp_path)
    settings.config_path.parent.mkdir()
    settings.config_path.write_text('{"agents": {"$include": ["./agents.json"]}}')
    return settings


def link(path: Path) -> None:
    path.symlink_to(path.with_name("theirs"))


@pytest.mark.parametrize(
    ("put", "kind", "remove"),
    [
        (link, "a symbolic link", Path.unlink),
        (Path.mkdir, "a directory", Path.rmdir),
        (os.mkfifo, "no regular file", Path.unlink),
    ],
    ids=["a link", "a folder", "a pipe"],
)
async def test_what_is_no_file_is_left_alone_and_named_until_it_is_removed(
    start: Start, operator: Operator, lead: None, put: Callable[[Path], None], kind: str, remove: Callable[[Path], None]
) -> None:
    running = await start(wait=Reported)
    theirs = running.output.with_name("theirs")
    theirs.write_text("theirs")
    running.output.unlink()
    put(running.output)
    await operator.execute(UPDATE)
    await eventually(operator, FAILED, f"{running.output} is {kind}: remove it, or set output_path to the file itself")
    assert theirs.read_text() == "theirs"
    remove(running.output)
    await eventually(operator, IN_STEP)
    assert model_in(running.output) == "a/after"


async def test_another_name_of_the_file_keeps_what_it_had(start: Start, operator: Operator, lead: None) -> None:
    running = await start(wait=Reported)
    other = running.output.with_name("other")
    other.hardlink_to(running.output)
    await operator.execute(UPDATE)
    await running.events.until(Published)
    assert (model_in(running.output), model_in(other)) == ("a/after", "a/before")


async def test_a_file_that_is_a_mount_of_its_own_is_named_until_it_is_one_no_more(
    start: Start, operator: Operator, lead: None
) -> None:
    running = await start(wait=Reported)
    theirs = running.output.with_name("theirs")
    shutil.copy(running.output, theirs)
    with mounted(running.output, "--bind", str(theirs)):
        await operator.execute(UPDATE)
        await eventually(operator, FAILED, f"{running.output} cannot be written: %; it is a mount point: mount its%")
        assert model_in(running.output) == "a/before"
    await eventually(operator, IN_STEP)
    assert (model_in(running.output), model_in(theirs)) == ("a/after", "a/before")


async def test_a_folder_that_is_missing_is_made(
    start: Start, operator: Operator, lead: None, settings: Settings
) -> None:
    shutil.rmtree(settings.output.parent)
    running = await start(wait=Reported)
    assert model_in(running.output) == "a/before"


async def test_a_folder_that_is_removed_is_made_again_and_is_still_one_daemons_alone(
    start: Start, operator: Operator, lead: None
) -> None:
    first = await start(wait=Reported)
    shutil.rmtree(first.output.parent)
    await operator.execute(UPDATE)
    await first.events.until(Published)
    await first.events.until(Reported)
    assert model_in(first.output) == "a/after"
    second = await start(wait=WaitingForOther)
    assert second.events.count(SnapshotTaken) == 0


async def test_a_file_in_the_place_of_the_folder_is_named_until_it_is_removed(
    start: Start, operator: Operator, lead: None
) -> None:
    running = await start(wait=Reported)
    folder = running.output.parent
    shutil.rmtree(folder)
    folder.write_text("theirs")
    await operator.execute(UPDATE)
    await eventually(operator, FAILED, f"the lock file {folder}/% cannot be used (%): a file stands in the%")
    assert folder.read_text() == "theirs"
    folder.unlink()
    await eventually(operator, IN_STEP)
    assert model_in(running.output) == "a/after"


async def test_a_file_of_another_user_in_a_folder_of_our_own_is_replaced(
    start: Start, server: ThrowawayServer, home: Path
) -> None:
    (home / "gateway" / "agents.json").write_text("{}")
    (home / "gateway" / "agents.json").chmod(0o600)
    with rights_of_nobody():
        running = await start(wait=Reported, **dict(make_settings(server.dsn, home)))
        await running.plugin.stop()
    assert model_in(running.output) == "p/m"
    assert running.output.stat().st_uid == NOBODY


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (0o755, "let this user write in that directory, or set another output_path"),
        (0o1777, "Operation not permitted; let this user write there, or set another output path"),
    ],
    ids=["a folder of another user", "a file of another user in a folder for all"],
)
async def test_what_another_user_has_to_allow_is_asked_for_until_they_do(
    start: Start, server: ThrowawayServer, home: Path, mode: int, said: str
) -> None:
    folder = home / "gateway"
    (folder / "agents.json").write_text("{}")
    os.chown(folder, 0, 0)
    folder.chmod(mode)
    with rights_of_nobody():
        running = await start(wait=None, **dict(make_settings(server.dsn, home)))
        failed = await running.events.until(PassFailed)
    assert said in str(failed.error)
    assert running.output.read_text() == "{}"
    os.chown(folder, NOBODY, NOBODY)
    with rights_of_nobody():
        await running.events.until(Reported, lambda event: event.state == "offered")
        await running.plugin.stop()
    assert model_in(running.output) == "p/m"


async def test_a_state_folder_of_another_user_is_asked_for_until_they_allow_it(
    start: Start, server: ThrowawayServer, home: Path
) -> None:
    os.chown(home / "state", 0, 0)
    with rights_of_nobody():
        running = await start(wait=None, **dict(make_settings(server.dsn, home)))
        failed = await running.events.until(PassFailed)
    assert f"{home}/state/" in str(failed.error)
    assert "or set another state_dir" in str(failed.error)
    os.chown(home / "state", NOBODY, NOBODY)
    with rights_of_nobody():
        await running.events.until(Reported, lambda event: event.state == "offered")
        await running.plugin.stop()
    assert model_in(running.output) == "p/m"
