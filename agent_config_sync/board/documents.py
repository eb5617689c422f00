"""Documents that tasks need or produce."""

from __future__ import annotations

from uuid import UUID

import asyncpg

from agent_config_sync.board.acting import acting
from agent_config_sync.board.actor import Actor, Agent, only_with
from agent_config_sync.board.model import DocumentType
from agent_config_sync.board.queries import query
from agent_config_sync.errors import BoardNotFoundError


async def upsert(
    connection: asyncpg.Connection,
    actor: Actor,
    *,
    title: str,
    content: str,
    kind: DocumentType,
    document: UUID | None = None,
    task: UUID | None = None,
) -> UUID:
    """Write a document, a new one or one that is there, and return its id. Its version counts its contents.

    task: to which it belongs; without one a document that is there stays with its own. Raises: BoardError.
    """
    if isinstance(actor, Agent):
        only_with(actor.can_create_documents, "create documents")
    async with acting(connection, actor):
        written: UUID | None
        if document is None:
            written = await connection.fetchval(
                query("document_create"), actor.account, task, title.strip(), content, kind
            )
        else:
            written = await connection.fetchval(
                query("document_change"), actor.account, document, task, title.strip(), content, kind
            )
    if written is None:
        raise BoardNotFoundError(f"Not found: document {document}")
    return written
