"""Is the database there, does it hold what we need, may we read it, and do its notifications arrive?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import asyncpg

from agent_config_sync.doctor.finding import (
    PROGRAM,
    Cure,
    Finding,
    bind_login,
    edit,
    forget_status,
    identifier,
    of_error,
    run,
    sql,
)
from agent_config_sync.errors import (
    LoginError,
    PoolerError,
    ReadOnlyError,
    RightsError,
    SchemaError,
    SettingsError,
    SilentError,
    SyncError,
)
from agent_config_sync.postgres.link import Link, Timing, open_link
from agent_config_sync.postgres.migrate import pending
from agent_config_sync.postgres.queries import query
from agent_config_sync.postgres.schema import (
    TRIGGERS,
    Elsewhere,
    Login,
    SchemaState,
    read_bindings,
    read_schema_state,
)
from agent_config_sync.postgres.server import Server

_READER = "agent_config_reader"

_NAMES = (
    (LoginError, "login_refused"),
    (RightsError, "rights_missing"),
    (SchemaError, "table_missing"),
    (ReadOnlyError, "replica"),
    (PoolerError, "pooler"),
    (SilentError, "notifications_lost"),
    (SettingsError, "settings_invalid"),
)


def database_finding(error: SyncError) -> Finding:
    """Return an error of the database as a finding."""
    name = next((name for kind, name in _NAMES if isinstance(error, kind)), "database_unreachable")
    return of_error(name, error)


async def examine_database(
    server: Server, *, account: str, gateway: str, timing: Timing | None = None
) -> tuple[Finding, ...]:
    """Return what is wrong with the database."""
    try:
        async with open_link(server, gateway=gateway, on_change=lambda _: None, timing=timing or Timing()) as link:
            findings = await _examine_tables(link, account, gateway)
            await link.proven()
    except SyncError as error:
        return (database_finding(error),)
    return findings


async def _examine_tables(link: Link, account: str, gateway: str) -> tuple[Finding, ...]:
    async with link.reading() as connection:
        state = await read_schema_state(connection)
        reporter = await _reporter(connection, state, account, gateway)
        unreadable = state.elsewhere or state.missing_rights
        unbound = () if unreadable else await _binding(connection, state.login.login, account, gateway)
    if state.elsewhere:
        return tuple(_unseen(state.login, elsewhere) for elsewhere in state.elsewhere)
    findings = [*_lacking(state), *_triggers(state), *_rights(state)]
    if not findings:  # else the same cure twice
        findings += await _pending(link, state)
    if reporter not in (None, state.login.login):
        what = f"the status of {gateway} is written by login {reporter}, and {state.login.login} may not write it"
        findings.append(Finding("status_of_another_login", what, forget_status(account, gateway)))
    return (*findings, *unbound)


def _unseen(login: Login, elsewhere: Elsewhere) -> Finding:
    """Tell of tables that are there and that this login does not see."""
    schema = elsewhere.schema
    if elsewhere.open:
        what = f"the tables are in schema {schema}, which is not in the search_path of login {login.login}"
        cure = sql(f"ALTER ROLE {elsewhere.login} SET search_path = {elsewhere.search_path};")
        return Finding("table_missing", what, cure)
    what = f"login {login.login} may not use schema {schema}, in which the tables are"
    cure = _membership(login)
    if cure.kind == "sql":
        usage = f"GRANT USAGE ON SCHEMA {schema} TO {_READER};"
        cure = sql(usage if login.reader else f"{usage} {cure.text}")
    return Finding("rights_missing", what, cure)


def _membership(login: Login) -> Cure:
    """Return how this login comes to the rights of the role."""
    name = identifier(login.login)
    if not login.role_there:  # the migration lacked CREATEROLE and has said so
        return edit(f"let an administrator CREATE ROLE {_READER} NOLOGIN, then {PROGRAM} migrate --repair")
    if not login.member:
        return sql(f"GRANT {_READER} TO {name};")
    inherit = f"GRANT {_READER} TO {name} WITH INHERIT TRUE;"
    return sql(inherit if login.inherits_by_grant else f"ALTER ROLE {name} INHERIT;")


def _lacking(state: SchemaState) -> Iterator[Finding]:
    repair = run("migrate", "--repair", login=state.login.owner)
    for table in state.missing_tables:
        yield Finding("table_missing", f"there is no table {table}", repair)
    for table, column in state.missing_columns:
        yield Finding("column_missing", f"table {table} has no column {column}", repair)


def _triggers(state: SchemaState) -> Iterator[Finding]:
    found = {(trigger.table, trigger.name): trigger for trigger in state.triggers}
    for table in TRIGGERS:
        if table in state.missing_tables:
            continue
        for name in TRIGGERS[table]:
            trigger = found.get((table, name))
            if trigger is None or not trigger.notifies:
                what = f"table {table} has no trigger {name}: some changes are not noticed until the next resync"
                yield Finding("trigger_missing", what, run("migrate", "--repair", login=state.login.owner))
            elif not trigger.enabled:
                what = f"trigger {name} of table {table} is switched off"
                yield Finding("trigger_disabled", what, sql(f"ALTER TABLE {table} ENABLE TRIGGER {name};"))
    for trigger in state.triggers:
        if trigger.notifies and trigger.name not in TRIGGERS[trigger.table]:
            what = f"trigger {trigger.name} of table {trigger.table} notifies what ours has notified already"
            drop = f"DROP TRIGGER {identifier(trigger.name)} ON {trigger.table};"
            own = "take the notification out of its function, or drop the trigger if it does nothing else"
            yield Finding("trigger_doubled", what, sql(drop) if trigger.of_ours else edit(own))


def _rights(state: SchemaState) -> Iterator[Finding]:
    if not state.missing_rights:
        return
    table, column, privilege = state.missing_rights[0]
    rest = len(state.missing_rights) - 1
    right = f"{privilege} on {table}" + (f" ({column})" if column else "") + (f" and {rest} more" if rest else "")
    what = f"login {state.login.login} lacks the right of {right}"
    repair = run("migrate", "--repair", login=state.login.owner)
    yield Finding("rights_missing", what, repair if state.login.reader else _membership(state.login))


async def _pending(link: Link, state: SchemaState) -> list[Finding]:
    if any(right[0] == "agent_config_migrations" for right in state.missing_rights):
        return []
    async with link.reading() as connection:
        names = [migration.name for migration in await pending(connection)]
    if not names:
        return []
    cure = run("migrate", login=state.login.owner)
    return [Finding("migration_pending", f"not applied yet: {', '.join(names)}", cure)]


async def _binding(connection: asyncpg.Connection, login: str, account: str, gateway: str) -> Iterable[Finding]:
    """Tell of a login that works for another account or gateway, where accounts are kept apart."""
    bound = await read_bindings(connection)
    if bound is None:
        return ()
    if account not in bound:
        others = f"to {', '.join(bound)} and not to {account}" if bound else "to no account"
        what = f"accounts are kept apart and login {login} is bound {others}: it sees no row of {account}"
        return (Finding("login_not_bound", what, bind_login(login, account, gateway)),)
    if bound[account] not in (None, gateway):
        what = f"login {login} is bound to gateway {bound[account]} of {account}: it may not report for {gateway}"
        return (Finding("login_of_another_gateway", what, bind_login(login, account, gateway)),)
    return ()


async def _reporter(connection: asyncpg.Connection, state: SchemaState, account: str, gateway: str) -> str | None:
    if "gateway_status" in state.missing_tables or any(right[0] == "gateway_status" for right in state.missing_rights):
        return None
    found: str | None = await connection.fetchval(query("status_reporter"), account, gateway)
    return found
