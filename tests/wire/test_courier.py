"""The courier: a real process between a real server and whoever asks."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import orjson
import psutil
import pytest
import uvloop

from constitutional.wire import courier
from constitutional.wire.calls import Calls
from constitutional.wire.courier import Ahead, Carried, lay
from constitutional.wire.frames import Lost, Setting
from tests.remote.server import said, serving

PATH = "/chat/completions"


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch):
    monkeypatch.setattr(courier, "_apart", lambda: True)


def body(text):
    return orjson.dumps({"model": "m", "messages": [{"role": "user", "content": text}]})


def text_of(reply):
    assert reply.status == 200
    return orjson.loads(reply.content)["choices"][0]["message"]["content"]


def setting(server, deadline=20.0, key=None):
    return Setting(server.url, key, deadline, 64)


def children():
    return [child for child in psutil.Process().children() if "constitutional.wire" in " ".join(child.cmdline())]


async def until(holds):
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def asking(work, ahead=True):
    """Do `work` in a loop of its own, a courier at hand; no process may be left after it, not even a zombie."""

    async def with_courier():
        first = Ahead() if ahead else None
        await work()
        if first is not None:
            await first.close()

    before = set(psutil.Process().children())
    asyncio.run(with_courier())
    assert set(psutil.Process().children()) <= before
    assert not courier._OFFICES


def test_many_requests_at_once_get_their_own_answers():
    async def work():
        line = lay(setting(server))
        assert isinstance(line, Carried)
        answers = await asyncio.gather(*(line.post(PATH, body(f"question {n}")) for n in range(300)))
        assert [text_of(answer) for answer in answers] == [said(f"question {n}") for n in range(300)]
        await line.close()

    with serving() as server:
        asking(work)


def test_lines_share_a_process_that_ends_with_the_last():
    async def work():
        assert len(children()) == 1
        lines = [lay(setting(server, key=f"key-{n}")) for n in range(3)]
        for line in lines:
            assert text_of(await line.post(PATH, body("hello"))) == said("hello")
        (process,) = children()
        await lines[0].close()
        await lines[0].close()
        assert text_of(await lines[1].post(PATH, body("still there"))) == said("still there")
        assert children() == [process]
        for line in lines[1:]:
            await line.close()

    with serving() as server:
        asking(work)
    assert [said for said in server.headers if "key-" in said]


def test_what_was_expected_and_never_came_leaves_nothing():
    async def work():
        await Ahead().close()

    asking(work, ahead=False)


def test_a_refusal_comes_with_the_headers_that_say_how_to_go_on():
    async def work():
        line = lay(setting(server))
        reply = await line.post(PATH, body("too much"))
        assert reply.status == 429
        assert float(reply.headers["retry-after"]) >= 0
        await line.close()

    with serving(lambda text, attempt: "429-busy") as server:
        asking(work)


def test_a_deadline_and_a_broken_connection_are_told_apart():
    async def work():
        line = lay(setting(server, deadline=0.3))
        for text, reason in [("hang", "timeout"), ("reset-", "connection")]:
            with pytest.raises(Lost) as lost:
                await line.post(PATH, body(text))
            assert lost.value.reason == reason
        await line.close()

    with serving(lambda text, attempt: text) as server:
        asking(work)


def test_a_process_that_is_killed_loses_what_it_carried_and_is_replaced():
    async def work():
        line = lay(setting(server))
        await line.post(PATH, body("first"))
        (process,) = children()
        flying = asyncio.gather(*(line.post(PATH, body(f"{n}")) for n in range(20)), return_exceptions=True)
        await asyncio.sleep(0.1)
        process.kill()
        assert [lost.reason for lost in await flying] == ["connection"] * 20
        process.wait(5)
        assert text_of(await line.post(PATH, body("again"))) == said("again")
        assert children() != [process]
        await line.close()

    with serving(latency=0.5) as server:
        asking(work)


@pytest.mark.parametrize("cause", ["dies", "cannot start"])
def test_where_no_process_can_work_requests_are_made_here(monkeypatch, cause):
    if cause == "dies":
        monkeypatch.setattr(courier, "_START", "raise SystemExit(1)")
    else:
        monkeypatch.setattr(sys, "executable", "/nowhere/python")

    async def work():
        line = lay(setting(server))
        answers = await asyncio.gather(*(line.post(PATH, body(f"{n}")) for n in range(10)))
        assert [text_of(answer) for answer in answers] == [said(f"{n}") for n in range(10)]
        await line.close()

    with serving() as server:
        asking(work)


def test_a_request_that_nobody_waits_for_is_given_up():
    async def work():
        line = lay(setting(server))
        await line.post(PATH, body("first"))
        (process,) = children()
        waiting = [asyncio.create_task(line.post(PATH, body("hang"))) for _ in range(3)]
        await until(lambda: len(process.net_connections("tcp")) == 3)
        for one in waiting[:2]:
            one.cancel()
        await until(lambda: len(process.net_connections("tcp")) == 1)
        assert not waiting[2].done()
        waiting[2].cancel()
        await line.close()

    with serving(lambda text, attempt: "hang" if text == "hang" else None) as server:
        asking(work)


def test_it_ends_when_the_run_is_killed_and_not_when_the_terminal_interrupts():
    program = textwrap.dedent("""
        import asyncio, sys
        from constitutional.wire import courier
        courier._apart = lambda: True
        async def main():
            ahead = courier.Ahead()
            await ahead._office.courier().connect()
            while not ahead._office.courier()._ready:
                await asyncio.sleep(0.01)
            print(ahead._office.courier()._process.pid, flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
    """)
    run = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    process = psutil.Process(int(run.stdout.readline()))
    for interruption in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process.send_signal(interruption)
    time.sleep(0.2)
    assert process.is_running()
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    psutil.wait_procs([process], timeout=5)
    assert not process.is_running()


def test_no_key_is_in_the_words_of_the_process():
    async def work():
        line = lay(setting(server, key="sk-secret"))
        await line.post(PATH, body("hello"))
        (process,) = children()
        assert "sk-secret" not in " ".join(process.cmdline())
        await line.close()

    with serving() as server:
        asking(work)


def test_with_one_core_or_nothing_expected_requests_are_made_here(monkeypatch):
    async def work():
        line = lay(setting(server))
        assert isinstance(line, Calls)
        assert text_of(await line.post(PATH, body("hello"))) == said("hello")
        assert not children()
        await line.close()

    with serving() as server:
        asking(work, ahead=False)
        monkeypatch.setattr(courier, "_apart", lambda: False)
        asking(work)


def test_a_process_that_does_nothing_any_more_is_given_up(monkeypatch):
    monkeypatch.setattr(courier, "LATE_SECONDS", 2.0)

    async def work():
        line = lay(setting(server, deadline=0.3))
        await line.post(PATH, body("first"))
        (process,) = children()
        process.suspend()
        with pytest.raises(Lost) as lost:
            await line.post(PATH, body("second"))
        assert lost.value.reason == "timeout"
        assert text_of(await line.post(PATH, body("third"))) == said("third")
        await line.close()

    with serving() as server:
        asking(work)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_who_closes_with_requests_under_way_leaves_nobody_waiting(loop):
    async def work():
        ahead, line = Ahead(), lay(setting(server))
        await line.post(PATH, body("first"))
        (process,) = children()
        process.suspend()
        waiting = [asyncio.create_task(line.post(PATH, b"x" * 500_000)) for _ in range(4)]
        await asyncio.sleep(0.1)
        await ahead.close()
        closing = asyncio.create_task(line.close())
        await asyncio.sleep(0.1)
        process.resume()
        await closing
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(lost) for lost in done] == [Lost] * 4

    with serving() as server, asyncio.Runner(loop_factory=loop) as runner:
        runner.run(work())
    assert not children()


def test_a_request_behind_a_close_is_lost_and_nobody_else_is():
    async def work():
        line, other = lay(setting(server)), lay(setting(server))
        await asyncio.gather(line.post(PATH, body("first")), other.post(PATH, body("first")))
        waiting = [asyncio.create_task(line.post(PATH, body(f"{n}"))) for n in range(3)]
        await asyncio.sleep(0)
        await line.close()
        late = asyncio.create_task(line._courier.carry(line._number, PATH, body("late")))
        assert text_of(await other.post(PATH, body("second"))) == said("second")
        with pytest.raises(Lost, match="connection"):
            await late
        await asyncio.gather(*waiting, return_exceptions=True)
        await other.close()

    with serving(latency=0.1) as server:
        asking(work)


def test_a_loop_that_ended_without_a_word_is_cleared_away_by_the_next():
    async def forgotten():
        Ahead()

    async def work():
        assert len(children()) == 1

    asyncio.run(forgotten())
    assert len(children()) == 1
    asking(work)
