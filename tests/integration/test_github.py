"""What task_link_pr does at GitHub, with a server that answers as GitHub does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from board_site import ASSIGNED, open_board
from harness import Operator, Start

from agent_config_sync.runtime import github
from agent_config_sync.runtime.github import GitHub, GitHubError
from agent_config_sync.setting_sources import load_settings

TASK = UUID("00000000-0000-4000-8000-000000000002")
TOKEN = "ghp_of-the-tests"


@dataclass
class FakeGitHub:
    """One pull request, number 7, of acme/site. asked: method, path and token of each request."""

    body: str | None = "Mends it."
    branch: str = f"feat/task-{TASK}"
    status: int = 200
    answer: bytes | None = None
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    url: str = ""

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[FakeGitHub]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.splitlines()
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        sent = await reader.readexactly(int(headers.get("content-length", "0")))
        method, path, _ = first.split()
        self.asked.append((method, path, headers["authorization"]))
        if method == "PATCH" and self.status == 200:
            self.body = orjson.loads(sent)["body"]
        content = self.answer
        if content is None:
            content = orjson.dumps({"number": 7, "body": self.body, "head": {"ref": self.branch}})
        writer.write(
            f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n".encode()
            + content
        )
        await writer.drain()
        writer.close()


@pytest.fixture
async def fake() -> AsyncIterator[FakeGitHub]:
    async with FakeGitHub().open() as fake:
        yield fake


@pytest.fixture
async def repository(fake: FakeGitHub) -> AsyncIterator[GitHub]:
    client = GitHub(TOKEN, "acme/site", api=fake.url)
    yield client
    await client.close()


async def test_a_pull_request_names_its_task(fake: FakeGitHub, repository: GitHub) -> None:
    assert await repository.mark(7, TASK) is None
    assert fake.body == f"Mends it.\n\n<!-- task: {TASK} -->"
    path = "/repos/acme/site/pulls/7"
    assert fake.asked == [(method, path, f"bearer {TOKEN}") for method in ("GET", "PATCH")]


async def test_one_without_a_text_names_it_too(fake: FakeGitHub, repository: GitHub) -> None:
    fake.body = None
    await repository.mark(7, TASK)
    assert fake.body == f"<!-- task: {TASK} -->"


async def test_another_task_gives_way(fake: FakeGitHub, repository: GitHub) -> None:
    fake.body = f"Mends it.\n\n<!-- task: {UUID(int=1)} -->\n"
    await repository.mark(7, TASK)
    assert fake.body == f"Mends it.\n\n<!-- task: {TASK} -->"


async def test_what_is_marked_already_is_left_alone(fake: FakeGitHub, repository: GitHub) -> None:
    await repository.mark(7, TASK)
    fake.asked.clear()
    await repository.mark(7, TASK)
    assert [method for method, _, _ in fake.asked] == ["GET"]


async def test_a_branch_that_does_not_name_the_task_is_told(fake: FakeGitHub, repository: GitHub) -> None:
    fake.branch = "main"
    assert await repository.mark(7, TASK) == "its branch main does not name the task"


@pytest.mark.parametrize(
    ("status", "answer"), [(404, b"{}"), (401, b"{}"), (500, b""), (200, b"no JSON"), (200, b"[]")]
)
async def test_what_github_refuses_is_told_without_the_token(
    fake: FakeGitHub, repository: GitHub, status: int, answer: bytes
) -> None:
    fake.status, fake.answer = status, answer
    with pytest.raises(GitHubError, match="pull request 7 of acme/site") as raised:
        await repository.mark(7, TASK)
    assert TOKEN not in str(raised.value)


async def test_nobody_waits_for_a_github_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github, "DEADLINE", 0.05)
    done = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        client = GitHub(TOKEN, "acme/site", api=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(GitHubError, match="cannot be asked"):
            await client.mark(7, TASK)
        await client.close()
        done.set()


async def link(
    start: Start, operator: Operator, port: int, tmp_path: Path, **settings: Any
) -> tuple[dict[str, Any], int | None]:
    """Link a task over HTTP; return what is said of it, and what the database holds."""
    site = await open_board(start, operator, port, tmp_path, **settings)
    answer = await site.ask("/agent/task-link-pr", {"taskId": str(ASSIGNED), "prNumber": 7}, agent="lead")
    kept = await operator.fetchval("SELECT pr_number FROM board_tasks WHERE id = $1", ASSIGNED)
    await site.pool.close()
    assert answer.status == 200
    return answer.json["data"], kept


async def test_a_task_is_linked_here_and_at_github(
    start: Start, operator: Operator, port: int, tmp_path: Path, fake: FakeGitHub
) -> None:
    settings = {"github_token": TOKEN, "github_repo": "acme/site", "github_api_url": fake.url}
    said, kept = await link(start, operator, port, tmp_path, **settings)
    assert (said["github"], said["note"], kept) == ("marked", None, 7)


async def test_a_link_stands_although_github_refuses(
    start: Start, operator: Operator, port: int, tmp_path: Path, fake: FakeGitHub
) -> None:
    fake.status = 503
    settings = {"github_token": TOKEN, "github_repo": "acme/site", "github_api_url": fake.url}
    said, kept = await link(start, operator, port, tmp_path, **settings)
    assert (said["github"], kept) == ("not_marked", 7)
    assert said["note"] == "GitHub answered 503 for pull request 7 of acme/site"


async def test_where_github_is_not_set_up_the_answer_says_so(
    start: Start, operator: Operator, port: int, tmp_path: Path
) -> None:
    said, kept = await link(start, operator, port, tmp_path, github_token=TOKEN)
    assert (said["github"], kept) == ("not_marked", 7)
    assert "set GH_TOKEN (or GITHUB_TOKEN) and GITHUB_REPO" in said["note"]


@pytest.mark.parametrize(
    ("set_", "token"),
    [
        ({"GH_TOKEN": "one", "GITHUB_TOKEN": "other"}, "one"),
        ({"GITHUB_TOKEN": "other"}, "other"),
        ({"GH_TOKEN": "", "GITHUB_TOKEN": "other"}, "other"),
        ({"AGENT_CONFIG_SYNC_GITHUB_TOKEN": "own", "GH_TOKEN": "one"}, "own"),
    ],
)
def test_the_token_is_found_under_each_of_its_names(
    monkeypatch: pytest.MonkeyPatch, set_: dict[str, str], token: str
) -> None:
    for name in ("GH_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in set_.items():
        monkeypatch.setenv(name, value)
    found = load_settings(command_line={}).github_token
    assert found is not None
    assert found.get_secret_value() == token
