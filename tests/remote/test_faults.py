"""The fault matrix: whatever a server does, a run ends or resumes with the right rows, and asks no more than it must."""

import threading
import time

import pytest

from constitutional.errors import RunError, StepFailed
from tests.remote.server import serving
from tests.remote.support import artifacts, events, run_spec, write

ROWS = 24
PASSING = ["429-busy", "429-bare", "500", "502-html", "503", "408", "reset-", "malformed", "not-json", "nan", "a-list", "no-choices",
           "odd-choice", "truncated", "empty", "two-choices"]  # fmt: skip
QUICK = {"concurrency": 8, "attempts": 6}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Waits of hundredths of a second, so that a matrix takes seconds."""
    from constitutional.api import Patience
    from constitutional.builtin.backends.openai import OpenAIBackend

    def patience(self):
        return Patience(
            attempts=self.params.attempts, first_wait=0.02, longest_wait=0.3, give_up_after=self.params.give_up_after
        )

    monkeypatch.setattr(OpenAIBackend, "patience", property(patience))


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """What an undisturbed run leaves."""
    folder = tmp_path_factory.mktemp("clean")
    with serving() as server:
        run_spec(write(folder, server.url, ROWS, **QUICK), folder / "runs")
    return artifacts(folder / "runs")


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_changes_nothing(fault, clean, tmp_path):
    """Every third question fails twice; each is asked exactly as often as it must be."""

    def plan(text, attempt):
        return fault if sum(text.encode()) % 3 == 0 and attempt < 2 else None

    with serving(plan) as server:
        result = run_spec(write(tmp_path, server.url, ROWS, **QUICK), tmp_path / "runs")
    assert result.status == "finished"
    assert artifacts(tmp_path / "runs") == clean
    failed = 0 if fault == "two-choices" else server.faults[fault]
    assert sum(server.asked.values()) == 2 * ROWS + failed
    for event in events(tmp_path / "runs", "step_finished"):
        assert sum(event["ledger"].values()) == event["rows_in"]


@pytest.mark.parametrize("fault", ["hang", "trickle"])
def test_a_late_answer_is_asked_for_again(fault, clean, tmp_path):
    def plan(text, attempt):
        return fault if text.endswith(("3", "7")) and attempt == 0 else None

    with serving(plan) as server:
        run_spec(write(tmp_path, server.url, ROWS, deadline=0.4, **QUICK), tmp_path / "runs")
    assert artifacts(tmp_path / "runs") == clean


@pytest.mark.parametrize("fault", ["500", "malformed", "empty"])
def test_a_row_that_never_gets_an_answer_is_unscored_and_tried_again_later(fault, clean, tmp_path):
    bad = {"prompt 4", "prompt 11"}
    with serving(lambda text, attempt: fault if text in bad else None) as server:
        spec = write(tmp_path, server.url, ROWS, max_failures=4, **QUICK)
        run_spec(spec, tmp_path / "runs")
        drafts = next(e for e in events(tmp_path / "runs", "step_finished") if e["step"] == "draft")
        assert drafts["ledger"]["unscored"] == 2
        assert sum(drafts["ledger"].values()) == ROWS
        assert all(server.asked[text] == 6 for text in bad)


def test_a_stopped_run_goes_on_and_repeats_no_answer(clean, tmp_path):
    """The server breaks half-way through; the run stops for too many failures; once mended, nothing is asked twice."""
    answered = []

    def plan(text, attempt):
        answered.append(text)
        return "500" if len(answered) > ROWS else None

    with serving(plan) as server:
        spec = write(tmp_path, server.url, ROWS, max_failures=3, concurrency=4, attempts=2)
        with pytest.raises(StepFailed, match="500"):
            run_spec(spec, tmp_path / "runs")
        before = dict(server.answered)
        server.plan = lambda text, attempt: None
        run_spec(spec, tmp_path / "runs")
        assert artifacts(tmp_path / "runs") == clean
        assert all(server.answered[text] == 2 for text in before)
        assert sum(server.answered.values()) == 2 * ROWS


def test_a_server_that_goes_and_comes_back_costs_no_row(clean, tmp_path):
    with serving(latency=0.01) as server:
        spec = write(tmp_path, server.url, ROWS, **{**QUICK, "attempts": 3})

        def outage():
            time.sleep(0.15)
            server.down = True
            time.sleep(2.0)
            server.down = False

        thread = threading.Thread(target=outage)
        thread.start()
        server.down = False
        result = run_spec(spec, tmp_path / "runs")
        thread.join()
    assert result.status == "finished"
    assert artifacts(tmp_path / "runs") == clean
    said = [event["said"] for event in events(tmp_path / "runs", "model_notice")]
    assert any("waits until it does" in words for words in said) == any("answers again" in words for words in said)


def test_a_server_that_stays_away_stops_the_run_in_words(tmp_path):
    with serving() as server:
        server.down = True
        spec = write(tmp_path, server.url, ROWS, give_up_after=0.5, **QUICK)
        with pytest.raises(RunError, match="has answered nothing for"):
            run_spec(spec, tmp_path / "runs")
        server.down = False
        assert run_spec(spec, tmp_path / "runs").status == "finished"


@pytest.mark.parametrize("fault", ["401", "404", "400", "429-quota", "redirect"])
def test_what_will_not_pass_stops_at_once(fault, tmp_path):
    with serving(lambda text, attempt: fault) as server:
        with pytest.raises(RunError):
            run_spec(write(tmp_path, server.url, ROWS, **QUICK), tmp_path / "runs")
        assert sum(server.asked.values()) <= QUICK["concurrency"]


def test_concurrency_follows_a_server_that_can_do_little(clean, tmp_path):
    with serving(capacity=3, latency=0.01) as server:
        run_spec(write(tmp_path, server.url, ROWS, concurrency=24, attempts=12), tmp_path / "runs")
    assert artifacts(tmp_path / "runs") == clean
    assert server.faults["429-busy"] < 2 * ROWS


def test_requests_keep_to_their_pace(tmp_path, monkeypatch):
    from constitutional.api import Patience
    from constitutional.builtin.backends.openai import OpenAIBackend

    monkeypatch.setattr(OpenAIBackend, "patience", property(lambda self: Patience(requests_per_minute=1200)))
    with serving() as server:
        began = time.monotonic()
        run_spec(write(tmp_path, server.url, 30, concurrency=64), tmp_path / "runs")
    assert sum(server.asked.values()) == 60
    assert time.monotonic() - began > (60 - 20) / 20 * 0.9


def test_no_key_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("REMOTE_KEY", "sk-never-write-me-down")
    with serving(lambda text, attempt: "401" if text.endswith("9") else None) as server:
        spec = write(tmp_path, server.url, ROWS, api_key_env="REMOTE_KEY", **QUICK)
        with pytest.raises(RunError):
            run_spec(spec, tmp_path / "runs")
    assert "sk-never-write-me-down" in "".join(server.headers)
    for path in (tmp_path / "runs").rglob("*"):
        if path.is_file():
            assert b"never-write-me-down" not in path.read_bytes(), path
