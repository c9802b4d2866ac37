"""Prompt templates: text with named inputs that becomes a dialogue.

A template is a file with front matter between `---` lines and sections that begin with `[system]`, `[user]`,
`[assistant]` or `[conversation NAME]`, which inserts a dialogue as it is.  The *source* is cut into sections before
anything is rendered, and each section is rendered in a sandbox, so a value can become neither template source nor a turn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, cast

from constitutional.errors import UserError
from constitutional.ids import digest
from constitutional.records import Message, Messages, Role, messages
from constitutional.suggest import nearest

OWN = Path(__file__).parent / "templates"
SUFFIX = ".jinja"
MOST_SOURCE = 64 * 1024

_FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_SECTION = re.compile(r"^\[(system|user|assistant|conversation +[a-z_]+)\]$", re.MULTILINE)


@dataclass(frozen=True)
class Template:
    """One prompt template."""

    name: str
    text: str
    inputs: tuple[str, ...] = ()
    about: str = ""
    source: str = ""

    @property
    def digest(self) -> str:
        """Covers the body: what is asked, not what is said about it."""
        return digest(["template", self.body])

    @cached_property
    def body(self) -> str:
        return _FRONT.sub("", self.text)

    @cached_property
    def uses(self) -> frozenset[str]:
        """Names that the body needs."""
        return frozenset(
            name for role, source in self.sections for name in ([source] if role == "conversation" else _names(source))
        )

    @cached_property
    def sections(self) -> Sequence[tuple[str, str]]:
        """(`user` and its like, source) or (`conversation`, the name of the dialogue)."""
        return _sections(self.name, self.body)

    def render(self, **values: object) -> Messages:
        """The dialogue for these values.

        Raises:
            UserError: if a value is missing, or the template asks for more than the sandbox gives.
        """
        for name in self.inputs or sorted(self.uses):
            if name not in values:
                raise UserError(f"template {self.name} needs `{name}`", help=_meant(name, list(values), "it is given"))
        made: list[Message] = []
        for role, source in self.sections:
            if role == "conversation":
                made += messages(values[source])
            else:
                made.append(Message(cast("Role", role), self._text(source, values)))
        return tuple(made)

    def _text(self, source: str, values: Mapping[str, object]) -> str:
        if "{" not in source:
            return source.strip()
        from constitutional import sandbox

        try:
            return sandbox.render(_compiled(source), values).strip()
        except _refusals() as error:
            said = getattr(error, "message", None) or str(error) or type(error).__name__
            raise UserError(f"template {self.name}: {said}", help=f"its inputs are {', '.join(values)}") from error


def load(name: str, packs: Mapping[str, Path] | None = None) -> Template:
    """A template by name (`critique/bai2022`), by plugin (`acme/mine`, where `packs` has its folder), or by path.

    Raises:
        UserError: if there is none, or it is malformed; with the nearest name.
    """
    return _load(str(_path(name, packs or {})), name)


@lru_cache(maxsize=256)
def _load(path: str, name: str) -> Template:
    if Path(path).stat().st_size > MOST_SOURCE:
        raise UserError(f"template {name} is larger than {MOST_SOURCE // 1024} KiB")
    try:
        made = _read(name, Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"template {name} cannot be read: {error}") from error
    # Those in the box are compiled by the tests, and here when they are first rendered: a plan needs no Jinja for them.
    if OWN not in Path(path).parents:
        _compile(made)
    return made


def parse(name: str, text: str) -> Template:
    """A template from its text.

    Raises:
        UserError: if the front matter, a section or the Jinja source is malformed.
    """
    made = _read(name, text)
    _compile(made)
    return made


def _read(name: str, text: str) -> Template:
    """The template, its Jinja source not yet looked at."""
    text = text.replace("\r\n", "\n")
    front = _front(name, text)
    inputs = front.get("inputs") or []
    if not isinstance(inputs, list) or not all(isinstance(one, str) and one.isidentifier() for one in inputs):
        raise UserError(
            f"template {name}: `inputs` is not a list of names", help="write `inputs: [response, principle]`"
        )
    return Template(name, text, tuple(inputs), *(_line(name, front, key) for key in ("about", "source")))


def _front(name: str, text: str) -> Mapping[str, Any]:
    import yaml

    found = _FRONT.match(text)
    if not found:
        return {}
    try:
        front = yaml.safe_load(found[1])
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"template {name}: its front matter is not YAML: {error}") from error
    if not isinstance(front, dict):
        raise UserError(f"template {name}: its front matter is not a mapping")
    return front


def _line(name: str, front: Mapping[str, Any], key: str) -> str:
    value = front.get(key) or ""
    if not isinstance(value, str):
        raise UserError(f"template {name}: `{key}` is not a text")
    return value


def _sections(name: str, body: str) -> list[tuple[str, str]]:
    marks = list(_SECTION.finditer(body))
    if not marks or body[: marks[0].start()].strip():
        raise UserError(
            f"template {name} does not begin with a section",
            help="begin with a line [user], [system] or [conversation prompt]",
        )
    ends = [mark.start() for mark in marks[1:]] + [len(body)]
    made = []
    for mark, end in zip(marks, ends, strict=True):
        role, _, dialogue = mark[1].partition(" ")
        made.append((role, dialogue.strip() if role == "conversation" else body[mark.end() : end].strip("\n")))
    return made


def _compile(template: Template) -> None:
    """Find mistakes of the source now, with their line, and not at the first row."""
    import jinja2

    for role, source in template.sections:
        if role == "conversation":
            continue
        try:
            _compiled(source)
        except jinja2.TemplateSyntaxError as error:
            raise UserError(f"template {template.name}, line {error.lineno} of [{role}]: {error.message}") from error
        except _refusals() as error:
            raise UserError(f"template {template.name}, [{role}]: {type(error).__name__}: {error}") from error
    for name in sorted(template.uses - set(template.inputs)) if template.inputs else ():
        raise UserError(f"template {template.name} uses `{name}`, which is not among its inputs",
                        help=_meant(name, template.inputs, "its inputs are"))  # fmt: skip


def _meant(name: str, known: Sequence[str], otherwise: str) -> str:
    guess = nearest(name, known)
    return f"did you mean `{guess}`?" if guess else f"{otherwise} {', '.join(known) or 'nothing'}"


def _refusals() -> tuple[type[Exception], ...]:
    """What Jinja and the sandbox raise, when compiling and when rendering."""
    import jinja2

    return (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError,
            MemoryError, SyntaxError)  # fmt: skip


@lru_cache(maxsize=1)
def _language() -> Any:
    from constitutional.sandbox import Language

    return Language()


@lru_cache(maxsize=1024)
def _compiled(source: str) -> Any:
    return _language().from_string(source)


def _names(source: str) -> set[str]:
    from jinja2 import meta

    return meta.find_undeclared_variables(_language().parse(source))


def _path(name: str, packs: Mapping[str, Path]) -> Path:
    if name.startswith(("/", "./", "../")):
        path = Path(name)
    else:
        plugin, _, rest = name.partition("/")
        folder, inner = (packs[plugin], rest) if plugin in packs else (OWN, name)
        path = folder / f"{inner}{SUFFIX}"
    outside = not name.startswith(("/", "./", "../")) and ".." in name.split("/")
    if outside or not path.is_file():
        guess = nearest(name, names())
        raise UserError(
            f"there is no template {name}",
            help=f"did you mean {guess}?" if guess else f"templates: {', '.join(names())}",
        )
    return path


def names() -> list[str]:
    """Names of the templates in the box."""
    return sorted(path.relative_to(OWN).with_suffix("").as_posix() for path in OWN.rglob(f"*{SUFFIX}"))
