"""Tools of the orchestrator, who sees all tasks and gives them to agents."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from agent_config_sync.board import finding, tasks, threads
from agent_config_sync.board.actor import Agent
from agent_config_sync.board.model import TaskStatus
from agent_config_sync.runtime.github import GitHubError
from agent_config_sync.runtime.tools.definition import (
    Bench,
    Limit,
    Parameters,
    Result,
    TaskId,
    Tool,
    Whole,
    named,
)
from agent_config_sync.runtime.tools.tasks import TaskResult
from agent_config_sync.runtime.tools.wire import (
    FoundDocument,
    TaskDocument,
    ThreadMessage,
    found_document,
    task_document,
    thread_message,
)


class AssignParameters(Parameters):
    taskId: TaskId
    assigneeSlugs: Annotated[list[str], Field(description="Agents who are to work on it as well.")]


async def _assign(bench: Bench, agent: Agent, wanted: AssignParameters) -> TaskResult:
    task = named(wanted.taskId)
    async with bench.lent() as connection:
        await tasks.assign(connection, agent, task, wanted.assigneeSlugs)
    return TaskResult(taskId=str(task))


class MessageParameters(Parameters):
    taskId: TaskId
    content: Annotated[str, Field(description="The message; @name mentions somebody.")]


class MessageResult(Result):
    messageId: str


async def _message(bench: Bench, agent: Agent, wanted: MessageParameters) -> MessageResult:
    async with bench.lent() as connection:
        message = await threads.post(connection, agent, named(wanted.taskId), wanted.content)
    return MessageResult(messageId=str(message))


class ListParameters(Parameters):
    status: Annotated[TaskStatus | None, Field(description="Only those that have it.")] = None
    assigneeSlug: Annotated[str | None, Field(description="Only those on which this agent works.")] = None
    limit: Limit = None


class Listed(Result):
    class Content(BaseModel):
        tasks: list[TaskDocument]

    data: Content


async def _list(bench: Bench, agent: Agent, wanted: ListParameters) -> Listed:
    limit = wanted.limit if wanted.limit is not None else finding.LISTED
    async with bench.lent() as connection:
        found = await finding.newest(connection, agent, status=wanted.status, agent=wanted.assigneeSlug, limit=limit)
    return Listed.model_construct(data=Listed.Content.model_construct(tasks=[task_document(task) for task in found]))


class TaskParameters(Parameters):
    taskId: TaskId


class TaskSeen(Result):
    class Content(BaseModel):
        task: TaskDocument

    data: Content


async def _get(bench: Bench, agent: Agent, wanted: TaskParameters) -> TaskSeen:
    async with bench.lent() as connection:
        task = await tasks.get(connection, agent, named(wanted.taskId))
    return TaskSeen.model_construct(data=TaskSeen.Content.model_construct(task=task_document(task)))


class ThreadParameters(Parameters):
    taskId: TaskId
    limit: Limit = None


class ThreadSeen(Result):
    class Content(BaseModel):
        thread: list[ThreadMessage]

    data: Content


async def _thread(bench: Bench, agent: Agent, wanted: ThreadParameters) -> ThreadSeen:
    limit = wanted.limit if wanted.limit is not None else threads.SHOWN
    async with bench.lent() as connection:
        found = await threads.thread(connection, agent, named(wanted.taskId), limit=limit)
    return ThreadSeen.model_construct(
        data=ThreadSeen.Content.model_construct(thread=[thread_message(message) for message in found])
    )


class SearchParameters(Parameters):
    query: Annotated[
        str,
        Field(description='Words to look for, 1,000 characters at the most; "a phrase", -not this, this or that.'),
    ]
    limit: Limit = None


class Found(Result):
    class Content(BaseModel):
        results: list[FoundDocument]

    data: Content


async def _search(bench: Bench, agent: Agent, wanted: SearchParameters) -> Found:
    limit = wanted.limit if wanted.limit is not None else finding.FOUND
    async with bench.lent() as connection:
        found = await finding.search(connection, agent, wanted.query, limit=limit)
    return Found.model_construct(data=Found.Content.model_construct(results=[found_document(each) for each in found]))


class DeleteParameters(Parameters):
    taskId: TaskId
    reason: Annotated[str, Field(description="Why it is not wanted any more.")]


async def _delete(bench: Bench, agent: Agent, wanted: DeleteParameters) -> Result:
    async with bench.lent() as connection:
        await tasks.archive(connection, agent, named(wanted.taskId), wanted.reason)
    return Result()


class LinkParameters(Parameters):
    taskId: TaskId
    prNumber: Annotated[Whole, Field(description="Number of the pull request.")]


class Linked(Result):
    """github: what became of the pull request's text; note: what to know of it."""

    class Content(BaseModel):
        taskId: str
        prNumber: int
        github: Literal["marked", "not_marked"]
        note: str | None

    data: Content


async def _link(bench: Bench, agent: Agent, wanted: LinkParameters) -> Linked:
    task = named(wanted.taskId)
    async with bench.lent() as connection:
        await tasks.link(connection, agent, task, wanted.prNumber)
    github: Literal["marked", "not_marked"] = "not_marked"
    if bench.github is None:
        note: str | None = "GitHub was not told: set GH_TOKEN (or GITHUB_TOKEN) and GITHUB_REPO"
    else:
        try:
            note = await bench.github.mark(wanted.prNumber, task)
            github = "marked"
        except GitHubError as error:  # the link is in the database, which is what counts
            note = str(error)
    return Linked(data=Linked.Content(taskId=str(task), prNumber=wanted.prNumber, github=github, note=note))


def _leads(agent: Agent) -> bool:
    return agent.is_orchestrator


TASK_ASSIGN = Tool(
    "task_assign",
    "give a task to agents",
    "Let agents work on a task, beside those who do already. They are told; a task in the inbox is assigned then.",
    AssignParameters,
    TaskResult,
    _leads,
    _assign,
    only_to_lead=tasks.TO_ASSIGN,
    adds=True,
)

TASK_MESSAGE = Tool(
    "task_message",
    "write into the thread of any task",
    "Write a message into the thread of a task. Who follows it is told.",
    MessageParameters,
    MessageResult,
    _leads,
    _message,
    only_to_lead=threads.TO_MESSAGE,
    adds=True,
)

TASK_LIST = Tool(
    "task_list",
    "list tasks",
    "List tasks, the newest first.",
    ListParameters,
    Listed,
    _leads,
    _list,
    only_to_lead=finding.TO_LIST,
)

TASK_GET = Tool(
    "task_get",
    "read any task",
    "Read a task without its thread.",
    TaskParameters,
    TaskSeen,
    _leads,
    _get,
    only_to_lead=tasks.TO_GET,
)

TASK_THREAD = Tool(
    "task_thread",
    "read the thread of any task",
    "Read the last messages of a task's thread, oldest first.",
    ThreadParameters,
    ThreadSeen,
    _leads,
    _thread,
    only_to_lead=threads.TO_THREAD,
)

TASK_SEARCH = Tool(
    "task_search",
    "search tasks by their words",
    "Search tasks by words of title, description and reason, the best first. What was put away is found too.",
    SearchParameters,
    Found,
    _leads,
    _search,
    only_to_lead=finding.TO_SEARCH,
)

TASK_DELETE = Tool(
    "task_delete",
    "put a task away",
    "Archive a task with its thread and its documents. It cannot come back.",
    DeleteParameters,
    Result,
    _leads,
    _delete,
    only_to_lead=tasks.TO_DELETE,
    adds=True,
)

TASK_LINK_PR = Tool(
    "task_link_pr",
    "link a task to its pull request at GitHub",
    "Say which pull request does a task, here and in the text of the pull request.",
    LinkParameters,
    Linked,
    _leads,
    _link,
    only_to_lead=tasks.TO_LINK,
)
