"""Agents that nobody has, to see what templates make of one without a database."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from agent_config_sync.model.workspace import BoardRow, PersonRow, ProfileRow, Role, SkillRow
from agent_config_sync.render.context import AgentContext, Home, context_of

_HOME = Home(
    account="default", workspace_root="/srv/openclaw/workspaces", base_url="http://127.0.0.1:3000", main="front"
)

_PERSON = PersonRow(
    name="Ada Example",
    preferred_name="Ada",
    pronouns="she/her",
    timezone="Europe/Berlin",
    notes="Reads on her phone.\nWants figures, not adjectives.",
    context="Moves the shop to a new warehouse.",
)

_BOARD = BoardRow(
    id="00000000-0000-4000-8000-000000000001",
    name="New warehouse",
    board_type="goal",
    objective="Ship every order from the new warehouse.",
    success_metrics='{"late orders": "under 1 %"}',
    target_date=datetime(2027, 3, 1, tzinfo=UTC),
    goal_confirmed=True,
)

_SKILLS = (
    SkillRow(slug="stock-report", name="Stock report", description="Counts what is on the shelves.", content=None),
    SkillRow(slug="labels", name="Labels", description=None, content=None),
)

_PROFILE = """{
  "role": "Planner", "communication_style": "brief", "emoji": ":package:", "autonomy_level": "balanced",
  "verbosity": "concise", "output_format": "bullets", "update_cadence": "daily", "purpose": "Keeps the move on time.",
  "personality": "Calm.", "custom_instructions": "Name the order in every answer."
}"""


@dataclass(frozen=True, slots=True)
class Sample:
    """An agent of one role."""

    title: str
    role: Role
    profile: ProfileRow
    context: AgentContext


def samples() -> tuple[Sample, ...]:
    """Return one of each kind, with all that may be set and with nothing: the first of a role is the full one."""
    return (
        _sample("main", full=True),
        _sample("main", full=False),
        _sample("lead", full=True),
        _sample("lead", full=False),
        _sample("worker", full=True),
        _sample("worker", full=True, board=None),
        _sample("worker", full=False),
        _sample("worker", full=False, board=None),
    )


def _sample(role: Role, *, full: bool, board: BoardRow | None = _BOARD) -> Sample:
    bare = BoardRow(
        id=_BOARD.id, name="Errands", board_type="goal", objective=None, success_metrics=None, target_date=None,
        goal_confirmed=False,
    )  # fmt: skip
    on_board = None if role == "main" or board is None else board if full else bare
    profile = ProfileRow(
        name="front" if role == "main" else f"sample-{role}",
        display_name=f"Sample {role}" if full else None,
        role=None,
        soul_content=None,
        soul_template=None,
        identity_profile=_PROFILE if full else None,
        identity_template=None,
        is_board_lead=role == "lead",
    )
    context = context_of(
        profile,
        role,
        board=on_board,
        person=_PERSON if full else None,
        skills=_SKILLS if full else (),
        home=replace(_HOME, skills_enabled=full),
        token="a-token-of-no-use",  # noqa: S106 - of a sample
    )
    what = ("full" if full else "bare") + ("" if role == "main" or on_board is not None else ", without a board")
    return Sample(f"{role} ({what})", role, profile, context)
