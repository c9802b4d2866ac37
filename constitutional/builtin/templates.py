"""How a prompt template is named in rows and reports."""

from __future__ import annotations

from pathlib import Path


def template_label(name: str) -> str:
    """The template's name; of a path the file's name alone, so that rows are the same wherever a project lies."""
    return Path(name).name if Path(name).is_absolute() else name
