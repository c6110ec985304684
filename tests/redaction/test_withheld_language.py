from __future__ import annotations

from raw_record import POLICY, treat

from medagent.redaction import Counts
from medagent.redaction.policy import leaves
from medagent.redaction.text.language import LANGUAGES


def test_guardrail_counts_what_was_withheld_by_language() -> None:
    """A text counts once, however many findings it has; without any there is nothing to count."""
    said = "Me duele mucho la espalda cuando me levanto. Llame al 555 0142 por favor."
    left = treat("tool.book_appointment", {"arguments": {"phone": "555 0142", "reason_for_visit": said}})
    assert left.counts.document()["withheld"] == {"language_es": 1}
    assert (left.counts + left.counts).document()["withheld"] == {"language_es": 2}
    assert "withheld" not in Counts().document()


def test_guardrail_of_the_packaged_policy_keeps_the_count_of_each_language() -> None:
    declared = {leaf.path for leaf in leaves(POLICY.tree("policy.guardrail"))}
    assert declared >= {f"withheld.language_{code}" for code in LANGUAGES}
    withheld = {"language_es": 2, "language_other": 1}
    assert treat("policy.guardrail", {"withheld": withheld}).fields == {"withheld": withheld}
