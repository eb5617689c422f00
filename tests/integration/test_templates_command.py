"""`agent-config-sync templates`: what a person sees of the templates."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from commands import command
from harness import DEADLINE

from agent_config_sync.render.workspace import FILES


@pytest.mark.parametrize("role", ["main", "lead", "worker"])
async def test_all_files_of_a_sample_are_printed_without_a_database(role: str) -> None:
    ended = await command("templates", "render", "--sample", role)
    assert (ended.status, ended.err) == (0, "")
    assert [line for line in ended.out.splitlines() if line.startswith("==> ")] == [
        f"==> {file.path} <==" for file in FILES
    ]


async def test_one_file_is_printed_as_it_would_be_written(tmp_path: Path) -> None:
    (tmp_path / "SOUL.md").write_text("I am {{ agent_id }}.\n")
    ended = await command("templates", "render", "SOUL.md", "--sample", "lead", "--folder", str(tmp_path))
    assert (ended.status, ended.out) == (0, "I am sample-lead.\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--sample", "boss"), "--sample takes main, lead, worker"),
        (("GONE.md", "--sample", "main"), "this workspace has no file GONE.md: one of AGENTS.md, SOUL.md, "),
        (("--sample", "main", "--folder", "/gone"), "templates_dir /gone cannot be read (No such file or directory)"),
    ],
)
async def test_a_wrong_word_is_told_in_one_line(words: tuple[str, ...], said: str) -> None:
    ended = await command("templates", "render", *words)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"agent-config-sync: {said}")
    assert ended.err.count("\n") == 1


async def test_a_template_that_fails_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "SOUL.md").write_text("a\n{{ gone }}\n")
    ended = await command("templates", "render", "SOUL.md", "--sample", "main", "--folder", str(tmp_path))
    assert (ended.status, ended.err) == (1, "agent-config-sync: SOUL.md, line 2: 'gone' is undefined\n")


async def test_lint_is_silent_about_our_own_templates() -> None:
    ended = await command("templates", "lint")
    assert (ended.status, ended.out, ended.err) == (0, "", "")


async def test_lint_ends_with_3_for_an_error_and_with_0_for_a_warning(tmp_path: Path) -> None:
    (tmp_path / "SOLE.md").write_text("mine")
    ended = await command("templates", "lint", "--folder", str(tmp_path))
    assert (ended.status, ended.out) == (0, "warning: SOLE.md: no file of any role is made of it\n")
    (tmp_path / "SOUL.md").write_text("{{ gone }}")
    ended = await command("templates", "lint", "--folder", str(tmp_path))
    assert ended.status == 3
    assert "error: SOUL.md: unknown variable gone\n" in ended.out


async def test_no_other_command_loads_the_template_engine() -> None:
    program = "import sys, agent_config_sync.cli.main; sys.exit('jinja2' in sys.modules)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-P", "-c", program)
    async with asyncio.timeout(DEADLINE):
        assert await process.wait() == 0
