"""`medagent call --agent`: what is said before somebody's tools really run, and what they may reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from rich.console import Console
from rich.text import Text

from medagent.agent.factory import Factory, load_factory
from medagent.cli.output import console
from medagent.errors import MedagentError
from medagent.runtime.destinations import LANGFUSE_CLOUD
from medagent.runtime.exports import exporters
from medagent.settings import Settings
from medagent.simulator.network_guard import NetworkGuard
from medagent.telemetry.span import SafeSpan

_QUIET = "bright_black"
_UNNAMED = "tool.unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnAgent:
    """Somebody's own agent, the settings of its calls, and the guard of its connections."""

    factory: Factory
    settings: Settings
    sends: bool
    guard: NetworkGuard

    def problems(self) -> list[str]:
        """Return each host that was refused, as a problem with its remedy."""
        return [
            f"{host}: connection refused, expected a host of --allow-host (add --allow-host {host})"
            for host in self.guard.refused
        ]

    def notes(self, spans: Sequence[SafeSpan]) -> list[str]:
        """Return what is worth to be known of the calls' spans."""
        unnamed = sum(span.name == _UNNAMED for span in spans)
        if not unnamed:
            return []
        lint = f"medagent policy lint --agent {self.factory.text}"
        return [f"{unnamed} tool spans have no name, since the policy has no rules for them: {lint}"]


@contextmanager
def own_agent(text: str, settings: Settings, hosts: Sequence[str], *, send: bool, out: Console) -> Iterator[OwnAgent]:
    """Say that the tools really run, then guard the connections, then load the agent: a module's code runs at once.

    Args:
        text: Name of the factory, as `load_factory` takes it.
        settings: Settings of the user.
        hosts: Hosts that the agent may connect to.
        send: Whether spans go to the destinations of the settings; else they stay in the archive.
        out: Where it is said.

    Yields:
        The agent. Connections are guarded until the block ends.

    Raises:
        AgentModuleError: The factory cannot be loaded; the hosts that were refused meanwhile are printed before.
    """
    says = f"Agent {text}: its tools really run; only the caller and the models are simulated."
    out.print(Text(says, style="bold yellow"), soft_wrap=True)
    named = _destinations(settings)
    allowed = list(hosts)
    if send:
        allowed += _hosts(settings, named)
        to = f"are sent to: {', '.join(named)}" if named else "are sent nowhere: no destination is set"
        said = f"Its spans {to}."
    else:
        settings = settings.without_destinations()
        off = f" ({', '.join(named)}: only with --send)" if named else ""
        said = f"Its spans stay in the archive of this host{off}."
    reach = f"It may connect to: {', '.join(allowed)}." if allowed else "It may connect to no other host."
    out.print(Text(f"{said} {reach}", style=_QUIET), soft_wrap=True)
    with NetworkGuard(allowed) as guard:
        try:
            yield OwnAgent(factory=load_factory(text), settings=settings, sends=send, guard=guard)
        except MedagentError:
            for host in guard.refused:
                console(stderr=True).print(Text(f"{host}: connection refused", style="red"), soft_wrap=True)
            raise


def _hosts(settings: Settings, names: Sequence[str]) -> list[str]:
    """The hosts of these destinations."""
    langfuse = settings.langfuse_base_url or settings.langfuse_host or LANGFUSE_CLOUD
    addresses = {"langsmith": settings.langsmith_endpoint, "otlp": settings.otlp_endpoint or "", "langfuse": langfuse}
    return [host for name in names if (host := urlsplit(addresses.get(name, "")).hostname)]


def _destinations(settings: Settings) -> list[str]:
    """The destinations besides the archive."""
    found = exporters(settings)
    for one in found:
        one.close()
    return [one.name for one in found if one.name != "archive"]
