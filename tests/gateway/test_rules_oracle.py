"""Our rules against the gateway's own validator: what we let through, it takes; what we leave out, it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gateway.openclaw import Installation, OpenClaw, Verdict
from harness import Operator

from agent_config_sync.gateway.rules import RECORDED, RecordedRules, rules_for
from agent_config_sync.model.site import Layout, Roster

Candidate = tuple[str, object]
"""A key of an agent's entry and a value for it."""

DEEP: object = None
for _ in range(20):
    DEEP = {"a": [DEEP]}

VALUES: Mapping[str, Iterable[object]] = {
    "name": ["Lead", "", " ", "ü🛠", 1, None, ["x"]],
    "description": ["", "x" * 5000, "$HOME", "${lower}", 7],
    "workspace": ["", "rel/x", "/srv/w", "~/w", 3],
    "cwd": ["/srv", "rel", "", None],
    "agentDir": ["/srv/agents/one", "~/two", "rel/three", 0],
    "utilityModel": [" ", "", "a/b", "x", None],
    "decisionModel": ["", " ", "a/b", "a/b/c", " a/b ", "nomodel", "/x", "a/", "a b/c", "a/b c", "a/*", None],
    "models": [
        {},
        {"": {}},
        {"foo": {}},
        {"anthropic/*": {}},
        {"a/b": {"alias": "x"}, "a/c": {"alias": "x"}},
        {"a/b": {"alias": ""}},
        {"a/b": {"params": {"x": None}}},
        {"a/b": {"codeMode": True}},
        {"anthropic/*": {"codeMode": True}},
        {"foo": {"codeMode": False}},
        {"a/b": {"pickerRuntimes": ["auto"]}},
        {"a/b": {"pickerRuntimes": []}},
        {"a/b": {"pickerRuntimes": [""]}},
        {"a/b": {"nonsense": 1}},
        {"a/b": None},
        ["a/b"],
    ],
    "modelPolicy": [
        {},
        {"allow": []},
        {"allow": ["a/b", "a/b"]},
        {"allow": ["a/*", "a/b/*"]},
        {"allow": [" a/b "]},
        {"allow": ["alias"]},
        {"allow": [""]},
        {"allow": [" "]},
        {"allow": ["a b/c"]},
        {"allow": ["*"]},
        {"allow": ["*/b"]},
        {"allow": ["a*/b"]},
        {"allow": ["a/b*"]},
        {"allow": ["a/"]},
        {"allow": ["/b"]},
        {"allow": ["a//b"]},
        {"allow": "a/b"},
        {"deny": []},
    ],
    "thinkingDefault": ["off", "high", "ultra", "insane", "", "High", 3],
    "verboseDefault": ["on", "off", "full", True, "x"],
    "reasoningDefault": ["on", "off", "stream", "x"],
    "fastModeDefault": [True, "auto", "x", 1],
    "contextInjection": ["always", "never", "continuation-skip", "x"],
    "bootstrapMaxChars": [1, 100000, 0, -1, 1.5, "9"],
    "skills": [[], ["x", "x", ""], [" a "], "x", [1], None],
    "subagents": [
        {},
        {"model": "a/b"},
        {"model": ""},
        {"model": {"primary": "a/b", "fallbacks": ["a/c", "a/c", ""]}},
        {"model": {}},
        {"thinking": "zzz"},
        {"delegationMode": "prefer"},
        {"delegationMode": "never"},
        {"requireAgentId": True},
        {"requireAgentId": "yes"},
        {"maxConcurrent": 3},
        {"maxSpawnDepth": 2},
        {"allowAgents": ["*", "nobody", ""]},
        {"allowAgents": "*"},
        {"allowAgents": [1]},
        "x",
        [],
    ],
    "params": [{}, {"a": {"b": [None]}}, {"": 1}, DEEP, {"n": 1e300}, {"n": -0.0}, "x", [], None],
    "runtime": [
        {"type": "embedded"},
        {"type": "acp", "acp": {"agent": "codex", "cwd": "rel"}},
        {"type": "acp"},
        {"type": "x"},
        {},
    ],
    "memory": [{"search": {"enabled": True}}, {"search": {"enabled": "yes"}}, {}, {"x": 1}],
    "humanDelay": [{"mode": "custom", "minMs": 10, "maxMs": 1}, {"mode": "x"}, {"minMs": -1}, {"minMs": 1.5}, {}],
    "typingMode": ["never", "instant", "thinking", "message", "x"],
    "tts": [{"auto": "off"}, {"auto": "zz"}, {"enabled": True}, {"provider": "x"}, {"timeoutMs": 1}, {}],
    "contextLimits": [{"memoryGetMaxChars": 1000}, {"memoryGetMaxChars": 0}, {"x": 1}, {}],
    "skillsLimits": [{"maxSkillsPromptChars": 1000}, {"maxSkillsPromptChars": -1}, {"x": 1}, {}],
    "embeddedAgent": [{}, {"x": 1}],
    "experimental": [{}, {"x": 1}],
    "heartbeat": [
        {},
        {"every": ""},
        {"every": " "},
        {"every": "30"},
        {"every": "30m"},
        {"every": " 30m "},
        {"every": "30M"},
        {"every": "1h30m"},
        {"every": "1h 30m"},
        {"every": "1.5h"},
        {"every": ".5h"},
        {"every": "1.h"},
        {"every": "500ms"},
        {"every": "2d"},
        {"every": "1w"},
        {"every": "0"},
        {"every": "0m"},
        {"every": "+5m"},
        {"every": "-5m"},
        {"every": "soon"},
        {"every": "m"},
        {"every": "5m\n"},
        {"every": "\u0665m"},
        {"every": "1e3s"},
        {"every": "9" * 400 + "h"},
        {"every": 30},
        {"activeHours": {"start": "08:00", "end": "24:00"}},
        {"activeHours": {"start": "8:00", "end": "10:00"}},
        {"activeHours": {"start": "24:00", "end": "10:00"}},
        {"activeHours": {"start": "25:00", "end": "10:00"}},
        {"activeHours": {"start": "08:60"}},
        {"activeHours": {"start": " 08:00"}},
        {"activeHours": {"start": "08:00\n"}},
        {"activeHours": {"start": ""}},
        {"activeHours": {"end": ""}},
        {"activeHours": {"end": "24:01"}},
        {"activeHours": {"start": "10:00", "end": "09:00"}},
        {"activeHours": {"start": "10:00", "end": "10:00"}},
        {"activeHours": {"timezone": "Mars/X"}},
        {"activeHours": {"x": 1}},
        {"target": "last"},
        {"target": "none"},
        {"target": "LAST"},
        {"target": " last "},
        {"target": ""},
        {"target": "telegram"},
        {"target": "Telegram"},
        {"target": "whatsapp"},
        {"target": "discord"},
        {"target": "slack"},
        {"target": "webchat"},
        {"target": "owner"},
        {"target": "nochannel"},
        {"target": "agent_chat"},
        {"target": "defaults"},
        {"target": "modelByChannel"},
        {"timeoutSeconds": 1},
        {"timeoutSeconds": 0},
        {"model": ""},
        {"model": "a b"},
        {"prompt": ""},
        {"session": ""},
        {"to": ""},
        {"accountId": ""},
        {"x": 1},
    ],
    "identity": [
        {},
        {"name": "", "emoji": "🛠", "theme": ""},
        {"name": None},
        {"x": 1},
        {"avatar": ""},
        {"avatar": " "},
        {"avatar": "🛠"},
        {"avatar": "a/b.png"},
        {"avatar": "./b.png"},
        {"avatar": "a/../b.png"},
        {"avatar": "a..b.png"},
        {"avatar": ".."},
        {"avatar": "../x.png"},
        {"avatar": "a/../../x.png"},
        {"avatar": "..\\x.png"},
        {"avatar": "/etc/passwd"},
        {"avatar": "//host/x"},
        {"avatar": " /etc/passwd"},
        {"avatar": "~/x.png"},
        {"avatar": "~x.png"},
        {"avatar": "\\x.png"},
        {"avatar": "C:\\x.png"},
        {"avatar": "C:/x.png"},
        {"avatar": "c:x.png"},
        {"avatar": "file:///x.png"},
        {"avatar": "file:x"},
        {"avatar": "ftp://x/y"},
        {"avatar": "ab:c"},
        {"avatar": "12:30.png"},
        {"avatar": "a b:c.png"},
        {"avatar": "https://x/y.png"},
        {"avatar": "HTTPS://x/y.png"},
        {"avatar": " https://x/y.png"},
        {"avatar": "https:x"},
        {"avatar": "data:image/png;base64,AA"},
        {"avatar": "data:"},
        {"avatar": "DATA:x"},
    ],
    "groupChat": [
        {},
        {"mentionPatterns": ["("]},
        {"mentionPatterns": ["(a+)+$", ""]},
        {"mentionPatterns": "x"},
        {"historyLimit": 0},
        {"historyLimit": 5.0},
        {"historyLimit": 1.5},
        {"historyLimit": -1},
        {"x": 1},
    ],
    "sandbox": [
        {},
        {"mode": "off"},
        {"mode": "non-main", "scope": "agent", "workspaceAccess": "ro"},
        {"mode": "sometimes"},
        {"scope": "x"},
        {"backend": "docker"},
        {"backend": "ssh"},
        {"backend": ""},
        {"backend": "x"},
        {"docker": {"memory": 512}},
        {"docker": {"memory": "512m"}},
        {"docker": {"setupCommand": ["a", "b"]}},
        {"docker": {"network": "none"}},
        {"docker": {"network": "bridge"}},
        {"docker": {"network": "my-net"}},
        {"docker": {"network": ""}},
        {"docker": {"network": "host"}},
        {"docker": {"network": " Host "}},
        {"docker": {"network": "container:x"}},
        {"docker": {"network": "CONTAINER:x"}},
        {"docker": {"network": "container:x", "dangerouslyAllowContainerNamespaceJoin": True}},
        {"docker": {"network": "host", "dangerouslyAllowContainerNamespaceJoin": True}},
        {"docker": {"network": "ns:/proc/1/ns/net"}},
        {"docker": {"seccompProfile": "/x.json"}},
        {"docker": {"seccompProfile": "unconfined"}},
        {"docker": {"seccompProfile": " Unconfined "}},
        {"docker": {"apparmorProfile": "unconfined"}},
        {"docker": {"apparmorProfile": "x"}},
        {"docker": {"binds": []}},
        {"docker": {"binds": ["/srv/data:/data:ro"]}},
        {"docker": {"binds": ["rel:/x"]}},
        {"docker": {"binds": ["./rel:/x"]}},
        {"docker": {"binds": ["~/x:/x"]}},
        {"docker": {"binds": [" /srv:/x"]}},
        {"docker": {"binds": [""]}},
        {"docker": {"binds": ["/srv"]}},
        {"docker": {"binds": ["C:\\x:/x"]}},
        {"docker": {"binds": ["C:/x:/x"]}},
        {"docker": {"binds": ["/:/x"]}},
        {"docker": {"binds": ["//:/x"]}},
        {"docker": {"binds": ["/etc:/x"]}},
        {"docker": {"binds": ["/etc/ssl:/x:ro"]}},
        {"docker": {"binds": ["/srv/../etc:/x"]}},
        {"docker": {"binds": ["/proc:/x"]}},
        {"docker": {"binds": ["/sys:/x"]}},
        {"docker": {"binds": ["/dev:/x"]}},
        {"docker": {"binds": ["/root:/x"]}},
        {"docker": {"binds": ["/boot:/x"]}},
        {"docker": {"binds": ["/home:/x"]}},
        {"docker": {"binds": ["/var/run:/x"]}},
        {"docker": {"binds": ["/run:/x"]}},
        {"docker": {"binds": ["/var/run/docker.sock:/var/run/docker.sock"]}},
        {"docker": {"binds": ["/srv:/workspace"]}},
        {"docker": {"binds": ["/srv:/agent"]}},
        {"docker": {"binds": ["/srv:rel"]}},
        {"docker": {"env": {"A": "b"}}},
        {"docker": {"env": {"A": 1}}},
        {"docker": {"env": {"": "x"}}},
        {"docker": {"ulimits": {"nofile": "1:2"}}},
        {"docker": {"ulimits": {"nofile": {"soft": 5, "hard": 1}}}},
        {"docker": {"capDrop": ["ALL"]}},
        {"docker": {"dns": ["x"]}},
        {"docker": {"extraHosts": ["x"]}},
        {"docker": {"pidsLimit": 0}},
        {"docker": {"cpus": 0}},
        {"docker": {"user": ""}},
        {"docker": {"image": ""}},
        {"docker": {"x": 1}},
        {"browser": {"enabled": True}},
        {"browser": {"network": "host"}},
        {"browser": {"network": "none"}},
        {"browser": {"network": "container:x"}},
        {"browser": {"binds": ["rel:/x"]}},
        {"browser": {"binds": ["/etc:/x"]}},
        {"browser": {"x": 1}},
        {"prune": {"idleHours": 0}},
        {"prune": {"idleHours": -1}},
        {"ssh": {"target": "x"}},
        {"ssh": {}},
        {"x": 1},
    ],
    "tools": [
        {},
        {"profile": "coding"},
        {"profile": "nope"},
        {"allow": ["exec"]},
        {"allow": ["exec"], "deny": ["exec"]},
        {"allow": "exec"},
        {"allow": ["exec"], "alsoAllow": ["read"]},
        {"allow": [], "alsoAllow": ["read"]},
        {"allow": ["exec"], "alsoAllow": []},
        {"allow": ["", " "]},
        {"alsoAllow": ["read"]},
        {"byProvider": {"anthropic": {"allow": ["a"], "alsoAllow": ["b"]}}},
        {"byProvider": {"anthropic": {"allow": ["a"]}}},
        {"byProvider": {"": {"profile": "full"}}},
        {"toolsBySender": {"*": {"deny": ["exec"]}}},
        {"toolsBySender": {"id:x": {"allow": ["a"], "alsoAllow": ["b"]}}},
        {"toolsBySender": {"x": {"allow": ["a"], "alsoAllow": ["b"]}}},
        {"elevated": {"enabled": True, "allowFrom": {"x": [1, "a"]}}},
        {"elevated": {"allowFrom": {"x": "a"}}},
        {"exec": {"mode": "deny"}},
        {"exec": {"mode": "deny", "security": "full"}},
        {"exec": {"mode": "deny", "ask": "off"}},
        {"exec": {"security": "full", "ask": "off"}},
        {"exec": {"security": "full"}},
        {"exec": {"security": "x"}},
        {"exec": {"host": "gateway"}},
        {"exec": {"host": "x"}},
        {"exec": {"node": ""}},
        {"exec": {"pathPrepend": [""]}},
        {"exec": {"safeBins": ["jq"]}},
        {"exec": {"safeBinProfiles": {"jq": {}}}},
        {"exec": {"safeBinProfiles": {"jq": {"maxPositional": -1}}}},
        {"exec": {"timeoutSec": -1}},
        {"exec": {"timeoutSec": 5}},
        {"exec": {"backgroundMs": 0}},
        {"fs": {"workspaceOnly": True}},
        {"loopDetection": {"enabled": True}},
        {"loopDetection": {"warningThreshold": 30, "criticalThreshold": 10}},
        {"loopDetection": {"warningThreshold": 10, "criticalThreshold": 10}},
        {"loopDetection": {"criticalThreshold": 30, "globalCircuitBreakerThreshold": 10}},
        {"loopDetection": {"warningThreshold": 12.0, "criticalThreshold": 11.0}},
        {"loopDetection": {"warningThreshold": 9, "criticalThreshold": 10, "globalCircuitBreakerThreshold": 11}},
        {"loopDetection": {"historySize": 0}},
        {"message": {"crossContext": {"allowWithinProvider": True}}},
        {"sandbox": {"tools": {"allow": ["a"]}}},
        {"sandbox": {"tools": {"allow": ["a"], "alsoAllow": ["b"]}}},
        {"subagents": {"tools": {"allow": ["a"], "alsoAllow": ["b"]}}},
        {"web": {}},
        {"codeMode": True},
        {"codeMode": "x"},
        {"toolSearch": True},
        {"toolSearch": {"mode": "directory"}},
        {"toolSearch": {"mode": "x"}},
        {"xx": 1},
        "x",
    ],
    "memorySearch": [{}],
    "systemPromptOverride": ["x"],
    "skipBootstrap": [True],
    "no such key": [1],
}
"""What an agent's entry may or may not hold; nearly every line is one that some rule of ours looks at."""

MODELS: Iterable[object] = [
    "anthropic/claude-haiku-4-5",
    "claude",
    "",
    " ",
    "a/b c",
    "a/${lower}",
    "a/ü🛠",
    {},
    {"primary": ""},
    {"primary": "a/b", "fallbacks": ["a/b", "a/b", ""]},
    {"primary": "a/b", "fallbacks": "a/c"},
    {"primary": "a/b", "x": 1},
    None,
    7,
]

CANDIDATES: tuple[Candidate, ...] = tuple(
    (key, value) for key, values in {**VALUES, "model": MODELS}.items() for value in values
)

STRICTER: tuple[Candidate, ...] = (
    ("decisionModel", "a b/c"),
    ("decisionModel", "a/b c"),
    ("decisionModel", "a/*"),
    ("heartbeat", {"activeHours": {"start": ""}}),
    ("heartbeat", {"activeHours": {"end": ""}}),
    ("identity", {"avatar": "a/../b.png"}),
    ("identity", {"avatar": "..\\x.png"}),
    ("identity", {"avatar": "\\x.png"}),
    ("sandbox", {"docker": {"binds": ["C:\\x:/x"]}}),
    ("sandbox", {"docker": {"binds": ["C:/x:/x"]}}),
)
"""What we leave out although the gateway takes it: on purpose, no sane row holds it and the simpler rule is safe."""

REFUSED_LATER: tuple[Candidate, ...] = (
    *(("heartbeat", {"activeHours": {"start": start, "end": "10:00"}}) for start in ("8:00", "24:00", "25:00")),
    *(("heartbeat", {"activeHours": {"start": start}}) for start in ("08:60", " 08:00", "08:00\n")),
    ("heartbeat", {"activeHours": {"end": "24:01"}}),
    *(("sandbox", {"docker": {"network": name}}) for name in ("host", " Host ", "container:x", "CONTAINER:x")),
    *(("sandbox", {"docker": {"seccompProfile": name}}) for name in ("unconfined", " Unconfined ")),
    ("sandbox", {"docker": {"apparmorProfile": "unconfined"}}),
    *(("sandbox", {"docker": {"binds": [bind]}}) for bind in ("rel:/x", "./rel:/x", "~/x:/x", " /srv:/x", "")),
    ("sandbox", {"docker": {"env": {"": "x"}}}),
    ("sandbox", {"browser": {"binds": ["rel:/x"]}}),
)
"""What we leave out although an older gateway takes it: a later one refuses it, and would not start with the file."""


@dataclass(frozen=True, slots=True)
class Oracle:
    """The gateway's validator, in a home of its own."""

    installation: Installation
    home: Path
    roster: Roster

    def verdict(self, section: Mapping[str, Any]) -> Verdict:
        """Return the verdict on a configuration with this `agents` section in an included file."""
        (self.home / "agents.json").write_text(json.dumps(section), encoding="utf-8")
        (self.home / "agents.base.json5").write_text("{}", encoding="utf-8")
        config = self.home / "openclaw.json"
        gateway = {"mode": "local", "port": 19999, "bind": "loopback", "auth": {"mode": "token", "token": "t"}}
        agents = {"$include": ["./agents.base.json5", "./agents.json"]}
        config.write_text(json.dumps({"gateway": gateway, "agents": agents}), encoding="utf-8")
        return self.installation.validate(config, self.home)

    def refused(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Return the candidates that the validator refuses, each being an agent of one roster.

        It may stop at the first kind of problem, so what it names is taken out and it is asked again.
        """
        rest = list(candidates)
        refused: list[Candidate] = []
        while rest:
            verdict = self.verdict(self._section(rest))
            if verdict.valid:
                break
            named = _named(verdict, len(rest))
            if not named:
                pytest.fail(f"refused for a reason that names no agent: {verdict.issues[:5]}")
            refused += [rest[number] for number in named]
            rest = [candidate for number, candidate in enumerate(rest) if number not in named]
        return refused

    def _section(self, candidates: Iterable[Candidate]) -> dict[str, Any]:
        """Return a roster of agents a0, a1, ... with one key each, and the default agent after them."""
        agents = {f"a{number}": {key: value} for number, (key, value) in enumerate(candidates)}
        if self.roster == "entries":
            return {"ownership": "explicit", "entries": {**agents, "last": {}}}
        listed = [{"id": name, **members} for name, members in agents.items()]
        return {"list": [*listed, {"id": "last", "default": True}]}


def _named(verdict: Verdict, agents: int) -> list[int]:
    """Return the numbers of the agents that a verdict names: of a list by their places, of entries by their ids."""
    found: set[int] = set()
    for path, message in verdict.issues:
        found.update(map(int, re.findall(r"agents\.(?:entries\.a|list\.)(\d+)\b", f"{path} {message}")))
    return sorted(number for number in found if number < agents)


@pytest.fixture
def oracle(installation: Installation, roster: Roster, tmp_path: Path) -> Oracle:
    home = tmp_path / "oracle"
    home.mkdir(mode=0o700)
    return Oracle(installation, home, roster)


@pytest.fixture(scope="module")
def rules(installation: Installation) -> RecordedRules:
    return rules_for(installation.version)


def test_whatever_our_rules_let_through_the_gateway_takes(oracle: Oracle, rules: RecordedRules) -> None:
    accepted = [(key, value) for key, value in CANDIDATES if rules.agent_key_problem(key, value) is None]
    assert len(accepted) > 100
    assert oracle.refused(accepted) == []


def test_whatever_our_rules_leave_out_the_gateway_refuses(oracle: Oracle, rules: RecordedRules) -> None:
    left_out = [(key, value) for key, value in CANDIDATES if rules.agent_key_problem(key, value) is not None]
    refused = oracle.refused(left_out)
    on_purpose = STRICTER if oracle.installation.version == RECORDED[-1] else STRICTER + REFUSED_LATER
    assert [candidate for candidate in left_out if candidate not in refused and candidate not in on_purpose] == []


def test_what_a_gateway_of_unknown_version_is_given_this_one_takes(oracle: Oracle) -> None:
    accepted = [(key, value) for key, value in CANDIDATES if rules_for(None).agent_key_problem(key, value) is None]
    assert len(accepted) > 100
    assert oracle.refused(accepted) == []


HOSTILE = [
    # name, instance_type, is_default, model, fallback_models, thinking, allowed_subagents, settings
    ("lead", "primary", True, "anthropic/opus", ["anthropic/haiku", None, "", "a\x01b"], "high", ["coder", "x"], None),
    ("coder", "subagent", True, "anthropic/${HOME}", None, "insane", ["*", None], '{"tools": "x"}'),
    ("Upper", "primary", True, "a/b", None, None, None, None),
    ("upper", "primary", False, "a/b", None, None, None, None),
    ("-x", "primary", False, "a/b", None, None, None, None),
    ("a.b", "primary", False, "a/b", None, None, None, None),
    ("a b", "primary", False, "a/b", None, None, None, None),
    ("", "primary", False, "a/b", None, None, None, None),
    ("ü", "primary", False, "a/b", None, None, None, None),
    ("x\ny", "primary", False, "a/b", None, None, None, None),
    ("y\n", "primary", False, "a/b", None, None, None, None),
    ("__proto__", "primary", False, "a/b", None, None, None, None),
    ("constructor", "primary", False, "a/b", None, None, None, None),
    ("a" * 64, "primary", False, "a/b", None, None, None, None),
    ("a" * 65, "primary", False, "a/b", None, None, None, None),
    ("$include", "primary", False, "a/b", None, None, None, None),
    ("null", "subagent", None, "x" * 5000, None, "", [], "{}"),
    ("123", "subagent", False, "anthropic/\x00".replace("\x00", "\x7f"), None, None, ["123"], '{"id": "other"}'),
    ("model-1", "subagent", False, "$include", None, None, None, None),
    ("model-2", "subagent", False, "*", ["anthropic/*"], None, None, None),
    ("model-3", "subagent", False, "a//b", ["/b", "b/"], None, None, None),
    ("model-4", "subagent", False, "a*/b", ["a/b*"], None, None, None),
    ("model-5", "subagent", False, "a/b@x", ["a/b:c", "A/B", "a/\u200bb", "a/\ufeffb"], None, None, None),
    ("model-6", "subagent", False, 'a/"b', ["a/\\b", "a/'b", "a/{b}"], None, None, None),
    ("model-7", "subagent", False, "__proto__", ["constructor", "prototype/x", "__proto__/x"], None, None, None),
    ("model-8", "subagent", False, "__OPENCLAW_REDACTED__", ["a/$${X}"], None, None, None),
    ("dir-1", "subagent", False, None, None, None, None, '{"agentDir": "/srv/agents/one"}'),
    ("dir-2", "subagent", False, None, None, None, None, '{"agentDir": "/srv/agents/one"}'),
    ("dir-3", "subagent", False, None, None, None, None, '{"agentDir": "/srv/agents/../agents/one/"}'),
    ("dir-4", "subagent", False, None, None, None, None, '{"agentDir": "~/.openclaw/agents/coder/agent"}'),
    ("space-1", "subagent", False, None, None, None, None, '{"workspace": "/srv/w"}'),
    ("space-2", "subagent", False, None, None, None, None, '{"workspace": "/srv/w"}'),
    ("set-1", "subagent", False, None, None, None, None, '{"params": {"$include": "/etc/passwd"}}'),
    ("set-2", "subagent", False, None, None, None, None, '{"params": {"a": [{"__proto__": {"x": 1}}]}}'),
    ("set-3", "subagent", False, None, None, None, None, '{"params": {"constructor": {"prototype": 1}}}'),
    ("set-4", "subagent", False, None, None, None, None, '{"description": "${HOME}", "name": "$${HOME}"}'),
    ("set-5", "subagent", False, None, None, None, None, '{"default": true, "id": "x", "model": "a/b"}'),
    ("set-6", "subagent", False, None, None, None, None, '{"heartbeat": {"every": "soon"}, "name": "six"}'),
    ("set-7", "subagent", False, None, None, None, ["lead"], '{"subagents": {"maxConcurrent": 3}}'),
    ("set-8", "subagent", False, None, None, None, ["lead"], '{"subagents": {"allowAgents": ["*"]}}'),
    ("set-9", "subagent", False, None, None, None, None, '{"subagents": null, "tools": null, "params": null}'),
    ("set-10", "subagent", False, None, None, None, None, '{"params": {"n": 1e308, "m": 12345678901234567890}}'),
    ("set-11", "subagent", False, None, None, None, None, '{"$schema": "x", "": 1, "entries": {}}'),
    ("set-12", "subagent", False, None, None, None, None, '{"heartbeat": {"agentId": "nobody"}}'),
    ("peer", "peer", True, "a/b", None, None, None, None),
]


@pytest.mark.parametrize("layout", ["section", "root"])
async def test_the_gateway_takes_what_hostile_rows_become(
    installation: Installation,
    operator: Operator,
    database: str,
    tmp_path: Path,
    layout: Layout,
    roster: Roster,
) -> None:
    await operator.execute("ALTER TABLE agents DROP CONSTRAINT IF EXISTS agents_name_is_an_id")
    await operator.executemany(
        "INSERT INTO agents (name, instance_type, is_default, model, fallback_models, thinking, allowed_subagents,"
        " settings) VALUES ($1, $2, coalesce($3, false), $4, $5, $6, $7, $8)",
        HOSTILE,
    )
    await operator.execute("INSERT INTO agent_system_config VALUES ('max_children_per_agent', '1e3', 'integer')")
    await operator.execute("UPDATE agent_system_config SET value = '-99' WHERE key = 'max_spawn_depth'")
    gateway = OpenClaw(installation, tmp_path / "home", {"gateway": "here"}, layout)
    gateway.set_up()
    gateway.run_sync("--dsn", database, roster=roster)
    verdict = installation.validate(gateway.config_path, gateway.home)
    assert verdict.issues == ()
    assert b'"name": "six"' in gateway.output.read_bytes()
