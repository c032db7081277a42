"""What is scored."""

import re

import numpy as np
import pytest

from radar.errors import VerificationError
from radar.verification.sample import Sample, index_of

CODES = ("SY", "VX", "LT")
OBSERVED = np.array([0, 0, 1, 1, 2, 0])
TIMES = np.datetime64("2015-12-01T00:00:00", "s") + np.array([0, 600, 1200, 1800, 2400, 7200]).astype(
    "timedelta64[s]"
)
P = np.eye(3)[OBSERVED]


def sample(**settings):
    return Sample(**{"codes": CODES, "observed": OBSERVED, "predicted": OBSERVED[::-1], **settings})


def test_frames_with_times_have_events():
    assert sample(times=TIMES).events.tolist() == [0, 0, 1, 1, 2, 3]
    assert sample(times=TIMES, series=np.array([0, 1, 1, 1, 1, 1])).events.tolist() == [0, 1, 2, 2, 3, 4]


def test_events_that_are_known_are_kept():
    events = np.array([1, 1, 1, 0, 0, 0])
    assert sample(times=TIMES, events=events).events is events


def test_without_times_nobody_knows_the_events():
    assert sample().events.shape == (0,)
    assert np.isnat(sample().times).all()
    assert sample().series.tolist() == [0] * 6
    unknown = TIMES.copy()
    unknown[3] = np.datetime64("NaT")
    assert sample(times=unknown).events.shape == (0,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"observed": np.empty(0, int), "predicted": np.empty(0, int)}, "Expected frames to score, received none"),
        ({"predicted": OBSERVED[:5]}, "Expected predicted of 6 frames, received the shape (5,)"),
        ({"series": OBSERVED[:5]}, "Expected series of 6 frames, received the shape (5,)"),
        ({"events": OBSERVED[:5]}, "Expected events of 6 frames, received the shape (5,)"),
        ({"times": TIMES[:5]}, "Expected times of 6 frames, received the shape (5,)"),
        ({"series": OBSERVED[:5], "times": TIMES}, "Expected series of 6 frames, received the shape (5,)"),
        ({"accepted": np.ones((6, 1), bool)}, "Expected accepted of 6 frames, received the shape (6, 1)"),
        (
            {"observed": OBSERVED + 1},
            "Expected each observed index as an integer from 0 to 2; received int64 from 1 to 3",
        ),
        ({"observed": OBSERVED - 1, "times": TIMES}, "Expected each observed index"),
        ({"predicted": OBSERVED - 1}, "Expected each predicted index as an integer from 0 to 2"),
        ({"predicted": OBSERVED * 1.0}, "Expected each predicted index as an integer from 0 to 2; received float64"),
        (
            {"events": OBSERVED - 1},
            "Expected each event index as an integer from 0 to 5; received int64 from -1 to 1",
        ),
        (
            {"events": OBSERVED * 2},
            "Expected events numbered without gaps, each with a frame; number 1 of 5 has none",
        ),
        ({"probabilities": P[:5]}, "received (5, 3) and (6,)"),
        ({"probabilities": P[:, :2]}, "Expected each observed index as an integer from 0 to 1"),
        ({"probabilities": np.pad(P, [(0, 0), (0, 1)])}, "Expected probabilities of 3 modes, received those of 4"),
        ({"probabilities": P * 2}, "add up to 1; received [2.0, 0.0, 0.0] for frame 0"),
    ],
)
def test_what_does_not_fit_together_is_refused(settings, message):
    with pytest.raises(VerificationError, match=re.escape(message)):
        sample(**settings)


@pytest.mark.parametrize("chosen", [np.array([True, False, False, True, True, False]), np.array([0, 3, 4])])
def test_some_of_the_frames_are_a_sample(chosen):
    events, series = np.array([3, 3, 1, 1, 0, 2]), np.array([4, 4, 4, 4, 7, 7])
    accepted = OBSERVED > 0
    found = sample(times=TIMES, events=events, series=series, probabilities=P, accepted=accepted).take(chosen)
    assert found.codes == CODES
    assert found.observed.tolist() == [0, 1, 2]
    assert found.predicted.tolist() == [0, 1, 0]
    assert found.events.tolist() == [2, 1, 0]  # numbered anew, none is empty
    assert found.series.tolist() == [4, 4, 7]
    assert found.times.tolist() == TIMES[[0, 3, 4]].tolist()
    assert found.probabilities.tolist() == np.eye(3).tolist()
    assert found.accepted.tolist() == [False, True, True]


def test_some_of_the_frames_without_more_are_a_sample():
    found = sample().take(OBSERVED > 0)
    assert found.observed.tolist() == [1, 1, 2]
    assert found.events.shape == (0,)
    assert found.probabilities is None
    assert found.accepted is None


def test_none_of_the_frames_are_no_sample():
    with pytest.raises(VerificationError, match="received none"):
        sample().take(OBSERVED > 2)


def test_names_are_numbered_as_they_come():
    index, names = index_of(["LT-3", "SY-1", "LT-3", ("LT", 3)])
    assert index.tolist() == [0, 1, 0, 2]
    assert names == ["LT-3", "SY-1", ("LT", 3)]
    assert index_of([])[0].dtype == np.int64
