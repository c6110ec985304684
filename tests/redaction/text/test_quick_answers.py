"""What is answered quickly is answered as the whole way answers it."""

from __future__ import annotations

import ast
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from medagent.redaction import KnownValues
from medagent.redaction import text as package
from medagent.redaction.text import names, reading, scrub, scrubbing, sure_names
from medagent.redaction.text.eponyms import read_eponyms
from medagent.redaction.text.letters import codes
from medagent.redaction.text.lexicon import Kind, lexicon
from medagent.redaction.text.name_context import Context
from medagent.redaction.text.names import suspects
from medagent.redaction.text.reading import Reading

FINDERS = (*scrubbing._PATTERNS, *sure_names._FINDERS)
CUES = sorted(reading._CUES_OF)
PIECES = st.one_of(
    st.sampled_from(CUES),
    st.sampled_from(sorted(lexicon().asked)),
    st.sampled_from(
        ["Will", "will", "Hope", "the", "a", "I", "x", "Mr", ".", ",", ":", "-", "\n", "um", "7", "93", "3rd"]
    ),
    st.sampled_from(["zorblatt", "Zorblatt", "<REDACTED>", "7mm", "at", "o'brien's", "José", "is", "with", "and"]),
)
TEXTS = st.lists(PIECES, max_size=14).map(" ".join)


@given(TEXTS)
def test_finder_without_its_beginnings_finds_nothing(text: str) -> None:
    """Otherwise what it would find is never looked for."""
    read = Reading(text, lexicon())
    if not read.may_hold(read_eponyms):
        read_eponyms(read)
        assert not read.terms
    if not read.may_hold(codes):
        assert codes(read) == ([], set())
        assert not read.terms
    for finder in FINDERS:
        if not read.may_hold(finder):
            assert list(finder(read)) == [], finder.__name__


@given(TEXTS)
@example("Will is here .\nHope , um will said 7")
def test_word_that_is_hopeless_is_no_name_in_its_context(text: str) -> None:
    """The quick answer says no only where the context says no."""
    read = Reading(text, lexicon())
    context = Context(read)
    assert not [at for at in suspects(read) if names._is_hopeless(read, at) and context.finds(at)]


@given(TEXTS)
def test_facts_of_words_are_those_of_the_lists(text: str) -> None:
    """Kind and lists of names of each unit, however often it was looked up before."""
    read = Reading(text, lexicon())
    for at, unit in enumerate(read.units):
        assert read.kinds[at] is (lexicon().kind_of(unit) if unit.kind == "w" else Kind.NO_WORD)
        assert read.borne[at] == lexicon().name_kinds(unit.norm)


def test_looking_up_keeps_no_word_that_the_lists_do_not_have() -> None:
    """What callers say of themselves is not kept with the lists."""
    scrub("this is zorblatt quandrixel calling, 4155550142, mister monteiro", KnownValues())
    kept = reading._facts_of(lexicon())
    assert "calling" in kept
    assert not {"zorblatt", "quandrixel", "4155550142", "monteiro"} & kept.keys()


def test_no_rule_makes_a_set_of_words_each_time_it_is_asked() -> None:
    """Unions of constants are constants: made in a function, they cost more than the rule."""
    found = []
    for path in sorted(Path(package.__file__).parent.glob("*.py")):
        functions = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)]
        for function in (one for one in functions if not one.decorator_list):
            for node in (inner for statement in function.body for inner in ast.walk(statement)):
                is_set = isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub)
                if is_set and _is_constant(node.left) and _is_constant(node.right):
                    found.append(f"{path.name}:{node.lineno}")
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "words":
                    found.append(f"{path.name}:{node.lineno}")
    assert found == []


def _is_constant(node: ast.expr) -> bool:
    """Whether an expression is a constant set by its name, a set that is written out, or made of such."""
    if isinstance(node, ast.BinOp):
        return _is_constant(node.left) and _is_constant(node.right)
    return isinstance(node, ast.Set) or (isinstance(node, ast.Name) and node.id.isupper() and "LONGEST" not in node.id)
