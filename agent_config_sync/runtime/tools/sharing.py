"""Tools by which agents share what they made and know, and ask each other."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from agent_config_sync.board import agents, documents, requests
from agent_config_sync.board.actor import Agent
from agent_config_sync.board.model import DocumentType
from agent_config_sync.errors import BoardNotFoundError
from agent_config_sync.runtime.tools.definition import (
    Bench,
    OwnTaskId,
    Parameters,
    Result,
    Tool,
    named,
    task_of,
)
from agent_config_sync.runtime.tools.wire import SkillsDocument, skills_document


class DocumentParameters(Parameters):
    documentId: Annotated[str | None, Field(description="The document to write anew; left out, a new one.")] = None
    taskId: Annotated[
        str | None, Field(description="The task to which it belongs; left out, it stays with the one that it has.")
    ] = None
    title: Annotated[str, Field(description="Its title.")]
    content: Annotated[str, Field(description="All of its content, as Markdown.")]
    type: Annotated[DocumentType, Field(description="What it is.")]


class DocumentResult(Result):
    documentId: str


async def _document(bench: Bench, agent: Agent, wanted: DocumentParameters) -> DocumentResult:
    document = None
    if wanted.documentId is not None and wanted.documentId.strip():
        document = _document_named(wanted.documentId)
    task = named(wanted.taskId) if wanted.taskId is not None and wanted.taskId.strip() else None
    async with bench.lent() as connection:
        written = await documents.upsert(
            connection,
            agent,
            title=wanted.title,
            content=wanted.content,
            kind=wanted.type,
            document=document,
            task=task,
        )
    return DocumentResult(documentId=str(written))


class RequestParameters(Parameters):
    taskId: OwnTaskId = None
    recipientSlugs: Annotated[list[str], Field(description="Agents who are asked, ten at the most.")]
    message: Annotated[str, Field(description="What they are asked, 1,000 characters at the most.")]


class Requested(Result):
    """notificationIds: none for those who were asked already and have not answered."""

    notificationIds: list[str]


async def _request(bench: Bench, agent: Agent, wanted: RequestParameters) -> Requested:
    task = task_of(wanted.taskId, agent)
    async with bench.lent() as connection:
        made = await requests.request_responses(connection, agent, task, wanted.recipientSlugs, wanted.message)
    return Requested(notificationIds=[str(each) for each in made])


class SkillsParameters(Parameters):
    agentId: Annotated[str | None, Field(description="Id of an agent; left out, all of them.")] = None


class Skills(Result):
    class Content(BaseModel):
        agents: list[SkillsDocument]

    data: Content


async def _skills(bench: Bench, agent: Agent, wanted: SkillsParameters) -> Skills:
    async with bench.lent() as connection:
        found = await agents.skills_of(connection, agent, wanted.agentId)
    return Skills.model_construct(data=Skills.Content.model_construct(agents=[skills_document(each) for each in found]))


def _document_named(said: str) -> UUID:
    try:
        return UUID(said.strip())
    except ValueError:
        raise BoardNotFoundError(f"Not found: document {said.strip()[:100]}") from None


DOCUMENT_UPSERT = Tool(
    "document_upsert",
    "create or update a document; show it as [Document](/document/<documentId>)",
    "Write a document that a task needs or produces, a new one or one that is there.",
    DocumentParameters,
    DocumentResult,
    lambda agent: agent.can_create_documents,
    _document,
    largest=8 * 1024 * 1024,
    path_name="document",
    adds=True,
)

RESPONSE_REQUEST = Tool(
    "response_request",
    "ask other agents to respond to a task",
    "Ask other agents to respond in the thread of a task. Who was asked and has not answered is not asked again for "
    "four hours.",
    RequestParameters,
    Requested,
    lambda agent: agent.task is not None and agent.can_mention_agents,
    _request,
    adds=True,
)

GET_AGENT_SKILLS = Tool(
    "get_agent_skills",
    "see which skills agents have",
    "See which skills one agent, or each of them, has from the operator.",
    SkillsParameters,
    Skills,
    lambda _: True,
    _skills,
)
