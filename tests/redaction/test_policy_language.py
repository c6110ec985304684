from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_record import KEY, RawRecord
from small_policy import SMALL, in_files

from medagent.errors import PolicyError
from medagent.redaction import Action, Category, KnownValues, Redactor, find_policy, load_policy
from medagent.redaction.loading import parse_policy, read_policy
from medagent.redaction.policy import ClockMode, TextMode
from medagent.redaction.schema import json_schema
from medagent.redaction.yaml_tree import read_yaml
from medagent.runtime import binding, host
from medagent.settings import load_settings

POLICIES = Path(__file__).parents[2] / "policies"
STRICT = """\
name: strict
version: 0.2.0
extends: small
clock: shifted
fields:
  staff: {action: DROP, category: staff}
spans:
  user_turn:
    index: {action: DROP, category: measurement}
"""


def test_a_policy_extends_another(tmp_path: Path) -> None:
    """What a policy does not say otherwise is as in the one that it extends, and a rule tells the file it stands in."""
    strict = in_files(tmp_path, strict=STRICT, small=SMALL)
    small = load_policy(tmp_path / "small.yaml")
    assert (strict.name, strict.version, strict.clock) == ("strict", "0.2.0", ClockMode.SHIFTED)
    assert strict.fields["phone"] == small.fields["phone"]
    assert (strict.fields["phone"].source, strict.fields["staff"].source) == ("small.yaml:4", "strict.yaml:6")
    for path in (("index",), ("phone",)):
        before, after = small.rule_for("user_turn", path), strict.rule_for("user_turn", path)
        assert (before == after) == (path == ("phone",))
    assert strict.rule_for("tool.call_back", ("notes",)) == small.rule_for("tool.call_back", ("notes",))
    assert strict.examples == small.examples


def test_the_digest_is_of_all_that_is_extended(tmp_path: Path) -> None:
    """A change in the base changes the digest of what extends it, of a rule told anew too; a comment does not."""
    before = in_files(tmp_path, strict=STRICT, small=SMALL).digest
    assert in_files(tmp_path, strict=STRICT, small=SMALL.replace("max: 9}", "max: 8}")).digest != before
    assert in_files(tmp_path, strict=STRICT, small=SMALL.replace("version: 0.1.0", "version: 0.1.1")).digest != before
    assert in_files(tmp_path, strict=STRICT, small=f"# a remark\n{SMALL}").digest == before
    assert in_files(tmp_path, strict=STRICT, small=SMALL.replace("max: 50}", "max: 40}")).digest != before
    assert in_files(tmp_path, strict=STRICT.replace("shifted", "exact"), small=SMALL).digest != before


def test_an_example_is_taken_over_by_its_name(tmp_path: Path) -> None:
    """A base's example holds for what extends it, unless an example of the same name is told anew."""
    drops = STRICT.replace("fields:", "fields:\n  phone: {action: DROP, category: phone}", 1)
    with pytest.raises(PolicyError, match=r"^small\.yaml:\d+: examples: 'the number goes' does not come out"):
        in_files(tmp_path, strict=drops, small=SMALL)
    told = """\
examples:
  - name: the number goes
    span: tool.call_back
    fields: {arguments: {phone: "555-0142"}}
    expect: {arguments: {}}
"""
    assert len(in_files(tmp_path, strict=drops + told, small=SMALL).examples) == 1
    assert (
        len(in_files(tmp_path, strict=drops + told.replace("number goes", "other"), small=drops_example()).examples)
        == 1
    )


def drops_example() -> str:
    return SMALL.partition("examples:")[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            STRICT.replace("extends: small", "extends: strict"),
            r"^strict\.yaml:3: extends: the policy extends itself, expected",
        ),
        (
            STRICT.replace("extends: small", "extends: nobody"),
            r"^strict\.yaml:3: extends: no policy 'nobody' lies beside",
        ),
        (
            STRICT.replace("extends: small", "extends: ../small"),
            r"^strict\.yaml:3: extends: not a policy's name or file",
        ),
        (
            STRICT.replace("extends:", "extend:"),
            r"^strict\.yaml:3: the policy: unknown key 'extend', did you mean 'extends'",
        ),
        (
            STRICT.replace("clock: shifted", "clock: shiftd"),
            r"^strict\.yaml:4: clock: unknown word 'shiftd', did you mean",
        ),
        (
            STRICT.replace("  user_turn:\n    index:", "  user_turn:\n    index.deep:"),
            r"^strict\.yaml:8: spans\.user_turn",
        ),
        (
            f"{STRICT}recognisers: [presidio.CreditCard]\n",
            r"^strict\.yaml:10: recognisers: .* did you mean 'presidio\.Cr",
        ),
        (f"{STRICT}recognisers: [spacy]\n", r"^strict\.yaml:10: recognisers: unknown word, expected one of"),
    ],
)
def test_what_cannot_be_extended(tmp_path: Path, text: str, says: str) -> None:
    """A circle, a stranger, a path or a misspelled word is an error that names file, line and the nearest word."""
    with pytest.raises(PolicyError, match=says):
        in_files(tmp_path, strict=text, small=SMALL)


def test_a_shifted_clock_keeps_no_time(tmp_path: Path) -> None:
    """Where the day of a call is hidden no field may tell it: a rule that keeps a time does not load then."""
    own = "name: own\nversion: 1.0.0\nextends: clinic\nclock: shifted\n"
    with pytest.raises(PolicyError, match=r"^clinic\.yaml:\d+: fields\.appointment_datetime: a kept time tells"):
        in_files(tmp_path, own=own)
    by_path = "spans:\n  session.end:\n    ended_at: {action: KEEP, category: machine, shape: timestamp, why: x}\n"
    with pytest.raises(PolicyError, match=r"^own\.yaml:7: spans\.session\.end\.ended_at: a kept time tells"):
        in_files(tmp_path, own=own.replace("clinic", "safe-harbor") + by_path)


def test_an_error_in_the_base_names_the_base(tmp_path: Path) -> None:
    """A mistake is told where it stands, not where it was met."""
    with pytest.raises(PolicyError, match=r"^small\.yaml:4: fields\.phone\.action: unknown word 'REDAKT'"):
        in_files(tmp_path, strict=STRICT, small=SMALL.replace("REDACT", "REDAKT"))


def test_two_that_extend_each_other(tmp_path: Path) -> None:
    """A circle over two files ends in an error too."""
    with pytest.raises(PolicyError, match="the policy extends itself, expected another file"):
        in_files(tmp_path, strict=STRICT, small=STRICT.replace("extends: small", "extends: strict"))


CHAIN = {
    "own/top.yaml": STRICT.replace("extends: small", "extends: ./mid.yaml"),
    "own/mid.yaml": "name: mid\nversion: 1.0.0\nextends: ../base/small.yaml\n",
    "base/small.yaml": SMALL,
}


def chain(directory: Path, **changed: tuple[str, str]) -> Path:
    for name, text in CHAIN.items():
        path = directory / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text.replace(*changed.get(path.stem, ("name", "name")), 1), "utf-8")
    return directory / "own" / "top.yaml"


def test_a_path_is_extended_from_beside_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file's path starts in its own directory, wherever the process stands; `files` tells the chain."""
    monkeypatch.chdir("/")
    policy = load_policy(chain(tmp_path))
    assert policy.fields["phone"].source == "small.yaml:4"
    assert [(one.file, one.name, one.version) for one in policy.files] == [
        ("top.yaml", "strict", "0.2.0"),
        ("mid.yaml", "mid", "1.0.0"),
        ("small.yaml", "small", "0.1.0"),
    ]
    assert policy.files[0].digest == policy.digest
    assert policy.files[2].digest == load_policy(tmp_path / "base" / "small.yaml").digest
    assert len({one.digest for one in policy.files}) == 3


@pytest.mark.parametrize(("file", "moved"), [("top", 1), ("mid", 2), ("small", 3)])
def test_a_change_in_any_file_of_the_chain_changes_what_extends_it(tmp_path: Path, file: str, moved: int) -> None:
    """The file's own digest and that of all above it change, those below stay; a comment changes none."""
    before = load_policy(chain(tmp_path / "a")).files
    changed = load_policy(chain(tmp_path / "b", **{file: ("version: ", "version: 1")})).files
    remarked = load_policy(chain(tmp_path / "c", **{file: ("name: ", "# a remark\nname: ")})).files
    assert [one.digest != two.digest for one, two in zip(before, changed, strict=True)] == [n < moved for n in range(3)]
    assert [one.digest for one in before] == [one.digest for one in remarked]


def test_a_report_is_not_bound_to_a_changed_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy in force is read again when a base changed, and a report's binding names the difference."""
    monkeypatch.setenv("MEDAGENT_HOME", str(tmp_path / "home"))
    settings = load_settings(MEDAGENT_POLICY=chain(tmp_path))
    audited = binding.binding(settings)
    assert host.policy(settings) is host.policy(settings)
    base = tmp_path / "base" / "small.yaml"
    base.write_text(base.read_text().replace("max: 9}", "max: 8}"))
    os.utime(base, ns=(1, 1))
    now = binding.binding(settings)
    assert now == replace(audited, policy_sha256=now.policy_sha256)
    assert now.policy_sha256 != audited.policy_sha256


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("top.yaml", "the policy extends itself"),
        ("./top.yaml", "the policy extends itself"),
        ("../own/top.yaml", "the policy extends itself"),
        ("/etc/base.yaml", "not a policy's name or file, expected"),
        ("~/base.yaml", "not a policy's name or file, expected"),
        ("https://example.com/base", "not a policy's name or file, expected"),
        ("./gone.yaml", "no policy './gone.yaml' lies beside"),
        ("./dir.yaml", "no policy './dir.yaml' lies beside"),
        (f"./{'x' * 60}.yaml", "no policy a word of 67 characters lies beside"),
    ],
)
def test_what_a_path_cannot_extend(tmp_path: Path, told: str, says: str) -> None:
    """The file itself, an absolute path, an address, a missing file or a directory is one line."""
    path = chain(tmp_path, top=("./mid.yaml", told))
    (tmp_path / "own" / "dir.yaml").mkdir()
    with pytest.raises(PolicyError, match=rf"^top\.yaml:3: extends: {re.escape(says)}") as caught:
        load_policy(path)
    assert "\n" not in str(caught.value)


def test_a_circle_over_paths_and_a_long_chain_end(tmp_path: Path) -> None:
    """A circle that a link hides is one too, and more than four files below a policy are too many."""
    path = chain(tmp_path, small=("version: 0.1.0", "version: 0.1.0\nextends: ../own/link.yaml"))
    (tmp_path / "own" / "link.yaml").symlink_to("top.yaml")
    with pytest.raises(PolicyError, match=r"^small\.yaml:3: extends: the policy extends itself"):
        load_policy(path)
    for number in range(7):
        (tmp_path / f"p{number}.yaml").write_text(f"name: p\nversion: 1.0.0\nextends: ./p{number + 1}.yaml\n")
    with pytest.raises(PolicyError, match=r"^p4\.yaml:3: extends: the chain is too long, expected at most 4 files"):
        load_policy(tmp_path / "p0.yaml")


def test_a_packaged_policy_can_be_extended_from_anywhere(tmp_path: Path) -> None:
    """A clinic's own file extends the packaged policy by its name."""
    own = in_files(tmp_path, own="name: own\nversion: 1.0.0\nextends: clinic\n")
    assert own.fields == load_policy().fields
    assert own.spans == load_policy().spans
    assert own.digest != load_policy().digest


def test_text_modes() -> None:
    """A free text is read by its words unless its rule asks for detectors alone, and no other rule has a mode."""
    asked = parse_policy(SMALL.replace("max: 50}", "max: 50, text: detect}"), file="p.yaml")
    modes = [policy.rule_for("tool.call_back", ("notes",)) for policy in (asked, parse_policy(SMALL, file="p.yaml"))]
    assert [rule.text for rule in modes if rule] == [TextMode.DETECT, TextMode.VOCABULARY]
    for old, new, says in [
        ("max: 50}", "max: 50, text: vocabularies}", "unknown word 'vocabularies', did you mean 'vocabulary'"),
        ("safe_harbor: D}", "text: detect}", "'text' has no meaning with REDACT"),
    ]:
        with pytest.raises(PolicyError, match=says):
            parse_policy(SMALL.replace(old, new, 1), file="p.yaml")


@pytest.mark.parametrize(
    ("raw", "left"),
    [
        ("tool.call_back", "tool.call_back"),
        ("user_turn", "user_turn"),
        ("tool.call_jane_doe", "tool.unknown"),
        ("tool.*", "tool.unknown"),
        ("tool.", "tool.unknown"),
        ("tool", "tool.unknown"),
        ("jane doe", "unknown"),
        ("jane.doe", "unknown"),
        ("", "unknown"),
        ("user_turn.jane", "unknown"),
    ],
)
def test_a_span_leaves_under_a_name_of_the_policy(raw: str, left: str) -> None:
    """A name that a model made up is not the name of a span, and that it was taken away is counted."""
    redactor = Redactor(parse_policy(SMALL, file="p.yaml"))
    treated = redactor.redact(RawRecord(name=raw, fields={"ok": True, "index": 3}), KnownValues())
    assert treated.name == left
    assert "jane" not in repr(treated)
    renamed = [finding for finding in treated.findings if finding.path == "<span>"]
    assert [finding.action for finding in renamed] == ([] if raw == left else [Action.DROP])
    family = {"tool": {"ok": True}, "user_turn": {"index": 3}}
    assert treated.fields == family.get(left if left == "user_turn" else left.partition(".")[0], {})


def test_a_dropped_identifier_is_known_all_the_same() -> None:
    """What is dropped because it identifies is found again in a text; what is dropped otherwise is not learned."""
    policy = parse_policy(
        SMALL.replace("spans:", "  slots: {action: DROP, category: appointment}\nspans:"), file="p.yaml"
    )
    record = RawRecord(name="tool.call_back", fields={"arguments": {"dob": "1982-03-14", "slots": "monday"}})
    found = Redactor(policy).identifiers(record)
    assert [(i.category, i.value) for i in found] == [(Category.DATE_OF_BIRTH, "1982-03-14")]


def test_a_typed_pseudonym() -> None:
    """A pseudonym with a shape stands for such values alone: another's name in its place is redacted."""
    policy = load_policy(find_policy("safe-harbor"))
    redactor = Redactor(policy, keys=KEY, rosters={"doctors": ["Dr. Amara Okafor"]})
    left = [
        redactor.redact(
            RawRecord(name="tool.book_appointment", fields={"arguments": {"doctor_name": n}}), KnownValues()
        )
        for n in ("Dr. Amara Okafor", "Jane Doe")
    ]
    assert [one.fields["arguments"] for one in left] == [
        {"doctor_name": KEY.pseudonym("staff", "Dr. Amara Okafor")},
        {"doctor_name": "<REDACTED>"},
    ]


def test_the_safe_harbor_table() -> None:
    """The stricter policy leaves years for dates, pseudonyms for doctors and places, nothing of who was on the line."""
    policy = load_policy(find_policy("safe-harbor"))
    assert policy.clock is ClockMode.SHIFTED
    for field in ("appointment_datetime", "from_date", "to_date"):
        assert policy.fields[field].action is Action.BUCKET
    for field in ("doctor_name", "clinic_location"):
        assert policy.fields[field].action is Action.PSEUDONYM
    for field in ("participant_id", "room_id"):
        rule = policy.rule_for("voice_session", (field,))
        assert rule is not None
        assert rule.action is Action.DROP
    assert policy.fields["patient_name"] == load_policy().fields["patient_name"]


def test_the_published_schema_is_the_language() -> None:
    """The schema beside the policies is the one that the loader's own words make."""
    assert json.loads((POLICIES / "policy.schema.json").read_text("utf-8")) == json_schema()
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("name", ["clinic", "safe-harbor"])
def test_the_schema_takes_the_packaged_policies(name: str) -> None:
    """An editor marks nothing in a policy that loads."""
    text = find_policy(name).read_text("utf-8")
    jsonschema.validate(read_yaml(text, name).plain(), json_schema())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("action: REDACT", "action: REDAKT"),
        ("category: phone", "category: fone"),
        ("safe_harbor: D", "safe_harbor: S"),
        ("safe_harbor: D", "max: 50"),
        (", category: phone", ""),
        (", why: Yes or no.", ""),
        ("max: 50", "max: 51"),
        ("max: 50", "text: detect"),
        ("shape: boolean", "shape: bool"),
        ("roster: doctors", "roster: doctor"),
        ("version: 0.1.0", "version: one"),
        ("fields:", "feilds:"),
        ("spans:", "clock: wrong\nspans:"),
        ("    arguments: fields", "    arguments: field"),
        ("why: Yes or no.", "why: Yes or no., then: DROP"),
        ("  user_turn:", "  user turn:"),
        ("    span: tool.call_back\n", ""),
    ],
)
def test_the_schema_marks_what_does_not_load(old: str, new: str) -> None:
    """What the loader refuses for its words, the schema refuses too."""
    wrong = SMALL.replace(old, new, 1)
    assert wrong != SMALL
    with pytest.raises(PolicyError):
        parse_policy(wrong, file="p.yaml")
    jsonschema.validate(read_yaml(SMALL, "p").plain(), json_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(read_yaml(wrong, "p").plain(), json_schema())


def test_a_policy_with_a_failing_example_can_be_read_to_see_why(tmp_path: Path) -> None:
    """It does not load; it can be read to run its examples one by one."""
    path = tmp_path / "p.yaml"
    path.write_text(SMALL.replace("phone: <REDACTED>", "phone: kept"))
    with pytest.raises(PolicyError, match="does not come out as expected"):
        load_policy(path)
    assert read_policy(path).examples[0].expect == {"arguments": {"phone": "kept"}}


LINES = find_policy().read_text("utf-8").splitlines()
WORDS = st.sampled_from(
    ["KEEP", "TRUNCATE", "[]", "{}", "null", "~", ":", "- a", "max: 50", "*flag", "&a", "1e999", "0x1", "\u2028", ""]
)


@settings(max_examples=60, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, len(LINES) - 1), st.integers(0, 12), WORDS), min_size=1, max_size=4),
)
def test_a_damaged_policy_loads_or_says_where(changes: list[tuple[int, int, str]]) -> None:
    """Whatever is changed in a policy's file, it loads or is an error with file and line, and nothing else."""
    lines = list(LINES)
    for number, place, word in changes:
        parts = lines[number].split(" ")
        parts[place % len(parts)] = word
        lines[number] = " ".join(parts)
    said = "p.yaml:1: loads"
    try:
        parse_policy("\n".join(lines), file="p.yaml")
    except PolicyError as error:
        said = str(error)
    assert re.match(r"p\.yaml:\d+: \S", said)


MINIMAL = """\
name: own
version: 1.0.0
fields: {}
spans:
  tool.*: {ok: {action: KEEP, category: machine, shape: boolean, why: Yes or no.}}
"""


@pytest.mark.parametrize("more", ["", "  voice_session: {}\n  policy.guardrail: {}\n"])
@pytest.mark.parametrize("span", ["voice_session", "policy.guardrail"])
def test_no_policy_drops_that_callers_are_declared_synthetic(span: str, more: str) -> None:
    """A policy that does not name the field, or drops it for all spans, keeps it."""
    for text in (
        MINIMAL + more,
        (MINIMAL + more).replace("fields: {}", "fields: {synthetic_callers: {action: DROP, category: machine}}"),
    ):
        policy = parse_policy(text, file="own.yaml")
        record = RawRecord(name=span, fields={"synthetic_callers": True, "other": True})
        assert Redactor(policy).redact(record, KnownValues()).fields == {"synthetic_callers": True}


@pytest.mark.parametrize("span", ["voice_session", "policy.guardrail"])
@pytest.mark.parametrize(
    "rule",
    [
        "{action: DROP, category: machine}",
        "{action: REDACT, category: machine}",
        "{action: PSEUDONYM, category: identifier}",
        '{action: KEEP, category: machine, shape: {enum: ["no"]}, why: A word.}',
    ],
)
@pytest.mark.parametrize("extends", [True, False])
def test_a_rule_that_hides_synthetic_callers_is_an_error(span: str, rule: str, extends: bool) -> None:
    """In a policy of its own and in one that extends the packaged one; file, line and rule are named."""
    text = MINIMAL.replace("fields: {}", "extends: clinic") if extends else MINIMAL
    with pytest.raises(PolicyError, match=rf"own.yaml:\d+: spans.{span}.synthetic_callers: [A-Z]+ hides"):
        parse_policy(text + f"  {span}: {{synthetic_callers: {rule}}}\n", file="own.yaml")
