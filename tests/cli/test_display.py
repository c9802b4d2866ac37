"""What the live view and the last lines of a run say of money and time, and of what goes wrong meanwhile."""

import pytest

from constitutional.cli.display import notice_line, spent_line
from constitutional.events import Amounts, ModelNotice, RowFailed, Spending, StepNotice
from constitutional.report.table import spent_lines

SOME = Amounts(calls=1200, tokens_in=300_000, tokens_out=40_000, dollars=0.3123, hours=0.25)
MORE = Amounts(calls=2000, tokens_in=400_000, tokens_out=90_000, dollars=3.5, hours=3)
AT = {"time": 0.0, "run": "run"}


@pytest.mark.parametrize(
    ("spending", "said"),
    [
        (None, ""),
        (Spending(now=Amounts(), life=Amounts()), ""),
        (Spending(now=SOME, life=SOME), "1,200 calls  340,000 tokens  $0.3123"),
        (
            Spending(now=SOME, life=SOME, limits={"calls": 5000, "dollars": 5.0, "hours": 3}),
            "1,200/5,000 calls  340,000 tokens  $0.3123/$5.00  0.25/3 h",
        ),
        (Spending(now=SOME, life=Amounts(calls=3, unpriced=3)), "3 calls  0 tokens  unknown cost"),
        (Spending(now=SOME, life=Amounts(calls=3, unpriced=1, dollars=2)), "3 calls  0 tokens  more than $2.00"),
        (Spending(now=SOME, life=Amounts(calls=3), limits={"dollars": 2}), "3 calls  0 tokens  $0/$2.00"),
    ],
)
def test_the_live_line(spending, said):
    assert spent_line(spending) == said


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (ModelNotice(**AT, model="judge", said="is gone:\nHTTP 503"), "judge is gone: HTTP 503"),
        (StepNotice(**AT, step="policy", said="step 4: gold fell; stopped"), "policy: step 4: gold fell; stopped"),
        (
            RowFailed(**AT, step="votes", row_id="r1", fate="unscored", reason="timeout", detail="after 60 s"),
            "votes: row r1 unscored: timeout after 60 s",
        ),
    ],
)
def test_what_is_to_be_known_meanwhile(event, said):
    assert notice_line(event) == said


def test_the_last_lines_of_a_run():
    assert list(spent_lines(None)) == []
    assert list(spent_lines(Spending(now=SOME, life=SOME))) == ["spent   1,200 calls, 340,000 tokens, $0.3123, 15 min"]
    assert list(spent_lines(Spending(now=SOME, life=MORE, limits={"calls": 5000}))) == [
        "spent   1,200 calls, 340,000 tokens, $0.3123, 15 min",
        "in all  2,000 calls, 490,000 tokens, $3.50, 3.0 h; budget: 5,000 calls",
    ]
