"""docs/permissions.md lists what the roles may do, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from harness import Operator

PAGE = Path(__file__).parents[2] / "docs" / "permissions.md"

GRANTED = """
SELECT relname AS "table", privilege_type AS privilege, string_agg(attname, ', ' ORDER BY attname) AS columns
FROM (
    SELECT relname::text, NULL::text AS attname, (aclexplode(relacl)).*
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    UNION ALL
    SELECT relname::text, attname::text, (aclexplode(attacl)).*
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace
) AS granted
WHERE grantee = $1::regrole
GROUP BY relname, privilege_type
"""


@pytest.mark.parametrize("role", ["agent_config_reader", "agent_config_operator"])
async def test_the_page_lists_the_rights_of_each_role(operator: Operator, role: str) -> None:
    section = PAGE.read_text(encoding="utf-8").split(f"## {role}\n")[1].split("\n## ")[0]
    listed = {
        (table, privilege, None if columns == "all" else columns)
        for table, privileges, columns in re.findall(r"^\| `(\w+)` \| ([A-Z, ]+) \| (.+) \|$", section, re.MULTILINE)
        for privilege in privileges.split(", ")
    }
    granted = {(row["table"], row["privilege"], row["columns"]) for row in await operator.fetch(GRANTED, role)}
    assert listed == granted
