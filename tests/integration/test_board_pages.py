"""The pages of the board as a browser asks for them: who is let in, what is refused, and what is not there."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import httpx2
import orjson
import pytest
from board_site import ARCHIVED, ASSIGNED, BLOCKED, FOREIGN, FOREIGN_NOTE, INBOX, NOTE, REVIEW, BoardSite, open_board
from given_up import REASON, begin, fail, give_up
from harness import DEADLINE, Operator, Start, connected, eventually

from agent_config_sync.postgres.work_watch import CHANNEL
from agent_config_sync.runtime import presence
from agent_config_sync.state import State
from agent_config_sync.web import streams
from agent_config_sync.web.board_pages import LARGEST
from agent_config_sync.web.logins import Logins

NOWHERE = UUID("00000000-0000-4000-8000-0000000000ff")

FORMS = [
    "/admin/board",
    "/admin/board/requeue",
    *(f"/admin/board/{ASSIGNED}/{what}" for what in ("comment", "assign", "move")),
]

STREAMS = ["/admin/board/events", f"/admin/board/{ASSIGNED}/events"]

LISTENS = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'LISTEN%agent_work_changed%')"


class Browser:
    """A browser that runs no script and shows nothing."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client
        self.csrf = ""

    async def log_in(self, site: BoardSite, person: str = "u-ada") -> httpx2.Response:
        """Use a link that was printed on this machine; return the page to which it leads."""
        settings = site.running.plugin.settings
        code = Logins(State(settings.state_dir, settings.output).logins_folder).issue(person)
        await self.client.post("/admin/login", data={"code": code})
        landed = await self.client.get("/admin", follow_redirects=True)
        found = re.search(r'name="csrf" value="([^"]+)"', landed.text)
        assert found is not None
        self.csrf = found[1]
        return landed

    async def get(self, path: object, **headers: str) -> httpx2.Response:
        return await self.client.get(f"/admin/board{path}", headers=headers)

    async def send(self, path: object, fields: Mapping[str, str | list[str]]) -> httpx2.Response:
        """Send a form of a page of this session."""
        return await self.client.post(f"/admin/board{path}", data={"csrf": self.csrf, **fields})


@pytest.fixture
async def site(start: Start, operator: Operator, port: int, tmp_path: Path) -> AsyncIterator[BoardSite]:
    site = await open_board(start, operator, port, tmp_path)
    yield site
    await site.pool.close()


@pytest.fixture
async def stranger(port: int) -> AsyncIterator[Browser]:
    """Somebody who is not logged in."""
    url = f"http://127.0.0.1:{port}"
    async with httpx2.AsyncClient(base_url=url, headers={"origin": url}, timeout=DEADLINE) as client:
        yield Browser(client)


@pytest.fixture
async def ada(site: BoardSite, stranger: Browser) -> Browser:
    await stranger.log_in(site)
    return stranger


def said(answer: httpx2.Response) -> str:
    """Return what the page says became of what was done."""
    found = re.search(r'<div class="message[^>]*>\s*<p>([^<]*)</p>', answer.text)
    return found[1] if found is not None else ""


async def status_of(site: BoardSite, task: UUID) -> str:
    return str(await site.operator.fetchval("SELECT status FROM board_tasks WHERE id = $1", task))


# --- who is let in


@pytest.mark.parametrize("path", ["", "?status=archived", f"/{ASSIGNED}", f"/documents/{NOTE}", f"/{NOWHERE}"])
@pytest.mark.usefixtures("site")
async def test_who_is_not_logged_in_reads_nothing(stranger: Browser, path: str) -> None:
    answer = await stranger.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/login")


@pytest.mark.parametrize("path", STREAMS)
@pytest.mark.usefixtures("site")
async def test_a_stream_needs_a_session(stranger: Browser, path: str) -> None:
    answer = await stranger.client.get(path)
    assert answer.status_code == 401
    assert "Mend the deploy script" not in answer.text


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_needs_a_session(site: BoardSite, stranger: Browser, path: str) -> None:
    answer = await stranger.client.post(path, data={"csrf": "x", "title": "x", "status": "in_progress"})
    assert (answer.status_code, await status_of(site, ASSIGNED)) == (401, "assigned")


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_of_another_session_is_refused(ada: Browser, path: str) -> None:
    answer = await ada.client.post(path, data={"csrf": "another", "title": "x"})
    assert answer.status_code == 403
    assert "another session" in answer.text


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_of_a_foreign_page_is_refused(site: BoardSite, ada: Browser, path: str) -> None:
    answer = await ada.client.post(
        path,
        data={"csrf": ada.csrf, "title": "x", "status": "in_progress"},
        headers={"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
    )
    assert (answer.status_code, await status_of(site, ASSIGNED)) == (403, "assigned")


async def test_a_page_lets_in_no_script_and_nothing_from_elsewhere(ada: Browser) -> None:
    for path in ("", f"/{ASSIGNED}", f"/documents/{NOTE}", f"/{NOWHERE}"):
        policy = (await ada.get(path)).headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")


# --- what is not there


@pytest.mark.parametrize(
    "path",
    [f"/{FOREIGN}", f"/{NOWHERE}", "/nothing", f"/documents/{FOREIGN_NOTE}", f"/documents/{NOWHERE}", "/documents/it",
     "?status=nowhere"],
)  # fmt: skip
async def test_what_is_of_others_or_nobodys_is_not_there(ada: Browser, path: str) -> None:
    answer = await ada.get(path)
    assert (answer.status_code, said(answer)[:10]) == (404, "Not found:")
    assert "foreign" not in answer.text.lower()


@pytest.mark.parametrize("what", ["comment", "assign", "move"])
@pytest.mark.parametrize("task", [FOREIGN, NOWHERE, "it"])
async def test_nothing_is_done_to_what_is_not_there(site: BoardSite, ada: Browser, task: object, what: str) -> None:
    answer = await ada.send(f"/{task}/{what}", {"content": "x", "more": "coder", "status": "archived", "reason": "x"})
    assert (answer.status_code, said(answer)[:10]) == (404, "Not found:")
    assert await status_of(site, FOREIGN) == "assigned"


async def test_a_stream_of_what_is_not_there_shows_nothing_of_it(ada: Browser) -> None:
    async with ada.client.stream("GET", f"/admin/board/{FOREIGN}/events") as answer:
        parts = answer.aiter_text()
        assert "no longer there" in await anext(part async for part in parts if "data:" in part)


async def test_a_document_that_was_deleted_is_not_there(site: BoardSite, ada: Browser) -> None:
    await site.operator.execute("UPDATE board_documents SET deleted_at = now() WHERE id = $1", NOTE)
    assert (await ada.get(f"/documents/{NOTE}")).status_code == 404


async def test_a_board_that_is_off_has_no_page(
    start: Start, operator: Operator, port: int, tmp_path: Path, stranger: Browser
) -> None:
    site = await open_board(start, operator, port, tmp_path, board=False)
    await operator.execute("UPDATE accounts SET skills_poc_enabled = true")
    async with asyncio.timeout(DEADLINE):
        while (await stranger.client.get("/admin")).status_code == 404:  # noqa: ASYNC110 - of this tells no event
            await asyncio.sleep(0.05)
    landed = await stranger.log_in(site)
    assert "/admin/board" not in landed.text
    assert [(await stranger.get(path)).status_code for path in ("", "/events", f"/{ASSIGNED}")] == [404, 404, 404]
    await site.pool.close()


async def test_a_board_that_is_off_is_not_imported(
    database: str, operator: Operator, port: int, tmp_path: Path
) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('lead')")
    environment = {
        "AGENT_CONFIG_SYNC_DSN": database,
        "AGENT_CONFIG_SYNC_OUTPUT_PATH": f"{tmp_path}/agents.json",
        "AGENT_CONFIG_SYNC_WORKSPACE_ROOT": f"{tmp_path}/ws",
        "HEALTH_PORT": str(port),
    }
    assert await imported(**environment, AGENT_CONFIG_SYNC_BOARD="false") == ""
    assert "agent_config_sync.web.board_pages" in await imported(**environment)


LOOK = """
import asyncio, sys
from agent_config_sync.events import HealthServed
from agent_config_sync.plugin import Plugin
from agent_config_sync.setting_sources import load_settings

async def look():
    plugin = Plugin(load_settings(command_line={}))
    served, loop = asyncio.Event(), asyncio.get_running_loop()
    plugin.events.subscribe(
        lambda event: loop.call_soon_threadsafe(served.set) if isinstance(event, HealthServed) else None
    )
    await plugin.start()
    await served.wait()
    await plugin.stop()

asyncio.run(look())
rooms = ("agent_config_sync.board", "agent_config_sync.runtime", "agent_config_sync.web.board")
print(*sorted(name for name in sys.modules if name.startswith(rooms)))
"""


async def imported(**environment: str) -> str:
    """Return what a process imports of the board until its pages are served."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", LOOK, env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(DEADLINE):
        out, _ = await process.communicate()
    return out.decode().strip()


# --- where people land


async def test_where_agents_may_not_install_skills_people_begin_with_the_board(
    site: BoardSite, stranger: Browser
) -> None:
    landed = await stranger.log_in(site)
    assert (landed.url.path, landed.status_code) == ("/admin/board", 200)
    assert "Skills &amp; Credentials" not in landed.text
    assert [(await stranger.client.get(path)).status_code for path in ("/admin/skills", "/admin/fleet")] == [404, 200]


# --- what is refused, and why


@pytest.mark.parametrize(
    ("fields", "status", "why"),
    [
        ({"title": "  ", "priority": "3"}, 422, "Invalid title: 1 to 2,000 characters."),
        ({"title": "x" * 2001, "priority": "3"}, 422, "Invalid title: 1 to 2,000 characters."),
        ({"title": "x", "priority": "9"}, 422, "Invalid priority: 1 (highest) to 5 (lowest)."),
        ({"title": "x", "priority": "3", "description": "x" * 100_001}, 422, "Invalid description: 100,000"),
        ({"title": "x\0", "priority": "3"}, 422, "Invalid text: PostgreSQL keeps no NUL character."),
        (
            {"title": "x", "priority": "3", "assignee": ["coder", "spy"]},
            422,
            "Neither agents of the board nor members: spy",
        ),
    ],
)
async def test_a_task_that_is_refused_is_not_made(
    site: BoardSite, ada: Browser, fields: dict[str, str | list[str]], status: int, why: str
) -> None:
    before = await site.operator.fetchval("SELECT count(*) FROM board_tasks")
    answer = await ada.send("", fields)
    assert (answer.status_code, said(answer)[: len(why)]) == (status, why)
    assert await site.operator.fetchval("SELECT count(*) FROM board_tasks") == before


async def test_a_task_that_is_refused_is_not_lost(ada: Browser) -> None:
    answer = await ada.send("", {"title": "Kept", "description": "<b>too</b>", "priority": "9", "assignee": ["u-max"]})
    assert 'value="Kept"' in answer.text
    assert "&lt;b&gt;too&lt;/b&gt;</textarea>" in answer.text
    assert 'value="u-max" checked' in answer.text


@pytest.mark.parametrize(
    ("task", "fields", "status", "why"),
    [
        (ASSIGNED, {"status": "blocked", "reason": " "}, 422, "Invalid status: blocked needs a reason"),
        (ASSIGNED, {"status": "archived"}, 422, "Invalid status: archived needs a reason."),
        (ASSIGNED, {"status": "done"}, 422, "Invalid transition: assigned to done."),
        (ASSIGNED, {"status": "nowhere"}, 422, "Invalid status: one of inbox, assigned"),
        (ASSIGNED, {}, 422, "Invalid status: one of inbox, assigned"),
        (ASSIGNED, {"status": "in_progress", "seen": "review"}, 409, "Not moved: somebody made it assigned meanwhile."),
        (INBOX, {"status": "assigned"}, 422, "Invalid assignees: a task that is assigned needs one."),
        (ARCHIVED, {"status": "in_progress"}, 409, "Invalid transition: archived to in_progress."),
    ],
)
async def test_a_move_that_is_refused_says_why(
    site: BoardSite, ada: Browser, task: UUID, fields: dict[str, str | list[str]], status: int, why: str
) -> None:
    before = await status_of(site, task)
    answer = await ada.send(f"/{task}/move", fields)
    assert (answer.status_code, said(answer)[: len(why)]) == (status, why)
    assert await status_of(site, task) == before


@pytest.mark.parametrize(
    ("path", "fields", "status", "why"),
    [
        (f"/{ASSIGNED}/comment", {"content": " \r\n "}, 422, "Invalid content: 1 to 100,000 characters."),
        (f"/{ASSIGNED}/comment", {"content": "x" * 100_001}, 422, "Invalid content: 1 to 100,000 characters."),
        (f"/{ASSIGNED}/assign", {"more": "u-eve"}, 422, "Neither agents of the board nor members: u-eve."),
        (f"/{ASSIGNED}/assign", {"fewer": "qa"}, 422, "Not assigned: qa."),
        (f"/{ARCHIVED}/assign", {"more": "coder"}, 409, "Archived: task"),
    ],
)
async def test_what_is_refused_says_why(
    ada: Browser, path: str, fields: dict[str, str | list[str]], status: int, why: str
) -> None:
    answer = await ada.send(path, fields)
    assert (answer.status_code, said(answer)[: len(why)]) == (status, why)


async def test_a_form_may_be_as_large_as_what_it_may_say(site: BoardSite, ada: Browser) -> None:
    answer = await ada.send(f"/{ASSIGNED}/comment", {"content": "\U0001f642" * 100_000})
    assert answer.status_code == 303
    refused = await ada.send(f"/{ASSIGNED}/comment", {"content": "x" * LARGEST})
    assert refused.status_code == 413


async def test_without_its_tables_the_page_says_what_to_do(site: BoardSite, ada: Browser) -> None:
    await site.operator.execute("DROP TABLE board_tasks CASCADE")
    for answer in (await ada.get(""), await ada.send("", {"title": "x", "priority": "3"})):
        assert answer.status_code == 503
        assert "agent-config-sync migrate" in said(answer)


# --- what is done


async def test_who_is_logged_in_is_who_acts(site: BoardSite, ada: Browser) -> None:
    answer = await ada.send(f"/{REVIEW}/move", {"status": "done", "seen": "review"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/admin/board/{REVIEW}?did=done")
    acted = await site.operator.fetchrow(
        "SELECT actor_type, actor_id FROM activities WHERE target_id = $1 ORDER BY id DESC LIMIT 1", str(REVIEW)
    )
    assert acted is not None
    assert tuple(acted) == ("user", "u-ada")


async def test_the_login_of_a_gateway_may_do_what_people_do(
    start: Start, operator: Operator, port: int, tmp_path: Path, database: str, stranger: Browser
) -> None:
    login = f"board_{os.getpid()}"
    await operator.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'x' IN ROLE agent_config_runtime")
    try:
        site = await open_board(start, operator, port, tmp_path, dsn=database.replace("postgres@", f"{login}:x@"))
        await stranger.log_in(site)
        sent_forms: dict[str, dict[str, str | list[str]]] = {
            "": {"title": "New", "priority": "1", "assignee": ["coder", "u-max"]},
            f"/{INBOX}/comment": {"content": "@coder"},
            f"/{INBOX}/assign": {"more": "coder"},
            f"/{BLOCKED}/assign": {"fewer": "coder"},
            f"/{ASSIGNED}/move": {"status": "in_progress", "seen": "assigned"},
            f"/{REVIEW}/move": {"status": "archived", "reason": "No longer wanted"},
            "/requeue": {"notification": str(await give_up(operator, ASSIGNED, "coder"))},
        }
        for path, fields in sent_forms.items():
            sent = await stranger.send(path, fields)
            assert (path, said(sent), sent.status_code) == (path, "", 303)
            assert (await stranger.client.get(sent.headers["location"])).status_code == 200
        assert [(await stranger.get(path)).status_code for path in ("", f"/documents/{NOTE}")] == [200, 200]
        await site.pool.close()
    finally:
        await operator.execute(f"DROP OWNED BY {login}")
        await operator.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{login}'")
        await operator.execute(f"DROP ROLE {login}")


async def test_loading_a_page_anew_posts_nothing_again(site: BoardSite, ada: Browser) -> None:
    sent = await ada.send(f"/{ASSIGNED}/comment", {"content": "@coder, one\r\ntwo"})
    for _ in range(2):
        again = await ada.client.get(sent.headers["location"])
        assert said(again) == "Posted. Told: coder (mentioned)."
    written = await site.operator.fetch("SELECT content FROM board_messages WHERE author_id = 'u-ada' ORDER BY seq")
    assert [row["content"] for row in written] == ["It fails since Monday.", "@coder, one\ntwo"]


async def test_only_what_a_task_may_become_is_offered(ada: Browser) -> None:
    def offered(answer: httpx2.Response) -> list[str]:
        return re.findall(r'name="status" value="(\w+)"', answer.text)

    assert offered(await ada.get(f"/{ASSIGNED}")) == ["inbox", "in_progress", "blocked", "archived"]
    assert offered(await ada.get(f"/{INBOX}")) == ["archived"]  # nobody works on it yet
    assert offered(await ada.get(f"/{BLOCKED}")) == ["assigned", "in_progress", "archived"]
    assert offered(await ada.get(f"/{ARCHIVED}")) == []


# --- what agents were not told


def requeues(answer: httpx2.Response) -> list[str]:
    """Return the notifications that a page lets people try again."""
    return re.findall(r'name="notification" value="([^"]+)"', answer.text)


async def test_where_nothing_was_given_up_the_board_says_nothing_of_it(ada: Browser) -> None:
    assert "Given up" not in (await ada.get("")).text


async def test_what_was_given_up_is_above_the_columns_with_its_reason(site: BoardSite, ada: Browser) -> None:
    notification = await give_up(site.operator, ASSIGNED, "coder", reason="<b>no</b> way")
    shown = (await ada.get("")).text
    before, after = shown.split('id="given-up"')
    assert "columns" not in before.partition("<main")[2]
    section = after.partition("</section>")[0]
    for part in ("Mend the deploy script", f"/admin/board/{ASSIGNED}", "coder", "5 tries", "&lt;b&gt;no&lt;/b&gt; way"):
        assert part in section
    assert requeues(await ada.get("")) == [str(notification)]
    assert requeues(await ada.get("?status=assigned")) == []


async def test_what_is_queued_again_on_the_board_is_the_act_of_who_is_logged_in(site: BoardSite, ada: Browser) -> None:
    notification = await give_up(site.operator, ASSIGNED, "coder")
    answer = await ada.send("/requeue", {"notification": str(notification)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/board?did=requeued")
    shown = await ada.client.get(answer.headers["location"])
    assert (said(shown), requeues(shown)) == ("It is queued again.", [])
    acted = "SELECT actor_id FROM activities WHERE type = 'notification_requeued' AND target_id = $1"
    assert await site.operator.fetchval(acted, str(notification)) == "u-ada"


async def test_what_is_queued_again_at_a_task_leads_back_to_it(site: BoardSite, ada: Browser) -> None:
    notification = await give_up(site.operator, ASSIGNED, "coder")
    assert requeues(await ada.get(f"/{ASSIGNED}")) == [str(notification)]
    answer = await ada.send("/requeue", {"notification": str(notification), "task": str(ASSIGNED)})
    assert answer.headers["location"] == f"/admin/board/{ASSIGNED}?did=requeued"
    assert said(await ada.client.get(answer.headers["location"])) == "It is queued again."


@pytest.mark.parametrize("where", [{}, {"task": str(ASSIGNED)}])
@pytest.mark.parametrize("what", [str(NOWHERE), "it", ""])
async def test_what_was_not_given_up_is_not_queued_again(ada: Browser, what: str, where: dict[str, str]) -> None:
    answer = await ada.send("/requeue", {"notification": what, **where})
    assert (answer.status_code, said(answer)[:10]) == (404, "Not found:")


async def test_what_was_given_up_elsewhere_is_neither_shown_nor_queued_again(site: BoardSite, ada: Browser) -> None:
    notification = await give_up(site.operator, FOREIGN, "spy")
    assert "Given up" not in (await ada.get("")).text
    assert (await ada.send("/requeue", {"notification": str(notification)})).status_code == 404
    dead = "SELECT dead_at IS NOT NULL FROM board_notifications WHERE id = $1"
    assert await site.operator.fetchval(dead, notification)


async def test_of_many_that_were_given_up_the_last_are_shown_and_all_are_counted(site: BoardSite, ada: Browser) -> None:
    await site.operator.execute(
        """
        INSERT INTO board_notifications (account_id, type, agent, actor_type, actor_id, task_id, title, body, outcome,
                                         dead_at)
        SELECT 'default', 'assignment', 'coder', 'user', 'u-ada', $1, 'x', 'x', 'dead', now()
        FROM generate_series(1, 1234)
        """,
        ASSIGNED,
    )
    shown = await ada.get("")
    assert len(requeues(shown)) == 20
    assert "1,234" in shown.text
    assert "agent-config-sync board deliveries" in shown.text


async def test_a_task_says_how_it_stands_with_its_agents(site: BoardSite, ada: Browser) -> None:
    def turns(answer: httpx2.Response) -> str:
        text = answer.text.split('<section aria-labelledby="turns">')[1].partition("</section>")[0]
        return " ".join(re.sub(r"<[^>]+>", " ", text).split())

    await site.operator.execute("DELETE FROM board_notifications WHERE agent <> 'coder'")
    await site.operator.execute("DELETE FROM board_notifications WHERE type <> 'assignment'")
    assert turns(await ada.get(f"/{ASSIGNED}")) == "Turns of agents coder waits for its turn One notification, just now"
    notification = await begin(site.operator, ASSIGNED, "coder")
    assert "coder works on it now" in turns(await ada.get(f"/{ASSIGNED}"))
    await fail(site.operator, notification)
    assert re.fullmatch(
        rf"Turns of agents coder failed 1 time One notification, just now next try at \d\d:\d\d:\d\d UTC {REASON}",
        turns(await ada.get(f"/{ASSIGNED}")),
    )
    await begin(site.operator, ASSIGNED, "coder")
    await fail(site.operator, notification, pause=None)
    assert "failed 2 times One notification, just now next try as soon as" in turns(await ada.get(f"/{ASSIGNED}"))
    await give_up(site.operator, ASSIGNED, "coder")
    assert "coder given up assigned to it 5 tries given up just now" in turns(await ada.get(f"/{ASSIGNED}"))


async def test_a_task_of_which_agents_know_all_says_nothing_of_turns(site: BoardSite, ada: Browser) -> None:
    await site.operator.execute("DELETE FROM board_notifications")
    assert "Turns of agents" not in (await ada.get(f"/{ASSIGNED}")).text


# --- streams


async def test_a_turn_that_has_begun_is_seen_once_agents_are_told_of(site: BoardSite, ada: Browser) -> None:
    async with ada.client.stream("GET", f"/admin/board/{ASSIGNED}/events") as answer:
        parts = answer.aiter_text()
        assert "waits for its turn" in await anext(part async for part in parts if "data:" in part)
        await eventually(site.operator, LISTENS)
        await begin(site.operator, ASSIGNED, "coder")
        await presence.report(site.operator, "default", ["coder"], news=True)
        assert "works on it now" in await anext(part async for part in parts if "data:" in part)


async def test_a_turn_that_begins_wakes_nobody(site: BoardSite, database: str) -> None:
    async with heard(database) as sources:
        await begin(site.operator, ASSIGNED, "coder")
    assert sources == []


async def test_a_turn_that_fails_lets_nobody_look_for_work(site: BoardSite, database: str) -> None:
    notification = await begin(site.operator, ASSIGNED, "coder")
    async with heard(database) as sources:
        await fail(site.operator, notification)
    assert sources == ["session_leases"]


async def test_agents_that_are_told_of_wake_who_watches_when_there_is_news(site: BoardSite, database: str) -> None:
    async with heard(database) as sources:
        await presence.report(site.operator, "default", ["coder"])
        await presence.report(site.operator, "default", ["coder"], news=True)
    assert sources == ["agent_presence"]


@asynccontextmanager
async def heard(database: str) -> AsyncIterator[list[str]]:
    """Lend the tables of which changes are told, all of them at the end."""
    sources: list[str] = []
    async with connected(database) as listening:
        await listening.add_listener(CHANNEL, lambda *told: sources.append(orjson.loads(str(told[-1]))["source"]))
        yield sources
        await listening.execute("SELECT 1")  # what was said before is heard by then


async def test_one_connection_listens_for_all_who_watch(site: BoardSite, ada: Browser) -> None:
    async with ada.client.stream("GET", STREAMS[0]), ada.client.stream("GET", STREAMS[1]):
        await eventually(site.operator, LISTENS)
        count = LISTENS.replace("EXISTS (SELECT", "(SELECT count(*)")
        assert await site.operator.fetchval(count) == 1


async def test_what_a_page_has_already_is_not_sent_again(ada: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STREAM", 1.0)
    path = f"/admin/board/{INBOX}/events"
    first = (await ada.client.get(path)).text
    name = re.search("^id: (.+)$", first, re.MULTILINE)
    assert name is not None
    again = (await ada.client.get(path, headers={"last-event-id": name[1]})).text
    assert (first.count("data:") > 0, again.count("data:")) == (True, 0)


# --- /docs


@pytest.mark.usefixtures("site")
async def test_the_page_of_endpoints_names_what_the_document_names(stranger: Browser) -> None:
    document = (await stranger.client.get("/openapi.json")).json()
    answer = await stranger.client.get("/docs")
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    assert "<script" not in answer.text
    named = re.findall(r'<h3 id="[^"]+"><span class="method">(\w+)</span> <code>([^<]+)</code></h3>', answer.text)
    assert set(named) == {(method.upper(), path) for path, each in document["paths"].items() for method in each}
    assert not any(path.startswith("/admin/skills") for _, path in named)
    for style in re.findall(r'<link rel="stylesheet" href="([^"]+)">', answer.text):
        assert (await stranger.client.get(style)).status_code == 200
