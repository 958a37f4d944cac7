"""A plan of connectors and topics as a person reads it: what is made, changed, lost, and forbidden."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.console import cells, count, paragraph, say

if TYPE_CHECKING:
    from connectors.connect.effects import Effect, Line
    from connectors.connect.plan import Item, Plan

_SIGNS = {
    "create": ("+ ", "bold green"),
    "change": ("~ ", "bold yellow"),
    "restart": ("↻ ", "bold yellow"),
    "keep": ("= ", "dim"),
}
_EFFECTS = {
    "safe": ("", ""),
    "restarts": ("", ""),
    "destructive": ("destructive", "bold red"),
    "refused": ("refused", "bold red"),
}


def say_plan(plan: Plan, url: str, bootstrap: str, advice: bool = True) -> None:
    """All of a plan: topics, the connector, what to know beside it, the sum, and what to do next if `advice` is wanted."""
    say(("Kafka ", "dim"), bootstrap, ("   Kafka Connect ", "dim"), url)
    say()
    items = [item for item in plan.items if item.kind != "connector"]
    changing = [item for item in items if item.action != "keep"]
    width = max((cells(item.name) for item in changing), default=0)
    for item in changing:
        _say_topic(item, width)
    if kept := len(items) - len(changing):
        say(_SIGNS["keep"], (f"{count(kept, 'topic')} as declared", "dim"))
    for item in plan.items:
        if item.kind == "connector":
            say()
            _say_connector(item)
    for note in plan.notes:
        say()
        paragraph(note, "  ")
    say()
    _say_sum(plan)
    if advice:
        _say_next(plan)


def _say_topic(item: Item, width: int) -> None:
    name = item.name + " " * (width - cells(item.name))
    say(_SIGNS[item.action], (name, "bold"), f"  {item.kind:<12}  {item.about}")
    paragraph(f"{item.why} Owner: {item.owner}.", "      ")
    for line in item.lines:
        _say_line(line)


def _say_connector(item: Item) -> None:
    told = {"create": "is made", "change": "is changed", "restart": "is started again", "keep": "is as declared"}
    say(_SIGNS[item.action], "connector ", (item.name, "bold"), f" {told[item.action]}", (f"  {item.about}", "dim"))
    if item.why:
        paragraph(item.why, "      ")
    for line in item.lines:
        _say_line(line)
    if item.action == "change" and not any(line.effect == "refused" for line in item.lines):
        paragraph(
            "It and its task start again, where they stopped: changes wait in the database's log meanwhile.", "      "
        )


def _say_line(line: Line) -> None:
    word, style = _EFFECTS[line.effect]
    say("      ", line.what, (f"  [{word}]" if word else "", style))
    if line.why:
        paragraph(line.why, "        ")
    if line.instead:
        paragraph(line.instead, "                 ", "        instead  ")


def _say_sum(plan: Plan) -> None:
    topics = [item for item in plan.changes if item.kind != "connector"]
    parts = []
    for action, verb in (("create", "to make"), ("change", "to change")):
        if number := sum(item.action == action for item in topics):
            parts.append(f"{count(number, 'topic')} {verb}")
    verbs = {"create": "to make", "change": "to change", "restart": "to start again"}
    parts += [f"the connector {verbs[item.action]}" for item in plan.changes if item.kind == "connector"]
    effects: tuple[Effect, ...] = ("destructive", "refused")
    for effect in effects:
        if number := len(plan.lines(effect)):
            parts.append(f"{number:,} {effect}")
    say((f"plan {plan.digest}", "bold"), f": {', '.join(parts) or 'nothing to do'}")


def _say_next(plan: Plan) -> None:
    if not plan.changes:
        return
    if plan.lines("refused"):
        advice = "mend what is refused: the plan cannot be applied as it is"
    elif plan.lines("destructive"):
        advice = f"`dragoman connectors apply --plan {plan.digest} --yes`, once what is destructive is meant"
    else:
        advice = f"`dragoman connectors apply --plan {plan.digest}`, which does nothing if anything moves meanwhile"
    say(("  next   ", "bold"), advice)
