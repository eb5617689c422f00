"""Events as log lines: one line each, with the figures as fields."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import fields

from agent_config_sync import events
from agent_config_sync.events import Event, Subscriber

MOST_NAMES = 10
"""Agents that one line names; of more it says how many."""


def tell_story(log: logging.Logger) -> Subscriber:
    """Return a subscriber that logs every event; a warning that stands, or a link lost for the same reason again, is
    a line only once.
    """
    warned: set[str] = set()
    left_out: set[str] = set()
    lost: set[str] = set()

    def new_of(lines: Sequence[str], known: set[str], event: Event) -> None:
        for line in lines:
            if line not in known:
                _line(log, logging.WARNING, line, event)
        known.clear()
        known.update(lines)

    def told(event: Event) -> None:
        match event:
            case events.LinkLost(error=error) if str(error) in lost:
                _line(log, logging.DEBUG, _sentence(event)[1], event)
            case events.LinkLost(error=error):
                lost.add(str(error))
                _line(log, *_sentence(event), event)
            case events.LinkProven():
                lost.clear()
                _line(log, *_sentence(event), event)
            case events.Warned(warnings=warnings):
                new_of(warnings, warned, event)
            case events.SkillsReported(left_out=what):
                new_of([f"no skill: {each}" for each in what], left_out, event)
            case _:
                _line(log, *_sentence(event), event)

    return told


def _sentence(event: Event) -> tuple[int, str]:
    match event:
        case events.Listening(server=server):
            return logging.INFO, f"listening to {server}"
        case events.LinkLost(error=error):
            return logging.WARNING, f"{error}; connecting again"
        case events.Furnished(agents=agents, files=files):
            whose = agents[0] if len(agents) == 1 else f"{len(agents)} agents"
            return logging.INFO, f"workspace of {whose}: {files} file{'s' if files != 1 else ''} written or removed"
        case events.RosterChanged(added=added, removed=removed):
            return logging.INFO, "; ".join(
                f"{verb}: {', '.join(names) if len(names) <= MOST_NAMES else f'{len(names):,} agents'}"
                for verb, names in (("added", added), ("removed", removed))
                if names
            )
        case events.SkillChanged(change=change, agent=agent, slug=slug, problem=problem):
            who = f"agent {agent}: skill" if agent else "shared skill"
            return logging.INFO, f"{who} {slug} was {change}{f'; no gateway loads it: {problem}' if problem else ''}"
        case events.CredentialRequested(agent=agent, skill=skill, key_name=key_name):
            return logging.INFO, f"agent {agent} asks for {key_name} of skill {skill}"
        case events.CredentialRefused(agent=agent, reason=reason, requests=1):
            return logging.WARNING, f"a request of agent {agent} was refused: {reason}"
        case events.CredentialRefused(agent=agent, reason=reason, requests=requests):
            return logging.WARNING, f"{requests:,} requests of agent {agent} were refused: {reason}"
        case events.KeysGiven(keys=keys):
            return logging.INFO, f"{keys} key{'s' if keys != 1 else ''} of skills given to the gateway"
        case events.PersonRefused(person=person, reason=reason):
            return logging.WARNING, f"{person} was turned away: {reason}"
        case events.TemplateSyncAsked(person=person, options=options):
            with_options = f" with {', '.join(options)}" if options else ""
            return logging.INFO, f"{person} asks for a sync of templates{with_options}"
        case events.TemplateSyncEnded(person=person, error=str() as error):
            return logging.WARNING, f"no sync of templates for {person}: {error}"
        case events.TemplateSyncEnded(person=person, written=written, failed=failed):
            level = logging.WARNING if failed else logging.INFO
            return level, f"sync of templates for {person}: {written} written, {failed} failed"
        case events.SkillsUnreported(error=error) | events.RequestsUntaken(error=error):
            return logging.WARNING, f"{error}; it is tried again"
        case events.SkillsUnwatched():
            return logging.INFO, "agents may install no skills any more"
        case events.Published(path=path, latency=latency, after=after):
            return logging.INFO, f"{path} published: {len(after):,} bytes, {latency * 1000:.1f} ms after the wake"
        case events.Refused(reason=reason):
            return logging.ERROR, f"refused: {reason}"
        case events.Reloaded(method=method):
            words = {
                "watch": "watches the file itself",
                "none": "is not told",
                "touch": "was told by a touch",
                "signal": "was signalled",
            }
            return logging.INFO, f"the gateway {words[method]}"
        case events.ReloadDeferred(reason=reason, retry_in=retry_in):
            return logging.WARNING, f"the gateway was not told: {reason}{_again(retry_in)}"
        case events.Applied(latency=latency):
            return logging.INFO, "the gateway runs with it" + (
                "" if latency is None else f", {latency * 1000:.0f} ms after the wake"
            )
        case events.NotApplied(reason=reason):
            return logging.WARNING, f"the gateway was told and still runs with something else: {reason}"
        case events.PassFailed(error=error, retry_in=retry_in):
            return logging.ERROR, f"{error}{_again(retry_in)}"
        case events.WaitingForOther(holder=holder):
            return logging.WARNING, f"another process keeps this output: {holder}; waiting until it ends"
        case events.StatusUnwritable(reason=reason) | events.StatusContested(reason=reason):
            return logging.WARNING, reason
        case events.Held(reason=reason):
            return logging.INFO, reason
        case events.NotKept(reason=reason):
            return logging.WARNING, f"what was published could not be kept for restore: {reason}"
        case events.GatewayStarted(pid=pid):
            return logging.INFO, f"the gateway was started: pid {pid}"
        case events.GatewayEnded(how=how, retry_in=retry_in):
            return logging.WARNING, f"{how}; it is started again in {retry_in:g} s"
        case events.GatewayNotStarted(reason=reason):
            return logging.ERROR, f"{reason}; it is tried again and again"
        case events.GatewayStopped():
            return logging.INFO, "the gateway was stopped"
        case events.HealthServed(url=url, exposed=False):
            return logging.INFO, f"health is served on {url}"
        case events.HealthServed(url=url):
            return logging.WARNING, f"health is served on {url} to whoever reaches this machine: there is no login"
        case events.HealthUnserved(reason=reason, retry_in=retry_in):
            return logging.ERROR, f"{reason}; the sync goes on, and this is tried every {retry_in:g} s"
        case events.ToolUsed(tool=tool, agent=agent, outcome="failed", error=error):
            return logging.WARNING, f"agent {agent} could not use {tool}: {error}"
        case events.ToolUsed(tool=tool, agent=agent, error=error):
            became = "used" if error is None else "was refused"
            return logging.DEBUG, f"agent {agent} {became} {tool}" + (f": {error}" if error is not None else "")
        case events.Stopped():
            return logging.INFO, "stopped"
        case _:
            return _of_delivery(event)


def _of_delivery(event: Event) -> tuple[int, str]:
    match event:
        case events.DeliveryStarted():
            return logging.INFO, "notifications of the board become turns of agents"
        case events.DeliveryStopped(given_back=given_back):
            rest = f"; {given_back} under way go back" if given_back else ""
            return logging.INFO, f"no turns are begun any more{rest}"
        case events.TurnBegan(agent=agent, type=kind, attempt=attempt):
            return logging.INFO, f"agent {agent} has a turn: {kind}" + (f", attempt {attempt}" if attempt > 1 else "")
        case events.Delivered(agent=agent, outcome=outcome, reason=reason, exhausted=exhausted):
            level = logging.WARNING if exhausted else logging.INFO
            return level, f"agent {agent}: {outcome}" + (f" ({reason})" if reason is not None else "")
        case events.DeliveryFailed(agent=agent, error=error, retry_in=None):
            return logging.ERROR, f"a notification of agent {agent} is given up: {error}"
        case events.DeliveryFailed(agent=agent, error=error, retry_in=retry_in):
            return logging.WARNING, f"a turn of agent {agent} failed: {error}{_again(retry_in)}"
        case events.GatewayAway(error=error):
            return logging.WARNING, f"no turns are begun: {error}"
        case events.GatewayReady():
            return logging.INFO, "the gateway takes turns"
        case events.DeliveryStalled(error=error):
            return logging.WARNING, f"turns wait: {error}"
        case events.HeartbeatsScheduled(agents=agents):
            return logging.INFO, f"{agents} agent{'s have' if agents != 1 else ' has'} heartbeats"
        case events.HeartbeatsStopped():
            return logging.INFO, "no heartbeats are begun any more"
        case events.HeartbeatsStalled(error=error):
            return logging.WARNING, f"heartbeats wait: {error}"
        case events.HeartbeatBegan(agent=agent):
            return logging.DEBUG, f"agent {agent} looks at its work"
        case events.HeartbeatEnded(agent=agent, outcome=outcome):
            level = logging.DEBUG if outcome in ("ok", "silent") else logging.INFO
            return level, f"heartbeat of agent {agent}: {outcome}"
        case events.HeartbeatFailed(agent=agent, error=error):
            return logging.WARNING, f"heartbeat of agent {agent} failed: {error}"
        case _:
            return logging.DEBUG, type(event).__name__


def _again(retry_in: float | None) -> str:
    return "" if retry_in is None else "; trying again now" if retry_in == 0 else f"; again in {retry_in:.1f} s"


def _line(log: logging.Logger, level: int, message: str, event: Event) -> None:
    if log.isEnabledFor(level):
        figures = {
            field.name: value
            for field in fields(event)
            if isinstance(value := getattr(event, field.name), int | float | str)
            and field.name not in ("reason", "server")
        }
        log.log(level, "%s", message, extra={"fields": {"event": type(event).__name__, **figures}})
