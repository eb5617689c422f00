"""render/context.py: the variables of the templates."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.builders import REPOSITORY

from agent_config_sync.cli.template_reference import page
from agent_config_sync.model.workspace import BoardRow, PersonRow, ProfileRow, Role, SkillRow, role_of
from agent_config_sync.render.context import AgentContext, BoardContext, Home, block, context_of, one_line

HOME = Home(account="acme", workspace_root="/srv/ws", base_url="http://127.0.0.1:3000/", main="front")
SEED_KEYS = {
    *("agent_name", "agent_id", "session_key", "base_url", "auth_token", "main_session_key", "workspace_root"),
    *("user_name", "user_preferred_name", "user_pronouns", "user_timezone", "user_notes", "user_context"),
    *("identity_role", "identity_communication_style", "identity_emoji", "identity_autonomy_level"),
    *("identity_verbosity", "identity_output_format", "identity_update_cadence", "identity_purpose"),
    *("identity_personality", "identity_custom_instructions"),
}
SEED_BOARD_KEYS = {
    *("board_id", "board_name", "board_type", "board_objective", "board_success_metrics", "board_target_date"),
    *("board_goal_confirmed", "is_board_lead", "workspace_path"),
}


OURS = {"skills", "skills_enabled"}


def profile(**members: Any) -> ProfileRow:
    empty = dict.fromkeys(ProfileRow.model_fields, None)
    required = {"name": "coder", "is_board_lead": False, "skills_exclusive": False}
    return ProfileRow.model_validate({**empty, **required, **members})


def person(**members: Any) -> PersonRow:
    return PersonRow.model_validate({**dict.fromkeys(PersonRow.model_fields, None), "id": "p-1", **members})


def board(**members: Any) -> BoardRow:
    empty = dict.fromkeys(BoardRow.model_fields, None)
    return BoardRow.model_validate(
        {**empty, "id": "b-1", "name": "Shop", "board_type": "goal", "goal_confirmed": False, **members}
    )


def variables(row: ProfileRow | None = None, role: Role = "worker", **parts: Any) -> dict[str, object]:
    given = {"board": None, "person": None, "skills": (), "home": HOME, "token": "t", **parts}
    return context_of(row or profile(), role, **given).variables()


def test_every_key_of_the_seed_is_there_and_the_main_agent_has_none_of_a_board() -> None:
    assert set(variables(role="main")) == SEED_KEYS | OURS
    assert set(variables(role="worker")) == SEED_KEYS | SEED_BOARD_KEYS | OURS
    assert set(variables(role="lead")) == set(variables(role="worker"))


def test_every_variable_says_what_it_is() -> None:
    assert all(field.description for model in (AgentContext, BoardContext) for field in model.model_fields.values())


@pytest.mark.parametrize(
    ("is_lead", "on_board", "is_default", "role"),
    [
        (False, False, True, "main"),
        (True, False, True, "main"),
        (False, True, True, "worker"),
        (True, True, True, "lead"),
        (True, True, False, "lead"),
        (False, True, False, "worker"),
        (False, False, False, "worker"),
    ],
)
def test_the_default_agent_without_a_board_is_the_main_one(
    is_lead: bool, on_board: bool, is_default: bool, role: Role
) -> None:
    assert role_of(profile(is_board_lead=is_lead), on_board=on_board, is_default=is_default) == role


def test_sessions_are_named_after_agent_and_account() -> None:
    found = variables(profile(name="coder"))
    assert (found["session_key"], found["main_session_key"]) == ("agent:coder:acme", "agent:front:acme")


def test_a_workspace_is_below_the_root() -> None:
    found = variables(profile(name="coder"))
    assert (found["workspace_root"], found["workspace_path"]) == ("/srv/ws", "/srv/ws/coder")


def test_the_display_name_is_used_where_there_is_one() -> None:
    assert variables(profile(display_name=" Ada \n the coder "))["agent_name"] == "Ada the coder"
    assert variables(profile(display_name=" "))["agent_name"] == "coder"


def test_an_agent_without_a_board_has_empty_board_variables() -> None:
    found = variables()
    board_keys = SEED_BOARD_KEYS - {"is_board_lead", "workspace_path", "board_success_metrics", "board_goal_confirmed"}
    assert {found[key] for key in board_keys} == {""}
    assert (found["board_success_metrics"], found["board_goal_confirmed"]) == ("{}", "false")


def test_a_board_is_told_in_texts() -> None:
    due = datetime(2027, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    found = variables(
        role="lead",
        board=board(objective="a\r\nb", success_metrics='{"x": 1}', target_date=due, goal_confirmed=True),
    )
    assert (found["board_id"], found["board_name"], found["board_type"]) == ("b-1", "Shop", "goal")
    assert (found["board_objective"], found["board_success_metrics"]) == ("a\nb", '{"x": 1}')
    assert found["board_target_date"] == "2027-02-28T23:30:00Z"
    assert (found["board_goal_confirmed"], found["is_board_lead"]) == ("true", "true")


@pytest.mark.parametrize(
    ("members", "called"),
    [
        ({"preferred_name": " Ada  Lovelace"}, "Ada"),
        ({"name": "Grace Hopper"}, "Grace"),
        ({"name": "Grace Hopper", "preferred_name": "  "}, "Grace"),
        ({}, ""),
    ],
)
def test_a_person_is_called_by_one_word(members: dict[str, str], called: str) -> None:
    assert variables(person=person(**members))["user_preferred_name"] == called


def test_nobody_to_work_for_gives_empty_texts() -> None:
    found = variables(person=None)
    assert {value for key, value in found.items() if key.startswith("user_")} == {""}


def test_notes_keep_their_lines() -> None:
    assert variables(person=person(notes="a\nb\x00c"))["user_notes"] == "a\nbc"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ('{"role": "Tester"}', "Tester"),
        ('{"role": "  "}', "Engineer"),
        ('{"role": null}', "Engineer"),
        ('{"role": ["a", " ", "b", null]}', "a, b"),
        ('{"role": 7}', "7"),
        ('{"role": true}', "true"),
        ('["no", "object"]', "Engineer"),
        (None, "Engineer"),
    ],
)
def test_a_member_of_the_profile_is_text_whatever_it_holds(given: str | None, text: str) -> None:
    assert variables(profile(identity_profile=given, role="Engineer"))["identity_role"] == text


def test_an_agent_that_says_nothing_of_itself_has_the_defaults_of_the_seed() -> None:
    found = variables()
    names = ("identity_role", "identity_communication_style", "identity_emoji")
    assert [found[name] for name in names] == ["Generalist", "direct, concise, practical", ":gear:"]


def test_skills_keep_their_order_and_are_told_in_one_line_each() -> None:
    skills = [
        SkillRow(slug="b", name="B\nskill", description="x\r\ny", content=None),
        SkillRow(slug="a", name=" ", description=None, content=None),
    ]
    told = variables(skills=skills)["skills"]
    assert isinstance(told, tuple)
    assert [(line.name, line.slug, line.description) for line in told] == [("B skill", "b", "x y"), ("a", "a", "")]


def test_an_agents_own_templates_see_everything_but_the_token() -> None:
    context = context_of(profile(), "worker", board=None, person=None, skills=(), home=HOME, token="secret")
    assert context.variables().keys() - context.without_secret().keys() == {"auth_token"}


@given(st.text())
def test_no_text_of_one_line_can_begin_another(text: str) -> None:
    assert len(one_line(f"x{text}x").splitlines()) == 1
    assert not {"\0", "\x1b"} & set(one_line(text))


@given(st.text())
def test_a_block_ends_its_lines_in_one_way(text: str) -> None:
    assert block(text).splitlines() == (block(text).split("\n") if block(text) else [])


def test_the_page_of_the_templates_is_the_one_that_the_code_makes() -> None:
    assert (REPOSITORY / "docs" / "templates.md").read_text(encoding="utf-8") == page()
