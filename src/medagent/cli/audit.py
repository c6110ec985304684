"""`medagent audit`: the week-5 audit, for the compliance officer."""

from __future__ import annotations

import typer

from medagent.cli import audit_render, audit_review, audit_signing

app = typer.Typer(help="The audit: run it, review its sample, sign its report, verify it.", no_args_is_help=True)
app.command()(audit_review.review)
app.command()(audit_signing.adjudicate)
app.command()(audit_signing.sign)
app.command()(audit_signing.verify)
app.command()(audit_render.render)
app.add_typer(audit_signing.key, name="key")
