"""What an operator may write into the tables, plain and hostile."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

NAMES = ("lead", "coder", "scout", "a-1", "zed_9", "0", "constructor")
"""Few, so that statements meet; the last one is no agent's name to a gateway."""

names = st.sampled_from(NAMES)

SETTLERS = (
    (
        "INSERT INTO agents (name, model, allowed_subagents) "
        "SELECT name, 'p/' || name, ARRAY[name, 'lead'] FROM unnest($1::text[]) AS name"
    ),
    NAMES[:5],
)
"""Whom each world begins with, so that there is somebody to change; of one transaction, so only their places differ."""

texts = st.one_of(
    st.sampled_from(
        (
            "",
            "  ",
            "Lead",
            "'; DROP TABLE agents; --",
            '"quoted" \\ back\nslash',
            "${HOME}",
            "{{ 7 * 7 }} %s {0}",
            "\u202eright to left\u2028",
            "né 🦀 e\u0301",
            "\x7f\x1b[31m",
        )
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
)

models = st.one_of(
    st.sampled_from(
        (
            "p/one",
            "p/two",
            "q/deep/er",
            " p/padded ",
            "no-provider",
            "p/",
            "p/*",
            "p/${HOME}",
            "__proto__",
            "$include",
            "p/" + "long" * 60,
            'p/"quoted\\"',
            "p/né🦀",
        )
    ),
    texts,
)

listed_agents = st.sampled_from((*NAMES, "clock", "*", "nobody", " lead ", "", None, "${HOME}"))

settings = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional={
            "name": texts,
            "identity": texts.map(lambda text: {"name": text}),
            "params": st.sampled_from(
                ({"temperature": 0.5}, {"b": [1, True, None, {"deep": "er"}], "a": {}}, {"$include": "./secret"})
            ),
            "tools": st.sampled_from(({"allow": ["read"]}, {"allow": []}, {"allow": "read"})),
            "subagents": st.sampled_from(({"model": "p/sub"}, {"allowAgents": ["*"]}, {})),
            "model": models,
            "thinkingDefault": st.just("low"),
            "nmae": st.just(1),
        },
    ).map(lambda members: json.dumps(members, ensure_ascii=False)),
)

COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "instance_type": st.sampled_from(("primary", "subagent", "peer")),
    "status": st.sampled_from(("active", "active", "draft", "Active", "")),
    "is_default": st.booleans(),
    "model": st.none() | models,
    "fallback_models": st.none() | st.lists(st.none() | models, max_size=4),
    "thinking": st.sampled_from((None, "low", " high ", "hard", "")),
    "allowed_subagents": st.none() | st.lists(listed_agents, max_size=5),
    "gateways": st.sampled_from((None, None, ["here"], ["there", "here"], ["there"], [])),
    "settings": settings,
}

rows = st.tuples(*COLUMNS.values())

cells = st.sampled_from(list(COLUMNS)).flatmap(lambda column: st.tuples(st.just(column), COLUMNS[column]))

INSERT = (
    f"INSERT INTO agents (account_id, name, {', '.join(COLUMNS)}) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::text::jsonb) ON CONFLICT DO NOTHING"
)

UPDATES = {
    column: f"UPDATE agents SET {column} = $2{'::text::jsonb' if column == 'settings' else ''} WHERE name = $1"
    for column in COLUMNS
}

numbers = st.sampled_from(("3", "0", "99", "-4", "abc", "2.5", "", "007", " 3", "\u0663", "9" * 30))

keys = st.sampled_from(("max_spawn_depth", "max_concurrent_subagents", "max_spawn_depth ", "nobody_knows"))

kinds = st.sampled_from(("integer", "integer", "text"))
