"""What an agent is told at a heartbeat. Pure; the text is in prompts/, and what others wrote is fenced as in turns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from agent_config_sync.runtime.fence import Fence, Shown, mark_for
from agent_config_sync.runtime.heartbeat_context import HeartbeatContext
from agent_config_sync.runtime.prompt import ToolDoor, board_tools, head_of, templates
from agent_config_sync.runtime.tools.definition import Tool

LONGEST_MESSAGE = 220
"""Characters of a message in the thread."""


def heartbeat_prompt(context: HeartbeatContext, tools: tuple[Tool[Any], ...], door: ToolDoor, now: datetime) -> str:
    """Return all that an agent is told. tools: which it has."""
    standing = replace(context.agent, task=None)  # no task goes without saying there
    fence = Fence(mark_for([now.isoformat(), *_texts(context)]))
    told = (
        templates()
        .get_template("heartbeat.md.j2")
        .render(
            context=context,
            agent=context.agent,
            tasks=context.tasks,
            left_out=context.left_out,
            focus=context.focus,
            thread=[Shown(f"{head_of(said)}\n{fence(said.content, LONGEST_MESSAGE)}") for said in context.thread],
            fence=fence,
            board_tools=board_tools(standing, tools, door),
            names={tool.name for tool in tools},
            now=now,
        )
    )
    return told.strip()


def _texts(context: HeartbeatContext) -> Iterator[str]:
    """Yield what people and agents wrote."""
    yield from (context.agent.name, context.display_name, context.role or "")
    for task in context.tasks:
        yield from (str(task.id), task.title, task.description or "")
    for said in context.thread:
        yield from (said.content, said.author_id, said.author_name or "")
