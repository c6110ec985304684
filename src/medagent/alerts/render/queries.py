"""Five questions to the JSON lines, in the language of CloudWatch Logs Insights."""

from __future__ import annotations

from collections.abc import Mapping

QUERIES: Mapping[str, str] = {
    "Latency p95": """\
filter _event_type = "voice_metrics" and not ispresent(synthetic) and ispresent(total_latency)
| stats pct(total_latency, 95) as p95_latency, pct(total_latency, 99) as p99_latency,
    avg(total_latency) as avg_latency, count(*) as turns
  by bin(5m)""",
    "Slow answers": """\
fields @timestamp, trace_id, total_latency, llm.ttft, tts.ttfb, eou.delay
| filter _event_type = "voice_metrics" and not ispresent(synthetic) and total_latency > 1.5
| sort @timestamp desc
| limit 20""",
    "Callers who did not get what they called for": """\
fields @timestamp, trace_id, outcome, duration, cost_usd
| filter _event_type = "session_analytics" and not ispresent(synthetic)
| filter outcome in ["refused", "abandoned", "failed"]
| sort @timestamp desc
| limit 50""",
    "Tool failures": """\
filter _event_type = "tool_metrics" and not ispresent(synthetic)
| stats sum(strcontains(@message, '"success":false')) as failed, count(*) as runs,
    100 * sum(strcontains(@message, '"success":false')) / count(*) as failed_percent, pct(duration, 95) as p95_duration
  by tool
| sort failed_percent desc""",
    "Cost": """\
filter _event_type = "session_analytics" and not ispresent(synthetic)
| stats count(*) as calls, sum(cost_usd) as dollars, sum(metrics_summary.llm_tokens) as llm_tokens,
    sum(metrics_summary.stt_audio_seconds) as stt_seconds, sum(metrics_summary.tts_audio_seconds) as tts_seconds
  by bin(1d)""",
}
"""Title → query. A boolean is read from the line itself, as a field it is told as 1 here and as true there."""
