"""Our prices in the form that Phoenix and MLflow take, with what neither of them can hold; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from medagent.pricing import LlmPrice, ModalityPrice, PriceList, RealtimePrice
from medagent.proof import Json

PHOENIX_MODELS = "{generativeModels(first:10000){edges{node{id name kind}}}}"
"""The GraphQL query whose answer names the models that Phoenix has."""
MLFLOW_PROVIDERS = ("anthropic", "azure", "google", "groq", "mistralai", "openai")
"""Providers as our spans name them to MLflow (`llm.provider`); it reads one file for each."""
_SNAPSHOT = r"(-\d{4}-\d{2}-\d{2})?"
_CUSTOM = "CUSTOM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """Prices in a backend's form, and a line for each price that the form has no place for."""

    document: Mapping[str, Json]
    left_out: tuple[str, ...]


def for_phoenix(prices: PriceList, models: Any = None) -> Exported:
    """Return one GraphQL request that creates each model with its prices, or updates it.

    Args:
        prices: Our price list.
        models: Phoenix's answer to `PHOENIX_MODELS`; models of ours among them are updated. None: all are created.

    Returns:
        The body of a POST to Phoenix's `/graphql`; what it cannot hold.
    """
    ids = _custom_ids(models)
    declared, called, variables, left_out = list[str](), list[str](), dict[str, Json](), list[str]()
    for name, price in _token_models(prices):
        costs = list(_phoenix_costs(price))
        known = {(kind, token_type) for kind, token_type, _ in costs}
        if not {("PROMPT", "input"), ("COMPLETION", "output")} <= known:
            left_out.append(f"{name}: no price of text input or output, and Phoenix needs both")
            continue
        left_out += [f"{name}: {one}" for one in _counted_as_input(price, known)]
        key, creates = f"m{len(called)}", name not in ids
        action = "create" if creates else "update"
        declared.append(f"${key}:{action.title()}ModelMutationInput!")
        called.append(f"{key}:{action}Model(input:${key}){{model{{name}}}}")
        variables[key] = {
            **({} if creates else {"id": ids[name]}),
            "name": name,
            "provider": None,
            "namePattern": f"^{re.escape(name)}{_SNAPSHOT}$",
            "costs": [
                {"tokenType": token_type, "costPerMillionTokens": cost, "kind": kind}
                for kind, token_type, cost in costs
            ],
        }
    query = f"mutation({','.join(declared)}){{{' '.join(called)}}}" if called else "{__typename}"
    left_out += [f"{name}: Phoenix prices no span of STT" for name in prices.stt]
    left_out += [f"{name}: Phoenix has no price for a character" for name in prices.tts]
    left_out += _of_the_line(prices, "Phoenix")
    return Exported(document={"query": query, "variables": variables}, left_out=tuple(left_out))


def for_mlflow(prices: PriceList) -> Exported:
    """Return a provider's file of MLflow's model catalog; ours is the same for each provider.

    MLflow takes the cost of our spans from the spans. The file prices spans that carry no cost: other senders' and
    those of judges.
    """
    models: dict[str, Json] = {}
    left_out: list[str] = []
    for name, price in _token_models(prices):
        tokens = _mlflow_tokens(price.text if isinstance(price, RealtimePrice) else price)
        if isinstance(price, RealtimePrice):
            tokens["modality"] = {"audio": _mlflow_tokens(price.audio)}
            left_out.append(f"{name}: MLflow keeps the price of audio tokens and counts them as text")
        models[name] = {"mode": "chat", "pricing": tokens}
    for name, stt in sorted(prices.stt.items()):
        if stt.input is not None and stt.output is not None:
            pricing: Json = {"input_per_million_tokens": stt.input, "output_per_million_tokens": stt.output}
            models[name] = {"mode": "chat", "pricing": pricing}
        if stt.per_second is not None:
            left_out.append(f"{name}: MLflow has no price for a second")
    left_out += [f"{name}: MLflow has no price for a character" for name in prices.tts]
    left_out += _of_the_line(prices, "MLflow")
    return Exported(document={"schema_version": "1.0", "models": models}, left_out=tuple(left_out))


def _token_models(prices: PriceList) -> list[tuple[str, RealtimePrice | LlmPrice]]:
    found: dict[str, RealtimePrice | LlmPrice] = {**prices.realtime, **prices.llm}
    return sorted(found.items())


def _phoenix_costs(price: RealtimePrice | LlmPrice) -> Iterator[tuple[str, str, float]]:
    """Yield kind, type and US dollars per million tokens of each known price; the types are those of our spans."""
    text: ModalityPrice | LlmPrice = price.text if isinstance(price, RealtimePrice) else price
    audio = price.audio if isinstance(price, RealtimePrice) else ModalityPrice()
    found = (
        ("PROMPT", "input", text.input),
        ("PROMPT", "cache_read", text.cached),
        ("COMPLETION", "output", text.output),
        ("PROMPT", "audio", audio.input),
        ("PROMPT", "cache_read_audio", audio.cached),
        ("COMPLETION", "audio", audio.output),
    )
    yield from ((kind, token_type, cost) for kind, token_type, cost in found if cost is not None)


def _counted_as_input(price: RealtimePrice | LlmPrice, known: set[tuple[str, str]]) -> Iterator[str]:
    expected = [("PROMPT", "cache_read")]
    if isinstance(price, RealtimePrice):
        expected += [("PROMPT", "audio"), ("PROMPT", "cache_read_audio"), ("COMPLETION", "audio")]
    for kind, token_type in expected:
        if (kind, token_type) not in known:
            yield f"{token_type} ({kind.lower()}) has no price, and Phoenix counts it as text"


def _custom_ids(models: Any) -> dict[str, str]:
    """Return name and id of each model that is not built in; raises `ValueError` where it is no such answer."""
    if models is None:
        return {}
    try:
        nodes = [edge["node"] for edge in models["data"]["generativeModels"]["edges"]]
        return {str(node["name"]): str(node["id"]) for node in nodes if node["kind"] == _CUSTOM}
    except (KeyError, TypeError):
        raise ValueError("no answer of Phoenix's generativeModels") from None


def _mlflow_tokens(price: ModalityPrice | LlmPrice) -> dict[str, Json]:
    named: dict[str, float | None] = {
        "input_per_million_tokens": price.input,
        "output_per_million_tokens": price.output,
        "cache_read_per_million_tokens": price.cached,
    }
    return {name: cost for name, cost in named.items() if cost is not None}


def _of_the_line(prices: PriceList, backend: str) -> list[str]:
    minutes = {"LiveKit": prices.line.livekit_per_minute, "SIP": prices.line.sip_per_minute}
    return [f"{name}: {backend} has no price for a minute" for name, price in minutes.items() if price is not None]
