"""Counts in sentences."""

from __future__ import annotations


def counted(count: int, what: str) -> str:
    """1 and "round" make "1 round", any other number "2 rounds"."""
    return f"{count} {what}{'' if count == 1 else 's'}"
