"""worktrees/git.py: how git is run, seen by a program of that name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from agent_config_sync.errors import WorktreeError
from agent_config_sync.worktrees.git import Git

Played: TypeAlias = Callable[[str], Git]


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Played:
    """Let a shell script be the git on PATH."""

    def play(script: str) -> Git:
        program = tmp_path / "bin" / "git"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        return Git(tmp_path)

    return play


async def test_each_word_arrives_as_it_is(played: Played) -> None:
    git = played("printf '<%s>' \"$@\"")
    assert await git.said("a b", "$(id)", "; x", "*", "") == "<a b><$(id)><; x><*><>"


async def test_it_runs_in_its_folder(played: Played, tmp_path: Path) -> None:
    assert await played("pwd -P").said() == str(tmp_path)


async def test_it_has_no_terminal_to_ask_anybody_on(played: Played) -> None:
    said = await played("cut -d' ' -f6 /proc/$$/stat; echo $GIT_TERMINAL_PROMPT; cat").said()
    session, *others = said.split("\n")
    assert int(session) != os.getsid(0)
    assert others == ["0"]


async def test_nothing_leads_it_elsewhere_and_its_words_are_english(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.setenv(name, "/elsewhere")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "0")  # a person's configuration stays
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    said = await played("env").said()
    assert "/elsewhere" not in said
    assert {"LC_ALL=C", "GIT_CONFIG_COUNT=0"} <= set(said.splitlines())


async def test_its_complaint_is_told_in_one_line_without_a_login(played: Played) -> None:
    git = played("printf 'fatal: no way to https://ada:geheim@host/x\\n\\033[1mlook\\n' >&2; exit 128")
    with pytest.raises(WorktreeError) as told:
        await git.said("fetch")
    assert str(told.value) == f"git fetch failed in {git.folder}: no way to https://...@host/x \\x1b[1mlook"


async def test_what_it_leaves_running_does_not_hold_it_up(played: Played, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "end")
    git = played("cat end & echo done")
    assert await git.said() == "done"
    (tmp_path / "end").write_text("")  # lets the other one end


async def test_one_that_does_not_end_is_ended(played: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "never")
    git = played("exec cat never")
    monkeypatch.setattr("agent_config_sync.worktrees.git.DEADLINE", 0.2)
    with pytest.raises(WorktreeError, match="git fetch did not end within"):
        await git.said("fetch")
    with pytest.raises(OSError, match="No such device or address"):  # nobody reads it any more
        os.open(tmp_path / "never", os.O_WRONLY | os.O_NONBLOCK)


async def test_a_folder_that_is_gone_is_told(played: Played, tmp_path: Path) -> None:
    played("pwd")
    with pytest.raises(WorktreeError, match=r"git cannot be run in .*gone \(No such file or directory\)"):
        await Git(tmp_path / "gone").said("status")
