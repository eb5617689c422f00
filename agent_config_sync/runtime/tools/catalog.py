"""All tools, in the order in which models see them, and who is offered which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent_config_sync.board.actor import Agent
from agent_config_sync.runtime.tools.definition import Tool
from agent_config_sync.runtime.tools.orchestration import (
    TASK_ASSIGN,
    TASK_DELETE,
    TASK_GET,
    TASK_LINK_PR,
    TASK_LIST,
    TASK_MESSAGE,
    TASK_SEARCH,
    TASK_THREAD,
)
from agent_config_sync.runtime.tools.sharing import DOCUMENT_UPSERT, GET_AGENT_SKILLS, RESPONSE_REQUEST
from agent_config_sync.runtime.tools.tasks import TASK_CREATE, TASK_LOAD, TASK_STATUS, TASK_UPDATE

TOOLS: tuple[Tool[Any], ...] = (
    TASK_STATUS,
    TASK_UPDATE,
    TASK_CREATE,
    DOCUMENT_UPSERT,
    RESPONSE_REQUEST,
    GET_AGENT_SKILLS,
    TASK_LOAD,
    TASK_ASSIGN,
    TASK_MESSAGE,
    TASK_LIST,
    TASK_GET,
    TASK_THREAD,
    TASK_SEARCH,
    TASK_DELETE,
    TASK_LINK_PR,
)

BY_NAME: Mapping[str, Tool[Any]] = {tool.name: tool for tool in TOOLS}


def offered_to(agent: Agent) -> tuple[Tool[Any], ...]:
    """Return the tools that an agent has in its session."""
    return tuple(tool for tool in TOOLS if tool.offered(agent))
