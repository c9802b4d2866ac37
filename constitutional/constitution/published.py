"""Constitutions in the forms in which others have published theirs: JSON in, principles out.

Three forms are known.  *Critique and revision requests* (Bai et al. 2022): a mapping of names to `prompt`, a list of
texts that begin with "CritiqueRequest:", and `edit_request`, which begins with "RevisionRequest:".  *Comparisons* (the
same work): a list of texts that end in "Options:".  *Critics and revisions* (the example of llm-swarm): entries with
`critic` and `revision`, as a list, a mapping by name, or a list under `constitutions` beside few-shot dialogues.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from constitutional.diagnostic import Diagnostic
from constitutional.errors import UserError
from constitutional.spec.yamltree import read_source
from constitutional.text import printable

#: Principles of one file, at most.
MOST: Final = 5_000
_LABELS: Final = re.compile(
    r"^\s*(?:Critique ?Request|Revision ?Request)\s*:|(?:Critique|Revision|Options)\s*:\s*$", re.IGNORECASE
)
_UNFIT: Final = re.compile(r"[^a-z0-9]+")
_FORMS: Final = (
    "known forms: {NAME: {prompt: [...], edit_request: ...}}, a list of comparisons, or {critic, revision} as a list, "
    "by name or under `constitutions`"
)


@dataclass(frozen=True, slots=True)
class Imported:
    """One principle as it was published: the texts that it has, by our names."""

    id: str
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Published:
    """What a file holds, and what of it has no place here."""

    form: str
    principles: tuple[Imported, ...]
    left_out: str = ""


def read_published(path: Path) -> Published:
    """The principles of a file in one of the published forms.

    Raises:
        UserError: if it cannot be read, is not JSON, or has another form; with the place where that is known.
    """
    source = read_source(path)
    if isinstance(source, Diagnostic):
        raise UserError(source.message, help=source.help)
    try:
        value = json.loads(source.text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON: {error}", help=_FORMS) from error
    found = _form(value, path)
    if not found.principles:
        raise UserError(f"{path} holds no principles", help=_FORMS)
    if len(found.principles) > MOST:
        raise UserError(f"{path} holds more than {MOST:,} principles")
    return found


def _form(value: Any, path: Path) -> Published:
    left_out = ""
    if isinstance(value, dict) and isinstance(value.get("constitutions"), (list, dict)):
        others = [name for name in value if name != "constitutions"]
        left_out, value = ", ".join(f"`{name}`" for name in others), value["constitutions"]
    entries = (
        list(value.items())
        if isinstance(value, dict)
        else [("", one) for one in value]
        if isinstance(value, list)
        else []
    )
    if entries and all(isinstance(one, str) for _, one in entries):
        texts = ({"compare": one} for _, one in entries)
        return Published("comparisons", _named([name for name, _ in entries], texts, "comparison", path), left_out)
    if entries and all(_has(one, "prompt", "edit_request") for _, one in entries):
        several = [(name, prompt, one["edit_request"]) for name, one in entries for prompt in _list(one["prompt"])]
        texts = ({"critique": prompt, "revision": edit} for _, prompt, edit in several)
        return Published(
            "critique and revision requests", _named([n for n, _, _ in several], texts, "principle", path), left_out
        )
    if entries and all(_has(one, "critic", "revision") for _, one in entries):
        texts = ({"critique": one["critic"], "revision": one["revision"]} for _, one in entries)
        return Published(
            "critics and revisions", _named([name for name, _ in entries], texts, "principle", path), left_out
        )
    raise UserError(f"{path} has none of the forms that can be imported", help=_FORMS)


def _has(value: Any, *keys: str) -> bool:
    return isinstance(value, dict) and all(key in value for key in keys)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _named(names: list[str], texts: Iterable[Mapping[str, Any]], word: str, path: Path) -> tuple[Imported, ...]:
    """Principles with ids that a constitution may have: the published names, or numbers where there are none."""
    wide, taken, found = max(2, len(str(len(names)))), set[str](), []
    for number, (name, said) in enumerate(zip(names, texts, strict=True), start=1):
        plain = _UNFIT.sub("-", name.lower()).strip("-") or f"{word}-{number:0{wide}}"
        id, twin = plain, 1
        while id in taken:
            twin += 1
            id = f"{plain}-{twin}"
        taken.add(id)
        found.append(Imported(id, {key: _clean(value, key, id, path) for key, value in said.items()}))
    return tuple(found)


def _clean(value: Any, key: str, id: str, path: Path) -> str:
    """A text on one line, without the labels of the prompt that it was published in."""
    if not isinstance(value, str):
        raise UserError(f"{path}: the {key} of `{id}` is not a text", help=_FORMS)
    text = " ".join(printable(unicodedata.normalize("NFC", value)).split())
    while (shorter := _LABELS.sub("", text).strip()) != text:
        text = shorter
    if not text:
        raise UserError(f"{path}: the {key} of `{id}` is empty", help="remove it from the file")
    return text


def as_yaml(published: Published, name: str, group: str | None = None) -> str:
    """The principles as a constitution of our own, to be read, edited and kept."""
    import yaml

    principles = [{"id": p.id, **({"group": group} if group else {}), **p.texts} for p in published.principles]
    head = {"constitution": 1, "name": name}
    said = [
        yaml.safe_dump(part, sort_keys=False, allow_unicode=True, width=120)
        for part in (head, {"principles": principles})
    ]
    return "".join(said)
