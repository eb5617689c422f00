"""A gateway that lets nobody beat, because somebody else does, or nobody shall."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agent_config_sync.model.site import Site

NEVER = "0m"
"""An interval that every version of the gateway takes for none."""

DEFAULT_PATH = ("heartbeat", "every")
"""Below `agents.defaults`: it holds for each agent that has no interval of its own."""


def still(body: dict[str, object]) -> None:
    """Take the interval from an agent's entry, whoever set it; what else its heartbeat says stays. An agent that says
    nothing of heartbeats has that of the defaults."""
    heartbeat = body.get("heartbeat")
    if isinstance(heartbeat, Mapping):
        body["heartbeat"] = {**heartbeat, "every": NEVER}


def unstilled(site: Site) -> Iterator[str]:
    """Yield a warning for each agent that beats all the same, because a file that is not ours says so."""
    for name, body in sorted(site.base_entries.items()) if site.beside is None else ():
        heartbeat = body.get("heartbeat") if isinstance(body, Mapping) else None
        if isinstance(heartbeat, Mapping) and heartbeat.get("every", NEVER) != NEVER:
            yield f"agent {name}: the gateway lets it beat: take heartbeat.every out of its entry in your own file"
