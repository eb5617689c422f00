"""Documents of tasks: their versions, their task and what is recorded."""

from __future__ import annotations

from uuid import UUID, uuid4

import asyncpg
import pytest
from board_ground import ADA, CODER, Board


async def _document(board: Board, task: UUID | None = None) -> UUID:
    [row] = await board.act(
        CODER,
        "INSERT INTO board_documents (task_id, title, content, type) VALUES ($1, 'x', 'y', 'note') RETURNING id",
        task,
    )
    document: UUID = row["id"]
    return document


@pytest.mark.parametrize(
    ("change", "version"),
    [
        ("content = 'z'", 2),
        ("content = 'y'", 1),
        ("title = 'z'", 1),
        ("version = 9", 1),
        ("content = 'z', version = 9", 2),
    ],
)
async def test_the_version_of_a_document_counts_its_contents(board: Board, change: str, version: int) -> None:
    document = await _document(board)
    await board.act(ADA, f"UPDATE board_documents SET {change} WHERE id = $1", document)
    assert await board.connection.fetchval("SELECT version FROM board_documents") == version


async def test_what_becomes_of_a_document_is_recorded(board: Board) -> None:
    task = await board.task()
    document = await _document(board, task)
    await board.act(ADA, "UPDATE board_documents SET content = 'z' WHERE id = $1", document)
    await board.act(ADA, "UPDATE board_documents SET deleted_at = now() WHERE id = $1", document)
    meta = {"title": "x", "taskId": str(task)}
    assert await board.history(document) == [
        ("document_created", CODER, {**meta, "version": 1}),
        ("document_updated", ADA, {**meta, "version": 2}),
        ("document_deleted", ADA, {**meta, "version": 2}),
    ]


@pytest.mark.parametrize(
    "change",
    [
        "id = gen_random_uuid()",
        "account_id = 'other'",
        "author_id = 'ada'",
        "author_type = 'user'",
        "created_at = now()",
    ],
)
async def test_where_a_document_comes_from_stays(board: Board, change: str) -> None:
    document = await _document(board)
    with pytest.raises(asyncpg.PostgresError, match="id, account and creation of a document stay"):
        await board.act(ADA, f"UPDATE board_documents SET {change} WHERE id = $1", document)


async def test_a_document_belongs_to_a_task_of_its_account(board: Board) -> None:
    document = await _document(board)
    for task in (await board.task(account="other"), uuid4()):
        with pytest.raises(asyncpg.PostgresError, match="Not found: task"):
            await board.act(ADA, "UPDATE board_documents SET task_id = $2 WHERE id = $1", document, task)


async def test_a_document_that_is_deleted_for_good_is_recorded_too(board: Board) -> None:
    document = await _document(board)
    await board.act(ADA, "DELETE FROM board_documents WHERE id = $1", document)
    assert (await board.history(document))[-1] == ("document_deleted", ADA, {"title": "x", "version": 1})
