"""What a reader of scores must know: each caveat is worded once, here, and stands wherever a score does."""

from __future__ import annotations

from radar.resampling import FEW_EVENTS

SYNTHETIC = "Scored on synthetic frames: the scores show that the machinery works, never how good it is on real snow."
RANDOM_SPLIT = (
    "Scored on randomly drawn frames: near copies of them, ten minutes apart, were trained on, so the scores flatter."
)
NO_EVENTS = (
    "The frames have neither events nor times, so there is no interval: frames of one event are alike, and how many "
    "of them there are says nothing of how far to trust a score."
)
UNSEEN_UNKNOWN = (
    "Nothing says whether the model was trained on these frames or on others of the same winter; if it was, the "
    "scores flatter."
)
PERSISTENCE = (
    "Persistence knows the observed mode of the frame before; for a classification it is no opponent but tells how "
    "alike neighbouring frames are."
)


def few_events(events: int) -> str:
    """Words the caveat of too few events."""
    return f"Too few events ({events}, expected at least {FEW_EVENTS}) for scores or intervals to be trusted."


def few_events_of(events: dict[str, int]) -> str:
    """Words the caveat of modes with too few events."""
    listed = ", ".join(f"{code} {number}" for code, number in events.items())
    return f"Fewer than {FEW_EVENTS} events of some modes ({listed}): their scores and intervals are rough."


def absent(codes: list[str]) -> str:
    """Words the caveat of modes without observations."""
    return f"Never observed in these frames, so without scores that need it: {', '.join(codes)}."
