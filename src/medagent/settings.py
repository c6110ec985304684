"""Where things are and whether they are on: the only reader of the environment. What may leave is the policy's."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import ssl
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from medagent.errors import SettingsError
from medagent.file_access import read_file
from medagent.setting_checks import expectation, odd_values, unknown_names

Env = Literal["dev", "prod"]
Days = Annotated[int, Field(ge=1, le=4000)]
AGENT_NAME = r"[A-Za-z]([0-9]{0,4}[A-Za-z._-]){0,60}[0-9]{0,4}"
"""Name of an agent or a service, as a pattern."""
AGENT_VERSION = r"v?[0-9]{1,4}(\.[0-9]{1,4}){0,3}([.+_-]?[a-z]{1,10}(\.?[0-9]{1,4})?){0,2}"
"""Version of an agent, as a pattern: 1.4.0, 2026.11.30 or v2.1.0-rc.1."""
_LISTED = ("otlp", "langfuse", "jsonlog")
_PAST_THE_DOOR = {
    **dict.fromkeys(
        ("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING", "LANGCHAIN_TRACING_V2"),
        "whatever in this process uses LangSmith's client sends by itself",
    ),
    "OTEL_TRACES_EXPORTER": "an auto-instrumented process sends the spans of its libraries",
    "OTEL_PYTHON_TRACER_PROVIDER": "a tracer provider is set for all libraries of this process",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "spans of libraries hold what was said",
    "LIVEKIT_OBSERVABILITY_URL": "LiveKit uploads there what it records of calls that are not traced",
    "LIVEKIT_TELEMETRY_ALLOW_PII": "LiveKit's spans hold what was said, for whoever takes them",
    "LANGSMITH_FAILED_TRACES_DIR": "LangSmith's client, where somebody else uses it, keeps there what was refused",
}
_LANGSMITH_ADDRESSES = ("LANGSMITH_ENDPOINT", "LANGCHAIN_ENDPOINT")
_LANGSMITH_REPLICAS = "LANGSMITH_RUNS_ENDPOINTS"
_SAYS_NO = frozenset({"", "0", "false", "no", "off", "none"})
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY")
_EXITS = ("text", "session_host", "spans")
_ENCRYPTED = {"http": "https", "ws": "wss"}


def _days(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _list(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))


def _some_of(*allowed: str) -> AfterValidator:
    def check(names: tuple[str, ...]) -> tuple[str, ...]:
        if not set(names) <= set(allowed):
            raise ValueError(f"a list of some of {', '.join(allowed)}")
        return names

    return AfterValidator(check)


Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_list)]


def _telemetry_word() -> str | None:
    """The word of `MEDAGENT_TELEMETRY`: set but empty it is off, where an empty setting else counts as unset."""
    return next((value for name, value in os.environ.items() if name.upper() == "MEDAGENT_TELEMETRY"), None)


def is_loopback(url: str) -> bool:
    """Return whether a URL names this machine by `localhost` or a loopback address; no name is resolved."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


FilePath = Annotated[Path, AfterValidator(Path.expanduser)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentScript:
    """What the agent says, word for word, to ask for consent; its version is what the guardrail names."""

    words: str
    version: str


class Settings(BaseSettings):
    """All settings of a process; a value that is not one of the allowed is a start-up error that names the variable."""

    # By alias alone: by name too, `home` would be $HOME and `env` $ENV.
    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    env: Env = Field("dev", alias="MEDAGENT_ENV")
    synthetic_callers: Literal["yes"] | None = Field(None, alias="MEDAGENT_SYNTHETIC_CALLERS")
    home: Annotated[Path, AfterValidator(_absolute)] = Field(
        Path("~/.medagent"), alias="MEDAGENT_HOME", validate_default=True
    )
    telemetry: str | None = Field(default_factory=_telemetry_word, alias="MEDAGENT_TELEMETRY")
    policy_path: FilePath | None = Field(None, alias="MEDAGENT_POLICY")
    pricing_path: FilePath | None = Field(None, alias="MEDAGENT_PRICING")
    officers_path: FilePath | None = Field(None, alias="MEDAGENT_OFFICERS")
    ledger_anchor: str | None = Field(None, alias="MEDAGENT_LEDGER_ANCHOR")
    go_days: int = Field(365, alias="MEDAGENT_GO_DAYS", ge=1, le=365)
    agent_name: str | None = Field(None, alias="MEDAGENT_AGENT_NAME", pattern=f"^{AGENT_NAME}$")
    agent_version: str | None = Field(None, alias="MEDAGENT_AGENT_VERSION", pattern=f"^{AGENT_VERSION}$")
    service_name: str | None = Field(None, alias="MEDAGENT_SERVICE_NAME", pattern=f"^{AGENT_NAME}$")
    deployment_environment: str | None = Field(
        None, alias="MEDAGENT_DEPLOYMENT_ENVIRONMENT", pattern=r"^[a-z]([0-9]{0,4}[a-z_-])*[0-9]{0,4}$", max_length=40
    )
    agent_path: Annotated[Path, AfterValidator(_absolute)] | None = Field(None, alias="MEDAGENT_AGENT")
    alerts_path: FilePath | None = Field(None, alias="MEDAGENT_ALERTS")
    processors_path: FilePath | None = Field(None, alias="MEDAGENT_PROCESSORS")
    pseudonym_key: SecretStr | None = Field(None, alias="MEDAGENT_PSEUDONYM_KEY")
    pseudonym_keys_old: SecretStr | None = Field(None, alias="MEDAGENT_PSEUDONYM_KEYS_OLD")
    signing_key: SecretStr | None = Field(None, alias="MEDAGENT_SIGNING_KEY")
    export_service: Literal["auto", "external", "in_process"] = Field("auto", alias="MEDAGENT_EXPORT_SERVICE")
    outbox_url: SecretStr | None = Field(None, alias="MEDAGENT_OUTBOX_URL")
    outbox_max_mb: int = Field(1024, alias="MEDAGENT_OUTBOX_MAX_MB", ge=1)
    outbox_days: Days = Field(30, alias="MEDAGENT_OUTBOX_DAYS")
    release_delay_days: int = Field(0, alias="MEDAGENT_RELEASE_DELAY_DAYS", ge=0, le=365)
    archive_days: Days = Field(90, alias="MEDAGENT_ARCHIVE_DAYS")
    clinic_database_url: SecretStr | None = Field(None, alias="MEDAGENT_CLINIC_DATABASE_URL")
    clinic_name: str = Field("the clinic", alias="MEDAGENT_CLINIC_NAME")
    clinic_country: str | None = Field(None, alias="MEDAGENT_CLINIC_COUNTRY", pattern=r"^[A-Z]{2}$")
    consent: Literal["not_asked", "ask"] | None = Field(None, alias="MEDAGENT_CONSENT")
    consent_basis: str | None = Field(None, alias="MEDAGENT_CONSENT_BASIS")
    consent_script: str | None = Field(None, alias="MEDAGENT_CONSENT_SCRIPT")
    consent_script_version: str | None = Field(
        None, alias="MEDAGENT_CONSENT_SCRIPT_VERSION", pattern=r"^[0-9]{1,4}(\.[0-9]{1,4}){1,3}$"
    )
    sampling: float = Field(1.0, alias="MEDAGENT_SAMPLING", gt=0, le=1)

    model: str = Field("gpt-realtime", alias="MEDAGENT_MODEL")
    call_max_minutes: float = Field(15.0, alias="MEDAGENT_CALL_MAX_MINUTES", gt=0)
    call_max_cost_usd: Annotated[float, Field(gt=0)] | Literal["off"] = Field(2.0, alias="MEDAGENT_CALL_MAX_COST_USD")
    azure_endpoint: str | None = Field(None, alias="AZURE_OPENAI_ENDPOINT")
    azure_api_key: SecretStr | None = Field(None, alias="AZURE_OPENAI_API_KEY")
    azure_deployment: str = Field("gpt-realtime", alias="AZURE_OPENAI_DEPLOYMENT")

    langsmith_api_key: SecretStr | None = Field(None, alias="LANGSMITH_API_KEY")
    langsmith_endpoint: str = Field("https://api.smith.langchain.com", alias="LANGSMITH_ENDPOINT")
    langsmith_project_name: str | None = Field(
        None, alias="LANGSMITH_PROJECT", pattern=r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,198}[^\s\x00-\x1f\x7f])?$"
    )
    langsmith_workspace_id: str | None = Field(
        None, alias="LANGSMITH_WORKSPACE_ID", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
    )
    langsmith_retention_days: Annotated[Literal[14, 400], BeforeValidator(_days)] = Field(
        14, alias="MEDAGENT_LANGSMITH_RETENTION_DAYS"
    )

    slack_webhook_url: SecretStr | None = Field(None, alias="MEDAGENT_SLACK_WEBHOOK_URL")
    pagerduty_routing_key: SecretStr | None = Field(None, alias="MEDAGENT_PAGERDUTY_ROUTING_KEY")
    pagerduty_url: str = Field("https://events.pagerduty.com/v2/enqueue", alias="MEDAGENT_PAGERDUTY_URL")
    destinations: Annotated[Listed, _some_of(*_LISTED)] = Field((), alias="MEDAGENT_DESTINATIONS")
    otlp_endpoint: str | None = Field(None, alias="MEDAGENT_OTLP_ENDPOINT")
    otlp_headers: SecretStr | None = Field(None, alias="MEDAGENT_OTLP_HEADERS")
    otlp_metrics: bool = Field(True, alias="MEDAGENT_OTLP_METRICS")
    otlp_region: str = Field("self-hosted", alias="MEDAGENT_OTLP_REGION", pattern=r"^[a-z][a-z0-9-]{0,30}$")
    phoenix_project: str | None = Field(
        None, alias="PHOENIX_PROJECT_NAME", pattern=r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,198}[^\s\x00-\x1f\x7f])?$"
    )
    otlp_voice_drafts: bool = Field(False, alias="MEDAGENT_OTLP_VOICE_DRAFTS")
    otlp_retention_days: Days | None = Field(None, alias="MEDAGENT_OTLP_RETENTION_DAYS")
    langfuse_public_key: str | None = Field(None, alias="LANGFUSE_PUBLIC_KEY")
    langfuse_secret_key: SecretStr | None = Field(None, alias="LANGFUSE_SECRET_KEY")
    langfuse_base_url: str | None = Field(None, alias="LANGFUSE_BASE_URL")
    langfuse_host: str | None = Field(None, alias="LANGFUSE_HOST")
    langfuse_retention_days: Days | None = Field(None, alias="MEDAGENT_LANGFUSE_RETENTION_DAYS")
    jsonlog: str = Field("stdout", alias="MEDAGENT_JSONLOG")
    jsonlog_emf: bool = Field(False, alias="MEDAGENT_JSONLOG_EMF")

    caller_identity: str | None = Field(None, alias="MEDAGENT_CALLER_IDENTITY", min_length=1, max_length=200)
    logs_in_clear: Listed = Field((), alias="MEDAGENT_LOGS_IN_CLEAR")
    livekit_url: str | None = Field(None, alias="LIVEKIT_URL")
    livekit_api_key: str | None = Field(None, alias="LIVEKIT_API_KEY")
    livekit_api_secret: SecretStr | None = Field(None, alias="LIVEKIT_API_SECRET")
    ca_file: FilePath | None = Field(None, alias="MEDAGENT_CA_FILE")
    livekit_open: Annotated[Listed, _some_of(*_EXITS)] = Field((), alias="MEDAGENT_LIVEKIT_OPEN")

    @property
    def is_env_stated(self) -> bool:
        """Return whether `MEDAGENT_ENV` is set and not empty; without it the environment counts as dev."""
        return "env" in self.model_fields_set

    @property
    def asks_in_own_words(self) -> bool:
        """Return whether the traced agent asks for consent by itself: `MEDAGENT_CONSENT=ask` without a script."""
        return self.consent == "ask" and self.consent_script is None and self.consent_script_version is None

    def check_prod(self) -> None:
        """Raise `SettingsError` in prod where callers are declared synthetic, or an address is not encrypted."""
        if self.env != "prod":
            return
        if self.synthetic_callers is not None:
            raise SettingsError(
                "MEDAGENT_SYNTHETIC_CALLERS: set with MEDAGENT_ENV=prod, expected unset",
                hint="unset MEDAGENT_SYNTHETIC_CALLERS, or set MEDAGENT_ENV=dev",
            )
        for variable, url in self.addresses().items():
            self.check_encrypted(variable, url)

    def check_encrypted(self, variable: str, url: str) -> None:
        """Raise `SettingsError` in prod if an address is http or ws and its host is not loopback."""
        scheme = "".join(url.split()).partition(":")[0].lower()
        if self.env != "prod" or scheme not in _ENCRYPTED or is_loopback(url):
            return
        expected = _ENCRYPTED[scheme]
        raise SettingsError(
            f"{variable}: {scheme} to another host with MEDAGENT_ENV=prod, expected {expected}",
            hint=f"set {variable} to an address with {expected}, and MEDAGENT_CA_FILE for an in-house authority",
        )

    def ca_pem(self) -> bytes | None:
        """Return the certificates that are trusted beside the public ones, as the file holds them.

        Raises:
            SettingsError: The file cannot be read, is over 1 MB or holds no certificate.
        """
        if self.ca_file is None:
            return None
        try:
            content = read_file(self.ca_file.expanduser())
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content.decode("ascii"))
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"MEDAGENT_CA_FILE: cannot be used ({type(error).__name__}), expected certificates in PEM",
                hint="change or unset MEDAGENT_CA_FILE",
            ) from None
        return content

    def ca_sha256(self) -> str | None:
        """Return the SHA-256 of the content of `MEDAGENT_CA_FILE`; None where it is unset."""
        content = self.ca_pem()
        return None if content is None else hashlib.sha256(content).hexdigest()

    def addresses(self) -> dict[str, str]:
        """Return the addresses of requests and of calls, by variable."""
        slack = self.slack_webhook_url
        found = {
            "LANGSMITH_ENDPOINT": self.langsmith_endpoint if self.langsmith_api_key is not None else None,
            "MEDAGENT_OTLP_ENDPOINT": self.otlp_endpoint,
            "LANGFUSE_BASE_URL": self.langfuse_base_url,
            "LANGFUSE_HOST": self.langfuse_host,
            "MEDAGENT_SLACK_WEBHOOK_URL": None if slack is None else slack.get_secret_value(),
            "MEDAGENT_PAGERDUTY_URL": self.pagerduty_url,
            "AZURE_OPENAI_ENDPOINT": self.azure_endpoint,
            "LIVEKIT_URL": self.livekit_url,
        }
        return {name: url.strip() for name, url in found.items() if url is not None}

    def unusable_destinations(self) -> dict[str, str]:
        """The destinations that stay off although something is set for them, each with what to do about it."""
        needs: dict[str, dict[str, object]] = {
            "otlp": {"MEDAGENT_OTLP_ENDPOINT": self.otlp_endpoint},
            "langfuse": {
                "LANGFUSE_PUBLIC_KEY": self.langfuse_public_key,
                "LANGFUSE_SECRET_KEY": self.langfuse_secret_key,
            },
        }
        found: dict[str, str] = {}
        for name, variables in needs.items():
            unset = [variable for variable, value in variables.items() if value is None]
            if name in self.destinations and unset:
                found[name] = f"set {' and '.join(unset)}"
            elif name not in self.destinations and len(unset) < len(variables):
                found[name] = f"add {name} to MEDAGENT_DESTINATIONS"
        return found

    @staticmethod
    def unknown_variables() -> dict[str, str | None]:
        """Return the variables that are no setting and were probably meant as one, each with the most similar."""
        return unknown_names(os.environ, _names())

    @staticmethod
    def odd_variables() -> dict[str, str]:
        """Return the settings whose value is in quotes, padded, unexpanded or a placeholder, each with the cause."""
        return odd_values(os.environ, _names())

    @staticmethod
    def proxies() -> dict[str, str]:
        """Return the proxies of the environment by variable; LiveKit's worker uses the first, no delivery uses any."""
        return {name: os.environ[name] for name in _PROXIES if os.environ.get(name)}

    @staticmethod
    def ways_past_the_door() -> dict[str, str]:
        """The variables by which libraries of this process send, or keep, what has not passed the door; why of each."""
        return {
            name: why
            for name, why in _PAST_THE_DOOR.items()
            if os.environ.get(name, "").strip().lower() not in _SAYS_NO
        }

    @staticmethod
    def langsmith_is_contradicted() -> str | None:
        """The variable beside which `LANGSMITH_RUNS_ENDPOINTS` cannot be: LangSmith's client refuses to start."""
        if not os.environ.get(_LANGSMITH_REPLICAS):
            return None
        return next((name for name in _LANGSMITH_ADDRESSES if os.environ.get(name)), None)

    @cached_property
    def langsmith_project(self) -> str:
        """Return the project's name in LangSmith; without a setting, one project for each environment."""
        return self.langsmith_project_name or f"medical-voice-agent-{self.env}"

    @cached_property
    def clinic_url(self) -> str | Path:
        """Return the URL of the clinic's database, or the path of its SQLite file under the home directory.

        A path is not made into a URL: `%`, `?` and `#` in it would lead to another file.
        """
        if self.clinic_database_url is not None:
            return self.clinic_database_url.get_secret_value()
        return self.home / "clinic" / "clinic.db"

    @property
    def outbox_location(self) -> str | Path:
        """Return the URL of the outbox's database, or the path of its SQLite file under the home directory."""
        if self.outbox_url is not None:
            return self.outbox_url.get_secret_value()
        return self.home / "outbox" / "outbox.db"

    def legal_basis(self) -> str | None:
        """On what ground a call is traced without asking; None: the caller is asked.

        Raises `SettingsError` where prod names no ground, and where the script of `ask` cannot be used. Without a
        script the traced agent asks in its own words; its `consent` settles the call.
        """
        if self.env == "dev" and self.consent is None:
            return "synthetic callers"
        if self.consent == "ask":
            if not self.asks_in_own_words:
                self.asks()
            return None
        if self.consent is None or not self.consent_basis:
            raise SettingsError(
                "MEDAGENT_CONSENT is not settled",
                hint="set MEDAGENT_CONSENT=not_asked, and MEDAGENT_CONSENT_BASIS to the clinic's legal basis; "
                "or MEDAGENT_CONSENT=ask, MEDAGENT_CONSENT_SCRIPT and MEDAGENT_CONSENT_SCRIPT_VERSION",
            )
        return self.consent_basis

    def asks(self) -> ConsentScript | None:
        """The words that a caller is asked with; None where nobody is asked. Raises `SettingsError` without them."""
        if self.consent != "ask":
            return None
        given = self.consent_script or ""
        try:
            is_path = given.startswith(("/", "~/", "./"))
            words = read_file(Path(given).expanduser()).decode() if is_path else given
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"MEDAGENT_CONSENT_SCRIPT cannot be read ({type(error).__name__})", hint="name a text file in UTF-8"
            ) from None
        if not words.strip() or self.consent_script_version is None:
            raise SettingsError(
                "MEDAGENT_CONSENT is ask, and there is nothing to ask with",
                hint="set MEDAGENT_CONSENT_SCRIPT to the words or to a file's path (/…, ~/…, ./…), "
                "and MEDAGENT_CONSENT_SCRIPT_VERSION to a number like 1.0",
            )
        return ConsentScript(words=" ".join(words.split()), version=self.consent_script_version)

    def of_agent(self, name: str, version: str) -> Settings:
        """Return these settings for an agent of ours; a name and a version that are set stay."""
        return self.model_copy(
            update={"agent_name": self.agent_name or name, "agent_version": self.agent_version or version}
        )

    def without_destinations(self) -> Settings:
        """Return these settings with the local archive as the only destination."""
        unset = ("langsmith_api_key", "otlp_endpoint", "langfuse_public_key", "langfuse_secret_key")
        return self.model_copy(update={**dict.fromkeys(unset), "destinations": ()})

    def child_environment(self, **extra: str) -> dict[str, str]:
        """Return what a child process of ours inherits: paths and locale, no key and no setting but the given ones."""
        kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "SYSTEMROOT")
        return {name: os.environ[name] for name in kept if name in os.environ} | extra

    def service_environment(self) -> dict[str, str]:
        """Return this process's environment, with the settings that it may have by other ways, for its service."""
        others = {
            "MEDAGENT_HOME": self.home,
            "MEDAGENT_AGENT": self.agent_path,
            "MEDAGENT_AGENT_NAME": self.agent_name,
            "MEDAGENT_AGENT_VERSION": self.agent_version,
        }
        return {**os.environ, **{name: str(value) for name, value in others.items() if value is not None}}


def _names() -> frozenset[str]:
    return frozenset(str(field.alias) for field in Settings.model_fields.values())


def load_settings(**overrides: object) -> Settings:
    """Read the environment; raises `SettingsError` that names the variable and what it may be, never its value.

    The error's `others` are those of the other variables with a value that is not allowed.
    """
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]  # aliases are the environment's names
    except ValidationError as error:
        found = [_wrong_value(one) for one in error.errors(include_input=False, include_url=False)]
    else:
        opened = {"MEDAGENT_LIVEKIT_OPEN": settings.livekit_open, "MEDAGENT_LOGS_IN_CLEAR": settings.logs_in_clear}
        found = [
            SettingsError(f"{name} is set, expected unset with MEDAGENT_ENV=prod", hint=f"unset {name}")
            for name, value in opened.items()
            if value and settings.env == "prod"
        ]
    if found:
        found[0].others = tuple(found[1:])
        raise found[0] from None
    return settings


def _wrong_value(error: Any) -> SettingsError:
    name = ".".join(str(part) for part in error["loc"])
    hint = f"change or unset {name}"
    if name == "MEDAGENT_DESTINATIONS":
        hint += "; archive and LangSmith need no entry: LangSmith is on once LANGSMITH_API_KEY is set"
    return SettingsError(f"{name}: {expectation(error)}", hint=hint)


def make_home(home: Path) -> Path:
    """Create `MEDAGENT_HOME` with mode 0700; raises `SettingsError` where that cannot be done."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if home.stat().st_mode & 0o077:
            home.chmod(0o700)
    except OSError as error:
        raise SettingsError(
            f"the state directory {home} cannot be used ({type(error).__name__})",
            hint="set MEDAGENT_HOME to a directory that this user can write",
        ) from None
    return home
