"""Who acts at the command line."""

from __future__ import annotations

import getpass
import os
from typing import Annotated, TypeAlias

import typer

Person: TypeAlias = Annotated[
    str | None, typer.Option("--person", help="Who acts; default: the user of this system.", show_default=False)
]


def person_or_user(person: str | None) -> str:
    """Return the person that was named, else the user of this system."""
    if person:
        return person
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
