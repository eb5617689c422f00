"""What our templates make of the sample agents, word for word: a change of them is seen in the diff of the snapshots.

for role in main lead worker; do
    agent-config-sync templates render --sample $role > tests/snapshots/workspace-$role.md
done
"""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_config_sync.render.sample import Sample, samples
from agent_config_sync.render.template_set import TemplateSet
from agent_config_sync.render.workspace import FILES, render_file

SNAPSHOTS = Path(__file__).parents[1] / "snapshots"
TEMPLATES = TemplateSet()


def rendered(sample: Sample) -> dict[str, str]:
    return {file.path: render_file(file, sample.profile, sample.role, sample.context, TEMPLATES) for file in FILES}


@pytest.mark.parametrize("role", ["main", "lead", "worker"])
def test_the_files_of_a_full_agent_are_those_of_the_snapshot(role: str) -> None:
    sample = next(sample for sample in samples() if sample.role == role)
    text = "".join(f"==> {path} <==\n{content}\n" for path, content in rendered(sample).items())
    assert text == (SNAPSHOTS / f"workspace-{role}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.title)
def test_every_file_is_clean_markdown(sample: Sample) -> None:
    for path, content in rendered(sample).items():
        lines = content.split("\n")
        assert content.endswith("\n"), path
        assert not content.endswith("\n\n"), path
        assert [line for line in lines if line != line.rstrip()] == [], path
        assert "\n\n\n" not in content, path
        assert content.startswith("# "), path


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.title)
def test_the_token_stands_in_the_file_of_the_connection_values_and_in_no_other(sample: Sample) -> None:
    token = sample.context.auth_token
    assert [path for path, content in rendered(sample).items() if token in content] == ["TOOLS.md"]


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.title)
def test_skills_stand_in_the_manual_too_for_newer_gateways_do_not_show_the_tools(sample: Sample) -> None:
    files = rendered(sample)
    told = [f"- **{skill.name}** ({skill.slug})" for skill in sample.context.skills] or ["No assigned skills"]
    assert [line for line in told if line not in files["TOOLS.md"] or line not in files["AGENTS.md"]] == []


def test_a_worker_without_a_board_reads_of_none() -> None:
    sample = next(sample for sample in samples() if sample.title == "worker (full, without a board)")
    files = rendered(sample)
    assert [path for path, content in files.items() if "board" in content.lower() and path != "TOOLS.md"] == []
    assert "\nBOARD_ID=\n" in files["TOOLS.md"]
