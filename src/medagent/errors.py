"""Every exception of medagent: a message names paths, rules and settings, never a value of a patient."""

from __future__ import annotations

from collections.abc import Sequence


class MedagentError(Exception):
    """The base of all our errors; `hint` says what to do about it."""

    hint: str = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint or type(self).hint

    def diagnostics(self) -> str:
        """The message and what to do about it, for a terminal."""
        return f"{self}\n{self.hint}" if self.hint else str(self)


class SettingsError(MedagentError):
    """A setting is missing, unknown or contradictory; nothing starts."""

    others: tuple[SettingsError, ...] = ()
    """The errors of further settings that were found with this one."""


class ServerUnreachableError(MedagentError):
    """The LiveKit server cannot be reached, or refuses the worker; names the host and the cause."""


class KeyFileError(MedagentError):
    """A key is missing, unreadable or readable by others."""


class SignatureError(MedagentError):
    """A signed document is malformed, or not signed by enough of the trusted keys."""


class AttestationError(MedagentError):
    """An audit's report, its annexes or its signatures are not what was signed, or do not allow what was asked."""


class ConfigFileError(MedagentError):
    """A YAML file cannot be read; names file and line, and quotes nothing of it."""


class PolicyError(MedagentError):
    """A policy cannot be loaded; names file, line and rule. `problems` are all that were found, this one first."""

    def __init__(self, message: str, *, hint: str = "", problems: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems: tuple[str, ...] = tuple(problems) or (message,)


class OutcomeError(MedagentError):
    """The outcome that a tool declares is not usable; names the tool."""


class PricingError(MedagentError):
    """The price list cannot be loaded; names file and entry."""


class ScenarioError(MedagentError):
    """A scenario file is not one; names file and entry."""


class SimulatorError(MedagentError):
    """The simulator process did not start or broke its own protocol."""


class ClinicError(MedagentError):
    """The clinic's database cannot be used."""


class OutboxError(MedagentError):
    """The outbox refused a write: a call that is not open, a span that is final already."""


class OutboxUnavailableError(OutboxError):
    """The outbox cannot be written or read now: a full disk, a locked or broken file. Nothing of it was accepted."""


class DoorError(MedagentError):
    """A payload did not pass the door; nothing of it left. Names paths and rules, never the value."""


class OversizedError(DoorError):
    """A payload is larger than its destination takes; of a batch, a part may pass."""


class ExportError(MedagentError):
    """A destination did not take a batch; it stays in the outbox.

    `status` is that of the answer, if there was one; `retry_after_s` how long the destination asked to be left alone;
    `cause` is a code of `telemetry.failures`.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        cause: str | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.retry_after_s = retry_after_s
        self.cause = cause


class RefusedError(ExportError):
    """A destination answered, and does not take what is in this batch, now or later."""


class PartlyRefusedError(RefusedError):
    """A destination took a batch but for some spans, and does not name them."""

    def __init__(self, message: str, *, rejected: int, status: int, cause: str, hint: str = "") -> None:
        super().__init__(message, status=status, cause=cause, hint=hint)
        self.rejected = rejected


class NotAskableError(ExportError):
    """A destination has no way to be asked what it holds."""


class UnansweredError(ExportError):
    """A destination was sent a request and gave no answer: it may have it or not."""


class EgressOffError(MedagentError):
    """The kill switch is off: the request was not sent; the message has the remedy. No failure of the destination."""


class AlertStateError(MedagentError):
    """What the alerts remember – incidents, messages – cannot be read or written."""


class SwitchError(MedagentError):
    """The kill switch cannot do what was asked."""


class TraceNotFoundError(MedagentError):
    """No call in the archive has this id."""


class BrokenChainError(MedagentError):
    """A call's spans are not the ones that were sealed; names the number of the span where it shows."""


class AgentModuleError(MedagentError):
    """A module that should hold an agent or its tools cannot be imported, or holds none."""


class LedgerError(MedagentError):
    """The ledger cannot be written or read now, or refuses an entry; nothing of it counts as recorded."""


class ClockError(MedagentError):
    """The clock may have jumped ahead; nothing is deleted for its age."""

    hint = "correct the clock; if it is right: medagent archive prune --clock-is-right"


class LedgerContentError(LedgerError):
    """An entry's content is not what its kind holds, or a reason looks like a person's data; names the field."""


class BrokenLedgerError(MedagentError):
    """The ledger is not what was written; `entry` is the number of the entry where it shows, None: no entry of it."""

    def __init__(self, message: str, *, entry: int | None = None, hint: str = "") -> None:
        super().__init__(message if entry is None else f"entry {entry}: {message}", hint=hint)
        self.entry = entry


class TornLedgerError(BrokenLedgerError):
    """The last line was not written to its end, as after a crash; the next entry to be written will record that."""


class AuditError(MedagentError):
    """An audit cannot be run, or its protocol is not one; names file, line and key."""
