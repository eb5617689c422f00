"""The variables of the templates: all of them are made here, and docs/templates.md is generated from their models."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC

from pydantic import BaseModel, ConfigDict, Field

from agent_config_sync.model.workspace import BoardRow, PersonRow, ProfileRow, Role, SkillRow

DEFAULT_ROLE = "Generalist"
DEFAULT_STYLE = "direct, concise, practical"
DEFAULT_EMOJI = ":gear:"

SECRET = "auth_token"  # noqa: S105 - the name of the variable
"""The variable that an agent's own templates do not see."""

_BREAKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LINE_END = re.compile(r"\r\n?|[\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class SkillLine:
    """An assigned skill, each text on one line."""

    name: str
    slug: str
    description: str


@dataclass(frozen=True, slots=True)
class Home:
    """Where the agents of a gateway live, as the gateway itself sees it.

    workspace_root: without a slash at its end; prefix: of each folder below it; base_url: of our HTTP interface, empty
    where there is none; main: name of the main agent; skills_enabled: agents may install skills.
    """

    account: str
    workspace_root: str
    base_url: str
    main: str
    prefix: str = ""
    skills_enabled: bool = False

    def workspace(self, agent: str) -> str:
        """Return the folder of an agent's workspace."""
        return f"{self.workspace_root}/{self.prefix}{agent}"


class AgentContext(BaseModel):
    """What every template sees. A text that is not set is empty; texts without a word about it are one line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agent_name: str = Field(description="Display name of the agent, else its id.")
    agent_id: str = Field(description="Id of the agent everywhere: `agents.name`.")
    session_key: str = Field(description="Key of the agent's own session, `agent:ID:ACCOUNT`.")
    base_url: str = Field(description="Address of the HTTP interface for agents.")
    auth_token: str = Field(description="The agent's own token; `soul_template` and `identity_template` do not see it.")
    main_session_key: str = Field(description="Key of the main agent's session.")
    workspace_root: str = Field(description="Folder of all workspaces, as the gateway sees it.")
    user_name: str = Field(description="Name of the person for whom the agent works.")
    user_preferred_name: str = Field(description="The one word by which the person is called.")
    user_pronouns: str = Field(description="Their pronouns.")
    user_timezone: str = Field(description="Their time zone.")
    user_notes: str = Field(description="Notes about them; may have several lines.")
    user_context: str = Field(description="What they are busy with; may have several lines.")
    identity_role: str = Field(description=f"Role; `identity_profile.role`, `agents.role`, else `{DEFAULT_ROLE}`.")
    identity_communication_style: str = Field(description=f"How the agent writes; default `{DEFAULT_STYLE}`.")
    identity_emoji: str = Field(description=f"Default `{DEFAULT_EMOJI}`.")
    identity_autonomy_level: str = Field(description="`ask_first`, `balanced` or `autonomous`.")
    identity_verbosity: str = Field(description="`concise`, `balanced` or `detailed`.")
    identity_output_format: str = Field(description="`bullets`, `mixed` or `narrative`.")
    identity_update_cadence: str = Field(description="`asap`, `hourly`, `daily` or `weekly`.")
    identity_purpose: str = Field(description="What the agent is for; may have several lines.")
    identity_personality: str = Field(description="May have several lines.")
    identity_custom_instructions: str = Field(description="May have several lines.")
    skills_enabled: str = Field(description="`true` or `false`: whether the agent may install skills by itself.")
    skills: tuple[SkillLine, ...] = Field(
        description="The assigned and enabled skills in their order, each with `name`, `slug` and `description`."
    )

    def variables(self) -> dict[str, object]:
        """Return them by name."""
        return dict(self.__dict__)

    def without_secret(self) -> dict[str, object]:
        """Return what an agent's own templates see."""
        return {name: value for name, value in self.__dict__.items() if name != SECRET}


class BoardContext(AgentContext):
    """What the templates of leads and workers see beside it; without a board its variables are empty."""

    board_id: str = Field(description="UUID of the board.")
    board_name: str = Field(description="Name of the board.")
    board_type: str = Field(description="Such as `goal`.")
    board_objective: str = Field(description="What it is for; may have several lines.")
    board_success_metrics: str = Field(description="JSON text of an object, `{}` for none.")
    board_target_date: str = Field(description="ISO 8601, in UTC.")
    board_goal_confirmed: str = Field(description="`true` or `false`.")
    is_board_lead: str = Field(description="`true` or `false`.")
    workspace_path: str = Field(description="Folder of the agent's own workspace, as the gateway sees it.")


def context_of(
    profile: ProfileRow,
    role: Role,
    *,
    board: BoardRow | None,
    person: PersonRow | None,
    skills: Sequence[SkillRow],
    home: Home,
    token: str,
) -> AgentContext:
    """Return the variables of one agent. skills: assigned and enabled, in their order."""
    common: dict[str, object] = {
        "agent_name": one_line(profile.display_name) or profile.name,
        "agent_id": profile.name,
        "session_key": session_key(profile.name, home.account),
        "base_url": one_line(home.base_url).rstrip("/"),
        "auth_token": token,
        "main_session_key": session_key(home.main, home.account),
        "workspace_root": home.workspace_root,
        "skills_enabled": _truth(home.skills_enabled),
        "skills": tuple(
            SkillLine(one_line(skill.name) or skill.slug, skill.slug, one_line(skill.description)) for skill in skills
        ),
        **_user(person),
        **_identity(profile),
    }
    if role == "main":
        return AgentContext.model_validate(common)
    return BoardContext.model_validate(
        {
            **common,
            **_board(board),
            "is_board_lead": _truth(role == "lead"),
            "workspace_path": home.workspace(profile.name),
        }
    )


def one_line(text: str | None) -> str:
    """Return a text in one line, so that it cannot begin a line of its own, such as `AUTH_TOKEN=`."""
    return _BREAKS.sub(" ", text).strip() if text else ""


def block(text: str | None) -> str:
    """Return a text of several lines without control characters."""
    return _CONTROL.sub("", _LINE_END.sub("\n", text)).strip() if text else ""


def session_key(agent: str, rest: str) -> str:
    """Return the key of a session of an agent; only a key of this form reaches it (measured on 2026.9.6)."""
    return f"agent:{agent}:{rest}"


def _user(person: PersonRow | None) -> dict[str, str]:
    named = person or PersonRow(name=None, preferred_name=None, pronouns=None, timezone=None, notes=None, context=None)
    called = one_line(named.preferred_name) or one_line(named.name)
    return {
        "user_name": one_line(named.name),
        "user_preferred_name": called.partition(" ")[0],
        "user_pronouns": one_line(named.pronouns),
        "user_timezone": one_line(named.timezone),
        "user_notes": block(named.notes),
        "user_context": block(named.context),
    }


def emoji_of(profile: ProfileRow) -> str:
    """Return the emoji that the profile names, empty for none."""
    return one_line(_text(_profile(profile).get("emoji")))


def _profile(profile: ProfileRow) -> Mapping[str, object]:
    """Return the members of identity_profile; what is no object has none."""
    try:
        members = json.loads(profile.identity_profile) if profile.identity_profile else None
    except (ValueError, RecursionError):  # a column of somebody's own
        members = None
    return members if isinstance(members, dict) else {}


def _identity(profile: ProfileRow) -> dict[str, str]:
    given = _profile(profile)

    def line(key: str) -> str:
        return one_line(_text(given.get(key)))

    def lines(key: str) -> str:
        return block(_text(given.get(key)))

    return {
        "identity_role": line("role") or one_line(profile.role) or DEFAULT_ROLE,
        "identity_communication_style": line("communication_style") or DEFAULT_STYLE,
        "identity_emoji": line("emoji") or DEFAULT_EMOJI,
        "identity_autonomy_level": line("autonomy_level"),
        "identity_verbosity": line("verbosity"),
        "identity_output_format": line("output_format"),
        "identity_update_cadence": line("update_cadence"),
        "identity_purpose": lines("purpose"),
        "identity_personality": lines("personality"),
        "identity_custom_instructions": lines("custom_instructions"),
    }


def _board(board: BoardRow | None) -> dict[str, str]:
    if board is None:
        names = ("id", "name", "type", "objective", "target_date")
        empty = {f"board_{name}": "" for name in names}
        return {**empty, "board_success_metrics": "{}", "board_goal_confirmed": _truth(False)}
    due = board.target_date
    return {
        "board_id": board.id,
        "board_name": one_line(board.name),
        "board_type": one_line(board.board_type),
        "board_objective": block(board.objective),
        "board_success_metrics": one_line(board.success_metrics) or "{}",
        "board_target_date": due.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if due is not None else "",
        "board_goal_confirmed": _truth(board.goal_confirmed),
    }


def _text(value: object) -> str:
    """Return a member of a profile as text: lists joined, everything else as it stands in JSON."""
    match value:
        case None:
            return ""
        case str():
            return value
        case list():
            return ", ".join(text for item in value if (text := _text(item).strip()))
        case _:
            return json.dumps(value, ensure_ascii=False)


def _truth(value: bool) -> str:
    return "true" if value else "false"
