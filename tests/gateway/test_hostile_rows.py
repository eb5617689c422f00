"""Whatever rows hold, the gateway takes what becomes of them; and what our rules leave out, it would have refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.openclaw import Installation, OpenClaw
from gateway.oracle import Candidate, Oracle
from gateway.test_rules_oracle import CANDIDATES
from harness import Operator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agent_config_sync.gateway.rules import RECORDED, RecordedRules
from agent_config_sync.model.site import Roster
from agent_config_sync.render.defaults import DEFAULTS

BRIEFLY = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=6,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""An example is many rows at once, and none is made smaller, because the gateway's validator takes seconds to start."""

ON_PURPOSE = ("decisionModel", "heartbeat", "identity", "sandbox")
"""Keys of which we leave out more than the gateway (test_rules_oracle, STRICTER)."""

HOSTILE = (
    *("", " ", "../x", "/etc/passwd", "${HOME}", "$${HOME}", "{{ 7*7 }}", "$include", "__proto__", "constructor", "*"),
    *(
        "null",
        "0",
        "-1",
        "1e3",
        '{"a": 1}',
        "a\nb",
        "\x7f",
        "\ufeffx",
        "\u202eabc",
        "👩\u200d👧",
        "مرحبا",
        "a/b",
        "x" * 4000,
    ),
)

TEXTS = st.sampled_from(HOSTILE) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30
)

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), TEXTS
)

ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)


def places(value: object, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the way to each member of a value, itself first."""
    yield way
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from places(member, (*way, key))


@st.composite
def spoilt(draw: st.DrawFn) -> Candidate:
    """Return a key with a value that it may well have, but for one member."""
    key, value = draw(st.sampled_from(CANDIDATES))
    value = copy.deepcopy(value)
    way = draw(st.sampled_from(list(places(value))))
    if not way:
        return key, draw(st.one_of(st.just(value), ANYTHING))
    owner: Any = value
    for step in way[:-1]:
        owner = owner[step]
    owner[way[-1]] = draw(ANYTHING)
    return key, value


NAMES = st.sampled_from(("lead", "coder", "a-b", "a_b", "123", "main", "true", "Lead", "a b", "..", *HOSTILE)) | TEXTS

ROW = st.tuples(
    NAMES,
    st.sampled_from(["primary", "subagent", "peer"]),
    st.booleans(),
    st.none() | TEXTS,
    st.none() | st.lists(st.none() | TEXTS, max_size=3),
    st.none() | TEXTS,
    st.none() | st.lists(st.none() | NAMES, max_size=3),
    st.none() | ANYTHING | st.lists(spoilt(), max_size=4).map(dict),
)
"""name, instance_type, is_default, model, fallback_models, thinking, allowed_subagents, settings"""

SYSTEM_SETTINGS = st.dictionaries(
    st.sampled_from([*DEFAULTS, "max_concurrent_subagents"]) | TEXTS,
    st.tuples(TEXTS | st.integers().map(str) | SCALARS.map(str), st.sampled_from(["integer", "text"]) | TEXTS),
    max_size=6,
)
"""value and value_type by key"""


@BRIEFLY
@given(rows=st.lists(ROW, min_size=20, max_size=60, unique_by=lambda row: row[0]), system_settings=SYSTEM_SETTINGS)
async def test_the_gateway_takes_what_becomes_of_any_rows(
    installation: Installation,
    operator: Operator,
    database: str,
    tmp_path: Path,
    roster: Roster,
    rows: list[Any],
    system_settings: dict[str, tuple[str, str]],
) -> None:
    for name in ("name_is_an_id", "settings_is_an_object"):  # which somebody's own table may lack
        await operator.execute(f"ALTER TABLE agents DROP CONSTRAINT IF EXISTS agents_{name}")
    await operator.execute("TRUNCATE agents, agent_system_config CASCADE")
    await operator.executemany(
        "INSERT INTO agent_system_config (key, value, value_type) VALUES ($1, $2, $3)",
        [(key, *value) for key, value in system_settings.items()],
    )
    await operator.executemany(
        "INSERT INTO agents (name, instance_type, is_default, model, fallback_models, thinking, allowed_subagents,"
        " settings) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        [(*row[:-1], None if row[-1] is None else json.dumps(row[-1])) for row in rows],
    )
    await operator.execute("INSERT INTO agents (name) VALUES ('anchor') ON CONFLICT DO NOTHING")
    gateway = OpenClaw(installation, tmp_path / "home", {"gateway": "here"}, "section")
    if not gateway.folder.exists():
        gateway.set_up()
    gateway.run_sync("--dsn", database, roster=roster)
    verdict = installation.validate(gateway.config_path, gateway.home)
    assert verdict.issues == ()
    assert verdict.valid


@settings(BRIEFLY, max_examples=2)  # the first of all is the plainest one: a hundred times the same good value
@given(candidates=st.lists(spoilt(), min_size=100, max_size=150))
def test_our_rules_and_the_gateway_agree_on_spoilt_values(
    oracle: Oracle, rules: RecordedRules, candidates: list[Candidate]
) -> None:
    accepted = [(key, value) for key, value in candidates if rules.agent_key_problem(key, value) is None]
    assert oracle.refused(accepted) == []
    left_out = [each for each in candidates if each not in accepted and each[0] not in ON_PURPOSE]
    if oracle.installation.version == RECORDED[-1]:
        refused = oracle.refused(left_out)
        assert [candidate for candidate in left_out if candidate not in refused] == []
