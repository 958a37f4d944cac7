"""English as event names use it: what is an order to somebody, what is over and done, and how the one becomes the other."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|[a-z]+|[0-9]+")

# fmt: off
_IRREGULAR = {
    "bind": "Bound", "bring": "Brought", "build": "Built", "buy": "Bought", "choose": "Chosen", "draw": "Drawn",
    "find": "Found", "freeze": "Frozen", "give": "Given", "hold": "Held", "keep": "Kept", "lay": "Laid", "lead": "Led",
    "leave": "Left", "lend": "Lent", "lose": "Lost", "make": "Made", "overpay": "Overpaid", "overwrite": "Overwritten",
    "pay": "Paid", "put": "Put", "rebuild": "Rebuilt", "repay": "Repaid", "reset": "Reset", "run": "Run",
    "sell": "Sold", "send": "Sent", "set": "Set", "shut": "Shut", "split": "Split", "take": "Taken", "tell": "Told",
    "undo": "Undone", "underwrite": "Underwritten", "withdraw": "Withdrawn", "withhold": "Withheld",
    "write": "Written",
}
_PAST = frozenset(word.lower() for word in _IRREGULAR.values()) | frozenset((
    "become", "begun", "bent", "born", "broken", "caught", "come", "cut", "dealt", "done", "driven", "fallen", "felt",
    "flown", "forgotten", "gone", "grown", "hidden", "hit", "known", "let", "lit", "met", "overcome", "overdrawn",
    "prepaid", "quit", "read", "resold", "rewritten", "ridden", "risen", "seen", "shown", "slept", "sought", "spent",
    "spoken", "stolen", "struck", "stuck", "sunk", "sworn", "taught", "thought", "thrown", "torn", "unbound",
    "undergone", "understood", "upheld", "won", "worn", "wound",
))
_NOT_PAST = frozenset((
    "bed", "breed", "deed", "embed", "exceed", "feed", "greed", "hundred", "indeed", "need", "proceed", "red", "seed",
    "shed", "sled", "speed", "succeed", "weed",
))
_PARTICLES = frozenset(("away", "back", "down", "in", "off", "on", "out", "over", "through", "up"))
_VERBS = frozenset((
    "accept", "activate", "add", "adjust", "allocate", "apply", "approve", "archive", "assign", "authorise",
    "authorize", "bind", "block", "buy", "calculate", "cancel", "capture", "change", "check", "close", "compute",
    "confirm", "convert", "correct", "create", "deactivate", "decline", "delete", "deny", "disable", "dispatch", "do",
    "edit", "email", "enable", "endorse", "execute", "export", "generate", "get", "give", "handle", "import", "inform",
    "initiate", "insert", "invoke", "issue", "lapse", "load", "lock", "mail", "make", "mark", "merge", "modify", "move",
    "notify", "open", "pay", "perform", "post", "print", "process", "publish", "put", "recalculate", "register",
    "reinstate", "reject", "release", "remove", "renew", "replace", "reset", "resume", "retry", "reverse", "revoke",
    "run", "save", "schedule", "sell", "send", "set", "settle", "split", "start", "stop", "submit", "suspend", "sync",
    "synchronise", "synchronize", "take", "terminate", "trigger", "unblock", "unlock", "update", "upsert", "validate",
    "verify", "withdraw", "write",
))
_ASKED = frozenset((
    "calculate", "check", "compute", "dispatch", "do", "email", "execute", "export", "generate", "get", "handle",
    "import", "inform", "initiate", "invoke", "load", "mail", "notify", "perform", "post", "print", "process", "publish",
    "recalculate", "run", "schedule", "send", "sync", "synchronise", "synchronize", "trigger", "validate", "verify",
))
_NOUNS = {
    "acceptance": "Accepted", "activation": "Activated", "adjustment": "Adjusted", "amendment": "Amended",
    "approval": "Approved", "assignment": "Assigned", "cancellation": "Cancelled", "closure": "Closed",
    "completion": "Completed", "confirmation": "Confirmed", "correction": "Corrected", "creation": "Created",
    "deletion": "Deleted", "endorsement": "Endorsed", "expiration": "Expired", "expiry": "Expired", "issuance": "Issued",
    "modification": "Modified", "reactivation": "Reactivated", "registration": "Registered",
    "reinstatement": "Reinstated", "rejection": "Rejected", "release": "Released", "removal": "Removed",
    "renewal": "Renewed", "reversal": "Reversed", "settlement": "Settled", "submission": "Submitted",
    "suspension": "Suspended", "termination": "Terminated", "withdrawal": "Withdrawn",
}
_DOUBLED = frozenset((
    "cancel", "defer", "drop", "fulfil", "incur", "label", "model", "plan", "refer", "ship", "stop", "submit", "swap",
    "transfer", "travel",
))
# fmt: on


def words(name: str) -> list[str]:
    """The words of a name in CamelCase: `PolicyBound` has two."""
    return _WORD.findall(name)


def is_past(name: str) -> bool:
    """Whether a name ends in what happened: `PolicyBound`, `SessionTimedOut`."""
    found = [word.lower() for word in words(name)]
    if len(found) > 1 and found[-1] in _PARTICLES:
        found.pop()
    if not found:
        return False
    return found[-1] in _PAST or (found[-1].endswith("ed") and len(found[-1]) > 3 and found[-1] not in _NOT_PAST)


def command_as_event(name: str) -> str | None:
    """What an event with a command's name should be called: `SendClaimLetter` is `ClaimLetterRequested`.

    `None` if the name is no command.
    """
    verb, *rest = words(name) or [""]
    if verb.lower() not in _VERBS or not rest or is_past(name):
        return None
    return "".join(rest) + ("Requested" if verb.lower() in _ASKED else past(verb.lower()))


def noun_as_event(name: str) -> str | None:
    """The past of a name that ends in a noun or a bare verb: `PolicyCancellation` is `PolicyCancelled`."""
    found = words(name)
    *rest, end = found or [""]
    if end.lower() == "event" and rest:
        shorter = "".join(rest)
        return shorter if is_past(shorter) else noun_as_event(shorter)
    ended = _NOUNS.get(end.lower()) or (past(end.lower()) if end.lower() in _VERBS else None)
    return "".join(rest) + ended if ended and rest else None


def past(verb: str) -> str:
    """The past participle of a verb in lower case, as a word of a name: `cancel` is `Cancelled`."""
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    if verb in _DOUBLED:
        return f"{verb}{verb[-1]}ed".capitalize()
    if verb.endswith("e"):
        return f"{verb}d".capitalize()
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return f"{verb[:-1]}ied".capitalize()
    return f"{verb}ed".capitalize()
