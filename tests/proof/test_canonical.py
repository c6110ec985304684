"""One byte form for one content: what a stranger computes is what we computed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from medagent.proof import GENESIS, canonical, digest

_text = st.text(st.characters(codec="utf-8"), max_size=10)
_scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-(2**53) + 1, 2**53 - 1) | _text
json_values: st.SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
)


@given(value=json_values)
def test_the_form_says_the_same(value: Any) -> None:
    """It is JSON for the same content, and its own canonical form."""
    data = canonical(value)
    assert json.loads(data) == value
    assert canonical(json.loads(data)) == data
    assert digest(value) == hashlib.sha256(data).hexdigest()


_doubtful = st.floats(1e-6, 1e-2) | st.floats(1e14, 1e17) | st.integers(-(10**16), 10**16).map(float) | st.just(-0.0)


@given(value=json_values | (st.floats(allow_nan=False, allow_infinity=False) | _doubtful).map(lambda n: {"a": n}))
def test_the_fast_form_is_the_slow_one(value: Any) -> None:
    """The library that defines the form for us has the last word on every byte."""
    assert canonical(value) == rfc8785.dumps(value)


@given(fields=st.dictionaries(_text, _scalars.filter(lambda v: not isinstance(v, float)), max_size=6), data=st.data())
def test_the_order_of_keys_does_not_matter(fields: dict[str, Any], data: st.DataObject) -> None:
    """Two that hold the same have the same digest."""
    keys = data.draw(st.permutations(list(fields)))
    assert digest({key: fields[key] for key in keys}) == digest(fields)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [True, None]}, b'{"a":[true,null],"b":1}'),
        ({"\u20ac": "Euro", "\r": "CR", "1": "One"}, '{"\\r":"CR","1":"One","\u20ac":"Euro"}'.encode()),
        ([1.0, 1e21, 0.000001, 1e-7, -0.0], b"[1,1e+21,0.000001,1e-7,0]"),
    ],
)
def test_the_form_is_rfc_8785(value: Any, expected: bytes) -> None:
    """Keys by UTF-16 units, numbers as ECMAScript writes them."""
    assert canonical(value) == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, -(2**53), "\ud800", {"\ud800": 1}])
def test_what_json_cannot_hold_is_an_error(value: Any) -> None:
    """Never a digest that a stranger could not compute."""
    with pytest.raises(ValueError):  # noqa: PT011  # the library's own messages are not ours to name
        canonical(value)


def test_the_first_of_a_chain_follows_nothing() -> None:
    """The hash before the first is no hash of anything that we could make."""
    assert GENESIS == "0" * 64
