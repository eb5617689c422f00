"""What must stand in the database for the config sync to work, and what is lacking."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import asyncpg

from agent_config_sync.postgres.agent_columns import COLUMN_TYPES
from agent_config_sync.postgres.link import CHANNEL
from agent_config_sync.postgres.queries import query

_SYSTEM_COLUMNS = ("tableoid", "ctid", "xmin")

PROFILE_COLUMNS = (
    "display_name",
    "role",
    "soul_content",
    "soul_template",
    "identity_profile",
    "identity_template",
    "board_id",
    "is_board_lead",
    "skills_exclusive",
    "heartbeat_every",
    "heartbeat_target",
    "heartbeat_model",
    "heartbeat_prompt",
)
"""What a row of agents says of the agent itself."""

FLAGS = (
    "can_create_tasks",
    "can_modify_task_status",
    "can_create_documents",
    "can_mention_agents",
    "can_review_tasks",
    "can_mark_done",
)
"""What an agent may do on the board, as its own row says or that of its account."""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "agents": (*COLUMN_TYPES, *PROFILE_COLUMNS, "is_orchestrator", *FLAGS),
    "agent_system_config": ("key", "value", "value_type"),
    "agent_config_migrations": ("name", "checksum"),
    "gateways": ("id", "account_id", "name", "workspace_root", "base_url", "person_id"),
    "people": ("id", "account_id", "name", "preferred_name", "pronouns", "timezone", "notes", "context", "user_id"),
    "boards": (
        "id",
        "account_id",
        "name",
        "board_type",
        "objective",
        "success_metrics",
        "target_date",
        "goal_confirmed",
        "person_id",
    ),
    "skills": ("account_id", "slug", "name", "description", "content", "enabled"),
    "agent_skills": ("account_id", "agent", "skill", "position"),
    "model_aliases": ("alias", "model"),
    "agent_tokens": ("account_id", "agent", "gateway", "token_hash", "issued_by", "revoked_at"),
    "accounts": ("id", "skills_poc_enabled", *FLAGS),
    "memberships": ("account_id", "user_id", "role", "name", "email", "joined_at"),
    "account_logins": ("login", "account_id", "gateway"),
    "installed_skills": (
        "account_id",
        "gateway",
        "agent",
        "slug",
        "name",
        "description",
        "checksum",
        "problem",
        "config_key",
        "primary_env",
        "reported_by",
        "changed_at",
        "seen_at",
    ),
    "activities": (
        "id",
        "account_id",
        "gateway",
        "type",
        "actor_type",
        "actor_id",
        "target_type",
        "target_id",
        "meta",
        "recorded_by",
        "created_at",
    ),
    "skill_credentials": (
        "id",
        "account_id",
        "gateway",
        "skill",
        "key_name",
        "credential_ref",
        "status",
        "revision",
        "requested_by",
        "decided_by",
        "reported_by",
        "requested_at",
        "updated_at",
    ),
    "board_tasks": (
        "id",
        "account_id",
        "title",
        "description",
        "status",
        "priority",
        "labels",
        "due_at",
        "blocked_reason",
        "archived_at",
        "pr_number",
        "created_by_type",
        "created_by",
        "created_at",
        "updated_at",
        "last_message_at",
        "search",
    ),
    "board_assignees": ("account_id", "task_id", "agent", "user_id", "assigned_at"),
    "board_messages": (
        "id",
        "seq",
        "account_id",
        "task_id",
        "author_type",
        "author_id",
        "content",
        "mentions",
        "quiet",
        "source_notification_id",
        "created_at",
    ),
    "board_documents": (
        "id",
        "account_id",
        "task_id",
        "title",
        "content",
        "type",
        "version",
        "author_type",
        "author_id",
        "created_at",
        "updated_at",
        "deleted_at",
    ),
    "board_subscriptions": ("account_id", "task_id", "agent", "user_id", "subscribed_at"),
    "board_notifications": (
        "id",
        "account_id",
        "type",
        "agent",
        "user_id",
        "actor_type",
        "actor_id",
        "task_id",
        "message_id",
        "title",
        "body",
        "created_at",
        "read_at",
        "delivered_at",
        "delivery_ended_at",
        "attempts",
        "failures",
        "silences",
        "last_error",
        "outcome",
        "dead_at",
    ),
    "agent_sessions": (
        "id",
        "account_id",
        "agent",
        "task_id",
        "generation",
        "session_key",
        "opened_at",
        "closed_at",
        "closed_reason",
    ),
    "agent_presence": ("account_id", "agent", "status", "current_task_id", "last_heartbeat_at", "updated_at"),
    "session_leases": (
        "session_id",
        "account_id",
        "agent",
        "session_key",
        "gateway",
        "holder",
        "fence",
        "expires_at",
        "notification_id",
        "failures",
        "not_before",
    ),
    "delivery_effects": (
        "notification_id",
        "account_id",
        "fingerprint",
        "occurrence",
        "attempt",
        "tool",
        "arguments",
        "result",
        "done_at",
    ),
    "runtime_requests": (
        "id",
        "account_id",
        "gateway",
        "kind",
        "target_version",
        "from_version",
        "requested_by",
        "requested_at",
        "taken_at",
        "expires_at",
        "finished_at",
        "outcome",
        "error",
    ),
    "upgrade_history": (
        "id",
        "account_id",
        "gateway",
        "from_version",
        "to_version",
        "status",
        "started_at",
        "completed_at",
        "error",
        "requested_by",
        "reported_by",
    ),
    "gateway_status": (
        "account_id",
        "gateway",
        "host",
        "gateway_version",
        "plugin_version",
        "roster",
        "state",
        "error",
        "warnings",
        "snapshot",
        "content_hash",
        "latency_ms",
        "resync_interval",
        "reported_by",
        "changed_at",
        "seen_at",
        "runtime_status",
        "runtime_seen_at",
        "runtime_version",
        "runtime_error",
        "runtime_started_at",
    ),
}
"""The columns that we or our triggers read or write, by table."""

_EVENTS = ("insert", "update", "delete", "truncate")

TRIGGERS: Mapping[str, tuple[str, ...]] = {
    "agents": tuple(f"agent_config_changed_{event}" for event in _EVENTS),
    "agent_system_config": ("system_config_changed", "system_config_truncated"),
    "gateways": ("gateway_changed", "gateway_truncated"),
    **{
        table: tuple(f"workspace_changed_{event}" for event in _EVENTS)
        for table in ("people", "boards", "skills", "agent_skills", "model_aliases", "accounts")
    },
}
"""The triggers that notify, by table."""

FUNCTIONS = (
    "notify_agent_config_changed",
    "notify_system_config_changed",
    "notify_gateway_changed",
    "notify_workspace_changed",
)
"""What those triggers execute."""

RIGHTS: tuple[tuple[str, str | None, str], ...] = (
    *(("agents", column, "SELECT") for column in (*_SYSTEM_COLUMNS, *COLUMN_TYPES, *PROFILE_COLUMNS)),
    *(("agent_system_config", column, "SELECT") for column in COLUMNS["agent_system_config"]),
    ("agent_config_migrations", None, "SELECT"),
    *(("gateway_status", None, privilege) for privilege in ("SELECT", "INSERT", "UPDATE")),
    *(
        (table, column, "SELECT")
        for table in ("people", "boards", "skills", "agent_skills", "gateways", "agent_tokens")
        for column in (*_SYSTEM_COLUMNS, *COLUMNS[table])
        if (table, column) != ("people", "user_id")
    ),
    *(("model_aliases", column, "SELECT") for column in COLUMNS["model_aliases"]),
    *(("agent_tokens", column, "INSERT") for column in ("account_id", "agent", "gateway", "token_hash")),
    ("agent_tokens", "revoked_at", "UPDATE"),
    *(("accounts", column, "SELECT") for column in ("id", "skills_poc_enabled")),
)
"""What the login of a gateway needs: table, column (None: the whole table), privilege."""

_WRITTEN = ("SELECT", "INSERT", "UPDATE")

RUNTIME_RIGHTS: tuple[tuple[str, str | None, str], ...] = (
    *(("installed_skills", None, privilege) for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE")),
    *(
        ("activities", column, "INSERT")
        for column in COLUMNS["activities"]
        if column not in ("id", "recorded_by", "created_at")
    ),
    ("skill_credentials", None, "SELECT"),
    *(
        ("skill_credentials", column, "INSERT")
        for column in ("account_id", "gateway", "skill", "key_name", "credential_ref", "requested_by")
    ),
    *(("skill_credentials", column, "UPDATE") for column in ("status", "decided_by")),
)
"""What it needs beside them where agents may install skills."""

BOARD_RIGHTS: tuple[tuple[str, str | None, str], ...] = (
    *((table, None, privilege) for table in ("board_tasks", "board_documents") for privilege in _WRITTEN),
    *(("board_assignees", None, privilege) for privilege in ("SELECT", "INSERT", "DELETE")),
    *(
        (table, None, privilege)
        for table in ("board_messages", "board_notifications", "agent_sessions")
        for privilege in ("SELECT", "INSERT")
    ),
    ("agent_presence", None, "SELECT"),
    *(("agents", column, "SELECT") for column in ("is_orchestrator", *FLAGS)),
    *(("accounts", column, "SELECT") for column in FLAGS),
    *(("memberships", column, "SELECT") for column in ("account_id", "user_id", "name", "email")),
    ("runtime_requests", None, "SELECT"),
    *(
        ("runtime_requests", column, "UPDATE")
        for column in ("from_version", "taken_at", "expires_at", "finished_at", "outcome", "error")
    ),
    ("upgrade_history", None, "SELECT"),
    *(
        ("upgrade_history", column, "INSERT")
        for column in COLUMNS["upgrade_history"]
        if column not in ("id", "completed_at", "reported_by")
    ),
)
"""What it needs beside them for the board."""

DELIVERY_RIGHTS: tuple[tuple[str, str | None, str], ...] = (
    *(("session_leases", None, privilege) for privilege in (*_WRITTEN, "DELETE")),
    *(("delivery_effects", None, privilege) for privilege in ("SELECT", "INSERT")),
    ("delivery_effects", "attempt", "UPDATE"),
    *(
        ("board_notifications", column, "UPDATE")
        for column in (
            *("read_at", "delivered_at", "delivery_ended_at"),
            *("attempts", "failures", "silences", "last_error", "outcome", "dead_at"),
        )
    ),
    *(("agent_presence", None, privilege) for privilege in ("INSERT", "UPDATE")),
)
"""What it needs beside these to deliver."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger of one of our tables. notifies: on our channel; of_ours: it executes a function of ours."""

    table: str
    name: str
    enabled: bool
    notifies: bool
    of_ours: bool


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are in the database.

    role_there: the server has agent_config_reader; reader: this login has its rights; member: it is in it, maybe
    without its rights (NOINHERIT), which are a matter of the grant where inherits_by_grant. owner: who may
    repair the tables, None if this login may.
    """

    login: str
    role_there: bool
    reader: bool
    member: bool
    inherits_by_grant: bool
    owner: str | None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A schema that has our tables where a login does not see them under their plain names.

    open: the login may use it. schema, login, and the search_path that would find them, all as SQL writes them.
    """

    schema: str
    open: bool
    login: str
    search_path: str


@dataclass(frozen=True, slots=True)
class LackingRight:
    """A right that a login lacks, in words."""

    login: str
    right: str


@dataclass(frozen=True, slots=True)
class SchemaState:
    """What was found: tables and columns that are lacking, the triggers, and the rights that this login lacks.

    elsewhere: where the tables are, if none of them is to be seen.
    """

    missing_tables: tuple[str, ...]
    missing_columns: tuple[tuple[str, str], ...]
    triggers: tuple[Trigger, ...]
    missing_rights: tuple[tuple[str, str | None, str], ...]
    login: Login
    elsewhere: tuple[Elsewhere, ...]


async def tables_elsewhere(connection: asyncpg.Connection) -> tuple[Elsewhere, ...]:
    """Return the schemas of this database that have our tables."""
    return tuple(Elsewhere(**dict(record)) for record in await connection.fetch(query("tables_elsewhere")))


async def read_schema_state(connection: asyncpg.Connection) -> SchemaState:
    """Look at tables, columns, triggers and rights."""
    tables = await connection.fetch(query("schema_tables"), list(COLUMNS))
    there = {table["name"]: set(table["columns"]) for table in tables if table["there"]}
    triggers = await connection.fetch(query("schema_triggers"), list(TRIGGERS), CHANNEL, list(FUNCTIONS))
    rights = await connection.fetch(query("rights_missing"), *_columns_of(_askable(there)))
    login = await connection.fetchrow(query("login"), list(COLUMNS))
    assert login is not None  # a row of constants
    return SchemaState(
        missing_tables=tuple(name for name in COLUMNS if name not in there),
        missing_columns=tuple(
            (name, column) for name in COLUMNS if name in there for column in COLUMNS[name] if column not in there[name]
        ),
        triggers=tuple(Trigger(**dict(trigger)) for trigger in triggers),
        missing_rights=tuple((right["table"], right["column"], right["privilege"]) for right in rights),
        login=Login(**dict(login)),
        elsewhere=() if there else await tables_elsewhere(connection),
    )


async def missing_right(
    connection: asyncpg.Connection, rights: tuple[tuple[str, str | None, str], ...]
) -> LackingRight | None:
    """Return the first of these rights that this login lacks."""
    missing = await connection.fetchrow(query("rights_missing"), *_columns_of(list(rights)))
    if missing is None:
        return None
    login = await connection.fetchval("SELECT session_user::text")
    column = f" ({missing['column']})" if missing["column"] is not None else ""
    return LackingRight(login, f"{missing['privilege']} on {missing['table']}{column}")


async def read_bindings(connection: asyncpg.Connection) -> dict[str, str | None] | None:
    """Return the accounts to which this login is bound, each with its one gateway or None for any; None where that does
    not matter: accounts are not kept apart, or not from this login."""
    if not await connection.fetchval(query("tenancy_holds")):
        return None
    return {record["account_id"]: record["gateway"] for record in await connection.fetch(query("login_bindings"))}


async def active_agents(connection: asyncpg.Connection, account: str, names: Iterable[str]) -> frozenset[str]:
    """Return those of these names that are active agents of some gateway."""
    records = await connection.fetch(query("agents_active"), account, list(names))
    return frozenset(record["name"] for record in records)


def _askable(there: Mapping[str, set[str]]) -> list[tuple[str, str | None, str]]:
    """Return the rights that the server can be asked about: it raises an error for a column that is not there."""
    return [
        (table, column, privilege)
        for table, column, privilege in RIGHTS
        if table in there and (column is None or column in _SYSTEM_COLUMNS or column in there[table])
    ]


def _columns_of(rights: list[tuple[str, str | None, str]]) -> tuple[list[str | None], ...]:
    return tuple([right[place] for right in rights] for place in range(3))
