"""What may leave a record: the policy, the engine that walks under it, one pure function per action."""

from medagent.redaction.engine import Redactor
from medagent.redaction.loading import find_policy, load_policy
from medagent.redaction.policy import REDACTED, WITHHELD, Action, Category, Policy, Rule
from medagent.redaction.recognisers import Recogniser
from medagent.redaction.records import Counts, Finding, Record, Redacted
from medagent.redaction.text import Identifier, KnownValues

__all__ = [
    "Policy",
    "Rule",
    "Action",
    "Category",
    "find_policy",
    "load_policy",
    "Redactor",
    "Recogniser",
    "Redacted",
    "Record",
    "Counts",
    "Finding",
    "Identifier",
    "KnownValues",
    "REDACTED",
    "WITHHELD",
]
