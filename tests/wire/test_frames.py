"""Frames: what goes in at one end comes out at the other, in whatever pieces it travels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.wire.frames import Frames, Kind, Reply, frame, is_link_local, read_reply, reply_frame

NUMBERS = st.integers(0, 2**32 - 1)
ONE = st.tuples(st.sampled_from(list(Kind)), NUMBERS, st.integers(0, 2**16 - 1), st.binary(max_size=40))


@given(st.lists(ONE, max_size=10), st.lists(st.integers(1, 30), max_size=30))
def test_pieces_leave_no_trace(told, pieces):
    heard = []
    frames = Frames(lambda *said: heard.append(said), lambda: None)
    data = b"".join(frame(kind, number, which, content) for kind, number, which, content in told)
    for size in [*pieces, max(1, len(data))]:
        frames.data_received(data[:size])
        data = data[size:]
    assert heard == told


@given(NUMBERS, st.integers(100, 599), st.dictionaries(st.text(), st.text(), max_size=3), st.binary())
def test_a_reply_is_read_as_it_was_written(number, status, headers, content):
    heard = []
    reply = Reply(status, headers, content)
    Frames(lambda *said: heard.append(said), lambda: None).data_received(reply_frame(number, reply))
    ((kind, found, which, rest),) = heard
    assert (kind, found, read_reply(which, rest)) == (Kind.REPLY, number, reply)


@pytest.mark.parametrize(
    ("host", "refused"),
    [("169.254.169.254", True), ("fe80::1", True), ("fe80::1%eth0", True), ("ff02::1", True), ("127.0.0.1", False),
     ("10.0.0.1", False), ("models.example", False)],
)  # fmt: skip
def test_addresses_of_no_model_server(host, refused):
    assert is_link_local(host) is refused
