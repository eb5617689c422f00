"""gateway/rules.py and gateway/refinements.py: what each version of the gateway accepts."""

from __future__ import annotations

import subprocess

import pytest
from unit.builders import PYTHON

from agent_config_sync.errors import RefusedError
from agent_config_sync.gateway.rules import INCLUDE_LIMIT, check_size, roster_for, rules_for
from agent_config_sync.model.site import GatewayVersion

NEW = GatewayVersion(2026, 9, 6)
OLDEST = GatewayVersion(2026, 2, 9)


def problem(key: str, value: object, version: GatewayVersion | None = NEW) -> str | None:
    return rules_for(version).agent_key_problem(key, value)


@pytest.mark.parametrize(
    ("version", "roster"),
    [
        (None, "list"),
        ("2026.2.9", "list"),
        ("2026.7.35", "list"),
        ("2026.8.1-beta.1", "entries"),
        ("2026.8.1", "entries"),
        ("2026.10.1", "entries"),
        ("2027.1.1", "entries"),
    ],
)
def test_the_roster_is_the_one_that_the_version_takes_best(version: str | None, roster: str) -> None:
    assert roster_for(GatewayVersion.parse(version)) == roster


def test_the_rules_of_one_version_are_one_object() -> None:
    assert rules_for(GatewayVersion(2026, 9, 6)) is rules_for(GatewayVersion(2026, 9, 6))


@pytest.mark.parametrize("version", [None, OLDEST, NEW])
@pytest.mark.parametrize("key", ["workspace", "name", "identity", "skills", "heartbeat", "model", "tools", "sandbox"])
def test_every_version_takes_these_keys(key: str, version: GatewayVersion | None) -> None:
    assert rules_for(version).takes_agent_key(key)


@pytest.mark.parametrize("key", ["thinkingDefault", "description", "params", "models", "runtime"])
def test_only_a_version_that_is_known_to_take_a_newer_key_is_given_it(key: str) -> None:
    taken = [rules_for(version).takes_agent_key(key) for version in (None, OLDEST, NEW)]
    assert taken == [False, False, True]


@pytest.mark.parametrize(
    ("version", "taken"),
    [
        ("2026.5.12", ["systemPromptOverride", "memorySearch", "models"]),
        ("2026.6.11", ["memorySearch", "models"]),
        ("2026.7.1", ["memorySearch", "models", "description"]),
        ("2026.7.35", ["models", "description"]),
        ("2026.8.1", ["models", "description", "memory"]),
        ("2026.9.3", ["models", "description", "memory"]),
        ("2026.9.6", ["models", "description", "memory", "cwd"]),
        ("2027.1.1", ["models", "description", "memory", "cwd"]),
    ],
)
def test_a_version_between_two_recorded_ones_is_given_what_both_take(version: str, taken: list[str]) -> None:
    rules = rules_for(GatewayVersion.parse(version))
    keys = ["systemPromptOverride", "memorySearch", "models", "description", "memory", "cwd"]
    assert [key for key in keys if rules.takes_agent_key(key)] == taken


def test_a_gateway_older_than_every_recorded_one_is_given_what_all_take() -> None:
    rules = rules_for(GatewayVersion(2025, 12, 1))
    assert rules.takes_agent_key("tools")
    assert not rules.takes_agent_key("memorySearch")


BY_VERSION: list[tuple[str, object, str, str]] = [
    # key, value, a version that refuses it, one that takes it
    ("heartbeat", {"every": "1h30m"}, "2026.2.9", "2026.3.13"),
    ("heartbeat", {"target": "owner"}, "2026.7.1", "2026.8.1"),
    ("heartbeat", {"target": "qa-channel"}, "2026.3.13", "2026.5.12"),
    ("sandbox", {"docker": {"binds": ["C:/a:/b"]}}, "2026.3.13", "2026.5.12"),
    ("thinkingDefault", "high", "2026.3.13", "2026.5.12"),
    ("thinkingDefault", "ultra", "2026.5.12", "2026.7.1"),
    ("tools", {"loopDetection": {"criticalThreshold": 5}}, "2026.8.1", "2026.7.1"),
]


@pytest.mark.parametrize(("key", "value", "refuses", "takes"), BY_VERSION)
def test_a_value_is_refused_where_the_version_refuses_it_and_only_there(
    key: str, value: object, refuses: str, takes: str
) -> None:
    found = [problem(key, value, GatewayVersion.parse(version)) for version in (refuses, takes)]
    assert (found[0] is not None, found[1]) == (True, None)


@pytest.mark.parametrize(("warning", "critical", "breaker"), [(5, 5, 6), (5, 6, 6), (7.0, 6.0, 8)])
def test_thresholds_of_loops_must_rise_where_a_version_has_them(warning: float, critical: float, breaker: int) -> None:
    thresholds = {"warningThreshold": warning, "criticalThreshold": critical, "globalCircuitBreakerThreshold": breaker}
    found = problem("tools", {"loopDetection": thresholds}, GatewayVersion(2026, 7, 1))
    assert found is not None
    assert "must be more than" in found


def test_thresholds_of_loops_that_rise_are_accepted() -> None:
    thresholds = {"warningThreshold": 5, "criticalThreshold": 6, "globalCircuitBreakerThreshold": 7}
    assert problem("tools", {"loopDetection": thresholds}, GatewayVersion(2026, 7, 1)) is None


@pytest.mark.parametrize("key", ["skipBootstrap", "thinking", "nmae", "", "__proto__", "systemPromptOverride"])
def test_a_key_that_no_agent_has_is_refused(key: str) -> None:
    assert problem(key, "x") == "this version of the gateway does not take it"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", "p/m"),
        ("model", {"primary": "p/m", "fallbacks": ["q/n"]}),
        ("subagents", {"allowAgents": ["*"]}),
        ("thinkingDefault", "high"),
        ("tools", {"allow": ["read"], "deny": ["exec"]}),
        ("heartbeat", {"every": "30m"}),
    ],
)
def test_a_good_value_is_accepted(key: str, value: object) -> None:
    assert problem(key, value) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", 7),
        ("model", {"primary": "p/m", "fallback": []}),
        ("subagents", {"maxSpawnDepth": 3}),
        ("subagents", "all"),
        ("thinkingDefault", "deeply"),
        ("tools", {"allow": "read"}),
        ("name", None),
    ],
)
def test_a_bad_value_is_refused_with_its_place(key: str, value: object) -> None:
    found = problem(key, value)
    assert found is not None
    assert found.startswith(key)


def test_a_refusal_is_short_whatever_the_value() -> None:
    found = problem("tools", {"allow": "x" * 100_000})
    assert found is not None
    assert len(found) < 250


REFINED: list[tuple[str, object, object]] = [
    ("tools", {"allow": ["a"]}, {"allow": ["a"], "alsoAllow": ["b"]}),
    ("tools", {"alsoAllow": ["a"]}, {"byProvider": {"p": {"allow": ["a"], "alsoAllow": ["b"]}}}),
    (
        "tools",
        {"toolsBySender": {"s": {"allow": ["a"]}}},
        {"toolsBySender": {"s": {"allow": ["a"], "alsoAllow": ["b"]}}},
    ),
    ("tools", {"sandbox": {"tools": {"allow": ["a"]}}}, {"sandbox": {"tools": {"allow": ["a"], "alsoAllow": ["b"]}}}),
    ("tools", {"allow": [], "alsoAllow": ["b"]}, {"allow": ["a"], "alsoAllow": ["b"]}),
    ("tools", {"exec": {"mode": "auto"}}, {"exec": {"mode": "auto", "ask": "always"}}),
    ("tools", {"exec": {"security": "deny"}}, {"exec": {"mode": "auto", "security": "deny"}}),
    ("sandbox", {"docker": {"network": "none"}}, {"docker": {"network": "host"}}),
    ("sandbox", {"docker": {"network": "bridge"}}, {"docker": {"network": " HOST "}}),
    ("sandbox", {"docker": {"network": "mine"}}, {"docker": {"network": "container:other"}}),
    ("sandbox", {"docker": {"seccompProfile": "x.json"}}, {"docker": {"seccompProfile": "unconfined"}}),
    ("sandbox", {"docker": {"apparmorProfile": "x"}}, {"docker": {"apparmorProfile": "Unconfined"}}),
    ("sandbox", {"docker": {"binds": ["/a:/b"]}}, {"docker": {"binds": ["ab:/b"]}}),
    ("sandbox", {"docker": {"binds": ["C:\\\\a:/b"]}}, {"docker": {"binds": [" /a:/b"]}}),
    ("sandbox", {"docker": {"binds": ["c:/a:/b"]}}, {"docker": {"binds": ["c:a:/b"]}}),
    ("sandbox", {"browser": {"network": "bridge"}}, {"browser": {"network": "host"}}),
    ("sandbox", {"browser": {"network": "mine"}}, {"browser": {"network": "container:other"}}),
    ("sandbox", {"browser": {"binds": ["/a:/b"]}}, {"browser": {"binds": ["/a:/b", "./a:/b"]}}),
    ("sandbox", {"docker": {"env": {"A": ""}}}, {"docker": {"env": {"": "x"}}}),
    ("sandbox", {"docker": {"env": {}}}, {"docker": {"env": {"A": "x", " ": "x"}}}),
    (
        "sandbox",
        {"docker": {"network": "container:x", "dangerouslyAllowContainerNamespaceJoin": True}},
        {"docker": {"network": "container:x", "dangerouslyAllowContainerNamespaceJoin": False}},
    ),
    ("heartbeat", {"every": "1h30m"}, {"every": "soon"}),
    ("heartbeat", {"every": "0m"}, {"every": "30 minutes"}),
    ("heartbeat", {"every": "30"}, {"every": "30x"}),
    ("heartbeat", {"every": "1.5H"}, {"every": "1.5.5h"}),
    ("heartbeat", {"every": " 5m "}, {"every": "5 m"}),
    ("heartbeat", {"every": "500ms"}, {"every": "-5m"}),
    ("heartbeat", {"every": ""}, {"every": "\u0665m"}),
    ("heartbeat", {"every": "1d"}, {"every": "1" * 41}),
    ("heartbeat", {"activeHours": {"start": "08:30"}}, {"activeHours": {"start": "8:30"}}),
    ("heartbeat", {"activeHours": {"end": "24:00"}}, {"activeHours": {"start": "24:00"}}),
    ("heartbeat", {"target": "last"}, {"target": "nowhere"}),
    ("heartbeat", {"target": "telegram"}, {"target": "telegramm"}),
    ("identity", {"avatar": "face.png"}, {"avatar": "../face.png"}),
    ("identity", {"avatar": "https://x/face.png"}, {"avatar": "/etc/face.png"}),
    ("identity", {"avatar": "data:image/png;base64,AA"}, {"avatar": "ftp://x/face.png"}),
    ("identity", {"avatar": "a/b.png"}, {"avatar": "~/face.png"}),
    ("identity", {"avatar": "HTTP://x/face.png"}, {"avatar": "file:face.png"}),
    ("identity", {"avatar": "DATA:image/png;base64,AA"}, {"avatar": "c:face.png"}),
    ("identity", {"avatar": "C:/face.png"}, {"avatar": "c+d:/face.png"}),
    ("identity", {"avatar": ""}, {"avatar": "\\\\host\\face.png"}),
    ("identity", {"avatar": " https://x/../face.png "}, {"avatar": " /face.png"}),
    ("models", {"p/m": {"codeMode": True}}, {"p/*": {"codeMode": True}}),
    ("modelPolicy", {"allow": ["p/m", "p/*"]}, {"allow": ["opus"]}),
    ("modelPolicy", {"allow": []}, {"allow": ["*/m"]}),
    ("decisionModel", "p/m", "opus"),
    ("identity", {"avatar": "a..b.png"}, {"avatar": "a\\..\\face.png"}),
]


@pytest.mark.parametrize(("key", "good", "_"), REFINED)
def test_a_refinement_lets_the_good_value_pass(key: str, good: object, _: object) -> None:
    assert problem(key, good) is None


@pytest.mark.parametrize(("key", "_", "bad"), REFINED)
def test_what_only_the_gateway_itself_refuses_is_refused_with_its_place(key: str, _: object, bad: object) -> None:
    found = problem(key, bad)
    assert found is not None
    assert found.startswith(key)


def test_an_older_gateway_is_held_to_the_same_refinements() -> None:
    assert problem("heartbeat", {"every": "soon"}, OLDEST) is not None


def test_a_file_of_the_largest_size_is_accepted() -> None:
    check_size(b"x" * INCLUDE_LIMIT)


def test_a_file_that_the_gateway_would_not_read_is_refused_with_a_way_out() -> None:
    with pytest.raises(RefusedError, match=r"2,097,153 bytes.*scope agents to gateways"):
        check_size(b"x" * (INCLUDE_LIMIT + 1))


def test_the_validator_is_not_imported_before_a_row_needs_it() -> None:
    program = (
        "import sys; from agent_config_sync.render import agents_json; from agent_config_sync.gateway import rules"
    )
    program += "; rules.rules_for(None).takes_agent_key('x'); assert 'jsonschema_rs' not in sys.modules"
    subprocess.run([PYTHON, "-c", program], check=True)


def test_a_value_that_may_be_a_secret_is_in_no_problem() -> None:
    problem = rules_for(GatewayVersion(2026, 9, 6)).agent_key_problem("tools", {"exec": "t0psecret"})
    assert problem is not None
    assert "t0psecret" not in problem
    assert problem.startswith("tools.exec: this is not of type")
