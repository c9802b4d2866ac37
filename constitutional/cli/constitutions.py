"""Constitutions on the command line: a file of principles, or a spec that names one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from constitutional.constitution.model import Constitution
    from constitutional.plugins import Registry


def is_spec(path: Path) -> bool:
    """Whether a file is a spec and not a constitution: it says `constitutional:` at the top."""
    from constitutional.diagnostic import Diagnostic
    from constitutional.spec.yamltree import MapNode, parse, read_source

    source = read_source(path)
    tree = None if isinstance(source, Diagnostic) else parse(source)[0]
    return isinstance(tree, MapNode) and tree.entry("constitutional") is not None


def open_constitution(path: Path, plugins: Sequence[str] = ()) -> tuple[Constitution, Registry]:
    """The constitution that a path leads to, and a registry with the plugins that its spec names.

    Raises:
        SpecError: with every mistake of the file, or of the spec.
        UserError: if the spec names no constitution.
    """
    from constitutional.cli.opening import checked_cells, new_registry
    from constitutional.constitution.read import read_constitution
    from constitutional.errors import UserError

    if not is_spec(path):
        return read_constitution(path), new_registry(plugins)
    checked, registry = checked_cells(path, (), plugins)[0]
    if checked.constitution is None:
        raise UserError(f"{path} names no constitution", help="write `constitution: PATH` at its top")
    return checked.constitution, registry
