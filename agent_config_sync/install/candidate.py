"""Show a new openclaw.json to the gateway's validator before it becomes the one."""

from __future__ import annotations

from pathlib import Path

from agent_config_sync.errors import RefusedError
from agent_config_sync.gateway.include import read_effective
from agent_config_sync.gateway.validator import validate
from agent_config_sync.install.job import Job
from agent_config_sync.publish import atomic
from agent_config_sync.publish.gate import Gate


def try_out(job: Job, content: bytes) -> tuple[str, tuple[Path, ...]]:
    """Put it beside the files that it includes and ask; return the verdict in words, and the files that it is made of.

    Raises: RefusedError with what the gateway would not take, SettingsError when an include is missing or broken.
    """
    places = job.places
    atomic.replace(places.candidate, content, gate=Gate(), like=job.like_config())
    try:
        _, sources = read_effective(places.candidate)
        verdict = validate(places.candidate)
    finally:
        places.candidate.unlink(missing_ok=True)
    if verdict.problem is not None:
        before = validate(places.config).problem if places.config.exists() else None
        who = "the gateway's own validator" if verdict.asked else "the gateway"
        whose = "openclaw.json as it is, correct it first" if before is not None else "what would be written"
        raise RefusedError(f"{who} refuses {whose}: {before or verdict.problem}")
    if verdict.asked:
        return "valid, says the gateway's own validator", sources
    return f"not validated: {verdict.reason}", sources
