"""What stages and backends say to each other."""

from dataclasses import fields, replace

from constitutional.api import Request, user


def test_a_seeded_request_is_the_same_in_all_else():
    other = {"messages": (user("hi"),), "max_new_tokens": 7, "temperature": 0.5, "top_p": 0.9, "stop": ("x",), "sample": 3,
             "seed": 1, "json_schema": "{}"}  # fmt: skip
    assert other.keys() == {field.name for field in fields(Request)}
    assert Request(**other).seeded(5) == replace(Request(**other), seed=5)
