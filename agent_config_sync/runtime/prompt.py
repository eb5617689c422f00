"""What an agent is told in a turn: instructions, and what the turn opens with. Pure; the texts are in prompts/.

All that people and agents wrote is fenced or made one line, and bounded. A template that forgets this shows one line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, TypeAlias, assert_never

from jinja2 import Environment, FunctionLoader, StrictUndefined

from agent_config_sync.board.actor import Agent
from agent_config_sync.board.model import Message, TaskStatus
from agent_config_sync.runtime.context import Context, Headline
from agent_config_sync.runtime.fence import Fence, Shown, line, mark_for, shown
from agent_config_sync.runtime.silence import NOTHING_TO_ADD, may_stay_silent
from agent_config_sync.runtime.tools.definition import Tool
from agent_config_sync.runtime.tools.schema import parameters_of

LONGEST = 60_000
"""Characters of what a turn opens with. The thread gives way first, and then the documents."""

LONGEST_MESSAGE = 15_000
"""Characters of what is to be answered."""

THREAD, THREAD_MESSAGE = 25, 1_500
"""Messages of the thread, and characters of each."""

COLLEAGUES, ASSIGNEES, LABELS = 25, 25, 20
EFFECTS, LONGEST_EFFECT = 10, 300
"""Earlier effects that are shown, and characters of what each was given and answered."""

_DOCUMENTS = (4_000, 1_000, 0)
"""Characters of a document, from the first figure on as many as there is room for."""

_ROOM = 100
"""Characters for the head of a thread."""

_NAMES = ("instructions.md.j2", "opening.md.j2", "heartbeat.md.j2", "tools.md.j2")

_TO_READ_ON = "task_load"

NEXT: Mapping[TaskStatus, tuple[TaskStatus, ...]] = MappingProxyType(
    {
        "inbox": (),
        "assigned": ("in_progress", "review", "blocked"),
        "in_progress": ("review", "blocked"),
        "review": ("in_progress", "done", "blocked"),
        "done": (),
        "blocked": ("in_progress", "review"),
        "archived": (),
    }
)
"""What an agent may make of a task, as board_may_become() in the database has it."""


@dataclass(frozen=True, slots=True)
class FunctionDoor:
    """The tools are functions of the session, under their own names."""


@dataclass(frozen=True, slots=True)
class HttpDoor:
    """The tools are endpoints. base_url: where the agent reaches this process; session_key: names its session there."""

    base_url: str
    session_key: str


ToolDoor: TypeAlias = FunctionDoor | HttpDoor
"""How an agent reaches the tools of the board: gateways before 2026.5 take no functions."""


def instructions(context: Context, tools: tuple[Tool[Any], ...], door: ToolDoor, fence: Fence) -> str:
    """Return the rules of a turn, with the parts that apply to it. tools: which the agent has in it."""
    names = {tool.name for tool in tools}
    agent, task = context.agent, context.task
    may = [status for status in NEXT[task.status] if status != "done" or agent.may_end_reviews]
    return _render(
        "instructions.md.j2",
        context,
        fence,
        board_tools=board_tools(context.agent, tools, door),
        names=names,
        next_statuses=Shown(", ".join(may)),
        others=_named([name for name in task.agents if name != agent.name]),
        whom_to_ask=_whom_to_ask(context, can_request="response_request" in names),
    )


def board_tools(agent: Agent, tools: tuple[Tool[Any], ...], door: ToolDoor) -> Shown:
    """Return how an agent reaches the board, for any kind of turn."""
    match door:
        case FunctionDoor():
            return _as_functions(tools)
        case HttpDoor():
            http = {"base_url": door.base_url.rstrip("/"), "session_key": door.session_key}
            arguments = {tool.name: tuple(arguments_of(agent, tool)) for tool in tools}
            return _tools_told(tools=tools, http=http, arguments=arguments)
        case _:
            assert_never(door)


@cache
def _as_functions(tools: tuple[Tool[Any], ...]) -> Shown:
    """Return it for tools that are functions: the same for all who have the same, and a third of the rules' time."""
    return _tools_told(tools=tools, http=None)


def _tools_told(**variables: object) -> Shown:
    return Shown(templates().get_template("tools.md.j2").render(variables))


def opening(context: Context, now: datetime, fence: Fence) -> str:
    """Return what happened and all that is told with it, in `LONGEST` characters at the most."""
    messages = [_entry(context, message, fence) for message in context.thread[-THREAD:]]
    told = _opening(context, now, fence, _DOCUMENTS[0], messages)
    if len(told) <= LONGEST:
        return told
    for documents in _DOCUMENTS:
        told = _opening(context, now, fence, documents, ())
        room = LONGEST - len(told) - _ROOM
        if room >= 0:
            break
    kept: list[Shown] = []
    for message in reversed(messages):
        room -= len(message) + 1
        if room < 0:
            break
        kept.insert(0, message)
    return _opening(context, now, fence, documents, kept) if kept else told


def _opening(context: Context, now: datetime, fence: Fence, documents: int, thread: Sequence[Shown]) -> str:
    notification = context.notification
    effects = context.effects[-EFFECTS:]
    left_out = context.effects[: len(context.effects) - len(effects)]
    return _render(
        "opening.md.j2",
        context,
        fence,
        now=now,
        actor=_who(notification.actor_type, notification.actor_id, notification.actor_name),
        body=_body(context, fence),
        message=_message(context, fence),
        effects=[
            {
                "tool": effect.tool,
                "arguments": fence(effect.arguments, LONGEST_EFFECT),
                "result": fence(effect.result, LONGEST_EFFECT),
            }
            for effect in effects
        ],
        effects_left_out=line(f"{len(left_out)} earlier: {', '.join(dict.fromkeys(e.tool for e in left_out))}", 300)
        if left_out
        else None,
        labels=line(", ".join(context.task.labels[:LABELS]), 500),
        assignees=_named(context.task.agents, people=len(context.task.people)),
        documents=documents,
        overview=[
            (status, total, [_headline(each) for each in headlines])
            for status, (total, headlines) in (context.overview or {}).items()
        ],
        thread=thread,
        older=context.older + len(context.thread) - len(thread),
        colleagues=context.colleagues[:COLLEAGUES],
        colleagues_left_out=len(context.colleagues[COLLEAGUES:]),
    )


def _body(context: Context, fence: Fence) -> Shown | None:
    """Return what the notification says, unless it is the title of its task."""
    body = context.notification.body
    return None if context.task.title.startswith(body) else fence(body, LONGEST_MESSAGE)


def _message(context: Context, fence: Fence) -> Mapping[str, Shown] | None:
    if context.message is None:
        return None
    text = fence(context.message.content, LONGEST_MESSAGE, _TO_READ_ON)
    return {"head": head_of(context.message), "text": text}


def _entry(context: Context, message: Message, fence: Fence) -> Shown:
    """Return a message as the thread has it; the one to respond to stands above already."""
    if context.message is not None and message.id == context.message.id:
        return Shown(f"{head_of(message)} the message to respond to, above")
    return Shown(f"{head_of(message)}\n{fence(message.content, THREAD_MESSAGE, _TO_READ_ON)}")


def head_of(message: Message) -> Shown:
    """Return when somebody wrote a message, and who."""
    who = _who(message.author_type, message.author_id, message.author_name)
    return Shown(f"- [{moment(message.created_at)}] {who} ({message.id}):")


def _who(kind: str, id_: str, name: str | None) -> Shown:
    id_, name = line(id_, 80), line(name or id_, 80)
    return Shown(f'{kind} "{id_}"' if name == id_ else f'"{name}", {kind} "{id_}"')


def _named(agents: Sequence[str], *, people: int = 0) -> Shown:
    """Return agents by name, and how many people."""
    words = [f"@{line(name, 64)}" for name in agents[:ASSIGNEES]]
    if len(agents) > ASSIGNEES:
        words.append(f"{len(agents) - ASSIGNEES} more agents")
    if people:
        words.append("1 person" if people == 1 else f"{people} people")
    return Shown(", ".join(words) or "nobody")


def _headline(headline: Headline) -> Mapping[str, object]:
    return {
        "priority": headline.priority,
        "title": headline.title,
        "who": line(_named(headline.agents[:3], people=headline.people), 120),
        "id": headline.id,
    }


def _whom_to_ask(context: Context, *, can_request: bool) -> Shown:
    """Return whom an agent asks what is unclear: the orchestrator, else a person, else whoever reads the thread."""
    if can_request and context.orchestrator is not None and not context.agent.is_orchestrator:
        return Shown(f"@{line(context.orchestrator, 64)} by `response_request`")
    if context.person is not None:
        return Shown(f'"{line(context.person, 100)}" in your answer')
    return Shown("in your answer")


def arguments_of(agent: Agent, tool: Tool[Any]) -> Iterator[Shown]:
    """Return the arguments of a tool, for those who are not given its schema."""
    schema = parameters_of(tool, agent)
    for name, property_ in schema["properties"].items():
        kind = property_["type"] if property_["type"] != "array" else f"list of {property_['items']['type']}s"
        if "enum" in property_:
            kind = f"one of {', '.join(property_['enum'])}"
        needed = "; needed" if name in schema["required"] else ""
        yield Shown(f"`{name}` ({kind}{needed}): {line(property_['description'], 300)}")


def moment(time: datetime) -> Shown:
    """Return a time to the minute."""
    return Shown(time.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"))


def fence_of(context: Context) -> Fence:
    """Return the fence of a turn, for both of its parts."""
    return Fence(mark_for([str(context.notification.id), *_texts(context)]))


def _texts(context: Context) -> Iterator[str]:
    """Return what people and agents wrote."""
    notification, task = context.notification, context.task
    yield from (notification.title, notification.body, notification.actor_id, notification.actor_name or "")
    yield from (task.title, task.description or "", task.blocked_reason or "", *task.labels, *task.agents)
    yield from (context.agent.name, context.display_name, context.role or "", context.person or "")
    yield context.orchestrator or ""
    for message in (*context.thread, *([context.message] if context.message is not None else [])):
        yield from (message.content, message.author_id, message.author_name or "")
    for reference in (context.repository, context.briefing):
        if reference is not None:
            yield from (reference.title, reference.content)
    for colleague in context.colleagues:
        yield from (colleague.name, colleague.display_name, colleague.role or "")
    for _, headlines in (context.overview or {}).values():
        for headline in headlines:
            yield from (headline.title, *headline.agents)
    for effect in context.effects:
        yield from (effect.tool, effect.arguments, effect.result)


def prepare() -> None:
    """Compile the templates; the first turn need not wait for it then."""
    for name in _NAMES:
        templates().get_template(name)


def _render(name: str, context: Context, fence: Fence, **variables: object) -> str:
    told = (
        templates()
        .get_template(name)
        .render(
            context=context,
            agent=context.agent,
            task=context.task,
            notification=context.notification,
            fence=fence,
            may_stay_silent=may_stay_silent(context.notification),
            silence=NOTHING_TO_ADD,
            **variables,
        )
    )
    return told.strip()


@cache
def templates() -> Environment:
    """Return the texts of prompts/, which are ours: they need no sandbox."""
    folder = files(__package__) / "prompts"
    environment = Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8")),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - no HTML: what a prompt needs are fence and line
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=shown,
    )
    environment.filters |= {"line": line, "moment": moment}
    return environment
