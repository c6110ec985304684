"""`medagent ledger`: what was done on this host, by whom and why, and the proof that nobody changed it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from medagent.cli.access import record_access
from medagent.cli.output import console, print_json
from medagent.errors import BrokenLedgerError, LedgerError, TornLedgerError
from medagent.file_access import read_file
from medagent.os_account import current_account
from medagent.proof import Json, VerifyKey
from medagent.proof.dsse import Envelope
from medagent.runtime.host import check_ledger_heads, key_ring, ledger, ledger_path
from medagent.settings import Settings, load_settings
from medagent.telemetry.ledger import KINDS, Entry, VerifiedLedger, entries, verify
from medagent.telemetry.ledger.anchors import check_heads, heads_in

_ID = re.compile(r"[0-9a-f]{64}|[0-9a-f-]{36}")

app = typer.Typer(help="The six-year record: verify it, read it, take a checkpoint of it.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Keys = Annotated[
    list[Path] | None,
    typer.Option(
        "--key",
        exists=True,
        dir_okay=False,
        help="A public key kept elsewhere (PEM), once for each; this installation's own if left out.",
    ),
]


@app.command("verify")
def verify_ledger(
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="An earlier checkpoint kept elsewhere: finds a cut or a rewrite."
        ),
    ] = None,
    key: Keys = None,
    file: Annotated[
        Path | None, typer.Option(help="A copy of a ledger; this host's own if left out.", dir_okay=False)
    ] = None,
    heads: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="A log of the second place (MEDAGENT_LEDGER_ANCHOR): each head must be in.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check every entry, its signature and its place; exit code 1 where one does not hold.

    Without --key and --checkpoint it trusts what this host says of itself; an officer keeps both elsewhere.
    """
    settings = load_settings()
    earlier = None if checkpoint is None else _checkpoint(checkpoint)
    try:
        found = verify(file or ledger_path(settings), _keys(settings, key or ()), earlier_checkpoint=earlier)
        if file is None:
            check_ledger_heads(settings, *(heads or ()))
        else:
            check_heads(file, [(str(one), head) for one in heads or () for head in heads_in(one)])
    except BrokenLedgerError as error:
        _say_broken(error, as_json=as_json)
        raise typer.Exit(1) from None
    if file is None:
        record_access(settings, "ledger", "ledger_verify")
    if as_json:
        print_json([{"whole": True, **_about(found)}])
        return
    out = console()
    out.print(f"the ledger is whole: {found.entries} entries, {found.first_at} to {found.last.at}", style="green")
    out.print("  " + ", ".join(f"{count} {kind}" for kind, count in sorted(found.kinds.items())))
    for number in found.recovered:
        out.print(f"  entry {number} accounts for a line before it that was not written to its end", style="yellow")
    if earlier is None:
        out.print("  without an earlier checkpoint, nothing shows whether its end was cut off", style="yellow")
    out.print(f"  head {found.last.hash}")


@app.command()
def show(
    kind: Annotated[str | None, typer.Option(help="Only this kind: " + ", ".join(KINDS) + ".")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the entries, oldest first, as far as their chain holds; exit code 1 where it breaks."""
    if kind is not None and kind not in KINDS:
        raise typer.BadParameter("kinds are " + ", ".join(KINDS))
    settings = load_settings()
    found: list[Entry] = []
    broken: BrokenLedgerError | None = None
    try:
        found.extend(entry for entry in entries(ledger_path(settings)) if kind in (None, entry.kind))
    except BrokenLedgerError as error:
        broken = error
    if broken is None:  # a broken one is evidence: it stays as it is
        record_access(settings, "ledger", "ledger_show")
    if as_json:
        print_json(entry.document() for entry in found)
    elif found:
        table = Table("entry", "at (UTC)", "kind", "what", box=None, pad_edge=False)
        for entry in found:
            table.add_row(str(entry.sequence), entry.at[:19].replace("T", " "), entry.kind, _said(entry.content))
        console().print(table)
    if broken is not None:
        console(stderr=True).print(Text(str(broken), style="red"))
        raise typer.Exit(1)


@app.command("checkpoint")
def take_checkpoint(key: Keys = None) -> None:
    """Verify the ledger, record that a checkpoint was taken, and print it: keep it where this host cannot write."""
    settings = load_settings()
    try:
        verify(ledger_path(settings), _keys(settings, key or ()))
        taken = ledger(settings).append("checkpoint", {"by": current_account().name})
    except BrokenLedgerError as error:
        _say_broken(error, as_json=False)
        raise typer.Exit(1) from None
    print_json([taken.checkpoint().document()])


@app.command("key")
def public_key() -> None:
    """Print this installation's public key: keep it where this host cannot write."""
    typer.echo(key_ring(load_settings()).signing_key().public.pem, nl=False)


def _keys(settings: Settings, files: Sequence[Path]) -> list[VerifyKey]:
    if not files:
        return [key_ring(settings).signing_key().public]
    return [VerifyKey.read(file) for file in files]


def _checkpoint(file: Path) -> Envelope:
    try:
        return Envelope.parse(read_file(file))
    except OSError as error:
        raise LedgerError(f"{file} cannot be read ({type(error).__name__})") from None


def _say_broken(error: BrokenLedgerError, *, as_json: bool) -> None:
    torn = isinstance(error, TornLedgerError)
    if as_json:
        print_json([{"whole": False, "torn": torn, "entry": error.entry, "says": str(error)}])
    else:
        out = console(stderr=True)
        out.print(Text("the ledger is torn" if torn else "the ledger is broken", style="bold red"))
        out.print(Text(error.diagnostics()))


def _about(found: VerifiedLedger) -> dict[str, Json]:
    return {
        "entries": found.entries,
        "kinds": dict(sorted(found.kinds.items())),
        "first_at": found.first_at,
        "last_at": found.last.at,
        "recovered": list(found.recovered),
        "head": found.last.hash,
        "key_id": found.last.key_id,
    }


def _said(content: Mapping[str, Json]) -> Text:
    """A content in a line or two: ids by their beginnings, what is empty or long left out; `--json` has all of it."""
    text = Text()
    for name, value in content.items():
        if value is None or value == {} or (isinstance(value, str) and "\n" in value):
            continue
        text.append(f"{name} ", style="bright_black")
        if isinstance(value, str):
            text.append(value[:8] if _ID.fullmatch(value) else value)
        else:
            text.append(json.dumps(value).strip("{}").replace('"', ""))
        text.append("  ")
    return text
