"""Keys that people have entered, as the gateway's configuration gives them to skills."""

from __future__ import annotations

import orjson
import pytest

from agent_config_sync.model.credentials import EnteredKey, SkillEntry
from agent_config_sync.model.site import GatewayVersion
from agent_config_sync.render.skills_json import (
    NEVER_GIVEN,
    RenderedSkills,
    beside_with_keys,
    is_ours,
    render_skills_json,
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


def test_a_name_that_javascript_reserves_gets_nothing() -> None:
    assert entries(key("k1", "GIT_PAT", SkillEntry("__proto__", None))) == {}


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


def test_what_is_rendered_is_known_as_ours() -> None:
    assert is_ours(rendered(key(), key("k2", "GIT_HOST")).content)
    assert is_ours(rendered().content)


@pytest.mark.parametrize(
    "content",
    [
        *(b"{", b"[]", b"{}", b'{"entries": []}', b'{"entries": {"git": 7}}', b'{"load": {}}'),
        *(b'{"entries": {}, "load": {}}', b'{"entries": {"git": {"enabled": false}}}'),
    ],
)
def test_what_somebody_else_wrote_is_not_ours(content: bytes) -> None:
    assert not is_ours(content)


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
