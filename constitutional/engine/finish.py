"""Finishing a step: its rows and folders become an artifact, whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from constitutional.engine.account import Account
from constitutional.engine.card import NAME as CARD
from constitutional.errors import StepFailed
from constitutional.plan.step import Step
from constitutional.ports import Flow
from constitutional.records import Record
from constitutional.store.artifacts import ROWS, Artifacts, Finished, Output, file_digest, folder_digest, seal
from constitutional.store.columns import write_rows

#: A record, or what its `to_row` gave.
Row: TypeAlias = Record | Mapping[str, Any]


def finish(artifacts: Artifacts, step: Step, gives: Mapping[str, Flow], rows: Mapping[str, Iterable[Row]],
           folders: Mapping[str, Path], account: Account, figures: Mapping[str, Any],
           cards: Mapping[str, str] | None = None) -> Finished:  # fmt: skip
    """Write a finished step and return what is known of it; `cards` go beside the models that they are about.

    Raises:
        StepFailed: if the stage left out an output that it promised, or gave one that it did not.
    """
    _check_outputs(step, gives, {*rows, *folders})
    with artifacts.writing(step.fingerprint) as aside:
        outputs = {}
        for name, flow in gives.items():
            folder = aside / (name or "main")
            outputs[name] = (
                _write_rows(folder, flow, rows[name])
                if name in rows
                else _take(folder, flow, folders[name], (cards or {}).get(name))
            )
        finished = finished_step(step, outputs, account, figures)
        seal(aside, finished)
    return finished


def finished_step(step: Step, outputs: Mapping[str, Output], account: Account, figures: Mapping[str, Any]) -> Finished:
    """What is to be known of a step that has just finished."""
    return Finished(
        fingerprint=step.fingerprint, stage=step.path, parts=step.parts, outputs=outputs, rows_in=account.rows_in,
        ledger=account.ledger(), reasons=account.why(), figures=figures, calls=account.calls, tokens=account.tokens,
    )  # fmt: skip


def _write_rows(folder: Path, flow: Flow, rows: Iterable[Row]) -> Output:
    folder.mkdir()
    assert issubclass(flow, Record)
    count = write_rows(folder / ROWS, flow, rows)
    return Output(flow.port, count, file_digest(folder / ROWS))


def _take(folder: Path, flow: Flow, made: Path, card: str | None) -> Output:
    shutil.copytree(made, folder)
    if card is not None and not (folder / CARD).exists():
        (folder / CARD).write_text(card, encoding="utf-8")
    return Output(flow.port, None, folder_digest(folder))


def _check_outputs(step: Step, gives: Mapping[str, Flow], given: set[str]) -> None:
    missing, extra = set(gives) - given, given - set(gives)
    if missing or extra:
        said = [f"gave no `{name or 'main'}`" for name in sorted(missing)] + [
            f"gave an unknown `{name}`" for name in sorted(extra)
        ]
        raise StepFailed(step.name, f"stage {step.path} {' and '.join(said)}")
