"""The page about the language: its examples are read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from constitutional.spec.text import Source
from constitutional.spec.yamltree import parse

PAGE = Path(__file__).parents[2] / "docs" / "language.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_example_is_yaml(number: int) -> None:
    node, found = parse(Source("language.md", BLOCKS[number], PAGE.parent))
    assert found == []
    assert node is not None


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 5
