"""Every tool through three doors, a tool call, HTTP and the function of the domain: the same result, the same refusal."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from board_site import (
    ARCHIVED,
    ASSIGNED,
    BLOCKED,
    BOARD,
    CHAT,
    DONE,
    FOREIGN,
    FOREIGN_NOTE,
    INBOX,
    NOTE,
    REVIEW,
    BoardSite,
    open_board,
)
from harness import Operator, Start

from agent_config_sync.board import agents, documents, finding, requests, tasks, threads
from agent_config_sync.board.actor import Agent
from agent_config_sync.errors import BoardError
from agent_config_sync.runtime.tools.call import call
from agent_config_sync.runtime.tools.catalog import BY_NAME, TOOLS
from agent_config_sync.runtime.tools.wire import found_document, skills_document, task_document, thread_message

NOWHERE = UUID("00000000-0000-4000-8000-0000000000ff")

FORBIDDEN, UNKNOWN, CONFLICT, INVALID = 403, 404, 409, 422


@dataclass(frozen=True)
class Case:
    """A call, and what becomes of it: parts of the result, or the status and the beginning of the refusal."""

    what: str
    agent: str
    tool: str
    arguments: dict[str, Any]
    result: Mapping[str, Any] | None = None
    status: int = 200
    error: str = ""


def works(what: str, agent: str, tool: str, /, *, result: Mapping[str, Any], **arguments: Any) -> Case:
    return Case(what, agent, tool, arguments, result)


def fails(what: str, agent: str, tool: str, status: int, error: str, /, **arguments: Any) -> Case:
    return Case(what, agent, tool, arguments, None, status, error)


def same(task: UUID) -> str:
    return str(task)


CASES = [
    # task_status
    works("it begins", "coder", "task_status", taskId=same(ASSIGNED), status="in_progress",
          result={"status": "in_progress", "requestedStatus": "in_progress", "changed": True, "taskId": same(ASSIGNED)}),
    works("it goes to review in one step", "coder", "task_status", taskId=same(ASSIGNED), status="review",
          result={"status": "review", "changed": True}),
    works("from blocked too", "coder", "task_status", taskId=same(BLOCKED), status="review",
          result={"status": "review", "changed": True}),
    works("it is blocked for a reason", "coder", "task_status", taskId=same(ASSIGNED), status="blocked",
          blockedReason=" No key ", result={"status": "blocked", "changed": True}),
    works("what it is already changes nothing", "coder", "task_status", taskId=same(REVIEW), status="review",
          result={"status": "review", "changed": False}),
    works("a reviewer ends a review", "qa", "task_status", taskId=same(REVIEW), status="done",
          result={"status": "done", "changed": True}),
    works("another status than expected changes nothing", "coder", "task_status", taskId=same(ASSIGNED),
          status="in_progress", expectedStatus="blocked", result={"status": "assigned", "changed": False}),
    works("its own task need not be named", "coder", "task_status", status="in_progress",
          result={"status": "in_progress", "taskId": same(ASSIGNED)}),
    fails("not everybody ends a review", "coder", "task_status", FORBIDDEN,
          "Forbidden: Not allowed to mark tasks as done", taskId=same(REVIEW), status="done"),
    fails("only a review ends", "qa", "task_status", FORBIDDEN, "Forbidden: Only a task in review",
          taskId=same(ASSIGNED), status="done"),
    fails("blocked needs a reason", "coder", "task_status", INVALID, "Invalid status: blocked needs a reason",
          taskId=same(ASSIGNED), status="blocked", blockedReason="  "),
    fails("there is no way out of the inbox", "coder", "task_status", INVALID,
          "Invalid transition: inbox to in_progress", taskId=same(INBOX), status="in_progress"),
    fails("nor back from done", "coder", "task_status", INVALID, "Invalid transition: done to in_progress",
          taskId=same(DONE), status="in_progress"),
    fails("what was put away stays", "coder", "task_status", CONFLICT, "Invalid transition: archived to in_progress",
          taskId=same(ARCHIVED), status="in_progress"),
    fails("another account's is not there", "coder", "task_status", UNKNOWN, f"Not found: task {FOREIGN}",
          taskId=same(FOREIGN), status="in_progress"),
    fails("what is not there", "coder", "task_status", UNKNOWN, f"Not found: task {NOWHERE}",
          taskId=same(NOWHERE), status="in_progress"),
    # what PostgreSQL cannot take
    *(
        fails("a name that no text can have", "lead", tool, INVALID, "Invalid text", taskId=same(ASSIGNED),
              message="x", title="x", **{name: said})
        for tool, name, said in (
            ("task_update", "assignedAgentIds", ["a\0"]), ("task_update", "assignedUserIds", ["a\0"]),
            ("task_create", "assigneeSlugs", ["a\0"]), ("task_assign", "assigneeSlugs", ["a\0"]),
            ("response_request", "recipientSlugs", ["a\0"]), ("task_list", "assigneeSlug", "a\0"),
            ("get_agent_skills", "agentId", "a\0"),
        )
    ),
    fails("labels as long as books", "coder", "task_update", INVALID, "Invalid labels", taskId=same(ASSIGNED),
          labels=["x" * 10_001]),
    fails("more words than anybody looks for", "lead", "task_search", INVALID, "Invalid query: 1,000 characters",
          query="x " * 501),
    fails("more hyphens than its parser has room for", "lead", "task_search", INVALID, "Invalid query: too many -",
          query="-" * 40 + "x"),
    fails("what can be no id", "coder", "task_status", UNKNOWN, "Not found: task it's", taskId="it's", status="review"),
    # task_update
    works("title and labels", "coder", "task_update", taskId=same(ASSIGNED), title="Mend it", labels=["ops", "now"],
          result={"changedFields": ["title", "labels"], "message": "Changed: title, labels"}),
    works("what is the same is not changed", "coder", "task_update", taskId=same(ASSIGNED), priority=2,
          result={"changedFields": [], "message": "Nothing was different"}),
    works("a due date in milliseconds", "coder", "task_update", taskId=same(ASSIGNED), dueDate=1_800_000_000_000,
          result={"changedFields": ["dueDate"]}),
    works("assignees and status at once", "coder", "task_update", taskId=same(INBOX), assignedAgentIds=["coder"],
          status="in_progress", result={"changedFields": ["assignedAgentIds", "status"]}),
    works("people too", "coder", "task_update", taskId=same(ASSIGNED), assignedUserIds=["u-max"],
          result={"changedFields": ["assignedUserIds"]}),
    works("from whom it is taken", "coder", "task_update", taskId=same(ASSIGNED), assignedAgentIds=[],
          result={"changedFields": ["assignedAgentIds", "status"]}),
    fails("priorities end at 5", "coder", "task_update", INVALID, "Invalid priority", taskId=same(ASSIGNED), priority=9),
    fails("nor are they without bounds", "coder", "task_update", INVALID, "Invalid priority", taskId=same(ASSIGNED), priority=-(10**15)),
    fails("a new one has one of them too", "lead", "task_create", INVALID, "Invalid priority", title="New", priority=0),
    fails("agents who are not there", "coder", "task_update", INVALID, "Unknown agent slugs: nobody, spy",
          taskId=same(ASSIGNED), assignedAgentIds=["nobody", "coder", "spy"]),
    fails("people of another account", "coder", "task_update", INVALID, "Invalid user: u-eve",
          taskId=same(ASSIGNED), assignedUserIds=["u-eve"]),
    fails("an empty title", "coder", "task_update", INVALID, "Invalid title", taskId=same(ASSIGNED), title="  "),
    fails("all of it or nothing", "coder", "task_update", INVALID, "Invalid transition", taskId=same(DONE),
          title="Renamed", status="in_progress"),
    fails("done by this door either", "coder", "task_update", FORBIDDEN, "Forbidden: Not allowed to mark tasks as done",
          taskId=same(REVIEW), status="done"),
    fails("a task of another account", "coder", "task_update", UNKNOWN, "Not found: task", taskId=same(FOREIGN), title="x"),
    fails("one that was put away takes nobody", "coder", "task_update", CONFLICT, "Archived: task",
          taskId=same(ARCHIVED), assignedAgentIds=["coder"]),
    # task_create
    works("into the inbox", "lead", "task_create", title="New", result={"success": True}),
    works("with assignees", "lead", "task_create", title="New", assigneeSlugs=["@Coder", "coder", "lead"],
          priority="high", result={"success": True}),
    fails("not everybody makes tasks", "coder", "task_create", FORBIDDEN, "Forbidden: Not allowed to create tasks",
          title="New"),
    fails("not everybody assigns", "coder", "task_create", FORBIDDEN,
          "Forbidden: Only the orchestrator can assign agents during task creation", title="New", assigneeSlugs=["qa"]),
    fails("to agents who are not there", "lead", "task_create", INVALID, "Unknown assignee slugs: spy", title="New",
          assigneeSlugs=["spy"]),
    fails("nothing begins as archived", "lead", "task_create", INVALID, "Invalid status at creation: archived",
          title="New", status="archived"),
    fails("nothing of an agent begins as done", "lead", "task_create", INVALID, "Invalid status at creation: done",
          title="New", status="done"),
    fails("nothing begins blocked for no reason", "lead", "task_create", INVALID, "Invalid status: blocked needs",
          title="New", status="blocked"),
    fails("a title of nothing", "lead", "task_create", INVALID, "Invalid title", title=" \n "),
    fails("a title that is too long", "lead", "task_create", INVALID, "Invalid title", title="x" * 2001),
    fails("a character that PostgreSQL lacks", "lead", "task_create", INVALID, "Invalid text", title="x\0"),
    # document_upsert
    works("a new document", "coder", "document_upsert", title="D", content="x", type="note", result={"success": True}),
    works("one that is there", "coder", "document_upsert", documentId=same(NOTE), title="Log", content="two",
          type="deliverable", result={"documentId": same(NOTE)}),
    fails("one of another account", "coder", "document_upsert", UNKNOWN, f"Not found: document {FOREIGN_NOTE}",
          documentId=same(FOREIGN_NOTE), title="Log", content="two", type="note"),
    fails("for a task of another account", "coder", "document_upsert", UNKNOWN, f"Not found: task {FOREIGN}",
          taskId=same(FOREIGN), title="Log", content="two", type="note"),
    fails("without a title", "coder", "document_upsert", INVALID, "Invalid title", title=" ", content="x", type="note"),
    # response_request
    works("of another agent", "coder", "response_request", taskId=same(ASSIGNED), recipientSlugs=["qa", "coder"],
          message="Well?", result={"notificationIds": ["<id>"]}),
    fails("of oneself", "coder", "response_request", INVALID, "Invalid recipientSlugs: name another agent",
          taskId=same(ASSIGNED), recipientSlugs=["coder"], message="Well?"),
    fails("of somebody else's agent", "coder", "response_request", INVALID, "Unknown recipient slugs: spy",
          taskId=same(ASSIGNED), recipientSlugs=["spy"], message="Well?"),
    fails("of too many", "coder", "response_request", INVALID, "Invalid recipientSlugs: 10 at most",
          taskId=same(ASSIGNED), recipientSlugs=[f"a{number}" for number in range(11)], message="Well?"),
    fails("at length", "coder", "response_request", INVALID, "Invalid message", taskId=same(ASSIGNED),
          recipientSlugs=["qa"], message="x" * 1001),
    fails("about a task of another account", "coder", "response_request", UNKNOWN, f"Not found: task {FOREIGN}",
          taskId=same(FOREIGN), recipientSlugs=["qa"], message="Well?"),
    # get_agent_skills
    works("of one agent", "qa", "get_agent_skills", agentId="coder",
          result={"data": {"agents": [{"agentId": "coder", "skillIds": ["git-help"], "skillCount": 1, "lastUpdated": None}]}}),
    works("of all", "qa", "get_agent_skills", result={"success": True}),
    fails("of another account's", "qa", "get_agent_skills", UNKNOWN, "Not found: agent spy", agentId="spy"),
    # task_load
    works("with its thread", "qa", "task_load", taskId=same(ASSIGNED), messageLimit=1, result={"success": True}),
    fails("of another account", "qa", "task_load", UNKNOWN, f"Not found: task {FOREIGN}", taskId=same(FOREIGN)),
    # the orchestrator's
    works("give it to more agents", "lead", "task_assign", taskId=same(ASSIGNED), assigneeSlugs=["qa", "coder"],
          result={"taskId": same(ASSIGNED)}),
    fails("to nobody", "lead", "task_assign", INVALID, "Invalid assigneeSlugs", taskId=same(ASSIGNED), assigneeSlugs=["@"]),
    fails("what was put away", "lead", "task_assign", CONFLICT, "Archived: task", taskId=same(ARCHIVED), assigneeSlugs=["qa"]),
    fails("of another account", "lead", "task_assign", UNKNOWN, "Not found: task", taskId=same(FOREIGN), assigneeSlugs=["qa"]),
    works("say something", "lead", "task_message", taskId=same(ASSIGNED), content="@coder: well?", result={"messageId": "<id>"}),
    fails("say nothing", "lead", "task_message", INVALID, "Invalid content", taskId=same(ASSIGNED), content=" "),
    fails("say it elsewhere", "lead", "task_message", UNKNOWN, f"Not found: task {FOREIGN}", taskId=same(FOREIGN), content="x"),
    works("all tasks", "lead", "task_list", result={"success": True}),
    works("those of an agent", "lead", "task_list", assigneeSlug="@coder", status="review", limit=3, result={"success": True}),
    works("those of a status", "lead", "task_list", status="inbox", limit=0, result={"success": True}),
    fails("those of nobody", "lead", "task_list", INVALID, "Unknown assignee slugs: spy", assigneeSlug="spy"),
    works("one of them", "lead", "task_get", taskId=same(BLOCKED), result={"success": True}),
    fails("none of another account", "lead", "task_get", UNKNOWN, f"Not found: task {FOREIGN}", taskId=same(FOREIGN)),
    works("a thread", "lead", "task_thread", taskId=same(ASSIGNED), limit=1000, result={"success": True}),
    fails("no thread of another account", "lead", "task_thread", UNKNOWN, "Not found: task", taskId=same(FOREIGN)),
    works("find some", "lead", "task_search", query="deploying", result={"success": True}),
    works("find none", "lead", "task_search", query="the of", result={"data": {"results": []}}),
    fails("find nothing in particular", "lead", "task_search", INVALID, "Invalid query", query=" "),
    works("put it away", "lead", "task_delete", taskId=same(ASSIGNED), reason="Not wanted", result={"success": True}),
    fails("for no reason", "lead", "task_delete", INVALID, "Invalid reason", taskId=same(ASSIGNED), reason=" "),
    fails("from others", "lead", "task_delete", UNKNOWN, "Not found: task", taskId=same(FOREIGN), reason="x"),
    works("link it", "lead", "task_link_pr", taskId=same(ASSIGNED), prNumber=7,
          result={"data": {"taskId": same(ASSIGNED), "prNumber": 7, "github": "not_marked",
                           "note": "GitHub was not told: set GH_TOKEN (or GITHUB_TOKEN) and GITHUB_REPO"}}),
    fails("link it to nothing", "lead", "task_link_pr", INVALID, "Invalid prNumber", taskId=same(ASSIGNED), prNumber=0),
    fails("link it to too much", "lead", "task_link_pr", INVALID, "Invalid prNumber", taskId=same(ASSIGNED), prNumber=2**40),
    fails("link what is not there", "lead", "task_link_pr", UNKNOWN, "Not found: task", taskId=same(FOREIGN), prNumber=7),
    # the thread of people and the orchestrator
    works("nobody is meant in it", "lead", "task_message", taskId=same(CHAT), content="@coder", result={"messageId": "<id>"}),
    *(
        fails("no other agent leads", "qa", tool.name, FORBIDDEN, f"Forbidden: Only the orchestrator can {tool.only_to_lead}",
              taskId=same(ASSIGNED), assigneeSlugs=["qa"], content="x", query="x", reason="x", prNumber=7)
        for tool in TOOLS if tool.only_to_lead is not None
    ),
]  # fmt: skip

Domain = Callable[[asyncpg.Connection, Agent, dict[str, Any]], Awaitable[Mapping[str, Any]]]


def the(task: str) -> UUID:
    """Return an id; a function of the domain is asked for none that can be none."""
    try:
        return UUID(task)
    except ValueError:
        raise tasks.missing(task) from None


def moment(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds is not None else None


async def by_status(connection: asyncpg.Connection, agent: Agent, said: dict[str, Any]) -> Mapping[str, Any]:
    task = the(said["taskId"]) if "taskId" in said else agent.task
    assert task is not None
    done = await tasks.set_status(
        connection, agent, task, said["status"], reason=said.get("blockedReason"), expected=said.get("expectedStatus")
    )
    return {
        "taskId": str(task),
        "requestedStatus": done.requested,
        "status": done.status,
        "updatedAt": round(done.updated_at.timestamp() * 1000),
        "changed": done.changed,
    }


async def by_update(connection: asyncpg.Connection, agent: Agent, said: dict[str, Any]) -> Mapping[str, Any]:
    changes = tasks.TaskChanges(
        title=said.get("title"),
        priority=said.get("priority"),
        labels=tuple(said["labels"]) if "labels" in said else None,
        due_at=moment(said.get("dueDate")),
        status=said.get("status"),
        agents=tuple(said["assignedAgentIds"]) if "assignedAgentIds" in said else None,
        people=tuple(said["assignedUserIds"]) if "assignedUserIds" in said else None,
    )
    _, changed = await tasks.update(connection, agent, the(said["taskId"]), changes)
    message = f"Changed: {', '.join(changed)}" if changed else "Nothing was different"
    return {"taskId": said["taskId"], "changedFields": list(changed), "message": message}


async def by_create(connection: asyncpg.Connection, agent: Agent, said: dict[str, Any]) -> Mapping[str, Any]:
    new = tasks.NewTask(
        said["title"],
        priority={"high": 2}.get(said.get("priority", ""), said.get("priority", 3)),
        status=said.get("status", "inbox"),
        agents=tuple(said.get("assigneeSlugs", ())),
    )
    return {"taskId": str((await tasks.create(connection, agent, new)).id)}


async def by_document(connection: asyncpg.Connection, agent: Agent, said: dict[str, Any]) -> Mapping[str, Any]:
    written = await documents.upsert(
        connection,
        agent,
        title=said["title"],
        content=said["content"],
        kind=said["type"],
        document=UUID(said["documentId"]) if "documentId" in said else None,
        task=the(said["taskId"]) if "taskId" in said else None,
    )
    return {"documentId": str(written)}


async def by_request(connection: asyncpg.Connection, agent: Agent, said: dict[str, Any]) -> Mapping[str, Any]:
    made = await requests.request_responses(
        connection, agent, the(said["taskId"]), said["recipientSlugs"], said["message"]
    )
    return {"notificationIds": [str(each) for each in made]}


async def by_skills(connection: asyncpg.Connection, agent: Agent, said: dict[str, Any]) -> Mapping[str, Any]:
    found = await agents.skills_of(connection, agent, said.get("agentId"))
    return {"data": {"agents": [skills_document(each) for each in found]}}


async def by_load(connection: asyncpg.Connection, agent: Agent, said: dict[str, Any]) -> Mapping[str, Any]:
    task, thread = await threads.load(connection, agent, the(said["taskId"]), limit=said.get("messageLimit", 10))
    return {"data": {"task": task_document(task), "thread": [thread_message(each) for each in thread]}}


async def by_assign(connection: asyncpg.Connection, agent: Agent, said: dict[str, Any]) -> Mapping[str, Any]:
    await tasks.assign(connection, agent, the(said["taskId"]), said["assigneeSlugs"])
    return {"taskId": said["taskId"]}


async def by_message(connection: asyncpg.Connection, agent: Agent, said: dict[str, Any]) -> Mapping[str, Any]:
    return {"messageId": str(await threads.post(connection, agent, the(said["taskId"]), said["content"]))}


async def by_list(connection: asyncpg.Connection, agent: Agent, said: dict[str, Any]) -> Mapping[str, Any]:
    found = await finding.newest(
        connection, agent, status=said.get("status"), agent=said.get("assigneeSlug"), limit=said.get("limit", 50)
    )
    return {"data": {"tasks": [task_document(each) for each in found]}}


async def by_get(connection: asyncpg.Connection, agent: Agent, said: dict[str, Any]) -> Mapping[str, Any]:
    return {"data": {"task": task_document(await tasks.get(connection, agent, the(said["taskId"])))}}


async def by_thread(connection: asyncpg.Connection, agent: Agent, said: dict[str, Any]) -> Mapping[str, Any]:
    found = await threads.thread(connection, agent, the(said["taskId"]), limit=said.get("limit", 50))
    return {"data": {"thread": [thread_message(each) for each in found]}}


async def by_search(connection: asyncpg.Connection, agent: Agent, said: dict[str, Any]) -> Mapping[str, Any]:
    found = await finding.search(connection, agent, said["query"])
    return {"data": {"results": [found_document(each) for each in found]}}


async def by_delete(connection: asyncpg.Connection, agent: Agent, said: dict[str, Any]) -> Mapping[str, Any]:
    await tasks.archive(connection, agent, the(said["taskId"]), said["reason"])
    return {}


async def by_link(connection: asyncpg.Connection, agent: Agent, said: dict[str, Any]) -> Mapping[str, Any]:
    await tasks.link(connection, agent, the(said["taskId"]), said["prNumber"])
    note = "GitHub was not told: set GH_TOKEN (or GITHUB_TOKEN) and GITHUB_REPO"
    return {"data": {"taskId": said["taskId"], "prNumber": said["prNumber"], "github": "not_marked", "note": note}}


DOMAIN: Mapping[str, Domain] = {
    "task_status": by_status,
    "task_update": by_update,
    "task_create": by_create,
    "document_upsert": by_document,
    "response_request": by_request,
    "get_agent_skills": by_skills,
    "task_load": by_load,
    "task_assign": by_assign,
    "task_message": by_message,
    "task_list": by_list,
    "task_get": by_get,
    "task_thread": by_thread,
    "task_search": by_search,
    "task_delete": by_delete,
    "task_link_pr": by_link,
}


_FIXED = "00000000-0000-4000-8000-"
_ID = re.compile(rf'"(?!{_FIXED})[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}"')
_TIME = re.compile(r'"(createdAt|updatedAt|lastMessageAt|archivedAt)":\d+')


def settled(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result without what is another one each time: ids that were made just now, and times."""
    text = _TIME.sub(r'"\1":0', _ID.sub('"<id>"', orjson.dumps(result).decode()))
    document: dict[str, Any] = orjson.loads(text)
    return document


EFFECTS = """
    SELECT json_build_object(
        'tasks', (SELECT json_agg(t ORDER BY title, status) FROM (
            SELECT title, status, priority, labels, blocked_reason, pr_number, due_at, account_id, agents, people
            FROM board_cards('default') UNION ALL
            SELECT title, status, priority, labels, blocked_reason, pr_number, due_at, account_id, agents, people
            FROM board_cards('other')) AS t),
        'messages', (SELECT json_agg(m ORDER BY seq) FROM (
            SELECT rank() OVER (ORDER BY seq) AS seq, author_id, content, mentions FROM board_messages) AS m),
        'documents', (SELECT json_agg(d ORDER BY title, content) FROM (
            SELECT title, content, type, version, task_id, author_id FROM board_documents) AS d),
        'told', (SELECT json_agg(n ORDER BY n::text) FROM (
            SELECT type, agent, user_id, actor_id, task_id, title, body FROM board_notifications
            WHERE task_id::text LIKE '00000000-%') AS n),
        'history', (SELECT json_agg(a ORDER BY id) FROM (
            SELECT rank() OVER (ORDER BY id) AS id, type, actor_type, actor_id, target_type FROM activities) AS a)
    )::text
"""


@pytest.fixture
async def site(start: Start, operator: Operator, port: int, tmp_path: Path) -> AsyncIterator[BoardSite]:
    site = await open_board(start, operator, port, tmp_path)
    yield site
    await site.pool.close()


async def by_tool_call(site: BoardSite, case: Case) -> tuple[int | None, dict[str, Any]]:
    answer = await call(site.bench, await site.agent(case.agent), case.tool, orjson.dumps(case.arguments).decode())
    return None, answer


async def by_http(site: BoardSite, case: Case) -> tuple[int | None, dict[str, Any]]:
    answer = await site.ask(BY_NAME[case.tool].path, case.arguments, agent=case.agent)
    return answer.status, answer.json


async def by_domain(site: BoardSite, case: Case) -> tuple[int | None, dict[str, Any]]:
    agent = await site.agent(case.agent)
    try:
        async with site.pool.lent() as connection:
            return None, {"success": True, **await DOMAIN[case.tool](connection, agent, case.arguments)}
    except BoardError as error:
        return None, {"success": False, "error": str(error)}


async def test_every_case_is_the_same_through_every_door(site: BoardSite) -> None:
    for case in CASES:
        name = f"{case.tool}: {case.what}"
        seen = []
        for door in (by_tool_call, by_http, by_domain):
            await site.operator.execute(BOARD)
            status, answer = await door(site, case)
            effects = await site.operator.fetchval(EFFECTS)
            seen.append((settled(answer), settled(orjson.loads(effects))))
            if status is not None:
                assert status == case.status, name
        assert seen[0] == seen[1], name
        assert seen[0] == seen[2], name
        answer = seen[0][0]
        if case.result is not None:
            assert answer["success"] is True, (name, answer)
            assert case.result.items() <= answer.items(), name
        else:
            assert answer["success"] is False, (name, answer)
            assert answer["error"].startswith(case.error), (name, answer)


async def test_what_is_refused_leaves_no_trace(site: BoardSite) -> None:
    before = settled(orjson.loads(await site.operator.fetchval(EFFECTS)))
    for case in CASES:
        if case.result is None:
            await by_tool_call(site, case)
            assert settled(orjson.loads(await site.operator.fetchval(EFFECTS))) == before, f"{case.tool}: {case.what}"


def test_each_tool_has_a_case_that_works_and_one_that_is_refused() -> None:
    assert {case.tool for case in CASES if case.result is not None} == BY_NAME.keys()
    assert {case.tool for case in CASES if case.result is None} == BY_NAME.keys()
    assert DOMAIN.keys() == BY_NAME.keys()
