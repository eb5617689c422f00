"""Keys that people have entered, as the gateway's configuration gives them to skills."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
import pytest

from agent_config_sync.model.credentials import EnteredKey, SkillEntry
from agent_config_sync.model.site import GatewayVersion
from agent_config_sync.render.skills_json import (
    NEVER_GIVEN,
    RenderedSkills,
    beside_with_keys,
    holds_our_keys_alone,
    render_skills_json,
    without_keys,
    without_revoked,
)

NEWEST = GatewayVersion(2026, 9, 6)


def key(number: str = "k1", name: str = "GIT_PAT", *entries: SkillEntry) -> EnteredKey:
    return EnteredKey(number, "git-help", name, entries or (SkillEntry("git-help", "GIT_PAT"),))


def rendered(
    *keys: EnteredKey,
    values: dict[str, str] | None = None,
    version: GatewayVersion | None = NEWEST,
    by_reference: bool = True,
) -> RenderedSkills:
    known = {each.id: f"value of {each.id}" for each in keys} if values is None else values
    return render_skills_json(keys, known, version=version, by_reference=by_reference)


def entries(*keys: EnteredKey, by_reference: bool = True) -> object:
    return orjson.loads(rendered(*keys, by_reference=by_reference).content)["entries"]


def test_the_main_key_of_a_skill_is_a_reference() -> None:
    reference = {"source": "file", "provider": "agent_config_sync", "id": "/values/k1"}
    assert entries(key()) == {"git-help": {"apiKey": reference}}
    assert not rendered(key()).plain


def test_a_further_key_is_a_text_for_env_takes_no_reference() -> None:
    assert entries(key(name="GIT_HOST")) == {"git-help": {"env": {"GIT_HOST": "value of k1"}}}
    assert rendered(key(name="GIT_HOST")).plain


def test_a_gateway_that_takes_no_references_gets_texts() -> None:
    assert entries(key(), by_reference=False) == {"git-help": {"env": {"GIT_PAT": "value of k1"}}}


def test_keys_of_one_skill_stand_in_one_entry() -> None:
    assert entries(key(), key("k2", "GIT_HOST"), by_reference=False) == {
        "git-help": {"env": {"GIT_HOST": "value of k2", "GIT_PAT": "value of k1"}}
    }


def test_a_skill_is_named_in_each_way_in_which_a_gateway_may_look_for_it() -> None:
    both = key("k1", "GIT_PAT", SkillEntry("Git help", "GIT_PAT"), SkillEntry("git", None))
    assert entries(both, by_reference=False) == {
        "Git help": {"env": {"GIT_PAT": "value of k1"}},
        "git": {"env": {"GIT_PAT": "value of k1"}},
    }


def test_a_skill_that_is_not_installed_yet_is_named_by_its_folder() -> None:
    unknown = EnteredKey("k1", "git-help", "GIT_PAT")
    assert entries(unknown) == {"git-help": {"env": {"GIT_PAT": "value of k1"}}}


def test_a_key_that_is_gone_from_this_host_is_told_and_left_out() -> None:
    lost = rendered(key(), values={})
    assert orjson.loads(lost.content) == {"entries": {}}
    assert lost.warnings == ("key GIT_PAT of skill git-help is not on this host any more: enter it anew",)


def test_a_text_in_which_the_gateway_would_put_a_variable_is_left_out() -> None:
    odd = rendered(key(), values={"k1": "a${HOME}"})
    assert orjson.loads(odd.content) == {"entries": {}}
    assert "holds ${" in odd.warnings[0]
    assert "HOME" not in odd.warnings[0]


@pytest.mark.parametrize("name", sorted(NEVER_GIVEN))
def test_a_variable_that_gateways_give_to_no_skill_is_told(name: str) -> None:
    said = f"key {name} of skill git-help: OpenClaw 2026.9.6 gives a variable of this name to no skill"
    assert rendered(key(name=name)).warnings == (said,)
    assert rendered(key(name=name), version=GatewayVersion(2026, 3, 13)).warnings == ()


def test_the_order_of_rows_does_not_matter() -> None:
    one, two = key(), key("k2", "GIT_HOST")
    assert rendered(one, two) == rendered(two, one)


@pytest.mark.parametrize("name", ["$include", "__proto__", "", "a\nb", "\u2028", "x" * 201])
def test_a_name_that_no_configuration_can_hold_gets_nothing_and_costs_nobody_else(name: str) -> None:
    """`$include` as the name of a skill would make the gateway's whole configuration invalid."""
    odd = rendered(key("k1", "GIT_PAT", SkillEntry(name, "GIT_PAT"), SkillEntry("git", "GIT_PAT")))
    assert set(orjson.loads(odd.content)["entries"]) == {"git"}
    assert "which no configuration can hold" in odd.warnings[0]


def test_of_two_skills_that_call_themselves_alike_the_one_in_the_folder_of_this_name_gets_its_key() -> None:
    own = EnteredKey("k1", "git", "GIT_PAT", (SkillEntry("git", "GIT_PAT"),))
    other = EnteredKey("k2", "zz", "ZZ_KEY", (SkillEntry("git", "ZZ_KEY"),))
    both = rendered(own, other)
    assert orjson.loads(both.content)["entries"]["git"]["apiKey"]["id"] == "/values/k1"
    assert both.warnings == (
        "key ZZ_KEY of skill zz: another skill calls itself git too, so it is not given to this one",
    )
    assert both.given == 1


def test_of_two_skills_that_share_a_foreign_name_none_gets_its_key() -> None:
    two = [EnteredKey(f"k{n}", f"s{n}", "KEY", (SkillEntry("git", "KEY"),)) for n in (1, 2)]
    assert orjson.loads(rendered(*two).content) == {"entries": {}}
    assert len(rendered(*two).warnings) == 2


def test_a_main_key_stays_a_reference_though_another_agents_skill_says_otherwise() -> None:
    both = key("k1", "GIT_PAT", SkillEntry("git", "GIT_PAT"), SkillEntry("git", None))
    assert not rendered(both).plain


@pytest.mark.parametrize("own", [{"git-help": {"apiKey": "mine"}}, {"git-help": {"env": {"GIT_HOST": "mine"}}}])
def test_a_key_that_the_operators_own_files_beat_is_told_and_not_expected(own: dict[str, Any]) -> None:
    keys = [key(), key("k2", "GIT_HOST")]
    values = {"k1": "a", "k2": "b"}
    made = render_skills_json(keys, values, version=NEWEST, by_reference=True, own=own)
    beaten = "apiKey" if "apiKey" in own["git-help"] else "GIT_HOST"
    assert set(made.digests["git-help"]) == {"apiKey", "GIT_HOST"} - {beaten}
    assert "has one of its own, which beats it" in made.warnings[0]


def test_a_digest_is_of_the_key_or_names_the_reference() -> None:
    digest = hashlib.sha256(b"value of k1").hexdigest()
    assert rendered(key()).digests == {"git-help": {"apiKey": frozenset({digest, "ref:/values/k1"})}}
    assert rendered(key(), by_reference=False).digests == {"git-help": {"GIT_PAT": frozenset({digest})}}


def test_a_file_of_our_keys_alone_is_known() -> None:
    values = {"k1": "a", "k2": "b"}
    content = rendered(key(), key("k2", "GIT_HOST"), values=values).content
    assert holds_our_keys_alone(content, values.values())
    assert not holds_our_keys_alone(content, ["a"])


@pytest.mark.parametrize(
    "content",
    [
        *(b"{", b"[]", b"{}", b'{"entries": []}', b'{"entries": {"git": 7}}', b'{"load": {}}', b'{"entries": {}}'),
        *(b'{"entries": {"git": {"env": {"A": "a"}}}, "load": {}}', b'{"entries": {"git": {"enabled": false}}}'),
        *(b'{"entries": {"git": {"apiKey": "own"}}}', b'{"entries": {"git": {"env": {"A": "a", "B": "own"}}}}'),
    ],
)
def test_what_somebody_else_wrote_is_not_ours(content: bytes) -> None:
    assert not holds_our_keys_alone(content, ["a"])


def test_what_was_taken_back_is_taken_out_though_no_key_can_be_read() -> None:
    one, two, three = key(), key("k2", "GIT_HOST"), key("k3", "GIT_PAT", SkillEntry("other", "GIT_PAT"))
    content = rendered(one, two, three).content
    left = orjson.loads(without_revoked(content, [one]))["entries"]
    assert left == {"git-help": {"apiKey": {"source": "file", "provider": "agent_config_sync", "id": "/values/k1"}}}
    assert orjson.loads(without_revoked(content, [])) == {"entries": {}}
    assert orjson.loads(without_revoked(content, [one, two, three])) == orjson.loads(content)


@pytest.mark.parametrize(
    ("content", "rest"),
    [
        (b'{"entries": {"git": {"apiKey": "a", "enabled": false}}}', {"entries": {"git": {"enabled": False}}}),
        (
            b'{"entries": {"git": {"env": {"A": "a"}}}, "load": {"watch": true}}',
            {"load": {"watch": True}, "entries": {}},
        ),
        (b'{"entries": {"git": {"env": {"A": "a"}}}}', None),
        (b"{", None),
    ],
)
def test_what_somebody_wrote_beside_keys_is_kept_without_them(content: bytes, rest: object) -> None:
    kept = without_keys(content)
    assert (orjson.loads(kept) if kept is not None else None) == rest


def test_a_whole_configuration_includes_it_beside_what_the_operator_says() -> None:
    base = {"skills": {"entries": {"git": {"enabled": False}}}, "secrets": {"providers": {"mine": {"source": "env"}}}}
    assert beside_with_keys(base, "skills.json", "/data/secrets.json") == {
        "skills": {"entries": {"git": {"enabled": False}}, "$include": ["./skills.json"]},
        "secrets": {
            "providers": {
                "mine": {"source": "env"},
                "agent_config_sync": {"source": "file", "path": "/data/secrets.json", "mode": "json"},
            }
        },
    }


def test_a_gateway_that_takes_no_references_is_told_of_no_file() -> None:
    assert beside_with_keys({}, "skills.json", None) == {"skills": {"$include": ["./skills.json"]}}
