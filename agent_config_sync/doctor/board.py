"""What is odd about the board, where there is one."""

from __future__ import annotations

import asyncpg

from agent_config_sync.doctor.finding import Finding, edit, identifier, sql
from agent_config_sync.postgres.schema import BOARD_RIGHTS, missing_right
from agent_config_sync.settings import Settings


async def examine_board(connection: asyncpg.Connection, settings: Settings) -> tuple[Finding, ...]:
    """Return what is wrong. Raises: what the driver raises."""
    if not settings.has_board:
        return ()
    findings = []
    lacking = await missing_right(connection, BOARD_RIGHTS)
    if lacking is not None:
        what = f"login {lacking.login} may not work with the board: it lacks {lacking.right}"
        findings.append(
            Finding("rights_missing", what, sql(f"GRANT agent_config_runtime TO {identifier(lacking.login)};"))
        )
    if settings.session_key_only:
        what = "session_key_only: whoever reaches this port and guesses the name of an agent acts as that agent"
        findings.append(
            Finding(
                "session_key_only", what, edit("unset it; agents send AUTH_TOKEN of their TOOLS.md as bearer token")
            )
        )
    return tuple(findings)
