"""The page of lint rules, made from the rules and their fixtures.

`python -m tests.constitution.lint_page` writes the expected outputs and `docs/lint.md` anew; read the differences.
"""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path

from constitutional.builtin.lint import LINT_RULES as OFFERED
from constitutional.constitution.lint import UNUSED, lint
from constitutional.constitution.read import read_constitution
from constitutional.spec.render import render

LINT_RULES = [one.load() for one in OFFERED]

FOLDER = Path(__file__).parent / "lint"
PAGE = Path(__file__).parents[2] / "docs" / "lint.md"
HEAD = """\
# Lint: principles that work

```bash
constitutional lint constitutions/support-agent.yaml
```

holds a constitution, or the one that a spec names, against what the literature knows of principles that work. Findings are
warnings with the name of a rule, and change nothing; `--strict` makes them errors and the command exit with 2. `--format
json|github|short` is for programs and pull requests, `--rules` lists the rules, `-p PLUGIN` adds those of a plugin.

The rules read English words, not sense: they find what people write most often, and are silent about a constitution in another
language, but for examples. Where a finding is meant, say so in the file, with the reason; an `ignore` that nothing needs is found
too. `--ignore RULE` leaves a rule out for once.

```yaml
constitution: 1
ignore: {thin-coverage: The desk talks about orders alone.}     # for the whole file
principles:
  - id: refunds
    rule: Refund order 4711.
    ignore: {over-specific: There is but one order.}            # for this principle
```

A plugin gives rules of its own by the hook `constitutional_lint_rules`: a `LintRule` with a `code` whose `check` is handed the
`Constitution` and yields `Diagnostic`s; `constitution.at(id, key)` is the place of a text. An error of such a rule also stops
`run` and `plan` of a spec that names the plugin.
"""
ABOUT_UNUSED = """\
An `ignore:` in the file names a rule that finds nothing there any more, or that is not loaded.

**How to mend it.** Remove it.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for rule in LINT_RULES:
        fix = rule.fix[:1].upper() + rule.fix[1:]
        parts.append(f"## {rule.code}\n\n{inspect.getdoc(rule)}\n\n**How to mend it.** {fix}.\n\n{_shown(rule.code)}")
    return "\n".join([*parts, f"## {UNUSED}\n\n{ABOUT_UNUSED}\n{_shown(UNUSED)}"])


def _shown(code: str) -> str:
    return f"```text\n{(FOLDER / f'{code}.out').read_text(encoding='utf-8')}```\n"


def main() -> None:
    """Write outputs and page."""
    os.chdir(FOLDER)
    for path in FOLDER.glob("*.yaml"):
        if not path.name.endswith(".good.yaml"):
            found = lint(read_constitution(path.name), LINT_RULES)
            path.with_suffix(".out").write_text(render(found), encoding="utf-8")
            expected = re.findall(r"^# expect: (.*)$", path.read_text(), re.MULTILINE)
            assert [f"{d.code} {d.span.line}:{d.span.column}" for d in found] == expected, (path.name, found)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
