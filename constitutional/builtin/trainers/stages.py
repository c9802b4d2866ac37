"""What trainers are as stages: each runs in a process of its own and leaves a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from constitutional.api import MAIN, Flow, PolicyModel, WholeStage
from constitutional.builtin.trainers import launch
from constitutional.builtin.trainers.parameters import FitParams


class FitTrainer(WholeStage):
    """A trainer that fits rows which are there from the start, in one or several processes."""

    isolated = True
    #: What it leaves.
    makes: ClassVar[Flow] = PolicyModel

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        return {MAIN: cls.makes}

    @classmethod
    def processes(cls, params: FitParams) -> int:
        return launch.processes(params)
