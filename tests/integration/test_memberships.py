"""Who belongs to an account, who a person is, and which login works for which account."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from harness import Operator, connected

from agent_config_sync.postgres.migrate import migrate

ADD = "INSERT INTO memberships (account_id, user_id, role) VALUES ($1, $2, $3)"


@pytest.fixture
async def gateway(database: str, operator: Operator) -> AsyncIterator[Operator]:
    """The login of a gateway whose agents may install skills."""
    login = "member_box"
    await operator.execute(f"DROP ROLE IF EXISTS {login}; CREATE ROLE {login} LOGIN IN ROLE agent_config_runtime")
    async with connected(database.replace("postgres@", f"{login}@")) as connection:
        yield connection
    await operator.execute(f"DROP OWNED BY {login}; DROP ROLE {login}")


@pytest.fixture
async def person(database: str, operator: Operator) -> AsyncIterator[Operator]:
    """The login of an operator."""
    login = "member_person"
    await operator.execute(f"DROP ROLE IF EXISTS {login}; CREATE ROLE {login} LOGIN IN ROLE agent_config_operator")
    async with connected(database.replace("postgres@", f"{login}@")) as connection:
        yield connection
    await operator.execute(f"DROP OWNED BY {login}; DROP ROLE {login}")


@pytest.mark.parametrize("user", ["", "a" * 201, "a\nb", "a\x1fb"])
async def test_a_user_is_named_by_a_subject_of_a_token(operator: Operator, user: str) -> None:
    await operator.execute(ADD, "default", "auth0|" + "a" * 194, "member")
    with pytest.raises(asyncpg.CheckViolationError):
        await operator.execute(ADD, "default", user, "member")
    with pytest.raises(asyncpg.CheckViolationError):
        await operator.execute("INSERT INTO people (user_id) VALUES ($1)", user)


async def test_a_member_has_a_role_that_is_known(operator: Operator) -> None:
    for number, role in enumerate(("owner", "admin", "member")):
        await operator.execute(ADD, "default", str(number), role)
    with pytest.raises(asyncpg.CheckViolationError):
        await operator.execute(ADD, "default", "ada", "root")


async def test_a_user_belongs_to_an_account_once_and_to_several_accounts(operator: Operator) -> None:
    await operator.execute(ADD, "a", "ada", "member")
    await operator.execute(ADD, "b", "ada", "owner")
    with pytest.raises(asyncpg.UniqueViolationError):
        await operator.execute(ADD, "a", "ada", "admin")


async def test_a_user_is_one_person_of_an_account(operator: Operator) -> None:
    add = "INSERT INTO people (account_id, user_id) VALUES ($1, $2)"
    for account, user in (("a", "ada"), ("b", "ada"), ("a", None), ("a", None)):
        await operator.execute(add, account, user)
    with pytest.raises(asyncpg.UniqueViolationError):
        await operator.execute(add, "a", "ada")


@pytest.mark.parametrize(
    "table",
    [
        "people (id serial PRIMARY KEY, user_id integer)",
        "people (id serial, user_id integer) PARTITION BY LIST (id); CREATE TABLE others PARTITION OF people DEFAULT",
    ],
)
async def test_a_user_of_another_system_is_left_to_it(empty_database: str, table: str) -> None:
    async with connected(empty_database) as owner:
        await owner.execute(f"CREATE TABLE {table}; INSERT INTO people (user_id) VALUES (7), (7)")
        await migrate(owner)
        assert await owner.execute("INSERT INTO people (user_id) VALUES (7)") == "INSERT 0 1"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("people (id int, account_id json)", "nothing keeps people to one row a user"),
        ("people (id int) PARTITION BY LIST (id)", "nothing keeps people to one row a user"),
    ],
)
async def test_people_of_another_form_get_the_column_and_a_warning(empty_database: str, table: str, said: str) -> None:
    warned: list[str] = []
    async with connected(empty_database) as owner:
        await owner.execute(f"CREATE TABLE {table}")
        owner.add_log_listener(lambda _, message: warned.append(str(message.message)))
        await migrate(owner)
        assert await owner.fetchval("SELECT count(user_id) FROM people") == 0
    assert any(said in line for line in warned)


async def test_a_gateway_reads_who_belongs_to_an_account_and_changes_nothing(
    operator: Operator, gateway: Operator
) -> None:
    await operator.execute(ADD, "default", "ada", "admin")
    assert await gateway.fetchval("SELECT role FROM memberships WHERE user_id = 'ada'") == "admin"
    for statement in ("SELECT joined_at FROM memberships", "UPDATE memberships SET role = 'owner'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await gateway.execute(statement)


async def test_a_membership_wakes_nobody(operator: Operator) -> None:
    heard: list[str] = []
    await operator.add_listener("agent_config_changed", lambda *event: heard.append(str(event[3])))
    await operator.execute(ADD, "default", "ada", "admin")
    await operator.execute("UPDATE memberships SET role = 'owner'")
    await operator.execute("NOTIFY agent_config_changed, 'end'")
    await operator.fetchval("SELECT 1")
    assert heard == ["end"]


async def test_operators_read_which_login_is_whose_and_gateways_do_not(
    operator: Operator, person: Operator, gateway: Operator
) -> None:
    await operator.execute("INSERT INTO account_logins VALUES ('coder_box', 'default', 'coder-box')")
    assert await person.fetchval("SELECT gateway FROM account_logins") == "coder-box"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await gateway.execute("SELECT FROM account_logins")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO account_logins VALUES (session_user, 'a', NULL)",
        "UPDATE account_logins SET account_id = 'a'",
        "DELETE FROM account_logins",
    ],
)
async def test_only_the_owner_binds_logins_whatever_was_granted(
    operator: Operator, person: Operator, statement: str
) -> None:
    await operator.execute("INSERT INTO account_logins VALUES ('coder_box', 'default', NULL)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await person.execute(statement)
    await operator.execute("GRANT ALL ON account_logins TO agent_config_operator")
    try:
        said = await person.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        said = "refused"
    assert said in ("refused", "UPDATE 0", "DELETE 0")
    assert [tuple(row) for row in await operator.fetch("SELECT * FROM account_logins")] == [
        ("coder_box", "default", None)
    ]
