"""Checks of names, values and addresses: every misspelt name is noticed, and no message quotes a value."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.errors import SettingsError
from medagent.setting_checks import check_address, odd_values, unknown_names
from medagent.settings import Settings

KNOWN = sorted(str(field.alias) for field in Settings.model_fields.values())
OURS = [name for name in KNOWN if name.startswith("MEDAGENT_")]
TYPED = st.text(string.ascii_letters + string.digits + "-_.:/@?#[]%$<>{} \t\"'", max_size=60)


@given(name=st.sampled_from(OURS), place=st.integers(0, 60), how=st.sampled_from(["dropped", "doubled", "swapped"]))
def test_a_misspelt_name_is_unknown_and_answered_with_a_setting(name: str, place: int, how: str) -> None:
    """A letter that is dropped, doubled or swapped behind the prefix: the name is found, with the setting meant."""
    at = len("MEDAGENT_") + place % (len(name) - len("MEDAGENT_") - 1)
    middle = {"dropped": "", "doubled": name[at] * 2, "swapped": name[at + 1] + name[at]}[how]
    wrong = name[:at] + middle + name[at + (2 if how == "swapped" else 1) :]
    if wrong in KNOWN:
        return
    similar = unknown_names([wrong], KNOWN)[wrong]
    assert similar is not None
    assert similar == name or similar in OURS


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("MEDAGENT_LANGSMITH_API_KEY", "LANGSMITH_API_KEY"),
        ("MEDAGENT_LIVEKIT_URL", "LIVEKIT_URL"),
        ("MEDAGENT_SLACK_WEBHOOK", "MEDAGENT_SLACK_WEBHOOK_URL"),
        ("MEDAGENT_POLICY_PATH", "MEDAGENT_POLICY"),
        ("MEDAGENT_ENVIRONMENT", "MEDAGENT_ENV"),
        ("medagent_polcy", "MEDAGENT_POLICY"),
        ("MEDAGNT_ENV", "MEDAGENT_ENV"),
        ("MED_AGENT_CONSENT", "MEDAGENT_CONSENT"),
        ("LANGSMITH_APIKEY", "LANGSMITH_API_KEY"),
        ("AZURE_OPENAI_KEY", "AZURE_OPENAI_API_KEY"),
        ("MEDAGENT_ZZZZZZ", None),
    ],
)
def test_a_name_of_another_kind_is_answered_too(wrong: str, meant: str | None) -> None:
    """The prefix too much, misspelt or missing a part; None where no setting is similar."""
    assert unknown_names([wrong], KNOWN) == {wrong: meant}


def test_other_programs_names_are_no_settings_of_ours() -> None:
    """Variables of other libraries and every setting itself are not named."""
    others = ["PATH", "HOME", "LANGSMITH_TRACING", "AZURE_OPENAI_API_VERSION", "LANGFUSE_RELEASE", "OPENAI_API_KEY"]
    assert unknown_names([*others, *KNOWN, *(name.lower() for name in KNOWN)], KNOWN) == {}


@given(name=st.sampled_from(KNOWN), value=TYPED, mark=st.sampled_from(["''", '""', "``", "“”"]))
def test_a_quoted_or_padded_value_is_named_without_it(name: str, value: str, mark: str) -> None:
    """Quotes that a shell would have taken away, and white space around; the finding quotes no value."""
    quoted, padded = {name: f"{mark[0]}{value}{mark[1]}"}, {name: f"{value}\r"}
    assert name in odd_values(quoted, KNOWN)
    assert (name in odd_values(padded, KNOWN)) == bool(value.strip())


@pytest.mark.parametrize(
    "value", ["${KEY}", "$KEY", "<your-key>", "your_api_key", "changeme", "xxxx", "{{ key }}", "…"]
)
def test_a_placeholder_is_named(value: str) -> None:
    """A reference that no shell expanded, and what an example stands for."""
    assert list(odd_values({"LANGSMITH_API_KEY": value}, KNOWN)) == ["LANGSMITH_API_KEY"]


@pytest.mark.parametrize(
    "value", ["lsv2_pt_0a1b", "a$b", "'tis the basis", "https://x.example/?a=<b>", "The Key clinic", "my-id"]
)
def test_an_ordinary_value_is_not_named(value: str) -> None:
    """A dollar or a quote inside a value is the value's own."""
    assert odd_values({"MEDAGENT_CONSENT_BASIS": value}, KNOWN) == {}


@given(url=TYPED)
def test_any_text_is_an_address_or_a_settings_error(url: str) -> None:
    """No text raises anything else, and no message holds the value."""
    raised: SettingsError | None = None
    try:
        check_address("MEDAGENT_OTLP_ENDPOINT", url)
    except SettingsError as error:
        raised = error
    if raised is None:
        assert url.lower().startswith(("http://", "https://"))
    else:
        assert "MEDAGENT_OTLP_ENDPOINT" in str(raised)
        assert len(url) < 16 or url not in raised.diagnostics()


NOT_AN_ADDRESS = (
    *("host", "host:4318", "https:/host", "https://", "ftp://host", "https://host:0", "https://host:99999", "//h"),
    *("https://a b", "https://<host>", "https://${HOST}", "https://-a.example", "https://a..example", "https://[::1"),
    *("https://user:pw@host", "https://host/?key=1", "https://host/#x"),
)


@pytest.mark.parametrize("url", NOT_AN_ADDRESS)
def test_an_address_that_cannot_be_used_is_an_error(url: str) -> None:
    """Each kind that somebody writes: no scheme, another one, no host, a port of no range, a placeholder."""
    with pytest.raises(SettingsError, match=r"MEDAGENT_OTLP_ENDPOINT: .*expected https://HOST"):
        check_address("MEDAGENT_OTLP_ENDPOINT", url)


@pytest.mark.parametrize("url", ["https://h", "http://127.0.0.1:4318/v1", "https://[::1]:4318", "HTTPS://Höst.example"])
def test_an_address_passes(url: str) -> None:
    """A name, an IPv4 and an IPv6 address, capitals and letters of other scripts."""
    check_address("MEDAGENT_OTLP_ENDPOINT", url)
