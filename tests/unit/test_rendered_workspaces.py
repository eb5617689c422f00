"""render/workspaces.py: rows in, the files of all workspaces out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from unit.builders import agent

from agent_config_sync.model.rows import AgentRow
from agent_config_sync.model.workspace import BoardRow, GatewayRow, PersonRow, ProfileRow, SkillRow, WorkspaceRows
from agent_config_sync.render.context import Home
from agent_config_sync.render.template_set import TemplateSet
from agent_config_sync.render.workspaces import AgentWorkspace, Workspaces

HOME = Home(account="acme", workspace_root="/srv/ws", base_url="", main="front")
TEMPLATES = TemplateSet()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
"""What a text column can hold, but for NUL, which PostgreSQL has not."""


def profile(name: str, **columns: Any) -> ProfileRow:
    empty = dict.fromkeys(
        ("display_name", "role", "soul_content", "soul_template", "identity_profile", "identity_template")
    )
    return ProfileRow.model_validate({**empty, "name": name, "is_board_lead": False, **columns})


def skill(slug: str, **columns: Any) -> SkillRow:
    return SkillRow.model_validate({"slug": slug, "name": slug, "description": None, "content": "Do it.", **columns})


def board(id: str, **columns: Any) -> BoardRow:  # noqa: A002 - the column's name
    members = {"name": id, "board_type": "goal", "objective": None, "success_metrics": None, "target_date": None}
    return BoardRow.model_validate({**members, "id": id, "goal_confirmed": False, **columns})


def person(id: str) -> PersonRow:  # noqa: A002 - the column's name
    return PersonRow(
        id=id, name=f"Person {id}", preferred_name=None, pronouns=None, timezone=None, notes=None, context=None
    )


def rendered(
    *profiles: ProfileRow, by: Workspaces | None = None, agents: Sequence[AgentRow] = (), **rows: Any
) -> dict[str, AgentWorkspace]:
    chosen = by or Workspaces()
    made = chosen.render(
        agents or [agent(each.name) for each in profiles],
        WorkspaceRows(profiles=profiles, **rows),
        home=HOME,
        templates=TEMPLATES,
        tokens={each.name: f"token-of-{each.name}" for each in profiles},
    )
    return {each.agent: each for each in made}


def files(workspace: AgentWorkspace) -> dict[str, str]:
    assert workspace.content is not None
    return {file.path: file.content.decode() for file in workspace.content.files}


def test_an_agent_of_which_nothing_changed_is_not_rendered_again() -> None:
    by, one, other = Workspaces(), profile("one"), profile("other")
    before = rendered(one, other, by=by)
    after = rendered(one, profile("other", soul_content="New."), by=by)
    assert after["one"] is before["one"]
    assert files(after["other"])["SOUL.md"] == "New.\n"


@pytest.mark.parametrize("column", ["objective", "name", "success_metrics"])
def test_a_changed_board_renders_its_own_agents_only(column: str) -> None:
    by, one, other = Workspaces(), profile("one", board_id="a"), profile("other", board_id="b")
    a, b = board("a"), board("b")
    before = rendered(one, other, by=by, boards={"a": a, "b": b})
    after = rendered(one, other, by=by, boards={"a": board("a", **{column: '{"x": 1}'}), "b": b})
    assert after["other"] is before["other"]
    assert after["one"] is not before["one"]


def test_a_changed_skill_renders_the_agents_that_have_it_only() -> None:
    by, one, other = Workspaces(), profile("one"), profile("other")
    assigned = {"one": ("labels",)}
    before = rendered(one, other, by=by, skills={"labels": skill("labels")}, assigned=assigned)
    after = rendered(one, other, by=by, skills={"labels": skill("labels", content="New.")}, assigned=assigned)
    assert after["other"] is before["other"]
    assert "New." in files(after["one"])["skills/labels/SKILL.md"]


def test_the_person_of_the_board_beats_the_one_of_the_gateway() -> None:
    gateway = GatewayRow(id="g", workspace_root=None, base_url=None, person_id="of-gateway")
    people = {each: person(each) for each in ("of-board", "of-gateway")}
    made = rendered(
        profile("one", board_id="b"),
        profile("other"),
        boards={"b": board("b", person_id="of-board")},
        people=people,
        gateway=gateway,
    )
    assert "Person of-board" in files(made["one"])["USER.md"]
    assert "Person of-gateway" in files(made["other"])["USER.md"]


def test_a_template_that_fails_costs_its_agent_only() -> None:
    made = rendered(profile("one", soul_template="{{ gone }}"), profile("other"))
    assert (made["one"].content, made["one"].lodging) == (None, None)
    assert made["one"].error == "agent one: soul_template, line 1: 'gone' is undefined"
    assert made["other"].error is None


def test_a_skill_whose_file_cannot_be_made_costs_that_skill() -> None:
    broken = skill("broken", content="---\nname: [\n---\nx")
    made = rendered(
        profile("one"), skills={"broken": broken, "fine": skill("fine")}, assigned={"one": ("broken", "fine")}
    )["one"]
    assert [path for path in files(made) if path.startswith("skills/")] == ["skills/fine/SKILL.md"]
    assert "(broken)" not in files(made)["TOOLS.md"]
    assert [warning for warning in made.warnings if "the skill was left out" in warning] == list(made.warnings)


def test_a_file_that_is_too_long_for_a_gateway_is_told() -> None:
    made = rendered(profile("one", soul_content="x" * 20_001))["one"]
    assert made.warnings == ("agent one: SOUL.md has 20,002 characters; a gateway reads 20,000 of them",)


def test_a_name_that_is_no_id_gets_no_workspace() -> None:
    assert rendered(profile("../x"), profile("UPPER"), profile("fine")).keys() == {"fine"}


def test_only_the_default_agent_without_a_board_reads_the_manual_of_the_main_one() -> None:
    made = rendered(profile("front"), profile("other"))
    assert files(made["front"])["AGENTS.md"] != files(made["other"])["AGENTS.md"]


@pytest.mark.parametrize(
    ("columns", "soul"),
    [
        ({"soul_template": "T {{ agent_id }}", "soul_content": "C", "default_soul": "D"}, "T one"),
        ({"soul_template": " ", "soul_content": "C {{ x }}", "default_soul": "D"}, "C {{ x }}\n"),
        ({"soul_content": "\n", "default_soul": "D"}, "D\n"),
    ],
)
def test_a_template_beats_a_soul_and_a_soul_the_default_of_the_database(columns: dict[str, str], soul: str) -> None:
    assert files(rendered(profile("one", **columns))["one"])["SOUL.md"] == soul


HOSTILE = st.one_of(
    TEXT,
    st.sampled_from(
        [
            "x\nAUTH_TOKEN=forged",
            "\r\nAUTH_TOKEN=forged\r\n",
            "x\u2028AUTH_TOKEN=forged",
            "x\x85AUTH_TOKEN=forged",
            "x\x0bAUTH_TOKEN=forged",
            "{{ auth_token }}",
            "{% include 'TOOLS.md' %}",
            "{{ ''.__class__.__mro__ }}",
            "../../etc/passwd",
            "---\nname: other\n---",
            "${HOME}",
        ]
    ),
)


@given(texts=st.lists(HOSTILE, min_size=9, max_size=9), slug=st.one_of(HOSTILE, st.just("labels")))
def test_no_text_of_the_database_leaves_its_workspace_runs_or_forges_a_token(texts: list[str], slug: str) -> None:
    """Whoever can write rows can write what agents read; not where, not what runs, and not who they are."""
    one = profile(
        "one",
        display_name=texts[0],
        role=texts[1],
        soul_content=texts[2],
        identity_profile=None,
        board_id="b",
        default_soul=texts[3],
    )
    given_skill = skill(slug, name=texts[4], description=texts[5], content=texts[6])
    made = rendered(
        one,
        boards={"b": board("b", name=texts[7], objective=texts[8])},
        skills={slug: given_skill},
        assigned={"one": (slug,)},
    )["one"]
    found = files(made)
    for path in found:
        assert ".." not in PurePosixPath(path).parts
        assert re.fullmatch(r"[A-Za-z0-9_./-]+", path)
        assert not path.startswith("/")
        assert len(PurePosixPath(path).parts) <= 3
    lines = re.split(r"[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", found["TOOLS.md"])
    assert [line for line in lines if line.lstrip().startswith("AUTH_TOKEN")] == ["AUTH_TOKEN=token-of-one"]
    assert [path for path, text in found.items() if "token-of-one" in text] == ["TOOLS.md"]
    if texts[2].strip():
        assert found["SOUL.md"] == (texts[2] if texts[2].endswith("\n") else texts[2] + "\n")
    for path, text in found.items():
        if path.startswith("skills/"):
            front = yaml.safe_load(text.split("---\n")[1])
            assert isinstance(front["name"], str)
