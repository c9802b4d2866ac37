"""Fingerprints: what decides a step, and what does not.

A fingerprint is the digest of named *parts*, kept beside it so that a change can be explained in words.

What is left out, and why:

===================================  =====================================================================
the step's name and place            renaming or moving a stage changes nothing that it makes
the order of stages in the file      the graph decides, not the text
paths of files and folders           their content is in; where it lies is not
`about`, comments, formatting        for people
`require`, `limits`, `budget`,       they judge, stop or place the work, they do not change it
`executor`
batch sizes, concurrency, devices    a row's randomness is its own; what remains is floating-point noise
parameters marked `Cosmetic`         logging, checkpoint intervals, prices
secrets (`*_env`)                    the name of a variable decides nothing, and its value must not be kept
versions of installed packages       a stage's `version` says when its outputs change; the manifest has the rest
the wall clock                       always
===================================  =====================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from constitutional.ids import digest
from constitutional.parameters import BackendParams, Cosmetic, Existing, Params, Template, marked
from constitutional.store.artifacts import file_digest, folder_digest

#: Raise when the meaning of a part changes: every step becomes stale.
VERSION = 1


def of_parts(parts: Mapping[str, Any]) -> str:
    """The fingerprint of a step."""
    return digest({"fingerprint": VERSION, **parts})


def parameters(params: Params) -> dict[str, Any]:
    """What parameters decide: their values, with paths replaced by a digest of what lies there.

    Templates are left to a part of their own, so that a changed text is explained as such.
    """
    plain = params.model_dump(mode="json")
    for name in (*marked(type(params), Cosmetic), *marked(type(params), Template)):
        plain.pop(name, None)
    for name in marked(type(params), Existing):
        if plain.get(name) is not None:
            path = getattr(params, name)
            plain[name] = folder_digest(path) if path.is_dir() else file_digest(path)
    return plain


def trained_model(backend: str, version: int, params: BackendParams, fingerprint: str, output: str) -> str:
    """The fingerprint of a model whose weights a step leaves: known before the step has run."""
    plain = {name: value for name, value in parameters(params).items() if name != "model" and not name.endswith("_env")}
    return digest(["trained", backend, version, plain, fingerprint, output])


def configured_model(backend: str, version: int, identity: Mapping[str, Any]) -> str:
    """The fingerprint of a model from the backend's own word on what decides its answers."""
    return digest(["model", backend, version, identity])
