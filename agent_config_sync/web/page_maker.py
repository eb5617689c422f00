"""Pages out of what the database says: templates of this folder, no request and no cookie."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from agent_config_sync.model.credentials import Credential
from agent_config_sync.model.moments import ago
from agent_config_sync.model.skills import ListedSkill
from agent_config_sync.postgres.status import FleetRow
from agent_config_sync.web.desk import Desk
from agent_config_sync.web.fleet_watch import FleetWatch, plot
from agent_config_sync.web.sessions import Session

SKILLS, BOARD, FLEET, LOGIN = "/admin/skills", "/admin/board", "/admin/fleet", "/admin/login"

PAGES = ((SKILLS, "Skills & Credentials"), (BOARD, "Board"), (FLEET, "Fleet"))
_TEMPLATES = Path(__file__).parent / "pages"


@dataclass(frozen=True, slots=True)
class Message:
    """What became of what a person did."""

    kind: Literal["ok", "warning", "error"]
    text: str
    offers_reload: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A key on the page. here: it is of this host; offline: its gateway is silent; url: of the page that takes it."""

    number: int
    credential: Credential
    here: bool
    offline: bool
    installed: bool
    url: str | None


class PageMaker:
    """Makes pages of what the database says."""

    def __init__(self, desk: Desk, watch: FleetWatch, *, is_there: Callable[[str], bool]) -> None:
        """is_there: whether one of `PAGES` can be read now."""
        self._is_there = is_there
        self._desk = desk
        self._watch = watch
        self._templates = Environment(
            loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=False
        )
        self._templates.filters["ago"] = ago
        self._templates.globals["post"] = _post

    @property
    def first(self) -> str:
        """The page with which people begin."""
        return next(path for path, _ in PAGES if self._is_there(path))

    def login(self, code: str | None, *, message: Message | None = None) -> str:
        return self.page("login.html.j2", LOGIN, None, message, code=code)

    async def skills(self, session: Session, message: Message | None = None) -> str:
        """Raises: DatabaseError."""
        desk = self._desk
        credentials, skills, fleet = await desk.credentials(), await desk.skills(), await desk.fleet()
        shown = _shown(credentials, skills, fleet, await desk.urls(), gateway=desk.gateway)
        return self.page(
            "skills.html.j2",
            SKILLS,
            session,
            message,
            pending=[each for each in shown if each.credential.status == "pending"],
            entered=[each for each in shown if each.credential.status == "active"],
            withheld=desk.withheld,
            installed=[(name, list(each)) for name, each in groupby(skills, key=lambda skill: skill.gateway)],
        )

    async def fleet(self, session: Session) -> str:
        """Raises: DatabaseError."""
        self._watch.take(await self._desk.fleet())
        return self.page("fleet.html.j2", FLEET, session, None, **self._fleet())

    def fleet_rows(self) -> str:
        return self.part("fleet_rows.html.j2", **self._fleet())

    def part(self, template: str, **shown: object) -> str:
        """Return a part of a page."""
        return self._templates.get_template(template).render(shown)

    def _fleet(self) -> dict[str, object]:
        lags = self._watch.lags
        # What `plot` returns is made of numbers alone.
        plots = {row.gateway: Markup(plot(lags.get(row.gateway, ()))) for row in self._watch.rows}  # noqa: S704
        return {"fleet": self._watch.rows, "plots": plots}

    def page(self, template: str, here: str, session: Session | None, message: Message | None, **more: object) -> str:
        """Return a page. here: its path among `PAGES`; more: what its template shows."""
        return self.part(
            template,
            gateway=self._desk.gateway,
            account=self._desk.account,
            pages=[each for each in PAGES if self._is_there(each[0])],
            here=here,
            session=session,
            message=message,
            **more,
        )


def _post(path: str) -> Markup:
    """Return the attributes of a form: what it sends comes back as the page, of which htmx takes the middle."""
    attributes = 'method="post" action="{0}" hx-post="{0}" hx-target="#main" hx-select="#main" hx-swap="outerHTML"'
    return Markup(attributes).format(path)  # noqa: S704 - a text of ours, and `format` escapes the path


def _shown(
    credentials: Sequence[Credential],
    skills: Sequence[ListedSkill],
    fleet: Sequence[FleetRow],
    urls: Mapping[str, str],
    *,
    gateway: str,
) -> list[Shown]:
    installed = {(skill.gateway, skill.slug) for skill in skills}
    silent = {row.gateway for row in fleet if row.stale}
    known = {row.gateway for row in fleet}
    shown = [
        Shown(
            number,
            each,
            here=each.gateway == gateway,
            offline=each.gateway != gateway and (each.gateway in silent or each.gateway not in known),
            installed=(each.gateway, each.skill) in installed,
            url=_page_of(urls.get(each.gateway)),
        )
        for number, each in enumerate(credentials)
    ]
    return sorted(shown, key=lambda each: not each.here)


def _page_of(url: str | None) -> str | None:
    """Return where another gateway has this page; its row is no place for anything but a web address."""
    return url.rstrip("/") + SKILLS if url is not None and url.startswith(("https://", "http://")) else None
