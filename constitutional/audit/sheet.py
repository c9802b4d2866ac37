"""The sheet that people fill in: CSV, JSON lines, or a page for the browser."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from constitutional.audit.sample import Item
from constitutional.table import safe_cell
from constitutional.text import printable

COLUMNS: Final = ("id", "question", "prompt", "A", "B", "verdict")
PAGE: Final = Path(__file__).parent / "page.html"


def as_csv(items: Sequence[Item]) -> str:
    """A row an item; no cell is taken for a formula, and nothing invisible is hidden."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    for item in items:
        writer.writerow({name: safe_cell(printable(text)) for name, text in item.sheet().items()})
    return out.getvalue()


def as_jsonl(items: Sequence[Item]) -> str:
    """An object an item, texts untouched."""
    return "".join(json.dumps(item.sheet(), ensure_ascii=False) + "\n" for item in items)


def as_page(items: Sequence[Item], name: str) -> str:
    """One HTML file: no network, nothing of a text is markup, scripts and styles pinned by their digest.

    Texts travel as JSON with every `<`, `>` and `&` escaped, and are shown as text; the policy in the page allows its own
    script and style by SHA-256, and nothing else.
    """
    rows = [{key: printable(text) for key, text in item.sheet().items()} for item in items]
    data = json.dumps({"name": name, "items": rows}, ensure_ascii=True)
    for character in "<>&":
        data = data.replace(character, f"\\u{ord(character):04x}")
    page = PAGE.read_text(encoding="utf-8")
    policy = "; ".join((
        "default-src 'none'", f"script-src '{_pinned(page, 'script')}'", f"style-src '{_pinned(page, 'style')}'",
        "base-uri 'none'", "form-action 'none'",
    ))  # fmt: skip
    return page.replace("@POLICY@", policy).replace("@DATA@", data)


def _pinned(page: str, tag: str) -> str:
    """The digest of the first element without attributes of that name, as a content security policy has it."""
    inside = page.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
    return "sha256-" + base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
