"""Python in fenced blocks, looked at by bandit: it parses the code and never runs it.

Bandit works in a process of its own with a time limit, since a stranger wrote what it parses.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field

from constitutional.api import JsonObject
from constitutional.builtin.checks.outcome import Check, Outcome, lacking
from constitutional.builtin.checks.pattern import MOST_FOUND

LEVELS = ("LOW", "MEDIUM", "HIGH")
PYTHON = {"python", "py", "python3", "py3"}
#: Processes at a time.
ABREAST = 2

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[ \t]*([\w+-]*)[^\n]*$")
_GATES: weakref.WeakKeyDictionary[Any, asyncio.Semaphore] = weakref.WeakKeyDictionary()


class Block(NamedTuple):
    """A fenced block; `named` says that it is marked as Python, so that it must parse."""

    code: str
    named: bool


class CodeCheck(Check):
    """Python in fenced blocks in which bandit finds nothing; a text without any passes."""

    check: Literal["code"]
    """Security of Python code."""
    severity: Literal["low", "medium", "high"] = "medium"
    """The least severity that counts."""
    confidence: Literal["low", "medium", "high"] = "medium"
    """The least confidence that counts."""
    seconds: float = Field(default=20.0, gt=0, le=600)
    """How long bandit may take over one text; the check abstains where it takes longer."""

    async def look(self, text: str) -> Outcome:
        blocks = blocks_of(text)
        if not blocks:
            return Outcome(True)
        said = await _bandit([block.code for block in blocks], self.seconds)
        if isinstance(said, str):
            return Outcome(None, said)
        found = [issue for issue in said["results"] if self._counts(issue)]
        evidence: list[JsonObject] = [{"test": str(issue.get("test_id")), "severity": str(issue.get("issue_severity")),
                     "line": int(issue.get("line_number", 0))} for issue in found[:MOST_FOUND]]  # fmt: skip
        broken = {Path(str(error.get("filename"))).name for error in said["errors"]}
        if not found and any(block.named and _file(at) in broken for at, block in enumerate(blocks)):
            return Outcome(None, "code that is no Python")
        return Outcome(not found, None, evidence)

    def _counts(self, issue: Any) -> bool:
        return (_level(issue.get("issue_severity")) >= LEVELS.index(self.severity.upper())
                and _level(issue.get("issue_confidence")) >= LEVELS.index(self.confidence.upper()))  # fmt: skip

    def trouble(self) -> str | None:
        return lacking("bandit", "a check of code")


def blocks_of(text: str) -> list[Block]:
    """Fenced blocks that are marked as Python, or not at all; one that never closes ends with the text."""
    made: list[Block] = []
    fence, language, lines = "", "", list[str]()
    for line in [*text.split("\n"), None]:
        mark = _FENCE.match(line) if line is not None else None
        closes = mark is not None and mark[1].startswith(fence) and not mark[2]
        if not fence and mark is not None:
            fence, language, lines = mark[1], mark[2].lower(), []
        elif fence and (line is None or closes):
            if language in PYTHON or not language:
                made.append(Block("\n".join(lines) + "\n", language in PYTHON))
            fence = ""
        elif fence and line is not None:
            lines.append(line)
    return [block for block in made if block.code.strip()]


async def _bandit(sources: Sequence[str], seconds: float) -> dict[str, Any] | str:
    """Bandit's report, or why there is none.  Comments of the code's author do not silence it."""
    async with _gate():
        with tempfile.TemporaryDirectory(prefix="constitutional-") as folder:
            for at, source in enumerate(sources):
                (Path(folder) / _file(at)).write_text(source, encoding="utf-8")
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-m", "bandit", "-q", "-f", "json", "--ignore-nosec",
                *(_file(at) for at in range(len(sources))),
                cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            try:
                out, _ = await asyncio.wait_for(process.communicate(), seconds)
            except TimeoutError:
                return f"bandit took longer than {seconds:g} s"
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
    return _report(out)


def _report(out: bytes) -> dict[str, Any] | str:
    try:
        said = json.loads(out)
    except ValueError:
        return "bandit failed"
    sound = isinstance(said, dict) and all(isinstance(said.get(key), list) for key in ("results", "errors"))
    return said if sound else "bandit failed"


def _gate() -> asyncio.Semaphore:
    return _GATES.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(ABREAST))


def _file(at: int) -> str:
    return f"block_{at}.py"


def _level(name: Any) -> int:
    return LEVELS.index(name) if name in LEVELS else -1
