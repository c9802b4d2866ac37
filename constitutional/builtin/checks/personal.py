"""Personal data by what can be verified: checksums, numbering plans and forms, never a model's guess.

Names and addresses of people are not found.  Numbers without area or country code are not either: a `pattern` can.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, TypeAlias

from pydantic import Field

from constitutional.builtin.checks.outcome import Check, Outcome, lacking
from constitutional.builtin.checks.pattern import MOST_FOUND, compiled

Sort: TypeAlias = Literal["email", "phone", "card", "iban", "ssn", "ip"]
Place: TypeAlias = tuple[int, int]

EMAIL = r"\b[A-Za-z0-9._%+'-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b"
CARD = r"\b\d(?:[ -]?\d){12,18}\b"
IBAN = r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b"
SSN = r"\b\d{3}-\d{2}-\d{4}\b"
IPV4 = r"\b(?:\d{1,3}\.){3}\d{1,3}\b"


class PersonalCheck(Check):
    """A text without e-mail addresses, phone numbers, card numbers, IBANs and SSNs that are valid by their own rules."""

    check: Literal["personal"]
    """Personal data."""
    sorts: tuple[Sort, ...] = Field(default=("email", "phone", "card", "iban", "ssn"), min_length=1)
    """What to look for; `ip` stands for IPv4 addresses."""
    region: str | None = Field(default="US", pattern="^[A-Z]{2}$")
    """The country of phone numbers that are written without a country code; `null` for none of them."""
    allow: tuple[str, ...] = ()
    """Texts that may stand there, such as the desk's own number, written as in the answer."""

    async def look(self, text: str) -> Outcome:
        found = [{"sort": sort, "start": a, "end": b} for sort in self.sorts for a, b in self._places(sort, text)
                 if text[a:b] not in self.allow]  # fmt: skip
        return Outcome(not found, None, found[:MOST_FOUND])

    def _places(self, sort: Sort, text: str) -> Iterator[Place]:
        return _phones(text, self.region) if sort == "phone" else _FINDERS[sort](text)

    def trouble(self) -> str | None:
        needed = {"phonenumbers": "`phone`", "stdnum": "`card`, `iban` and `ssn`", "re2": "a search for personal data"}
        without = next((said for module, what in needed.items() if (said := lacking(module, what))), None)
        if without is None and "phone" in self.sorts and self.region is not None:
            import phonenumbers

            if self.region not in phonenumbers.SUPPORTED_REGIONS:
                return f"`region` is `{self.region}`, which is no country with phone numbers"
        return without


def _phones(text: str, region: str | None) -> Iterator[Place]:
    import phonenumbers

    for match in phonenumbers.PhoneNumberMatcher(text, region):
        yield match.start, match.end


def _emails(text: str) -> Iterator[Place]:
    return (match.span() for match in compiled(EMAIL).finditer(text))


def _cards(text: str) -> Iterator[Place]:
    """Thirteen to nineteen digits with a right check digit (ISO/IEC 7812) that begin as bank cards do."""
    from stdnum import luhn

    for match in compiled(CARD).finditer(text):
        digits = "".join(sign for sign in match.group() if sign.isdigit())
        if digits[0] in "23456" and luhn.is_valid(digits):
            yield match.span()


def _ibans(text: str) -> Iterator[Place]:
    """What is an IBAN by country and check digits, also where capitals follow it."""
    from stdnum import iban

    for match in compiled(IBAN).finditer(text):
        start, end = match.span()
        for stop in range(end, start + 14, -1):
            if text[stop - 1] != " " and iban.is_valid(text[start:stop]):
                yield start, stop
                break


def _ssns(text: str) -> Iterator[Place]:
    from stdnum.us import ssn

    return (match.span() for match in compiled(SSN).finditer(text) if ssn.is_valid(match.group()))


def _addresses(text: str) -> Iterator[Place]:
    for match in compiled(IPV4).finditer(text):
        try:
            ipaddress.IPv4Address(match.group())
        except ValueError:
            continue
        yield match.span()


_FINDERS: Mapping[str, Callable[[str], Iterator[Place]]] = {
    "email": _emails, "card": _cards, "iban": _ibans, "ssn": _ssns, "ip": _addresses,
}  # fmt: skip
