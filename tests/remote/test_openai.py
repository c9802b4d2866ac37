"""The openai backend against a real server: requests, answers, options, and what is said of what goes wrong."""

import asyncio
import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.api import Choice, ChoiceRequest, Completion, NotNow, Request, RunError, Unanswered, UserError, user
from constitutional.builtin.backends.http import checked_address, retry_after
from constitutional.builtin.backends.openai import OpenAIBackend, OpenAIParams
from constitutional.builtin.backends.options import Position, Unclear, weigh
from constitutional.builtin.backends.words import chosen, named
from tests.remote.server import OPTIONS, said, serving

REQUEST = Request((user("hello there"),), max_new_tokens=7, temperature=0.5, top_p=0.9, stop=("END",), seed=11)
QUESTION = ChoiceRequest((user("Is A or B better?"),), ("A", "B"))


def ask(server, request=REQUEST, **params):
    """One question and its answer, error or not."""

    async def go():
        backend = OpenAIBackend(OpenAIParams(model="m", base_url=server.url, **params))
        heard = []
        backend.notice = heard.append
        await backend.open()
        try:
            put = backend.generate if isinstance(request, Request) else backend.choose
            return (await put([request]))[0], heard
        finally:
            await backend.close()

    return asyncio.run(go())


def test_a_request_says_all_that_decides_the_answer():
    with serving() as server:
        answer, _ = ask(server, extra={"chat_template_kwargs": {"thinking": False}})
    assert answer == Completion(said("hello there"), "stop", 2, 3)
    (body,) = server.bodies
    assert body == {"model": "m", "messages": [{"role": "user", "content": "hello there"}], "max_tokens": 7, "temperature": 0.5,
                    "top_p": 0.9, "stop": ["END"], "seed": 11, "chat_template_kwargs": {"thinking": False}}  # fmt: skip


def test_the_plain_api_gets_a_transcript():
    with serving() as server:
        answer, _ = ask(server, api="completions")
    assert server.bodies[0]["prompt"] == "User: hello there\nAssistant:"
    assert answer.text == said("User: hello there\nAssistant:")


def test_options_come_from_log_probabilities():
    with serving() as server:
        answer, heard = ask(server, QUESTION)
    assert isinstance(answer, Choice)
    assert answer.logprobs == pytest.approx((OPTIONS["A"], OPTIONS["B"]))
    assert answer.prompt_tokens == 5
    assert not heard
    assert server.bodies[0]["logprobs"] is True


def test_a_server_without_log_probabilities_is_noticed_and_read():
    with serving(logprobs=False) as server:
        answer, heard = ask(server, QUESTION)
    assert answer.parsed
    assert answer.probabilities[0] > 0.999
    assert len(heard) == 1
    assert "no log-probabilities" in heard[0]


def test_where_log_probabilities_are_a_must_there_is_no_answer_without():
    with serving(logprobs=False) as server:
        answer, _ = ask(server, QUESTION, choices="logprobs")
    assert isinstance(answer, Unanswered)
    assert answer.reason == "no-logprobs"


def test_the_key_goes_in_the_header_and_nowhere_else(monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-very-secret-1234")
    with serving() as server:
        ask(server, api_key_env="MY_KEY")
    assert "authorization: bearer sk-very-secret-1234" in server.headers[0].lower()


def test_a_server_that_quotes_the_key_does_not_spread_it(monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-very-secret-1234")
    with serving(lambda text, attempt: "401") as server, pytest.raises(RunError) as caught:
        ask(server, api_key_env="MY_KEY")
    assert "sk-very" not in str(caught.value)
    assert "***" in str(caught.value)
    assert "api_key_env" in (caught.value.help or "")


@pytest.mark.parametrize(("fault", "reason", "busy", "gone"), [
    ("429-busy", "429", True, False), ("429-bare", "429", True, False), ("500", "500", False, False),
    ("502-html", "502", False, True), ("503", "503", True, True), ("408", "408", False, False),
    ("reset-", "connection", False, True), ("truncated", "connection", False, True), ("malformed", "malformed", False, False),
    ("not-json", "malformed", False, False), ("nan", "malformed", False, False), ("a-list", "malformed", False, False),
    ("no-choices", "malformed", False, False), ("odd-choice", "malformed", False, False), ("empty", "empty", False, False),
    ("huge", "too-large", False, False), ("inflated", "too-large", False, False),
])  # fmt: skip
def test_what_may_pass_is_to_be_asked_again(fault, reason, busy, gone):
    with serving(lambda text, attempt: fault) as server:
        answer, _ = ask(server)
    assert isinstance(answer, NotNow)
    assert (answer.reason, answer.busy, answer.gone) == (reason, busy, gone)
    assert (answer.after == 0.05) == (fault in ("429-busy", "503"))


@pytest.mark.parametrize("fault", ["hang", "trickle"])
def test_a_whole_call_has_a_deadline(fault):
    began = time.monotonic()
    with serving(lambda text, attempt: fault) as server:
        answer, _ = ask(server, deadline=0.5)
    assert isinstance(answer, NotNow)
    assert answer.reason == "timeout"
    assert time.monotonic() - began < 9


@pytest.mark.parametrize("fault", ["401", "404", "400", "429-quota", "redirect"])
def test_what_will_not_pass_stops_the_run_with_the_servers_words(fault):
    words = {
        "404": "no such model",
        "400": "unknown parameter",
        "429-quota": "no credit",
        "redirect": "elsewhere.example",
    }
    with serving(lambda text, attempt: fault) as server, pytest.raises(RunError, match=words.get(fault, "401")):
        ask(server)
    assert sum(server.asked.values()) == 1


@pytest.mark.parametrize(
    ("fault", "reason"), [("too-long", "too-long"), ("filtered-400", "content_filter"), ("filtered", "content_filter")]
)
def test_what_is_wrong_with_one_row_is_said_of_that_row(fault, reason):
    with serving(lambda text, attempt: fault) as server:
        answer, _ = ask(server)
    assert isinstance(answer, Unanswered)
    assert answer.reason == reason


def test_a_filtered_answer_can_be_kept():
    with serving(lambda text, attempt: "filtered") as server:
        answer, _ = ask(server, on_filter="keep")
    assert answer.finish_reason == "content_filter"


def test_more_choices_than_asked_for_are_no_trouble():
    with serving(lambda text, attempt: "two-choices") as server:
        answer, _ = ask(server)
    assert answer.text == said("hello there")


def ask_together(server, requests, **params):
    async def go():
        backend = OpenAIBackend(OpenAIParams(model="m", base_url=server.url, **params))
        heard = []
        backend.notice = heard.append
        await backend.open()
        try:
            return await backend.generate(requests), heard
        finally:
            await backend.close()

    return asyncio.run(go())


SAMPLES = [Request((user(text),), temperature=1.0, sample=i, seed=i) for text in ("one", "two") for i in range(3)]


def test_samples_of_one_prompt_go_in_one_request():
    with serving() as server:
        answers, heard = ask_together(server, SAMPLES[::-1], group_samples=8)
    assert sorted(body["n"] for body in server.bodies) == [3, 3]
    assert [answer.text[:-2] for answer in answers] == [said("two")] * 3 + [said("one")] * 3
    assert len({answer.text for answer in answers}) == 6
    assert sum(answer.prompt_tokens for answer in answers) == 2
    assert sum(answer.completion_tokens for answer in answers) == 18
    assert not heard


def test_a_server_that_gives_fewer_samples_than_asked_is_noticed_and_asked_for_the_rest():
    with serving(several=False) as server:
        answers, heard = ask_together(server, SAMPLES[:3], group_samples=8)
    assert [answer.text for answer in answers] == [said("one")] * 3
    assert [body.get("n") for body in server.bodies] == [3, None, None]
    assert [body["seed"] for body in server.bodies] == [0, 1, 2]
    assert len(heard) == 1
    assert "one by one" in heard[0]


def test_what_goes_wrong_with_a_group_is_said_of_all_its_samples():
    with serving(lambda text, attempt: "500" if text == "one" else None) as server:
        answers, _ = ask_together(server, SAMPLES, group_samples=8)
    assert [type(answer) for answer in answers] == [NotNow] * 3 + [Completion] * 3


def test_an_answer_can_be_held_to_a_schema():
    schema = {"type": "object", "properties": {"verdict": {"type": "string"}}, "required": ["verdict"]}
    with serving() as server:
        answer, _ = ask(server, Request((user("hello there"),), json_schema=json.dumps(schema)))
    assert json.loads(answer.text) == {"verdict": "text"}
    assert server.bodies[0]["response_format"]["json_schema"]["schema"] == schema


def test_options_can_be_held_to_a_schema():
    with serving(logprobs=False) as server:
        answer, _ = ask(server, QUESTION, choices="schema")
    assert answer.parsed
    assert answer.probabilities[1] > 0.99
    schema = server.bodies[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["choice"]["enum"] == ["A", "B"]


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ('{"choice": "B"}', 1),
        ("B", None),
        ('{"choice": "C"}', None),
        ('["B"]', None),
        ('{"choice": 1}', None),
        ("", None),
    ],
)
def test_options_in_a_schema(text, index):
    assert chosen(text, ("A", "B")) == index


@pytest.mark.parametrize(
    "address",
    ["ftp://host/v1", "host:80", "", "http://user:pass@host/v1", "http://169.254.169.254/v1", "http://[fe80::1]/v1"],
)
def test_an_address_that_is_none_or_leads_to_credentials_is_refused(address):
    with pytest.raises(UserError):
        checked_address(address)


def test_a_missing_address_says_what_to_write():
    with pytest.raises(UserError, match="no address"):
        asyncio.run(OpenAIBackend(OpenAIParams(model="m")).open())


def test_wishes_to_wait():
    assert retry_after({"retry-after": "2"}) == 2.0
    assert retry_after({"retry-after-ms": "250"}) == 0.25
    assert retry_after({"retry-after": "nonsense"}) is None
    assert retry_after({"retry-after": "nan"}) is None
    assert retry_after({"retry-after": "-4"}) == 0.0
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    assert retry_after({}) is None


# -- options ----------------------------------------------------------------------------------------------------------


def place(taken, **likely):
    return Position(taken, {token.replace("_", " "): value for token, value in likely.items()})


def test_spaces_before_an_option_count_for_it():
    values = weigh([place("A", A=math.log(0.5), _A=math.log(0.2), B=math.log(0.3))], ("A", "B"))
    assert values == pytest.approx((math.log(0.7), math.log(0.3)))


def test_words_that_begin_like_an_option_do_not_count():
    values = weigh([place("A", A=math.log(0.4), Answer=math.log(0.5), B=math.log(0.1))], ("A", "B"))
    assert values == pytest.approx((math.log(0.4), math.log(0.1)))


def test_options_that_begin_alike_are_told_apart_where_they_part():
    first = Position("(", {"(": math.log(0.9), "A": math.log(0.1)})
    second = Position("A", {"A": math.log(0.75), "B": math.log(0.25)})
    values = weigh([first, second], ("(A)", "(B)"))
    assert values == pytest.approx((math.log(0.9 * 0.75), math.log(0.9 * 0.25)))


def test_pieces_of_an_option_count_for_it():
    assert weigh([place("un", un=math.log(0.6), safe=math.log(0.4))], ("safe", "unsafe")) == pytest.approx(
        (math.log(0.4), math.log(0.6))
    )


def test_an_option_that_is_not_listed_gets_the_least_that_is():
    values = weigh([place("A", A=-0.1, the=-3.0, Hm=-6.0)], ("A", "B"))
    assert values == pytest.approx((-0.1, -6.0))


def test_no_option_at_all_is_no_answer():
    assert weigh([place("the", the=-0.1, Hm=-3.0)], ("A", "B")) is None
    assert weigh([], ("A", "B")) is None


def test_an_answer_that_ends_is_the_shorter_of_options_that_begin_alike():
    """ "1" and "10": a server that says "1" and nothing more has not said the least of what is listed."""
    only = weigh([place("1", **{"1": math.log(0.9), "8": math.log(0.1)})], ("1", "8", "10"))
    assert only == pytest.approx((math.log(0.9), math.log(0.1), math.log(0.1)))
    first = place("1", **{"1": math.log(0.8), "8": math.log(0.2)})
    for end in ("", "<|im_end|>", ".", "\n"):
        second = Position(end, {end: math.log(0.75), "0": math.log(0.25)})
        said = weigh([first, second], ("1", "8", "10"))
        assert said == pytest.approx((math.log(0.6), math.log(0.2), math.log(0.2))), repr(end)
    ten = weigh([first, Position("0", {"0": math.log(0.9), "": math.log(0.1)})], ("1", "8", "10"))
    assert ten == pytest.approx((math.log(0.08), math.log(0.2), math.log(0.72)))


def test_what_may_be_one_option_or_another_is_shared_where_it_is_little_and_no_answer_where_it_is_much():
    little = weigh([place("8", **{"8": math.log(0.9), "1": math.log(0.1)})], ("1", "8", "10"))
    assert little == pytest.approx((math.log(0.05), math.log(0.9), math.log(0.05)))
    much = weigh([place("8", **{"8": math.log(0.6), "1": math.log(0.4)})], ("1", "8", "10"))
    assert much == Unclear(pytest.approx(0.4))


def test_words_count_in_any_case_and_letters_do_not():
    assert weigh([place("Yes", Yes=math.log(0.7), no=math.log(0.3))], ("yes", "no")) == pytest.approx(
        (math.log(0.7), math.log(0.3))
    )
    assert weigh([place("a", a=-0.1, B=-3.0)], ("A", "B")) == pytest.approx((-3.0, -3.0))


@pytest.mark.parametrize("text", [
    "A tie", "A tie.", "A and B are equal", "A) and B) are equally good", "Both", "Both A and B", "Neither A nor B", "not A",
    "It is not A.", "A is worse", "A better answer would cite the rule", "I cannot choose A", "A or B, it depends", "A/B",
    "Answer: A or B", "The answer is not A", "A is as good as B", "The same", "I prefer neither option A nor B", "a", "AB",
])  # fmt: skip
def test_doubt_in_words_is_no_verdict(text):
    assert named(text, ("A", "B")) is None


@pytest.mark.parametrize(("text", "index"), [
    ("Safe.", 0), ("UNSAFE", 1), ("unsafe, since it asks for a code", 1), ("not safe", None), ("It is unsafe", 1), ("Safe and unsafe", None),
])  # fmt: skip
def test_options_that_are_words(text, index):
    assert named(text, ("safe", "unsafe")) == index


@pytest.mark.parametrize(
    ("text", "index"), [("No", 1), ("no, it does not", 1), ("Yes.", 0), ("Yes and no", None), ("no idea", None)]
)
def test_yes_and_no(text, index):
    assert named(text, ("Yes", "No")) == index


@given(st.text(alphabet="AB ()*.,:\n'aornotie", max_size=24))
def test_what_is_named_stands_in_the_answer_and_mirrors(text):
    """Whatever is said: an option that is not there is never named, and no letter is preferred to the other."""
    found = named(text, ("A", "B"))
    assert found is None or "AB"[found] in text
    assert named(text, ("B", "A")) == (None if found is None else 1 - found)


@pytest.mark.parametrize(("text", "index"), [
    ("A", 0), ("(B) because", 1), (" B.", 1), ("**A** is better", 0), ("I choose A, for it is kinder", 0), ("Answer: B", 1),
    ("A or B? Both are fine", None), ("Either of B and A", None), ("Neither", None), ("", None), ("Apples", None),
    ("A is better than B", 0), ("The answer is (B).", 1), ("My choice: A", 0), ("B since A asks for a code", 1), ("Response B is clearer", 1),
    ("A) It does not ask for a password", 0), ("I prefer B over A", 1), ("B\n\nA asks for secrets", 1),
])  # fmt: skip
def test_options_in_words(text, index):
    assert named(text, ("A", "B")) == index


@given(st.dictionaries(st.text(max_size=3), st.floats(-20, 0), max_size=6), st.text(max_size=3))
def test_whatever_is_listed_the_options_never_weigh_more_than_all(likely, taken):
    values = weigh([Position(taken, likely)], ("A", "B"))
    if values is not None:
        total = sum(math.exp(v) for v in likely.values())
        assert sum(math.exp(value) for value in values) <= 2 * total + 1e-9
