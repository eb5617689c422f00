"""What an agent's entry says because the agent has a workspace of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent_config_sync.model.site import Rules
from agent_config_sync.model.workspace import ProfileRow
from agent_config_sync.render.context import emoji_of, one_line
from agent_config_sync.render.model_id import model_of
from agent_config_sync.render.values import forbidden


@dataclass(frozen=True, slots=True, eq=False)
class Lodging:
    """An agent and its workspace. place: the folder as the gateway sees it; skills: None leaves them to the gateway."""

    profile: ProfileRow
    place: str
    skills: tuple[str, ...] | None


def lodge(
    body: dict[str, object],
    lodging: Lodging,
    rules: Rules,
    aliases: Mapping[str, str] | None,
    warn: Callable[[str], None],
) -> None:
    """Say where the workspace is, who lives there, when it wakes and, where that is exclusive, what it can."""
    profile = lodging.profile
    body["workspace"] = lodging.place
    identity = {"name": one_line(profile.display_name) or profile.name}
    emoji = emoji_of(profile)
    if emoji:
        identity["emoji"] = emoji
    if (found := forbidden(identity)) is not None:
        warn(f"display_name or emoji was left out: {found}")
        identity = {"name": profile.name}
    body["identity"] = identity
    if lodging.skills is not None:
        body["skills"] = list(lodging.skills)
    heartbeat = {
        key: value.strip()
        for key, value in (
            ("every", profile.heartbeat_every),
            ("target", profile.heartbeat_target),
            ("prompt", profile.heartbeat_prompt),
        )
        if value is not None and value.strip()
    }
    if profile.heartbeat_model is not None and profile.heartbeat_model.strip():
        model = model_of(profile.heartbeat_model, "heartbeat_model", aliases, warn)
        if model is not None:
            heartbeat["model"] = model
    for key, value in heartbeat.items():
        if (found := forbidden(value)) is not None:
            warn(f"heartbeat_{key} was left out: {found}")
        elif (problem := rules.agent_key_problem("heartbeat", {key: value})) is not None:
            warn(f"heartbeat_{key} was left out: {problem}")
        else:
            wakes = body.setdefault("heartbeat", {})
            assert isinstance(wakes, dict)  # made just here
            wakes[key] = value
