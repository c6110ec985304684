"""What the clinic's line may say on health questions: found by search, emergencies first; no diagnosis, no dose."""

from medagent.clinic.guidelines.collection import Guideline
from medagent.clinic.guidelines.search import Findings, guidelines_for

__all__ = ["Findings", "Guideline", "guidelines_for"]
