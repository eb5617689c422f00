"""Pull requests at GitHub: each names the task that it does, in a line of its text that nobody sees."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import quote
from uuid import UUID

import httpx2

from agent_config_sync.errors import SyncError
from agent_config_sync.settings import Settings

API = "https://api.github.com"

DEADLINE = 10.0
"""Seconds for a whole request."""

_MARKER = re.compile(r"\n*<!-- task: [\w-]+ -->")


class GitHubError(SyncError):
    """GitHub could not be asked, or refused; the text holds no token."""


class GitHub:
    """One repository, as the owner of a token sees it."""

    def __init__(self, token: str, repository: str, *, api: str = API) -> None:
        """repository: owner/name; api: of another GitHub than the public one."""
        self.repository = repository
        self._pulls = f"{api.rstrip('/')}/repos/{quote(repository)}/pulls"
        self._client = httpx2.AsyncClient(
            headers={
                "accept": "application/vnd.github+json",
                "authorization": f"Bearer {token}",
                "user-agent": "agent-config-sync",
                "x-github-api-version": "2022-11-28",
            },
            timeout=DEADLINE,
            follow_redirects=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def mark(self, pull: int, task: UUID) -> str | None:
        """Let the text of a pull request name its task, in the place of another; return what is odd about it.

        Raises: GitHubError.
        """
        seen = await self._ask("GET", pull)
        body, head = seen.get("body"), seen.get("head")
        body = body if isinstance(body, str) else ""
        branch = head.get("ref") if isinstance(head, dict) else None
        marked = f"{_MARKER.sub('', body).rstrip()}\n\n<!-- task: {task} -->".lstrip()
        if marked != body:
            await self._ask("PATCH", pull, {"body": marked})
        if isinstance(branch, str) and str(task) not in branch:
            return f"its branch {branch} does not name the task"
        return None

    async def _ask(self, method: str, pull: int, content: dict[str, str] | None = None) -> dict[str, object]:
        try:
            async with asyncio.timeout(DEADLINE):
                answer = await self._client.request(method, f"{self._pulls}/{pull}", json=content)
            if answer.is_success:
                found = answer.json()
                if isinstance(found, dict):
                    return found
            said = f"GitHub answered {answer.status_code}"
        except (httpx2.HTTPError, TimeoutError, ValueError) as error:
            said = f"GitHub cannot be asked ({type(error).__name__})"
        raise GitHubError(f"{said} for pull request {pull} of {self.repository}")


def github_of(settings: Settings) -> GitHub | None:
    """Return the repository that operators have set up, if they have."""
    if settings.github_token is None or settings.github_repo is None:
        return None
    return GitHub(settings.github_token.get_secret_value(), settings.github_repo, api=settings.github_api_url)
