"""Settings: what is set wrong does not start, and says which variable, never what was in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from medagent.errors import SettingsError
from medagent.settings import ConsentScript, load_settings, make_home

KEY = "lsv2_sk_555010014"


def test_without_a_setting_it_is_dev_and_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Synthetic callers, no destination but the archive, everything under one's own home."""
    monkeypatch.delenv("MEDAGENT_HOME")
    settings = load_settings()
    assert (settings.env, settings.home, settings.telemetry) == ("dev", tmp_path / ".medagent", None)
    assert settings.langsmith_api_key is None
    assert settings.legal_basis() == "synthetic callers"
    assert settings.langsmith_project == "medical-voice-agent-dev"
    assert settings.clinic_url == tmp_path / ".medagent" / "clinic" / "clinic.db"


def test_only_our_own_variables_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$HOME is not our home; what others call ENV, MODEL or CONSENT is theirs."""
    expected = load_settings()
    for name, field in type(expected).model_fields.items():
        for theirs in {name, name.upper()} - {str(field.alias), str(field.alias).lower()}:
            monkeypatch.setenv(theirs, str(tmp_path / "theirs"))
    assert load_settings() == expected


def test_the_environment_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting has its variable; an empty one counts as unset, but for the kill switch, which it turns off."""
    for name, value in {
        "MEDAGENT_ENV": "prod",
        "MEDAGENT_TELEMETRY": "",
        "LANGSMITH_PROJECT": "",
        "MEDAGENT_LANGSMITH_RETENTION_DAYS": "400",
        "LANGSMITH_API_KEY": KEY,
        "MEDAGENT_CLINIC_DATABASE_URL": "postgresql://clinic:secret@db/clinic",
        "AZURE_OPENAI_DEPLOYMENT": "ours",
    }.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert (settings.langsmith_project, settings.telemetry) == ("medical-voice-agent-prod", "")
    assert (settings.langsmith_retention_days, settings.azure_deployment) == (400, "ours")
    assert settings.clinic_url == "postgresql://clinic:secret@db/clinic"
    assert settings.langsmith_api_key is not None
    assert settings.langsmith_api_key.get_secret_value() == KEY


def test_langsmiths_own_variables_name_project_and_workspace() -> None:
    """LangSmith's project and workspace are those that its own variables name."""
    settings = load_settings(LANGSMITH_PROJECT="Reception, north/south", LANGSMITH_WORKSPACE_ID="ab12-ws")
    assert (settings.langsmith_project, settings.langsmith_workspace_id) == ("Reception, north/south", "ab12-ws")


def test_agent_service_and_projects_have_names() -> None:
    """The names under which destinations group calls are the user's; without a setting there is none."""
    names = {
        "MEDAGENT_AGENT_NAME": "Front-desk-2",
        "MEDAGENT_AGENT_VERSION": "v2026.11.30-rc.1",
        "MEDAGENT_SERVICE_NAME": "phone.agents",
        "MEDAGENT_DEPLOYMENT_ENVIRONMENT": "staging-eu",
        "PHOENIX_PROJECT_NAME": "Reception, north",
    }
    settings = load_settings(**names)
    found = (settings.agent_name, settings.agent_version, settings.service_name, settings.deployment_environment)
    assert (*found, settings.phoenix_project) == tuple(names.values())
    assert load_settings().of_agent("receptionist", "1.0.0").agent_name == "receptionist"
    assert settings.of_agent("receptionist", "1.0.0").agent_version == "v2026.11.30-rc.1"
    assert (load_settings().agent_name, load_settings().agent_version) == (None, None)


def test_the_limit_of_the_cost_can_be_off() -> None:
    """A number of dollars, or the word."""
    assert load_settings(MEDAGENT_CALL_MAX_COST_USD="off").call_max_cost_usd == "off"
    assert load_settings(MEDAGENT_CALL_MAX_COST_USD="0.5").call_max_cost_usd == 0.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MEDAGENT_AGENT_NAME", "415 555 0137"),
        ("MEDAGENT_AGENT_VERSION", "latest of them"),
        ("MEDAGENT_SERVICE_NAME", "a\nb"),
        ("MEDAGENT_DEPLOYMENT_ENVIRONMENT", "Staging"),
        ("PHOENIX_PROJECT_NAME", " padded"),
        ("MEDAGENT_CALL_MAX_COST_USD", "-3"),
        ("MEDAGENT_CALL_MAX_COST_USD", "none"),
        ("LANGSMITH_PROJECT", " padded"),
        ("LANGSMITH_PROJECT", "two\nlines"),
        ("LANGSMITH_PROJECT", "x" * 201),
        ("LANGSMITH_WORKSPACE_ID", "a b"),
        ("LANGSMITH_WORKSPACE_ID", "ws\r\nx-other: 1"),
        ("MEDAGENT_ENV", "staging"),
        ("MEDAGENT_ENV", "PROD "),
        ("MEDAGENT_CONSENT", "granted"),
        ("MEDAGENT_CONSENT_SCRIPT_VERSION", "first draft"),
        ("MEDAGENT_SAMPLING", "-0.25"),
        ("MEDAGENT_SAMPLING", "1.5"),
        ("MEDAGENT_LANGSMITH_RETENTION_DAYS", "30"),
        ("MEDAGENT_LANGSMITH_RETENTION_DAYS", "four hundred"),
    ],
)
def test_a_wrong_value_is_a_start_up_error(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """It names the variable and what it may be; what was in it may be a secret in the wrong place."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert name in str(caught.value)
    assert value not in caught.value.diagnostics()
    assert caught.value.__cause__ is None


def test_no_secret_is_shown() -> None:
    """Keys and database passwords stand in no repr."""
    settings = load_settings(
        LANGSMITH_API_KEY=KEY,
        AZURE_OPENAI_API_KEY=KEY,
        MEDAGENT_PSEUDONYM_KEY=KEY,
        MEDAGENT_CLINIC_DATABASE_URL=f"postgresql://clinic:{KEY}@db/clinic",
    )
    assert KEY not in f"{settings!r} {settings} {settings.model_dump()}"


@pytest.mark.parametrize("env", ["dev", "prod"])
@pytest.mark.parametrize("basis", [None, "", "legitimate interest"])
@pytest.mark.parametrize("consent", [None, "not_asked"])
def test_a_call_needs_a_ground(env: str, consent: str | None, basis: str | None) -> None:
    """In prod a missing consent setting is an error, and so is `not_asked` without its legal basis anywhere."""
    settings = load_settings(MEDAGENT_ENV=env, MEDAGENT_CONSENT=consent, MEDAGENT_CONSENT_BASIS=basis)
    if env == "dev" and consent is None:
        assert settings.legal_basis() == "synthetic callers"
    elif consent and basis:
        assert settings.legal_basis() == basis
    else:
        with pytest.raises(SettingsError, match="MEDAGENT_CONSENT"):
            settings.legal_basis()


@pytest.mark.parametrize("in_a_file", [True, False])
def test_the_words_of_consent_are_given_or_in_a_file(tmp_path: Path, in_a_file: bool) -> None:
    """As they are or by a path; then there is no ground but the caller's answer, in prod and in dev."""
    words = "May we keep technical data of this call?\n Please say yes or no."
    (tmp_path / "words.txt").write_text(words)
    given = str(tmp_path / "words.txt") if in_a_file else words
    asks = {"MEDAGENT_CONSENT": "ask", "MEDAGENT_CONSENT_SCRIPT": given, "MEDAGENT_CONSENT_SCRIPT_VERSION": "1.2"}
    for env in ("dev", "prod"):
        settings = load_settings(MEDAGENT_ENV=env, **asks)
        assert settings.legal_basis() is None
        assert settings.asks() == ConsentScript(words=" ".join(words.split()), version="1.2")


@pytest.mark.parametrize("script", [None, " ", "/nowhere/words.txt", "~/words.txt"])
@pytest.mark.parametrize("version", [None, "1.0"])
def test_without_words_nobody_is_asked(script: str | None, version: str | None) -> None:
    """A question without words, without a version, or whose file is not there is a start-up error."""
    settings = load_settings(
        MEDAGENT_CONSENT="ask", MEDAGENT_CONSENT_SCRIPT=script, MEDAGENT_CONSENT_SCRIPT_VERSION=version
    )
    with pytest.raises(SettingsError, match="MEDAGENT_CONSENT"):
        settings.asks()
    if settings.asks_in_own_words:  # the traced agent has the words
        assert settings.legal_basis() is None
    else:
        with pytest.raises(SettingsError, match="MEDAGENT_CONSENT"):
            settings.legal_basis()
    assert load_settings().asks() is None


def test_settings_do_not_change() -> None:
    """A process has one set from its start to its end."""
    settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.env = "prod"  # type: ignore[misc]


def test_a_child_inherits_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths and locale, and what it is given by name."""
    for name in ("LANGSMITH_API_KEY", "AZURE_OPENAI_API_KEY", "MEDAGENT_PSEUDONYM_KEY", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, KEY)
    child = load_settings().child_environment(MEDAGENT_ENV="dev")
    assert KEY not in child.values()
    assert child["MEDAGENT_ENV"] == "dev"
    assert "PATH" in child


def test_a_home_belongs_to_its_user(tmp_path: Path) -> None:
    """Made with its parents, and shut where somebody left it open."""
    home = make_home(tmp_path / "a" / "b")
    assert home.stat().st_mode & 0o777 == 0o700
    home.chmod(0o755)
    assert make_home(home).stat().st_mode & 0o777 == 0o700


def test_a_home_that_cannot_be_is_a_start_up_error(tmp_path: Path) -> None:
    """With what to do about it."""
    (tmp_path / "file").touch()
    for home in (tmp_path / "file" / "home", tmp_path / "file"):
        with pytest.raises(SettingsError) as caught:
            make_home(home)
        assert "MEDAGENT_HOME" in caught.value.diagnostics()
