"""render/heartbeat.py: with heartbeats of our own, or none, the gateway lets nobody beat."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from unit.builders import agent, rendered, section, site, snapshot

from agent_config_sync.model.site import Roster, Site
from agent_config_sync.render.agents_json import AgentsJson

BEATING = agent("a", is_default=True, settings=json.dumps({"heartbeat": {"every": "1m", "to": "x"}}))


def still(**changes: Any) -> Site:
    return replace(site(), gateway_beats=False, **changes)


def test_the_gateways_own_heartbeats_stay_where_nobody_takes_them_over() -> None:
    told = section(rendered(BEATING))
    assert told["entries"]["a"]["heartbeat"] == {"every": "1m", "to": "x"}
    assert "heartbeat" not in told["defaults"]


@pytest.mark.parametrize("roster", ["list", "entries"])
def test_no_agent_beats_by_itself_whatever_its_row_says(roster: Roster) -> None:
    told = section(rendered(BEATING, agent("b"), at=still(roster=roster)))
    entries = told["entries"] if roster == "entries" else {each["id"]: each for each in told["list"]}
    assert told["defaults"]["heartbeat"] == {"every": "0m"}
    assert (entries["a"]["heartbeat"], entries["b"].get("heartbeat")) == ({"every": "0m", "to": "x"}, None)


def test_what_was_rendered_for_a_gateway_that_beats_is_not_kept() -> None:
    renderer = AgentsJson()
    renderer.render(snapshot(BEATING), site())
    told = section(renderer.render(snapshot(BEATING), still()))
    assert told["entries"]["a"]["heartbeat"]["every"] == "0m"


def test_an_agent_of_the_operators_own_file_that_beats_is_named() -> None:
    base = {"entries": {"own": {"heartbeat": {"every": "5m"}}, "quiet": {"heartbeat": {"every": "0m"}}, "plain": {}}}
    [warning] = rendered(BEATING, at=still(base=base)).warnings
    assert warning.startswith("agent own: the gateway lets it beat")


def test_an_agent_of_a_base_file_beats_no_more_where_the_whole_file_is_ours() -> None:
    base = {"entries": {"own": {"heartbeat": {"every": "5m"}}}}
    told = section(rendered(BEATING, at=still(base=base, beside={})))
    assert told["entries"]["own"] == {"heartbeat": {"every": "0m"}}
