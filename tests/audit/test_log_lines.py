"""The audit accepts what the log filter may write, by code of its own, and no line with a value in it."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.audit.log_lines import log_message
from medagent.telemetry.door import log_text

LOGGERS = ("livekit.agents", "livekit", "livekit.plugins.openai", "aiohttp.client", "httpx", "openai", "asyncio")


def written(logger: str, message: object, *arguments: object) -> str:
    return log_text.LogText().of(logging.LogRecord(logger, logging.INFO, "x.py", 1, message, arguments, None))


@pytest.mark.parametrize("logger", LOGGERS)
@pytest.mark.parametrize("value", [7, 0.25, True, "Maren Oldfield", 4155550123])
def test_log_message_accepts_what_the_filter_writes(logger: str, value: object) -> None:
    """Each listed template with counts or placeholders, with an exception's class, and each notice fits."""
    shape = log_message()
    for templates in log_text._listed(logger).templates:
        for template in templates:
            places = [match for match in log_text.CONVERSION.finditer(template) if match["type"] != "%"]
            line = written(logger, template, *(value for _ in places))
            assert shape.fits(line)
            assert shape.fits(f"{line} [ValueError]")
    assert shape.fits(written(logger, f"said {value}"))


@given(st.sampled_from(LOGGERS), st.text(min_size=3))
def test_log_message_refuses_a_template_with_a_value(logger: str, value: str) -> None:
    """A template that is filled in as `logging` does, or a line that goes on after it, does not fit."""
    shape = log_message()
    for templates in log_text._listed(logger).templates:
        for template in list(templates)[:20]:
            places = [match for match in log_text.CONVERSION.finditer(template) if match["type"] in "rs"]
            if template.count("%") == len(places) > 0:
                assert not shape.fits(template % tuple(f"<{value}>" for _ in places))
            assert not shape.fits(f"{template} <{value}>")
    assert not shape.fits(f"<{value}>")


def test_log_message_accepts_the_notice_of_a_logger_with_digits_and_no_number() -> None:
    """`urllib3.connectionpool` may be in a notice; a telephone number, a space and a slash may not."""
    notice = "(text withheld; MEDAGENT_LOGS_IN_CLEAR={} shows it in dev)"
    assert log_message().fits(notice.format("urllib3.connectionpool"))
    assert log_message().fits(notice.format("livekit.agents") + " [OSError]")
    for name in ("call.4155550123", "Maren Oldfield", "call/x"):
        assert not log_message().fits(notice.format(name))
