"""The language of prompts: the part of Jinja that a prompt needs, in a sandbox with limits.

Names, attributes, `if`, `for` over what is given, and filters that shorten, join and tidy.  There are no calls, no
variables, no macros and no imports, so what a template can cost is bounded by its own size and that of its values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, NoReturn, cast

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

MOST_OUTPUT = 1024 * 1024
#: Turns of all loops together.
MOST_STEPS = 10_000
#: Numbers beyond this are no part of a prompt.
MOST_NUMBER = 10**12
MOST_INDENT = 64

ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem, nodes.Slice,
    nodes.Filter, nodes.Test, nodes.For, nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.Not, nodes.And,
    nodes.Or, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Concat, nodes.Add, nodes.Sub,
    nodes.Mul, nodes.Neg, nodes.Pos,
)  # fmt: skip
#: Filters of Jinja that give no more than they get.
JINJA_FILTERS = ("abs", "capitalize", "count", "d", "default", "first", "float", "int", "last", "length", "list", "lower",
                 "map", "max", "min", "reject", "rejectattr", "reverse", "round", "select", "selectattr", "sort", "string",
                 "title", "trim", "truncate", "unique", "upper", "wordcount")  # fmt: skip

_SPENT: ContextVar[list[int]] = ContextVar("_SPENT")


class Language(ImmutableSandboxedEnvironment):
    """The environment that templates are compiled in."""

    intercepted_binops = frozenset({"+", "-", "*"})

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined, autoescape=False)
        self.globals.clear()
        jinja = dict(self.filters)
        self.filters.clear()
        self.filters.update({name: jinja[name] for name in JINJA_FILTERS})
        self.filters.update(join=_join, replace=_replace, indent=_indent, tojson=_tojson, _each=_each, _concat=_concat)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        return _limited(super()._parse(source, name, filename))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return _concat([left, right])
        if not all(isinstance(side, (int, float)) and abs(side) <= MOST_NUMBER for side in (left, right)):
            raise TypeError(f"`{operator}` is for numbers up to {MOST_NUMBER:,}")
        return self.binop_table[operator](left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return super().is_safe_attribute(obj, attr, value) and not callable(value)


def render(template: jinja2.Template, values: Mapping[str, object]) -> str:
    """Render piece by piece.

    Raises:
        ValueError: if it gives too much or takes too many steps.
    """
    token = _SPENT.set([0])
    try:
        pieces, size = [], 0
        for piece in template.generate(**values):
            size += len(piece)
            if size > MOST_OUTPUT:
                _too_much()
            pieces.append(piece)
        return "".join(pieces)
    finally:
        _SPENT.reset(token)


def _limited(tree: nodes.Template) -> nodes.Template:
    """Refuse what is not of the language, count the turns of loops and measure what is put together."""
    for node in _all(tree):
        if not isinstance(node, ALLOWED) or (isinstance(node, nodes.For) and node.recursive):
            raise jinja2.TemplateSyntaxError(
                f"a prompt has no use for {_called(node)}", getattr(node, "lineno", 1) or 1
            )
        if isinstance(node, nodes.Filter) and node.name.startswith("_"):
            raise jinja2.TemplateSyntaxError(f"No filter named {node.name!r}.", node.lineno)
    for loop in list(tree.find_all(nodes.For)):
        loop.iter = _filtered(loop.iter, "_each")
    return _Concatenations().visit(tree)  # type: ignore[no-any-return]


class _Concatenations(jinja2.visitor.NodeTransformer):
    """`a ~ b` becomes a filter that looks at the length first."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802 - jinja's name
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), "_concat")


def _filtered(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(cast("nodes.Expr", node), name, [], [], None, None, lineno=node.lineno)


def _all(tree: nodes.Node) -> Iterator[nodes.Node]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += list(node.iter_child_nodes())


def _called(node: nodes.Node) -> str:
    words = {"Call": "calls", "CallBlock": "calls", "Macro": "macros", "Assign": "`set`", "AssignBlock": "`set`",
             "Include": "`include`", "Import": "`import`", "FromImport": "`import`", "Extends": "`extends`",
             "Block": "blocks", "For": "recursive loops", "FilterBlock": "filter blocks", "Pow": "powers",
             "Mod": "`%`", "Div": "division", "FloorDiv": "division", "With": "`with`"}  # fmt: skip
    return words.get(type(node).__name__, f"`{type(node).__name__.lower()}`")


def _each(items: Iterable[Any]) -> Iterator[Any]:
    spent = _SPENT.get([0])
    for item in items:
        spent[0] += 1
        if spent[0] > MOST_STEPS:
            raise ValueError(f"its loops take more than {MOST_STEPS:,} turns")
        yield item


def _concat(items: Iterable[Any]) -> str:
    return _join(items)


def _join(items: Iterable[Any], separator: object = "", attribute: str | None = None) -> str:
    between, pieces, size = str(separator), [], 0
    for item in items:
        if attribute is not None:
            raise TypeError("`join` takes no attribute: use `map(attribute=...) | join`")
        pieces.append(str(item))
        size += len(pieces[-1]) + len(between)
        if size > MOST_OUTPUT:
            _too_much()
    return between.join(pieces)


def _replace(text: object, old: object, new: object) -> str:
    whole, out, put = str(text), str(old), str(new)
    if len(whole) + whole.count(out) * (len(put) - len(out)) > MOST_OUTPUT:
        _too_much()
    return whole.replace(out, put)


def _indent(text: object, width: int = 4, first: bool = False) -> str:
    if not 0 <= width <= MOST_INDENT:
        raise ValueError(f"`indent` takes a width from 0 to {MOST_INDENT}")
    shown = str(text).replace("\n", "\n" + " " * width)
    return " " * width + shown if first else shown


def _tojson(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _too_much() -> NoReturn:
    raise ValueError(f"it gives more than {MOST_OUTPUT // 1024} KiB")
