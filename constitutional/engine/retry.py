"""Asking again: how long to wait, how many questions at once, and when to leave a server alone for a while.

A *question* that a server could not answer just now waits its turn and is asked again, up to its `attempts`.  A *server*
that answers nothing to anyone is another matter: the breaker opens, everything waits, one question at a time feels
whether it is back, and no question's attempts are spent meanwhile.  Concurrency follows the server: it is halved where the server
says that it is too much, comes back quickly to where that was, and grows by one for every round of answers beyond
(multiplicative decrease, additive increase: Chiu and Jain 1989; the quick return: CUBIC, Ha, Rhee and Xu 2008).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from constitutional.backend import Patience
from constitutional.errors import NotNow

Clock = Callable[[], float]

#: Answers in a row that must fail before a server counts as gone, beside all that were in flight.
STREAK = 8
#: A server that answers, if only with errors, is felt at least so often (seconds).
LONGEST_PROBE = 5.0
#: The share of refusals in a round from which on less is asked at once.
TOO_MANY = 0.1
#: A server that asks for more patience than this is asked again all the same.
LONGEST_WISH = 300.0
#: So much longer each wait of a question is than the one before: the first is short, for faults that pass at once.
GROWTH = 3
#: While all is well, refusals are counted over so many answers at least: one is no tenth of a few.
WINDOW = 32
#: The share of what was lost at the last halving that comes back with every round of answers.
COMES_BACK = 0.25


def pause_before(attempt: int, error: NotNow, patience: Patience, chance: Callable[[], float] = random.random) -> float:
    """Seconds before a question is asked for the `attempt`-th time again (1 for the first).

    What the server asked for, or else a wait that triples, with jitter so that those who failed together do not come
    back together.
    """
    if error.after is not None:
        return min(error.after, LONGEST_WISH) * (1.0 + 0.1 * chance())
    return float(min(patience.longest_wait, patience.first_wait * GROWTH ** min(attempt - 1, 99)) * (0.5 + chance()))


class Breaker:
    """Tells a server that is gone from questions that fail."""

    def __init__(self, patience: Patience, clock: Clock = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._streak = 0
        self._wait = 0.0
        self._until = 0.0
        self._since: float | None = None
        self._probing = False

    @property
    def open(self) -> bool:
        """Whether the server counts as gone."""
        return self._since is not None

    @property
    def gone_for(self) -> float:
        """Seconds since the server was given up, 0 where it is there."""
        return self._clock() - self._since if self._since is not None else 0.0

    def may_ask(self) -> float:
        """0 where a question may go out now, else seconds until it is worth looking again."""
        if self._since is None:
            return 0.0
        if self._probing:
            return self._patience.longest_wait
        return max(0.0, self._until - self._clock())

    def asked(self) -> None:
        """A question went out; while the breaker is open it is the only one."""
        self._probing = self._since is not None

    def answered(self) -> bool:
        """Something came back.  True where the server had been gone."""
        was_open, self._since, self._streak, self._wait, self._probing = self.open, None, 0, 0.0, False
        return was_open

    def failed(self, flying: int, gone: bool) -> bool:
        """A question failed while `flying` others are out.  True where the breaker opens just now."""
        self._streak += 1
        was_open = self.open
        if not was_open and self._streak <= max(STREAK, flying):
            return False
        self._probing = False
        self._since = self._since if self._since is not None else self._clock()
        longest = self._patience.longest_wait if gone else min(self._patience.longest_wait, LONGEST_PROBE)
        self._wait = min(longest, max(self._patience.first_wait * 4, self._wait * 2))
        self._until = self._clock() + self._wait
        return not was_open


class Throttle:
    """How many questions may be out at once."""

    def __init__(self, most: int, adaptive: bool, clock: Clock = time.monotonic) -> None:
        self.most = most
        self.limit = float(most)
        self._adaptive = adaptive
        self._clock = clock
        self._shrunk = 0.0
        self._until = 0.0
        self._share = 0.0
        #: Where it was too much the last time.
        self._peak = 0.0

    def room(self, flying: int) -> bool:
        return flying < int(self.limit)

    def closed_for(self) -> float:
        """Seconds for which the server has asked to be left alone."""
        return max(0.0, self._until - self._clock())

    def answered(self) -> None:
        """The server keeps up: a quarter of what was lost for every round of answers, one at least."""
        self._share -= self._share / self._window()
        if self.limit < self.most:
            more = max(1.0, (self._peak - self.limit) * COMES_BACK)
            self.limit = min(float(self.most), self.limit + more / self.limit)

    def refused(self, asked_at: float, after: float | None) -> None:
        """The server says it is too much.

        A refusal now and then concerns its own question alone.  Where more than a tenth of the last round was refused,
        halve, once for all questions that went out before the last halving.
        """
        if not self._adaptive or asked_at < self._shrunk:
            return
        self._share += (1.0 - self._share) / self._window()
        if self._share <= TOO_MANY:
            return
        self._share = 0.0
        self._shrunk = self._clock()
        self._peak = self.limit
        self.limit = max(1.0, self.limit / 2)
        if after is not None:
            self._until = max(self._until, self._shrunk + min(after, LONGEST_WISH))

    def _window(self) -> float:
        """Answers that the share of refusals is taken over: a round; where there was no trouble yet, no very short one."""
        return self.limit if self.limit < self.most else max(self.limit, float(WINDOW))


class Pace:
    """Requests and tokens per minute: a bucket that holds a second's worth, or one request."""

    def __init__(self, requests: float | None, tokens: float | None, clock: Clock = time.monotonic) -> None:
        self._rates = [(rate / 60.0, kind) for rate, kind in ((requests, 0), (tokens, 1)) if rate is not None]
        self._clock = clock
        self._free = [0.0, 0.0]
        #: Whether there is a limit, so that there is something to count.
        self.limited = bool(self._rates)

    def wait(self) -> float:
        """Seconds until another question may go out."""
        if not self.limited:
            return 0.0
        now = self._clock()
        return max([0.0, *(self._free[kind] - now - 1.0 for _, kind in self._rates)])

    def spend(self, tokens: float) -> None:
        """A question of about so many tokens goes out; call with a correction when its answer is known."""
        self._book(1, tokens)

    def correct(self, tokens: float) -> None:
        """The estimate was off by so many tokens."""
        self._book(0, tokens)

    def _book(self, requests: float, tokens: float) -> None:
        now = self._clock()
        for rate, kind in self._rates:
            # The floor lets an idle model start with one second's worth, not with all that it did not use.
            start = max(self._free[kind], now)
            self._free[kind] = start + (tokens if kind else requests) / rate
