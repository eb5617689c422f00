"""Disks of a test's own, and files that are mounts. Only root mounts."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def mounted(place: Path, *words: str) -> Iterator[None]:
    """Mount something at this place, until the end; then it is gone although somebody may still have it open."""
    if os.geteuid():
        pytest.fail("these tests mount disks: run them as root")
    subprocess.run(["mount", *words, place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Let a disk of 64 KB be this folder."""
    with mounted(folder, "-t", "tmpfs", "-o", "size=64k,mode=700", "agent-config-sync-test"):
        yield folder


@contextlib.contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """Let nobody write to this disk meanwhile; nobody may have a file open for writing."""
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
