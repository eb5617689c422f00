"""Every statement of the operator's cookbook does what it says."""

from __future__ import annotations

from harness import Operator

from agent_config_sync.resources import resource


async def test_the_cookbook_runs_from_the_first_statement_to_the_last(operator: Operator) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead'), ('coder'), ('reviewer')")
    await operator.execute("INSERT INTO memberships (user_id, role) VALUES ('ada', 'owner')")
    await operator.execute((resource("sql") / "cookbook.sql").read_text(encoding="utf-8"))
    told = await operator.fetch(
        "SELECT type, actor_id FROM board_notifications WHERE agent = 'coder' ORDER BY created_at"
    )
    assert [row["type"] for row in told] == ["assignment", "mention", "status_change"]
    assert {row["actor_id"] for row in told[1:]} == {"ada"}
    assert await operator.fetchval("SELECT status FROM board_tasks") == "in_progress"
