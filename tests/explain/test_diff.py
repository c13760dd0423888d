"""Two Stories side by side: what is the same is found although its place is another, and only what differs differs."""

from __future__ import annotations

from tests.explain.told import field, hello, step, story
from tls13.explain.diff import compare


def client_hello(*extensions: tuple[str, bytes], **change: object) -> dict:
    data, fields = hello(*extensions)
    return step(0, "ClientHello", bytes=data.hex(), fields=fields, **change)


def only_hello(*extensions: tuple[str, bytes]) -> dict:
    return story(steps=[client_hello(*extensions)])


def differing(found: dict) -> dict:
    return {row["name"]: (row["a"], row["b"]) for row in found["messages"][0]["rows"] if not row["same"]}


def test_a_story_is_the_same_as_itself() -> None:
    found = compare(story(), story())
    rows = [*found["facts"], *found["numbers"], *(row for one in found["messages"] for row in one["rows"])]
    assert all(row["same"] for row in rows)


def test_extensions_in_another_order_are_the_same_extensions() -> None:
    """Browsers shuffle them, so that nobody relies on their order."""
    a = only_hello(("server_name", b"a.example"), ("key_share", b"\x00\x1d"))
    b = only_hello(("key_share", b"\x00\x1d"), ("server_name", b"a.example"))
    assert set(differing(compare(a, b))) == {"ClientHello", "extensions"}


def test_the_extension_that_differs_is_named_with_both_values() -> None:
    a = only_hello(("server_name", b"a.example"), ("key_share", b"\x00\x1d"))
    b = only_hello(("server_name", b"b.example"), ("key_share", b"\x00\x1d"))
    found = differing(compare(a, b))
    assert found["server_name"] == ("server_name", "server_name")
    assert found["extension_data"] == (f"9 bytes: {b'a.example'.hex()}", f"9 bytes: {b'b.example'.hex()}")
    assert "key_share" not in found


def test_an_extension_of_one_only_is_there_once() -> None:
    a = only_hello(("server_name", b"a"))
    b = only_hello(("server_name", b"a"), ("cookie", b"1234"))
    assert differing(compare(a, b))["cookie"] == (None, "cookie")


def test_two_extensions_of_the_same_type_are_two() -> None:
    a = only_hello(("key_share", b"1"), ("key_share", b"2"))
    b = only_hello(("key_share", b"3"), ("key_share", b"4"))
    changed = [row for row in compare(a, b)["messages"][0]["rows"] if row["name"] == "extension_data"]
    assert [row["a"] for row in changed if not row["same"]] == ["1 bytes: 31", "1 bytes: 32"]


def test_a_message_that_one_leaves_out_stands_alone() -> None:
    """Resumption has no Certificate; what comes after it is still compared with its own."""
    names = ["ClientHello", "ServerHello", "Certificate", "Finished"]
    a = story(steps=[step(at, name) for at, name in enumerate(names)])
    b = story(steps=[step(at, name) for at, name in enumerate(names) if name != "Certificate"])
    found = [(one["name"], one["a"], one["b"]) for one in compare(a, b)["messages"]]
    assert found == [("ClientHello", 0, 0), ("ServerHello", 1, 1), ("Certificate", 2, None), ("Finished", 3, 3)]


def test_the_finished_of_each_side_is_compared_with_its_own() -> None:
    a = story(steps=[step(0, "Finished", to_server=False), step(1, "Finished")])
    b = story(steps=[step(0, "Finished")])
    assert [(one["a"], one["b"]) for one in compare(a, b)["messages"]] == [(0, None), (1, 0)]


def test_what_was_agreed_and_what_it_cost() -> None:
    a, b = story(), story(variant=["resumption"], negotiated={"cipher_suite": "TLS_AES_256_GCM_SHA384"})
    facts = {row["name"]: row for row in compare(a, b)["facts"]}
    assert facts["cipher suite"]["b"] == "TLS_AES_256_GCM_SHA384"
    assert not facts["cipher suite"]["same"]
    assert facts["server name"]["b"] is None
    assert facts["kind"]["a"] == "1-RTT"
    assert {row["name"]: row["a"] for row in compare(a, b)["numbers"]}["messages"] == "2"


def test_a_message_that_could_not_be_opened_has_no_rows() -> None:
    a = story(steps=[step(0, "Certificate", fields=None)])
    b = story(steps=[step(0, "Certificate", fields=field("Certificate", 0, 3))])
    assert compare(a, b)["messages"] == [{"name": "Certificate", "a": 0, "b": 0, "rows": []}]
