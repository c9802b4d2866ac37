"""Answers: all that models have said, appended to a log, and where in the log the answer to a question is.

Keys are digests, so an index that follows every answer touches a page of its own for each: four fifths of what a
transaction costs, and more as the journal grows.  Here an answer is only appended, and keys are *folded* into the index
some thousands at a time, in their order (a log-structured merge with one level: O'Neil, Cheng, Gawlick and O'Neil 1996).
Keys that are not folded yet are in memory; whoever opens the journal reads them from the end of the log.

Two processes may answer the same question at the same time: both answers are in the log, and the first one counts.
"""

from __future__ import annotations

import sqlite3

from constitutional.store.known import Known
from constitutional.store.portions import insert

TABLES = """
create table if not exists calls (id integer primary key, key text not null, model text not null, answer text not null);
create table if not exists keys (key text primary key, id integer not null) without rowid;
create table if not exists folded (only integer primary key check (only = 0), upto integer not null);
insert or ignore into folded values (0, 0);
"""

_FOLD = "insert or ignore into keys select key, id from calls where id > (select upto from folded) order by key, id"
_FOLDED = "update folded set upto = (select max(id) from calls)"

#: What an earlier format had, moved into the tables above.
FROM_FORMAT_3 = f"""
alter table calls rename to calls_3;
{TABLES}
insert into calls (key, model, answer) select key, model, answer from calls_3 order by rowid;
drop table calls_3;
{_FOLD};
{_FOLDED};
"""  # noqa: S608

#: Keys are folded when so many are not: a hundredth of a second's work in a small journal, a tenth in a large one.
FOLD = 8192
#: A journal with more answers than this is asked for each; one with less is read once for what it surely has not.
MOST_READ = 50_000

_APPEND = "insert into calls (key, model, answer) values (?, ?, ?)"
_FOLDED_ANSWER = "select answer from calls where id = (select id from keys where key = ?)"
_ANSWER = "select answer from calls where id = ?"
_POINT = "insert into keys values (?, ?) on conflict do update set id = excluded.id"


class Answers:
    """The answers of one journal, by one connection; `write` and `catch_up` belong into its transactions."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        #: Keys, models and answers, one after the other; those that take the place of others apart.
        self._pending: list[str] = []
        self._replacing: list[tuple[str, str, str]] = []
        #: Where the answers are whose keys are not folded; what was appended after `_seen` is not known here yet.
        self._unfolded: dict[str, int] = {}
        self._seen = -1
        #: What keys there may be; None where the index has to be asked.
        self._known: Known | None = None
        self._written: dict[str, int] = {}
        self._folded = False

    # -- reading -----------------------------------------------------------------------------------------------------

    def surely_new(self, key: str) -> bool:
        """Whether nobody had answered this when the journal was last looked at."""
        if self._seen < 0:
            self._open()
        return self._known is not None and not self._known.may_have(key)

    def find(self, key: str) -> str | None:
        """The answer that counts, as it was written."""
        if self._seen < 0:
            self._open()
        # An answer that was replaced is in the index only.
        found = self._db.execute(_FOLDED_ANSWER, (key,)).fetchone()
        if found is None and (place := self._unfolded.get(key)) is not None:
            found = self._db.execute(_ANSWER, (place,)).fetchone()
        return str(found[0]) if found else None

    def _open(self) -> None:
        (self._seen,) = self._db.execute("select upto from folded").fetchone()
        few = (self._db.execute("select max(id) from calls").fetchone()[0] or 0) <= MOST_READ
        self._known = Known() if few else None
        if self._known is not None:
            for (key,) in self._db.execute("select key from keys"):
                self._known.add(key)
        self.catch_up()

    def catch_up(self) -> None:
        """See what others have appended."""
        if self._seen < 0:
            return
        for place, key in self._db.execute("select id, key from calls where id > ? order by id", (self._seen,)):
            self._note(key, place)

    def _note(self, key: str, place: int) -> None:
        self._unfolded.setdefault(key, place)
        if self._known is not None:
            self._known.add(key)
        self._seen = place

    # -- writing -----------------------------------------------------------------------------------------------------

    def keep(self, key: str, model: str, answer: str, replace: bool) -> None:
        """Append with the next `write`; an answer counts if it is the first, or is to take the first one's place."""
        if replace:
            self._replacing.append((key, model, answer))
        else:
            self._pending += (key, model, answer)

    def write(self) -> None:
        """Append what is pending, inside a transaction that saw what others have appended before."""
        self._written, self._folded = {}, False
        if self._pending:
            keys = self._pending[::3]
            last = insert(self._db, _APPEND, 3, self._pending)
            self._written = dict(zip(keys, range(last - len(keys) + 1, last + 1), strict=True))
        for row in self._replacing:
            self._replace(row)
        if len(self._unfolded) + len(self._written) >= FOLD:
            self._db.execute(_FOLD)
            self._db.execute(_FOLDED)
            self._folded = True

    def _replace(self, row: tuple[str, str, str]) -> None:
        key = row[0]
        before = self._db.execute("select id from keys where key = ?", (key,)).fetchone()
        place = self._db.execute(_APPEND, row).lastrowid
        assert place is not None
        self._db.execute(_POINT, (key, place))
        self._db.execute("delete from calls where id = ?", before or (self._unfolded.get(key),))
        self._written[key] = place

    def written(self) -> None:
        """The transaction has been committed."""
        self._pending, self._replacing = [], []
        if self._seen >= 0:
            for key, place in self._written.items():
                self._note(key, place)
        if self._folded:
            self._unfolded.clear()
        self._written = {}
