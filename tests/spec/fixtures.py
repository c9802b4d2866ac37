"""The broken specs of `errors/`: how each is read, and how its expected output is made anew.

A fixture's first lines are directives:

    # expect: CODE LINE:COLUMN          one for each mistake, in the order of the output; written by a person
    # expect: CODE --set #1:1:31        a place in another text
    # read: constitution                the file is a constitution
    # set: PATH=VALUE                   given as `--set`
    # append: COUNT `LINE`              a line to repeat at the end, for files too large to keep

`python -m tests.spec.fixtures` writes the `.out` files; read their differences before committing them.  What it
cannot change is `expect`.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from constitutional.errors import SpecError
from constitutional.spec.check import load_checked
from constitutional.spec.render import render
from constitutional.spec.text import Diagnostic
from tests.spec.toy import registry

FOLDER = Path(__file__).parent / "errors"
PAGES = Path(__file__).parents[2] / "docs" / "errors"
_DIRECTIVE = re.compile(rb"^# (expect|read|set|append): (.*)$", re.MULTILINE)
_APPEND = re.compile(r"(\d+) `(.*)`")


@dataclass(frozen=True)
class Fixture:
    """One broken spec."""

    path: Path
    expect: tuple[str, ...]
    sets: tuple[str, ...]
    constitution: bool
    append: str

    @property
    def out(self) -> Path:
        return self.path.with_suffix(".out")

    @property
    def code(self) -> str:
        """The code that the fixture is for: the longest that its name begins with."""
        from constitutional.spec.codes import CODES

        return max((c for c in CODES if self.path.stem == c or self.path.stem.startswith(f"{c}-")), key=len, default="")

    def diagnostics(self, name: str) -> list[Diagnostic]:
        """What is found in the file `name` of the working directory."""
        try:
            if self.constitution:
                from constitutional.constitution.read import read_constitution

                read_constitution(name)
            else:
                load_checked(name, registry(), self.sets, environ={})
        except SpecError as error:
            return list(error.diagnostics)
        return []


def fixtures() -> list[Fixture]:
    return [_read(path) for path in sorted(FOLDER.glob("*.yaml"))]


def _read(path: Path) -> Fixture:
    said = [(key.decode(), value.decode()) for key, value in _DIRECTIVE.findall(path.read_bytes())]
    by_key = {key: [v for k, v in said if k == key] for key in ("expect", "read", "set", "append")}
    appended = _APPEND.fullmatch(by_key["append"][0]) if by_key["append"] else None
    text = f"{appended[2]}\n" * int(appended[1]) if appended else ""
    return Fixture(path, tuple(by_key["expect"]), tuple(by_key["set"]), bool(by_key["read"]), text)


@contextlib.contextmanager
def place(fixture: Fixture) -> Iterator[str]:
    """Work in the folder of the fixtures, so that names in the output are short; the name of the file to read."""
    before = Path.cwd()
    os.chdir(FOLDER)
    grown = FOLDER / f"{fixture.path.stem}.grown.yml"
    try:
        if not fixture.append:
            yield fixture.path.name
            return
        grown.write_text(fixture.path.read_text() + fixture.append)
        yield grown.name
    finally:
        grown.unlink(missing_ok=True)
        os.chdir(before)


def rendered(fixture: Fixture) -> tuple[list[Diagnostic], str]:
    """The diagnostics of a fixture, and how people see them."""
    with place(fixture) as name:
        found = fixture.diagnostics(name)
        return found, render(found)


def page(code: str) -> Path:
    """Where the documentation of a code is."""
    return PAGES / f"{code}.md"


def main() -> None:
    """Write every `.out` file anew, and the examples in the documentation with them."""
    for fixture in fixtures():
        text = rendered(fixture)[1]
        fixture.out.write_text(text, encoding="utf-8")
        if fixture.path.stem == fixture.code and page(fixture.code).exists():
            before, _, rest = page(fixture.code).read_text(encoding="utf-8").partition("```text\n")
            _, _, after = rest.partition("```")
            page(fixture.code).write_text(f"{before}```text\n{text}```{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
