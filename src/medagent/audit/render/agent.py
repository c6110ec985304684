"""The agent of the clinic's own that was audited: its files, its tools and each of their fields."""

from __future__ import annotations

from collections.abc import Iterator

from medagent.attestation.report import AgentTool, Report
from medagent.attestation.signed import Signed
from medagent.audit.render.document import Block, Bullets, Cell, Column, Facts, Paragraph, Table
from medagent.audit.render.wording import cell, code, listed, zero

_KINDS = 18


def agent(report: Report, signed: Signed) -> Iterator[Block]:
    """What was played, and what became of its tools."""
    del signed
    it = report.agent
    if it is None:
        return
    yield Paragraph(
        text="This agent was played instead of the packaged receptionist, by calls made from the tools that it "
        "declares. Its tools ran with planted arguments; what they returned was replaced by planted values, and "
        "connections to other hosts were refused."
    )
    yield Facts(
        pairs=(
            ("Factory", code(it.factory)),
            ("Bound to", code(it.entry)),
            ("Modules not bound", zero(len(it.unbound))),
            ("Hosts of its tools", code(listed(it.tool_hosts)) if it.tool_hosts else cell("none", "quiet")),
        )
    )
    if it.withheld:
        yield Paragraph(text="Not seen, and redacted or dropped whole by the policy:")
        yield Bullets(items=it.withheld)
    for title, items in (("Not seen, and not covered:", it.unseen), ("Against the policy:", it.objections)):
        if items:
            yield Paragraph(text=title, tone="bad")
            yield Bullets(items=items)
    yield Table(
        caption="Tools",
        columns=(
            Column(title="Tool", weight=2.4),
            Column(title="Span", weight=2.4),
            Column(title="Offered", numeric=True),
            Column(title="Called", numeric=True),
            Column(title="Run", numeric=True),
            Column(title="Raised", numeric=True),
        ),
        rows=tuple(_tool(one) for one in it.tools),
    )
    yield Table(
        caption="Fields of the tools: what each held, and what the policy does with it",
        columns=(
            Column(title="Tool", weight=2),
            Column(title="Field", weight=2.6),
            Column(title="Type", weight=0.9),
            Column(title="Kinds held", weight=0.9, numeric=True),
            Column(title="Times", weight=0.8, numeric=True),
            Column(title="Action", weight=1.2),
            Column(title="Category", weight=1.4),
            Column(title="Keeps", weight=0.9, numeric=True),
        ),
        rows=tuple(
            (
                code(tool.name),
                code(one.path),
                cell(one.kind),
                cell(f"{len(one.letters)} of {_KINDS}", "plain" if len(one.letters) == _KINDS else "bad"),
                cell(one.held),
                cell("dropped, no rule", "bad") if one.action is None else cell(one.action.lower()),
                cell(one.category or "–"),
                zero(one.keeps),
            )
            for tool in it.tools
            for one in tool.fields
        ),
    )
    yield Table(
        caption="Files to which the report is bound",
        columns=(Column(title="File", weight=2), Column(title="SHA-256", weight=4)),
        rows=tuple((code(one.name), code(one.sha256)) for one in it.files),
    )


def _tool(tool: AgentTool) -> tuple[Cell, ...]:
    span = code(tool.span) if tool.declared else cell("not declared", "bad")
    return (code(tool.name), span, *map(cell, (tool.offered, tool.called, tool.ran, tool.raised)))
