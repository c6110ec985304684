"""`medagent pricing`: our prices for other tools."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from medagent.cli.backend_prices import MLFLOW_PROVIDERS, PHOENIX_MODELS, Exported, for_mlflow, for_phoenix
from medagent.cli.output import console
from medagent.errors import PricingError
from medagent.file_access import read_file, write_file
from medagent.pricing import PriceList, load_prices
from medagent.proof import Json
from medagent.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="What models cost, for the tools that show your calls.")


class Backend(StrEnum):
    """A tool with a price list of its own."""

    PHOENIX = "phoenix"
    MLFLOW = "mlflow"


@app.callback()
def _all() -> None:
    """What models cost, for the tools that show your calls."""


@app.command()
def export(
    backend: Annotated[Backend, typer.Argument(help="The tool.")],
    out: Annotated[
        Path | None, typer.Option(help="Phoenix: a file. MLflow: a directory, one file for each provider.")
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="Phoenix: its answer with the models that it has, to update ours among them.")
    ] = None,
) -> None:
    """Print or write the prices of MEDAGENT_PRICING in the form that a tool takes; stderr names what it cannot hold.

    Phoenix: POST the output to its /graphql. MLflow: set MLFLOW_MODEL_CATALOG_URI=file://DIR for its server.
    """
    prices = load_prices(load_settings().pricing_path)
    if backend is Backend.PHOENIX:
        exported = _for_phoenix(prices, models)
        _write(exported, [] if out is None else [out])
    else:
        exported = for_mlflow(prices)
        _write(exported, [] if out is None else [out / f"{provider}.json" for provider in MLFLOW_PROVIDERS])
    for line in exported.left_out:
        console(stderr=True).print(line, style="yellow", soft_wrap=True, markup=False)


def _for_phoenix(prices: PriceList, models: Path | None) -> Exported:
    try:
        answer: Json = None if models is None else json.loads(read_file(models))
        return for_phoenix(prices, answer)
    except (OSError, ValueError):
        raise PricingError(
            "--models: cannot be read, expected Phoenix's answer as JSON",
            hint=f"POST {json.dumps({'query': PHOENIX_MODELS})} to its /graphql",
        ) from None


def _write(exported: Exported, paths: list[Path]) -> None:
    text = json.dumps(exported.document, indent=2) + "\n"
    if not paths:
        sys.stdout.write(text)
    for path in paths:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, text.encode())
        except OSError as error:
            raise PricingError(
                f"--out: {path} cannot be written ({type(error).__name__}), expected a place that you may write to",
                hint="change --out",
            ) from None
