"""Parameters within parameters, as `constitutional stages` names them."""

from __future__ import annotations

from constitutional.builtin.labellers.rules import Rules
from constitutional.builtin.trainers.online_dpo.params import OnlineDpoParams
from constitutional.cli.types import fields


def test_brackets_stand_where_there_may_be_several() -> None:
    named = {name for name, _ in fields(OnlineDpoParams)}
    assert {"lora.r", "watch.stop_when.kl_above", "reward.weighted[].of", "reward.ensemble.of"} <= named
    assert not any(name.startswith(("lora[", "watch[", "reward[")) for name in named)


def test_the_sort_stands_where_there_are_several_sorts() -> None:
    assert "checks[pattern].must" in {name for name, _ in fields(Rules.Params)}
