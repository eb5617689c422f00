"""render/workspace.py: the files of a workspace."""

from __future__ import annotations

import pytest
from unit.test_context import HOME, board, profile

from agent_config_sync.errors import RenderError
from agent_config_sync.model.workspace import ProfileRow, Role
from agent_config_sync.render.context import AgentContext, context_of
from agent_config_sync.render.template_set import TemplateSet
from agent_config_sync.render.workspace import FILES, render_file

BY_PATH = {file.path: file for file in FILES}


def context(row: ProfileRow, role: Role) -> AgentContext:
    on_board = board() if role != "main" else None
    return context_of(row, role, board=on_board, person=None, skills=(), home=HOME, token="secret")


def text(path: str, row: ProfileRow | None = None, role: Role = "worker", templates: TemplateSet | None = None) -> str:
    row = row or profile()
    return render_file(BY_PATH[path], row, role, context(row, role), templates or TemplateSet())


def test_the_files_are_those_of_the_seed() -> None:
    names = ("AGENTS", "SOUL", "TASK_SOUL", "SELF", "AUTONOMY", "TOOLS", "IDENTITY", "USER", "HEARTBEAT", "BOOT")
    assert [file.path for file in FILES] == [
        *(f"{name}.md" for name in names),
        *("BOOTSTRAP.md", "MEMORY.md", "memory/WORKING.md"),
    ]


def test_what_belongs_to_the_agent_once_it_exists_is_what_the_seed_preserves() -> None:
    assert {file.path for file in FILES if file.owner == "agent"} == {
        *("SELF.md", "USER.md", "MEMORY.md", "TASK_SOUL.md", "memory/WORKING.md")
    }
    assert {file.path for file in FILES if file.owner == "nobody"} == {"BOOTSTRAP.md"}


def test_the_main_agent_has_templates_of_its_own_for_the_files_of_the_seed() -> None:
    of_main = {file.path: file.template("main") for file in FILES if file.template("main") != file.template("worker")}
    assert of_main == {f"{name}.md": f"MAIN_{name}.md" for name in ("AGENTS", "HEARTBEAT", "USER", "BOOT", "TOOLS")}


def test_a_lead_differs_from_a_worker_in_its_heartbeat_alone() -> None:
    differs = {file.path: (file.template("lead"), file.template("worker")) for file in FILES}
    assert {path: names for path, names in differs.items() if names[0] != names[1]} == {
        "HEARTBEAT.md": ("HEARTBEAT_LEAD.md", "HEARTBEAT_AGENT.md")
    }


def test_a_soul_is_taken_word_for_word_and_is_no_template() -> None:
    soul = "  {{ auth_token }} {% raw %}\n"
    assert text("SOUL.md", profile(soul_content=soul)) == soul
    assert text("SOUL.md", profile(soul_content="no newline")) == "no newline\n"


def test_a_soul_template_beats_a_soul_and_a_soul_beats_the_default() -> None:
    assert text("SOUL.md", profile(soul_template="I am {{ agent_id }}.", soul_content="other")) == "I am coder."
    for blank in (None, "", " \n"):
        default = text("SOUL.md", profile(soul_template=blank, soul_content=blank))
        assert default == text("SOUL.md")


def test_an_identity_template_beats_the_default() -> None:
    assert text("IDENTITY.md", profile(identity_template="{{ identity_role }}")) == "Generalist"


@pytest.mark.parametrize(("path", "column"), [("SOUL.md", "soul_template"), ("IDENTITY.md", "identity_template")])
def test_an_agents_own_template_cannot_read_its_token(path: str, column: str) -> None:
    with pytest.raises(RenderError, match=rf"^{column}, line 1: 'auth_token' is undefined"):
        text(path, profile(**{column: "{{ auth_token }}"}))


def test_a_literal_file_is_everybodys_and_no_template() -> None:
    templates = TemplateSet(literal={"AGENTS.md": "{{ as it is }}"})
    assert {text("AGENTS.md", role=role, templates=templates) for role in ("main", "lead", "worker")} == {
        "{{ as it is }}"
    }


def test_no_name_of_an_agent_forges_a_line_of_the_connection_values() -> None:
    row = profile(display_name="x\nAUTH_TOKEN=forged\r\u2028AUTH_TOKEN=forged")
    lines = text("TOOLS.md", row).splitlines()
    assert [line for line in lines if line.startswith("AUTH_TOKEN=")] == ["AUTH_TOKEN=secret"]
