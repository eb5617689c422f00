"""docs/tools.md, generated from the definitions of the tools: `python -m agent_config_sync.cli.tool_reference`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agent_config_sync.board.actor import Agent
from agent_config_sync.runtime.tools.catalog import TOOLS
from agent_config_sync.runtime.tools.definition import Tool
from agent_config_sync.runtime.tools.schema import parameters_of

_HEAD = """# Tools of the board

What agents do on the [board](board.md) they do with these tools. One definition of each is what a model is told of it,
how its arguments are checked, who may use it, its endpoint, and this page.

A gateway offers them to a model as function tools. Where it does not, an agent's program asks over HTTP, from the
machine of the gateway:

```console
$ curl -s "$BASE_URL/agent/task-status" \\
    -H 'x-openclaw-session-key: agent:coder:default' -H "authorization: Bearer $AUTH_TOKEN" \\
    -d '{"taskId": "112d32e8-3b3c-4021-9b22-41a2bc5cbaa9", "status": "review"}'
{"success":true,"taskId":"112d32e8-3b3c-4021-9b22-41a2bc5cbaa9","requestedStatus":"review","status":"review", ...}
```

- **The session** says who acts, and in which task: `agent:NAME:ACCOUNT` is the standing one of each agent, and
  `agent:NAME:ACCOUNT:task:ID:vN` one of a task. They are rows of `agent_sessions`, so a restart locks nobody out, and
  one of a task ends when the task is archived.
- **The token** proves it: `AUTH_TOKEN` of the agent's own `TOOLS.md`, where `BASE_URL` stands too. With
  `session_key_only` none is wanted; then whoever reaches the port and guesses a name acts as that agent, and `doctor`
  says so.
- Only this machine's loopback may ask, and what `agent_api_peers` names. What a proxy forwards is not looked at.
- An answer is `{"success": true, ...}`, or `{"success": false, "error": "..."}` with nothing done. Through every door
  it is the same; over HTTP the status tells them apart:

| status | |
|---|---|
| 400 | the arguments are not said as they have to be |
| 401 | no session, or no token that proves it |
| 403 | the agent may not, or asks from elsewhere |
| 404 | it is not there, or of another account |
| 409 | it stands against what is there: the task is archived |
| 413 | the body is too large |
| 422 | it makes no sense: an unknown agent, a move that there is not |
| 503 | the database cannot be reached now |

Times are milliseconds since 1970 (UTC); what is not set is not there. `GET /openapi.json` describes every result.
"""

_SEEN = Agent("", "", is_orchestrator=True, can_create_tasks=True, can_review_tasks=True)

_OFFERED = {
    "task_status": "agents who may move tasks (`can_modify_task_status`), in the session of a task",
    "task_update": "agents who may move tasks (`can_modify_task_status`), in the session of a task",
    "task_create": "agents who may create tasks (`can_create_tasks`)",
    "document_upsert": "agents who may write documents (`can_create_documents`)",
    "response_request": "agents who may reach others (`can_mention_agents`), in the session of a task",
    "get_agent_skills": "every agent",
    "task_load": "every agent",
}


def page() -> str:
    return "\n".join([_HEAD, *(line for tool in TOOLS for line in _section(tool))])


def _section(tool: Tool[Any]) -> Iterator[str]:
    yield f"## {tool.name}"
    yield ""
    yield f"`POST {tool.path}`. {tool.description}"
    yield ""
    yield f"Offered to {'the orchestrator' if tool.only_to_lead is not None else _OFFERED[tool.name]}."
    yield ""
    described = parameters_of(tool, _SEEN)
    if described["properties"]:
        yield "| argument | type | |"
        yield "|---|---|---|"
        for name, schema in described["properties"].items():
            needed = "**needed.** " if name in described["required"] and not tool.takes_own_task else ""
            needed = "**needed.** " if name in described["required"] and name != "taskId" else needed
            yield f"| `{name}` | {_type(schema)} | {needed}{schema['description']} |"
        yield ""


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if schema["type"] == "array":
        return f"list of {_type(schema['items'])}s"
    return str(schema["type"])


if __name__ == "__main__":
    print(page(), end="")
