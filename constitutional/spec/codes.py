"""Every kind of mistake, in one place: its code and what it means.

Each has a page in `docs/errors/` and at least one fixture in `tests/spec/errors/`; a test holds the three together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, str]] = {
    # -- the text
    "unreadable": "A file that is needed cannot be read.",
    "too-large": "The file is larger than anything a person would write.",
    "too-deep": "Mappings and lists are nested deeper than any spec needs.",
    "alias-bomb": "Aliases make a small file expand into a huge one.",
    "encoding": "The file is not UTF-8 text.",
    "bad-character": "The text contains a control character or an invisible line separator.",
    "syntax": "The text is not YAML.",
    "tab": "A line is indented with a tab, which YAML does not allow.",
    "tag": "The text uses a YAML tag; specs have none.",
    "merge-key": "The text uses the merge key `<<`, which YAML 1.2 does not have.",
    "documents": "The file holds more than one YAML document.",
    "empty": "There is nothing in the file.",
    "duplicate-key": "A key is written twice in one mapping.",
    "bad-key": "A key is not a plain text.",
    "bad-alias": "An alias names an anchor that does not exist, or one that contains it.",
    "bad-number": "A number is infinite, not a number, or too large to keep.",
    # -- the structure
    "unknown-key": "A key is not part of the language at this place.",
    "missing-key": "A key that must be there is not.",
    "wrong-shape": "A value is of the wrong sort: a text where a mapping belongs, and the like.",
    "bad-value": "A value is of the right sort but not one of those allowed.",
    "bad-name": "A name has characters that names may not have, or is a reserved word.",
    "bad-reference": "A port holds something that is not a name.",
    "no-kind": "A stage does not say what it is.",
    "two-kinds": "A stage says two things that it is.",
    "bad-env": "A `${env:NAME}` is malformed, or stands where it may not.",
    "extends": "The chain of `extends` has a mistake: a cycle, too many links, or a path that may not be used.",
    "set": "A `--set` does not have the form PATH=VALUE, or its path leads nowhere.",
    "matrix": "A `matrix` is malformed, or its path leads nowhere.",
    # -- the names
    "name-clash": "Two things have one name.",
    "unknown-name": "A port refers to something that does not exist.",
    "unknown-output": "A stage has no output of that name, or has several and the reference names none.",
    "unknown-implementation": "No stage, backend, source or executor of that name is known.",
    "plugin": "A plugin is not installed or does not load.",
    "no-result": "A `repeat` group has several ends and does not say which one goes on.",
    # -- the ports and parameters
    "unknown-input": "A stage has no input of that name.",
    "missing-input": "A stage lacks an input that it needs.",
    "wrong-arity": "A port holds a list or labels where it takes one name, or the other way round.",
    "unknown-parameter": "An implementation has no parameter of that name.",
    "missing-parameter": "An implementation lacks a parameter that it needs.",
    "parameter": "A parameter's value is of the wrong type or out of its range.",
    "missing-env": "An environment variable that is named is not set.",
    "missing-file": "A file that is named does not exist.",
    "template": "A prompt template does not exist or cannot be used.",
    # -- the graph
    "wrong-type": "What flows out of one stage is not what the other takes in.",
    "capability": "A model cannot give what a stage asks of it.",
    "cycle": "Stages wait for one another in a circle.",
    "unknown-figure": "`require` bounds a figure that the stage does not measure.",
    "no-constitution": "A stage works with principles, but the spec names no constitution.",
    # -- the constitution
    "missing-text": "A principle has no text to show to a model.",
    "duplicate-id": "Two principles have one id.",
    "include": "An `include` has a mistake: a cycle, too many files, a path that may not be used, or nothing to override.",
    "core-principle": "A constitution would override a core principle of one that it includes.",
}
