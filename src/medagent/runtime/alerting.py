"""The alerts of these settings, with the destinations whose address or key is set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medagent.errors import MedagentError
from medagent.redaction.policy import ClockMode
from medagent.settings import Settings, make_home
from medagent.telemetry.gates import ExportGate

if TYPE_CHECKING:
    from medagent.alerts.identity_checks import IdentityCheckAlert
    from medagent.alerts.post import Sender
    from medagent.alerts.rules import Alerts
    from medagent.alerts.watch import Watch

from medagent.runtime.exports import archive
from medagent.runtime.host import ledger, policy
from medagent.runtime.kill_switch import switch


def alert_watch(settings: Settings, alerts: Alerts) -> Watch:
    """The alerts of these settings over the archive, with the destinations whose address or key is set."""
    from medagent.alerts.pagerduty import PagerDuty  # noqa: PLC0415  # a call's process has no use for the alerts
    from medagent.alerts.post import Post  # noqa: PLC0415  # the same
    from medagent.alerts.slack import Slack  # noqa: PLC0415  # the same
    from medagent.alerts.state import AlertState  # noqa: PLC0415  # the same
    from medagent.alerts.watch import Watch  # noqa: PLC0415  # the same

    settings.check_prod()
    stop, ca_pem = switch(settings), settings.ca_pem()
    slack, pagerduty = (Post(name=name, gate=ExportGate(stop), ca_pem=ca_pem) for name in ("slack", "pagerduty"))
    senders: dict[str, Sender] = {}
    if settings.slack_webhook_url is not None:
        url = settings.slack_webhook_url.get_secret_value()
        senders["slack"] = Slack(url, channel=alerts.slack_channel, post=slack)
    if settings.pagerduty_routing_key is not None:
        senders["pagerduty"] = PagerDuty(
            settings.pagerduty_routing_key.get_secret_value(), events_url=settings.pagerduty_url, post=pagerduty
        )
    return Watch(
        alerts,
        spans=archive(settings),
        state=AlertState(make_home(settings.home) / "alerts"),
        senders=senders,
        switch=stop,
        env=settings.env,
        go_ends=stop.go_ends,
        names_calls=_shows_days(settings),
    )


def identity_check_alert(settings: Settings) -> IdentityCheckAlert:
    """Return the recorder of failed identity checks, with the destinations whose address or key is set."""
    from medagent.alerts.identity_checks import IdentityCheckAlert  # noqa: PLC0415  # a traced agent has no use for it
    from medagent.alerts.state import AlertState  # noqa: PLC0415  # the same
    from medagent.clinic.verification import MOST_FAILURES, WINDOW  # noqa: PLC0415  # the same

    named = {"slack": settings.slack_webhook_url, "pagerduty": settings.pagerduty_routing_key}
    return IdentityCheckAlert(
        append=lambda kind, content: ledger(settings).append(kind, content),
        state=lambda: AlertState(make_home(settings.home) / "alerts"),
        destinations=[name for name, secret in named.items() if secret is not None],
        env=settings.env,
        failures=MOST_FAILURES,
        hours=int(WINDOW.total_seconds()) // 3600,
    )


def _shows_days(settings: Settings) -> bool:
    """Return whether the policy sends the day of a call; a policy that cannot be read counts as one that does not."""
    try:
        return policy(settings).clock is ClockMode.EXACT
    except MedagentError:
        return False
