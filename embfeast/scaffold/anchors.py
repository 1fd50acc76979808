"""Label names turned into phrases: ``card_arrival`` says "card arrival"."""

import re
from collections.abc import Sequence

from embfeast.tricks.trick import identifier

MOST_CONCEPTS = 100


def concepts(labels: Sequence[str]) -> tuple[dict[str, str | list[str]], str]:
    """Return phrases by feature name for a label's values that are names, or why they are none.

    Examples
    --------
    >>> concepts(["card_arrival", "LostCard"])
    ({'card_arrival': ['card arrival'], 'lostcard': ['lost card']}, '')
    >>> concepts(["1", "5"])
    ({}, 'a number is no concept')
    """
    if len(labels) < 2:
        return {}, "it has fewer than two values"
    if len(labels) > MOST_CONCEPTS:
        return {}, f"it has more than {MOST_CONCEPTS} values"
    phrases = {label: _phrase(label) for label in labels}
    if not all(re.search(r"[^\W\d_]{2}", phrase) for phrase in phrases.values()):
        return {}, "a number is no concept"
    if any(phrase in ("true", "false", "yes", "no") for phrase in phrases.values()):
        return {}, "yes and no are no concepts"
    named: dict[str, list[str]] = {}
    for label, phrase in phrases.items():
        if phrase not in (said := named.setdefault(identifier(label), [])):
            said.append(phrase)
    return dict(named), ""


def _phrase(label: str) -> str:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label)
    return re.sub(r"[\W_]+", " ", spaced).strip().lower()
