"""docs/templates.md, generated from the files of a workspace and the models of the variables:
`python -m agent_config_sync.cli.template_reference`.
"""

from __future__ import annotations

from collections.abc import Iterator

from agent_config_sync.model.workspace import ROLES
from agent_config_sync.publish.workspace import Owner
from agent_config_sync.render.context import SECRET, AgentContext, BoardContext
from agent_config_sync.render.workspace import FILES, WorkspaceFile

_OWNERS: dict[Owner, str] = {
    "database": "the database: drift is healed",
    "agent": "the agent, once it is there",
    "nobody": "nobody: written once, and never again",
}

_HEAD = """# Workspaces and their templates

Every active agent has a folder of Markdown files, made of its rows in the pass that writes `agents.json`. A row
changes; a second later the agent reads something else. Nothing is restarted: a gateway reads these files anew for
each turn (2026.3.13: for each new session).

```sql
UPDATE agents SET soul_content = 'You are the reviewer. Nothing merges without a test.' WHERE name = 'coder';
INSERT INTO skills (slug, name, description, content)
VALUES ('labels', 'Labels', 'Prints labels.', 'Run `label ORDER`.');
INSERT INTO agent_skills (agent, skill) VALUES ('coder', 'labels');
```

It begins when there is a place for them: set `workspace_root` (`OPENCLAW_WORKSPACE_ROOT`), or `profile_sync` for the
default place; [configuration.md](configuration.md) has both. `OPENCLAW_PROFILE_SYNC=false` ends it and leaves the
files.

## Where they are

`<workspace_root>/<name>`, or `workspace-<name>` with `workspace_folder`. Where the gateway runs in another container
and sees the folder under another name, `gateway_workspace_root` says which, or `gateways.workspace_root` in the
database. Files are 0600 and folders 0700, of the owner of the root. Symbolic links are not followed below it.
"""

_ROLES = """
A file has one template, or one for each role. The **main** agent is the default agent without a board; a **lead** has
`is_board_lead`; every other one is a **worker**, also without a board, and then reads of none. `memory/` and
`deliverables/` are there from the beginning, and `skills/<slug>/SKILL.md` for each assigned and enabled skill that
has content. Newer gateways put AGENTS, SOUL, IDENTITY, USER, MEMORY and BOOTSTRAP into the prompt, and earlier ones
TOOLS and HEARTBEAT too; so skills stand in AGENTS.md as well as in TOOLS.md.

A limit is what a gateway reads of a file; `templates lint`, and a warning of the pass, say when a file is longer.

## Whose a file is

- **Of the database**: rendered, and put right at the next resync if somebody changed it.
- **Of the agent**: written if it is missing, and then left alone. `templates sync --overwrite` writes it again.
- **BOOTSTRAP.md** is written once. That is recorded before it is written, so no crash writes it twice; a workspace
  that stood before ours counts as bootstrapped. `templates sync --force-bootstrap` writes it once more.
- **A skill** that is taken away goes with its folder, if the file still is the one that we wrote. A skill that the
  agent installed itself is never overwritten: the pass warns.
- **The folder of an agent that is gone** is kept. `templates sync --prune` moves it to `.archive` below the root.

What breaks one agent (a template, a skill, a file in the way) costs that agent only: its last good files and its
entry in `agents.json` stay, and the warning names the agent, the template, the line and the variable. A new agent
joins the roster when its workspace stands.

## Your own templates

`templates_dir` is a folder of files named like ours (`SOUL.md` or `SOUL.md.j2`); each takes the place of one. A
change is seen at the next pass. `OPENCLAW_AGENTS_MD_PATH` and `OPENCLAW_HEARTBEAT_MD_PATH` each name a file that is
taken as it is, for every agent.

They are Jinja templates: a name that is not known stops the rendering of that agent, nothing is escaped, and the
newline at the end is kept. They run in Jinja's immutable sandbox. Two columns hold a template of one agent:
`soul_template` and `identity_template`; they do not see `auth_token`. `soul_content` is no template: what stands
there is what the agent reads. First comes `soul_template`, then `soul_content`, then your own `SOUL.md`, then
`generate_default_soul(name, role)` of the database.

    agent-config-sync templates render coder SOUL.md        # what the database makes of it
    agent-config-sync templates context coder               # its variables, as JSON
    agent-config-sync templates render --sample lead        # an agent that nobody has, without a database
    agent-config-sync templates lint --folder my-templates  # every template for every role
    agent-config-sync diff                                  # what the next pass would write

## Tokens

Each agent has a token of its own, `AUTH_TOKEN` in its TOOLS.md. The database has its SHA-256 only (`agent_tokens`,
which wakes nobody); the token itself is in the workspace and in one 0600 file of `state_dir`. A new one is written
before the old one is revoked, so that no crash locks an agent out. `templates sync --rotate-tokens` gives new ones.

## On demand

    agent-config-sync templates sync --gateway-id here [--board-id ID] [--no-include-main] [--reset-sessions]
        [--rotate-tokens] [--force-bootstrap] [--overwrite] [--prune] [--dry-run] [--json]

`--gateway-id` is the id or the name of this gateway in the table `gateways`: files are written on the machine that
has them. It says for each agent what became of it, and ends with 1 if one of them failed. `--reset-sessions` begins
the agent's own session and its main one anew, over the gateway's WebSocket (2026.5.12 and later), and needs its
token.

The same over HTTP, where health is served and people have tokens of an OpenID provider
([skills.md](skills.md#where-people-enter-keys)): owners and admins of the account ask

    POST /api/v1/gateways/here/templates/sync?overwrite=true&dry_run=true

with the options as query parameters: `include_main` (true without a word), `board_id`, `reset_sessions`,
`rotate_tokens`, `force_bootstrap`, `overwrite`, `prune`, `dry_run`. The gateway's login needs `agent_config_runtime`,
to know who is an admin. The answer is that of `--json` with the counts `agents_updated`, `agents_skipped`,
`main_updated` and the `errors`; it comes when the last file is written, about two seconds for 1,000 agents. Of four
syncs that are asked for at a time one runs and the others wait for it. Whoever hangs up, or waits for more than ten
minutes, does not end theirs: the log says who asked, for what, and what became of it. `GET /openapi.json` has the rest.

| status | |
|---|---|
| 200 | every chosen workspace is as it should be, or would be |
| 207 | some agents failed: `errors` says why, and the others are as they should be |
| 401, 403 | no token that proves anything; no owner or admin, or a page of another origin |
| 404 | another gateway than the one here; or no provider is configured, and nothing is there |
| 409 | a restored set is held in place |
| 422 | an option that is not known, or of another kind; a board that the account does not have |
| 429 | four syncs are asked for already |
| 503 | the database, or the provider's keys, cannot be reached now; another process holds the output |

## Variables

All are texts, but for `skills`.
"""


def page() -> str:
    """Return docs/templates.md."""
    return "\n".join([_HEAD.rstrip(), "", *_files(), _ROLES.rstrip(), "", *_variables(), ""])


def _files() -> Iterator[str]:
    yield "| file | template | whose | limit |"
    yield "|---|---|---|---|"
    for file in FILES:
        yield f"| `{file.path}` | {_templates_of(file)} | {_OWNERS[file.owner]} | {file.limit:,} |"


def _templates_of(file: WorkspaceFile) -> str:
    names = {role: file.template(role) for role in ROLES}
    distinct = list(dict.fromkeys(names.values()))
    if len(distinct) == 1:
        text = f"`{distinct[0]}`"
    else:
        text = ", ".join(f"`{name}` ({', '.join(role for role in ROLES if names[role] == name)})" for name in distinct)
    return f"{text}, `agents.{file.column}`" if file.column is not None else text


def _variables() -> Iterator[str]:
    yield "| variable | what it is |"
    yield "|---|---|"
    common = AgentContext.model_fields
    for name, field in common.items():
        yield f"| `{name}` | {field.description} |"
    yield ""
    yield f"Leads and workers also have these; `{SECRET}` is the one that a column's template does not see."
    yield ""
    yield "| variable | what it is |"
    yield "|---|---|"
    for name, field in BoardContext.model_fields.items():
        if name not in common:
            yield f"| `{name}` | {field.description} |"


if __name__ == "__main__":
    print(page(), end="")
