"""What the gateway refuses although its JSON Schema allows it (measured with its own validator, 2026.2.9 to 2026.9.6).

Mostly later versions refuse more. What they refuse is left out on earlier ones too: a gateway reads the file that was
written for its predecessor before anybody can render it anew. Where an earlier version refuses more, a line says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from agent_config_sync.model.names import is_model_ref
from agent_config_sync.model.site import GatewayVersion

Problem = tuple[str, str]
"""Where (a dotted path below the key, or empty) and what."""

_MOMENT = r"\d+(?:\.\d+)?(?:ms|s|m|h|d)?"
_DURATION = re.compile(f"(?:{_MOMENT})+", re.ASCII | re.IGNORECASE)
_DURATION_LIMIT = 40
_SIMPLE_DURATION = re.compile(_MOMENT, re.ASCII | re.IGNORECASE)
_DURATIONS_SINCE = GatewayVersion(2026, 3, 13)  # 1h30m; before, one number and one unit
_ABSOLUTE = re.compile(r"/|[A-Za-z]:[/\\]")
_DRIVES_SINCE = GatewayVersion(2026, 5, 12)
_LOOPS_IN_ORDER_UNTIL = GatewayVersion(2026, 7, 1)  # later versions have no thresholds
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:|[a-z]:(?![/\\])", re.IGNORECASE)  # C:/x is a drive, not a scheme
_TIME = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d", re.ASCII)
_MODEL_WILDCARD = re.compile(r"[^/\s*]+(?:/[^/\s*]+)*/\*")
_TARGETS = frozenset({"last", "none"})
_OWNER_SINCE = GatewayVersion(2026, 8, 1)


@dataclass(frozen=True, slots=True)
class _Gateway:
    """The gateway that is asked about; the channels that it knows."""

    version: GatewayVersion
    channels: frozenset[str]


def beyond_schema(key: str, value: object, *, version: GatewayVersion, channels: frozenset[str]) -> str | None:
    """Return why an agent's entry may not carry `key: value`, which its schema allows; None when it may."""
    checks = _CHECKS.get(key)
    if checks is None:
        return None
    for where, what in checks(value, _Gateway(version, channels)):
        return f"{key}{where and '.' + where}: {what}"
    return None


def _object(value: object, key: str) -> Mapping[str, object]:
    member = value.get(key) if isinstance(value, Mapping) else None
    return member if isinstance(member, Mapping) else {}


def _tools(value: object, gateway: _Gateway) -> Iterator[Problem]:
    policies: dict[str, object] = {"": value, "sandbox.tools": _object(_object(value, "sandbox"), "tools")}
    for group in ("byProvider", "toolsBySender"):
        policies |= {f"{group}.{name}": policy for name, policy in _object(value, group).items()}
    for where, policy in policies.items():
        if isinstance(policy, Mapping) and policy.get("allow") and policy.get("alsoAllow"):
            yield where, "allow and alsoAllow cannot stand together"
    execution = _object(value, "exec")
    if "mode" in execution and ("security" in execution or "ask" in execution):
        yield "exec", "mode cannot stand with security or ask"
    if gateway.version <= _LOOPS_IN_ORDER_UNTIL:
        loops = _object(value, "loopDetection")
        for lower, higher in pairwise(("warningThreshold", "criticalThreshold", "globalCircuitBreakerThreshold")):
            one, other = loops.get(lower), loops.get(higher)
            if isinstance(one, int | float) and isinstance(other, int | float) and one >= other:
                yield f"loopDetection.{higher}", f"must be more than {lower}"


def _sandbox(value: object, gateway: _Gateway) -> Iterator[Problem]:
    docker = _object(value, "docker")
    for part in ("docker", "browser"):
        options = _object(value, part)
        network = str(options.get("network", "")).strip().lower()
        joins = network.startswith("container:") and not docker.get("dangerouslyAllowContainerNamespaceJoin")
        if network == "host" or joins:
            yield f"{part}.network", f"{network[:40]!r} is blocked by the gateway"
        binds = options.get("binds")
        for bind in binds if isinstance(binds, list) else []:
            if not _ABSOLUTE.match(str(bind)) or (gateway.version < _DRIVES_SINCE and not str(bind).startswith("/")):
                yield f"{part}.binds", f"{str(bind)[:60]!r} does not start with an absolute path"
    for profile in ("seccompProfile", "apparmorProfile"):
        if str(docker.get(profile, "")).strip().lower() == "unconfined":
            yield f"docker.{profile}", "unconfined is blocked by the gateway"
    if any(not name.strip() for name in _object(docker, "env")):
        yield "docker.env", "a variable has no name"


def _heartbeat(value: object, gateway: _Gateway) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        return
    every = value.get("every")
    duration, example = _DURATION, "30m or 1h30m"
    if gateway.version < _DURATIONS_SINCE:
        duration, example = _SIMPLE_DURATION, "30m"
    if isinstance(every, str) and every and (len(every) > _DURATION_LIMIT or not duration.fullmatch(every.strip())):
        yield "every", f"{every[:40]!r} is no duration such as {example}"
    hours = _object(value, "activeHours")
    for name in ("start", "end"):
        time = hours.get(name)
        if isinstance(time, str) and not _TIME.fullmatch(time) and not (name == "end" and time == "24:00"):
            yield f"activeHours.{name}", f"{time[:40]!r} is no time such as 08:30"
    target = value.get("target")
    targets = gateway.channels | _TARGETS | ({"owner"} if gateway.version >= _OWNER_SINCE else set())
    if isinstance(target, str) and target.strip().lower() not in targets:
        yield "target", f"{target[:40]!r} is no channel"


def _identity(value: object, _: _Gateway) -> Iterator[Problem]:
    avatar = value.get("avatar") if isinstance(value, Mapping) else None
    text = avatar.strip() if isinstance(avatar, str) else ""
    if re.match(r"(?:https?://|data:)", text, re.IGNORECASE):
        return
    if text.startswith(("/", "~", "\\")) or ".." in re.split(r"[/\\]", text) or _SCHEME.match(text):
        yield "avatar", "must be a path inside the workspace, an http(s) URL or a data URI"


def _decision_model(value: object, _: _Gateway) -> Iterator[Problem]:
    if isinstance(value, str) and value.strip() and not is_model_ref(value.strip()):
        yield "", f"{value[:60]!r} is no provider/model"


def _models(value: object, _: _Gateway) -> Iterator[Problem]:
    for model, options in value.items() if isinstance(value, Mapping) else ():
        if isinstance(options, Mapping) and "codeMode" in options and not is_model_ref(str(model)):
            yield str(model)[:60], "codeMode wants an exact provider/model"
        runtimes = options.get("pickerRuntimes") if isinstance(options, Mapping) else None
        if isinstance(runtimes, list) and "auto" in runtimes:
            yield f"{str(model)[:60]}.pickerRuntimes", "auto is not taken"


def _model_policy(value: object, _: _Gateway) -> Iterator[Problem]:
    allowed = value.get("allow") if isinstance(value, Mapping) else None
    for ref in allowed if isinstance(allowed, list) else []:
        text = str(ref).strip()
        if not is_model_ref(text) and not _MODEL_WILDCARD.fullmatch(text):
            yield "allow", f"{text[:60]!r} is neither provider/model nor provider/*"


_CHECKS: Mapping[str, Callable[[object, _Gateway], Iterator[Problem]]] = {
    "tools": _tools,
    "sandbox": _sandbox,
    "heartbeat": _heartbeat,
    "identity": _identity,
    "decisionModel": _decision_model,
    "models": _models,
    "modelPolicy": _model_policy,
}
