"""The packages that an audit needs and a traced agent does not: the extra `audit`."""

from __future__ import annotations

from importlib.util import find_spec

from medagent.errors import AuditError

MODULES = ("altair", "jinja2", "presidio_analyzer", "typst", "vl_convert")
"""Modules of the extra `audit` of pyproject.toml, as they are imported."""


def check_extra() -> None:
    """Raise `AuditError` where a package of the extra `audit` is not installed.

    Raises:
        AuditError: Names each missing package; the hint installs all of them.
    """
    missing = [name for name in MODULES if find_spec(name) is None]
    if missing:
        raise AuditError(
            f"{', '.join(missing)}: not installed, expected the extra 'audit'",
            hint="pip install 'medagent[audit]'",
        )
