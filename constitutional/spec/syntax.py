"""What PyYAML says about text that is not YAML, said so that it helps."""

from __future__ import annotations

from typing import Any, Final

from constitutional.spec.text import Diagnostic, Label, Source, Span

#: Part of PyYAML's or libyaml's words -> ours, and what to do.
_SAID: Final[tuple[tuple[str, str, str | None], ...]] = (
    ("mapping values are not allowed", "A `:` that nothing here can be the key of",
     "put a text that contains `: ` in quotes, and check the indentation of the line above"),
    ("could not find expected ':'", "A key without its `:`", "write `key: value`"),
    ("expected ',' or ']'", "This list is not closed, or lacks a comma", "close it with `]`"),
    ("expected ',' or '}'", "This mapping is not closed, or lacks a comma",
     "close it with `}`; a value that contains `{` or `}` needs quotes"),
    ("did not find expected '-' indicator", "A list item was expected here", "begin each item with `- ` in one column"),
    ("expected <block end>", "This does not belong to the block above", "check the indentation"),
    ("did not find expected key", "A key was expected here", "check indentation, quotes and brackets"),
    ("block sequence entries are not allowed", "A list may not begin here", "put it on a line of its own"),
    ("sequence entries are not allowed", "A list may not begin here", "put it on a line of its own"),
    ("block mapping entries are not allowed", "A mapping may not begin here", "put it on a line of its own"),
    ("unexpected end of stream", "This is never closed", "close the quotes"),
    ("unknown escape character", "An unknown escape in double quotes", "double the backslash, or use single quotes"),
    ("cannot start any token", "No value may begin with this character", "put the value in quotes"),
    ("incompatible YAML document", "This is a version of YAML that is not known", "remove the line"),
    ("Unicode character escape", "This escape stands for no character", "write the character itself"),
    ("found unknown directive", "An unknown directive", "remove the line"),
    ("undefined tag handle", "Tags are not allowed", "remove the tag"),
    ("while scanning a directive", "A malformed directive", "remove the line"),
    ("invalid leading UTF-8", "The text is not UTF-8", "save the file as UTF-8"),
    ("expected alphabetic or numeric character", "An anchor or alias needs a name", "put the value in quotes"),
    ("expected the node content", "A value was expected here", None),
    ("did not find expected node content", "A value was expected here", None),
    ("expected <document start>", "Nothing may follow here", "check the indentation"),
    ("did not find expected <document start>", "Nothing may follow here", "check the indentation"),
    ("duplicate %YAML", "The directive is written twice", "remove one"),
    ("did not find expected comment or line break", "Only the end of the line may follow here", None),
    ("expected a comment or a line break", "Only the end of the line may follow here", None),
)  # fmt: skip


def syntax_error(source: Source, error: Exception) -> Diagnostic:
    """The diagnostic for an exception of PyYAML's scanner or parser."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = " ".join(str(part) for part in (getattr(error, "problem", None), getattr(error, "context", None)) if part)
    span = _at(source, mark)
    tab = _tab(span)
    if tab is not None:
        return Diagnostic("tab", "Tabs cannot indent YAML", tab, "a tab", help="indent with spaces")
    message, help = _say(problem, span)
    return Diagnostic("syntax", message, span, secondary=_began(source, error, span), help=help)


def _say(problem: str, span: Span) -> tuple[str, str | None]:
    if "${" in span.source.line(span.line):
        return "This is not YAML", "put `${env:NAME}` in quotes inside `{...}` and `[...]`"
    for said, message, help in _SAID:
        if said in problem:
            return message, help
    return f"This is not YAML: {problem or 'it cannot be read'}", None


def _at(source: Source, mark: Any) -> Span:
    """The place of a mark; the last character of the text where the mark lies behind it."""
    if mark is None:
        return source.span()
    line, column = mark.line + 1, mark.column + 1
    while line > 1 and not source.line(line).strip():
        line -= 1
        column = len(source.line(line)) + 1
    return source.span(line, column)


def _tab(span: Span) -> Span | None:
    """The tab that indents the line of the mistake, if one does."""
    text = span.source.line(span.line)
    indent = text[: len(text) - len(text.lstrip())]
    if "\t" not in indent or indent.index("\t") + 1 > span.column:
        return None
    return span.source.span(span.line, indent.index("\t") + 1)


def _began(source: Source, error: Exception, span: Span) -> tuple[Label, ...]:
    mark = getattr(error, "context_mark", None)
    if mark is None or mark.line + 1 >= span.line:
        return ()
    return (Label(source.span(mark.line + 1, mark.column + 1), "it began here"),)
