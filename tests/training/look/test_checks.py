import numpy as np
import pytest
from scipy.stats import binomtest

from tests.training.look.conftest import known_look, subject_of
from training import architectures
from training.look import checks, techniques, verdict
from training.look.deletion import INTENSITY, RANDOM, Curves
from training.look.errors import Undefined
from training.look.other_mode import Likeness
from training.look.pointing import Hits
from training.look.statistics import Interval

EVENTS = [str(n // 2) for n in range(20)]


def curves_of(gain, *, noise=0.01, seed=0):
    """Curves whose insertion area is larger than their deletion area by `gain`."""
    shares = np.array([0.0, 0.5, 1.0])
    middle = gain + noise * np.random.default_rng(seed).normal(0, 1, 20)
    flat = np.full((20, 3), 0.4)
    high = flat.copy()
    high[:, 1] += 2 * middle
    return Curves(shares, flat, high)


def test_areas_are_those_of_trapezoids():
    found = curves_of(0.1, noise=0)
    deleted, inserted = found.areas
    np.testing.assert_allclose(deleted, 0.4)
    np.testing.assert_allclose(inserted, 0.5)
    np.testing.assert_allclose(inserted, np.trapezoid(found.insertion, found.shares, axis=1))


@pytest.mark.parametrize(
    ("gains", "answer"), [((0.2, 0.1), "yes"), ((0.2, -0.1), "no"), ((0.2, 0.0), "undecided"), ((-0.2, -0.1), "no")]
)
def test_a_ranking_has_to_win_under_every_baseline(gains, answer):
    curves = {
        str(n): {"map": curves_of(gain, noise=0.05, seed=n), RANDOM: curves_of(0.0, noise=0.05, seed=9)}
        for n, gain in enumerate(gains)
    }
    assert verdict.better(curves, "map", RANDOM, EVENTS, seed=0).answer == answer
    # Of frames of one event nothing can be said.
    assert verdict.better(curves, "map", RANDOM, ["a"] * 20, seed=0).answer == "undecided"


def test_limits_of_the_verdict():
    assert verdict.falls(Interval(0.1, 0.0, 0.2, 9)).answer == "yes"
    assert verdict.falls(Interval(0.7, 0.6, 0.8, 9)).answer == "no"
    assert verdict.falls(Interval(0.5, 0.4, 0.6, 9)).answer == "undecided"
    assert verdict.falls(Interval(np.nan, np.nan, np.nan, 0)).answer == "undecided"
    hits = Hits(np.arange(40) < 30, np.zeros(40))
    assert verdict.hit(hits, 0.5).answer == "yes"
    assert verdict.hit(hits, 0.7).answer == "no"
    assert verdict.hit(Hits(hits.hits[:9], hits.inside[:9]), 0.0).answer == "undecided"
    assert verdict.differs(Likeness(np.zeros(3), 0.1)).answer == "undecided"


def test_wilson_agrees_with_scipy():
    for count, hits in ((20, 0), (20, 7), (80, 80)):
        theirs = binomtest(hits, count).proportion_ci(method="wilson")
        np.testing.assert_allclose(verdict.wilson(hits / count, count), (theirs.low, theirs.high), atol=1e-12)


def test_the_words_follow_the_answers():
    yes, no, open_ = (verdict.Finding(answer, 0.3, 0.2, 0.4) for answer in ("yes", "no", "undecided"))

    def words(**answers):
        names = ("beats_random", "beats_intensity", "needs_weights", "knows_mode", "points")
        return verdict.Verdict("gradcam", **{name: answers.get(name, yes) for name in names}).words

    assert words().startswith("Passes every check")
    assert "no better than shading" in words(beats_intensity=no)
    assert words(needs_weights=no).startswith("Do not use it as evidence")
    assert words(knows_mode=no).startswith("Do not use it to tell modes apart")
    assert "at random" in words(beats_random=no)
    assert words(points=no).startswith("Doubtful")
    assert words(points=open_).startswith("Not refuted")
    assert str(yes) == "yes: 0.30 (0.20 to 0.40)"
    assert str(verdict.Finding("undecided", np.nan)) == "undecided"


@pytest.fixture(scope="module")
def checked(known_subject, tmp_path_factory):
    """All checks of the network whose evidence is known."""
    out = tmp_path_factory.mktemp("look")
    ticks = []
    part = techniques.run(
        "checks", known_subject, known_look(30), out, seed=1, tick=lambda done, total: ticks.append((done, total))
    )
    return part, out / "checks", ticks


def test_checks_of_known_evidence_say_that_grad_cam_finds_it(checked):
    part, folder, ticks = checked
    header, *rows = part.tables[1].rows
    found = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    for name in ("Grad-CAM", "HiResCAM", "Integrated gradients"):
        assert found[name]["tells more than random"].startswith("yes")
        assert found[name]["than echo intensity"].startswith("yes")  # grey is further from white than the evidence
    numbers = np.load(folder / "checks.npz")
    assert numbers["deletion_no_echo_gradcam"].shape == (30, len(numbers["shares"]))
    areas = {
        name: np.trapezoid(numbers[f"insertion_no_echo_{name}"], numbers["shares"]).mean()
        for name in ("gradcam", "random", INTENSITY.replace(" ", "_"))
    }
    assert areas["gradcam"] > areas["random"] + 0.1
    assert areas["gradcam"] > areas["echo_intensity"]
    assert ticks[-1][0] == ticks[-1][1]
    assert [done for done, _ in ticks] == sorted(done for done, _ in ticks)


def test_checks_write_pictures_and_warn_of_guided_methods(checked):
    part, folder, _ = checked
    assert {picture.file for picture in part.pictures} >= {"curves.png", "random_weights.png", "other_mode.png"}
    for picture in part.pictures:
        assert (folder / picture.file).stat().st_size > 10_000
        assert "n = " in picture.caption
    assert any("hardly react" in warning for warning in part.warnings)
    assert "Grad-CAM" in part.finding


def test_a_network_without_places_is_still_checked_for_gradients(tmp_path):
    network = architectures.build("mlp", height=32, width=32, modes=3)
    subject = subject_of(network, architecture="mlp")
    part = techniques.run("checks", subject, known_look(12), tmp_path, seed=0)
    shown = [row[0] for row in part.tables[0].rows[1:]]
    assert [row[0] for row in part.tables[1].rows[1:]] == shown
    assert "gradient" in shown
    assert "Grad-CAM" not in shown
    assert any(warning.startswith("Grad-CAM is not defined: ") for warning in part.warnings)


def test_without_any_method_there_is_nothing_to_check(known_subject, tmp_path, monkeypatch):
    monkeypatch.setattr(checks, "METHODS", ())
    with pytest.raises(Undefined):
        checks.look(known_subject, known_look(12), tmp_path, seed=0)
