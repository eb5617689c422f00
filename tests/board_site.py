"""A board with three agents and two people, served by a sync, beside the board of another account."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from harness import Operator, Running, Start, eventually
from web_client import Answer, exchange

from agent_config_sync.board.actor import Agent
from agent_config_sync.board.agents import who_acts
from agent_config_sync.events import HealthServed, Published
from agent_config_sync.postgres.pool import Pool
from agent_config_sync.postgres.server import server_of
from agent_config_sync.runtime.tools.definition import Bench
from agent_config_sync.token_store import token_hash

INBOX, ASSIGNED, REVIEW, BLOCKED, DONE, ARCHIVED, CHAT, FOREIGN = (
    UUID(f"00000000-0000-4000-8000-00000000000{number}") for number in range(1, 9)
)
"""Tasks of the board, by what they are, and one of another account."""

NOTE, FOREIGN_NOTE = UUID("00000000-0000-4000-8000-0000000000d1"), UUID("00000000-0000-4000-8000-0000000000d8")
"""Documents, of ASSIGNED and of FOREIGN."""

SESSION = {"coder": f"agent:coder:default:task:{ASSIGNED}:v1"}
"""Key of a session of an agent, where it is not its standing one."""

AGENTS = """
    INSERT INTO agents (name, display_name, role) VALUES
        ('lead', 'The Lead', 'Squad Lead'), ('coder', NULL, 'Engineer'), ('qa', NULL, 'QA / Reviewer');
    UPDATE agents SET is_orchestrator = true, can_create_tasks = true WHERE name = 'lead';
    UPDATE agents SET can_review_tasks = true WHERE name = 'qa';
    INSERT INTO agents (account_id, name, is_orchestrator) VALUES ('other', 'spy', true), ('other', 'coder', false);
    INSERT INTO memberships (account_id, user_id, role, name, email) VALUES
        ('default', 'u-ada', 'owner', 'Ada Lovelace', 'ada@example.org'), ('default', 'u-max', 'member', 'Max', NULL),
        ('other', 'u-eve', 'owner', 'Eve', NULL);
    INSERT INTO skills (slug, content) VALUES ('git-help', 'x'), ('off', 'x');
    UPDATE skills SET enabled = false WHERE slug = 'off';
    INSERT INTO agent_skills (agent, skill) VALUES ('coder', 'git-help'), ('coder', 'off');
"""

BOARD = f"""
    TRUNCATE board_tasks, board_assignees, board_messages, board_documents, board_subscriptions, board_notifications,
        agent_sessions, activities CASCADE;
    BEGIN;
    INSERT INTO board_tasks (id, title, description, status, blocked_reason, labels, priority, created_at) VALUES
        ('{INBOX}', 'Write the changelog', 'For the release', 'inbox', NULL, '{{}}', 3, '2026-01-01'),
        ('{ASSIGNED}', 'Mend the deploy script', 'It fails on retries', 'assigned', NULL, '{{ops}}', 2, '2026-01-02'),
        ('{REVIEW}', 'Review the parser', NULL, 'review', NULL, '{{}}', 3, '2026-01-03'),
        ('{BLOCKED}', 'Deploy to production', NULL, 'blocked', 'Waiting for a key', '{{}}', 1, '2026-01-04'),
        ('{DONE}', 'Choose a name', NULL, 'done', NULL, '{{}}', 3, '2026-01-05'),
        ('{CHAT}', 'Talk with the lead', NULL, 'in_progress', NULL, '{{system:orchestrator-chat}}', 3, '2026-01-06');
    INSERT INTO board_assignees (task_id, agent) VALUES
        ('{ASSIGNED}', 'coder'), ('{REVIEW}', 'coder'), ('{BLOCKED}', 'coder'), ('{CHAT}', 'lead');
    INSERT INTO board_tasks (id, title, created_at) VALUES ('{ARCHIVED}', 'An old deploy', '2026-01-07');
    UPDATE board_tasks SET status = 'archived' WHERE id = '{ARCHIVED}';
    INSERT INTO board_messages (task_id, author_type, author_id, content) VALUES
        ('{ASSIGNED}', 'user', 'u-ada', 'It fails since Monday.'), ('{ASSIGNED}', 'agent', 'qa', 'Seen here too.');
    INSERT INTO board_documents (id, task_id, title, content, type) VALUES
        ('{NOTE}', '{ASSIGNED}', 'Log', 'one', 'note');
    INSERT INTO agent_sessions (agent, task_id, session_key) VALUES ('coder', '{ASSIGNED}', '{SESSION["coder"]}');
    INSERT INTO agent_sessions (agent, session_key) VALUES
        ('lead', 'agent:lead:default'), ('coder', 'agent:coder:default'), ('qa', 'agent:qa:default');
    INSERT INTO board_tasks (id, account_id, title) VALUES ('{FOREIGN}', 'other', 'A foreign deploy');
    INSERT INTO board_assignees (task_id, agent) VALUES ('{FOREIGN}', 'spy');
    INSERT INTO board_messages (task_id, author_type, author_id, content) VALUES
        ('{FOREIGN}', 'user', 'u-eve', 'A foreign secret.');
    INSERT INTO board_documents (id, account_id, task_id, title, content, type) VALUES
        ('{FOREIGN_NOTE}', 'other', '{FOREIGN}', 'Secret', 'secret', 'note');
    INSERT INTO agent_sessions (account_id, agent, session_key) VALUES ('other', 'spy', 'agent:spy:other');
    COMMIT
"""


@dataclass
class BoardSite:
    """The sync that serves it, and its agents as each door sees them."""

    running: Running
    operator: Operator
    port: int
    folder: Path
    pool: Pool

    @property
    def bench(self) -> Bench:
        return Bench(self.pool.lent)

    def token_of(self, agent: str) -> str:
        """Return an agent's own token, from its workspace."""
        lines = (self.folder / "ws" / agent / "TOOLS.md").read_text().splitlines()
        return next(line for line in lines if line.startswith("AUTH_TOKEN=")).removeprefix("AUTH_TOKEN=")

    async def agent(self, name: str) -> Agent:
        """Return an agent as its session says who it is."""
        async with self.pool.lent() as connection:
            found = await who_acts(
                connection, "default", "here", session_of(name), token_hash=token_hash(self.token_of(name))
            )
        assert found is not None
        return found

    async def ask(
        self, path: str, body: bytes | dict[str, Any], *, agent: str | None = None, method: str = "POST", **headers: str
    ) -> Answer:
        """Ask as an agent's program does; agent: in whose session, with whose token."""
        content = orjson.dumps(body) if isinstance(body, dict) else body
        lines = {"host": f"127.0.0.1:{self.port}", "content-length": str(len(content))}
        if agent is not None:
            lines |= {"x-openclaw-session-key": session_of(agent), "authorization": f"Bearer {self.token_of(agent)}"}
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        return await exchange(self.port, f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + content)


def session_of(agent: str) -> str:
    return SESSION.get(agent, f"agent:{agent}:default")


async def open_board(start: Start, operator: Operator, port: int, tmp_path: Path, **settings: Any) -> BoardSite:
    """Serve the board. settings: of the sync."""
    await operator.execute(AGENTS)
    running = await start(workspace_root=tmp_path / "ws", health_port=port, **settings)
    for kind in (HealthServed, Published):
        running.events.rewind()
        await running.events.until(kind)
    if running.plugin.settings.has_board:
        await eventually(operator, "SELECT count(*) = 3 FROM agent_sessions")
    pool = Pool(server_of(running.plugin.settings), application_name="test", size=4)
    await operator.execute(BOARD)
    return BoardSite(running, operator, port, tmp_path, pool)
