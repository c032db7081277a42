"""The streaming pipeline against a server with bad days: refusals, overload, nonsense."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import grpc
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from client.errors import Interrupted
from radar import frames
from radar.frames import FrameRule, Picture
from serving.protocol import pipeline
from serving.protocol.connection import Connection, Timeouts
from serving.protocol.errors import ContractError, ServerError, ServerUnavailable, VersionMissing
from serving.protocol.pipeline import NOT_FINITE, Classifier, Prediction
from serving.protocol.targets import count_servers, read_target
from tests.conftest import write_frames
from tests.serving.stand_in import CARD, Refuse, brightness, stand_in

COUNT = 700


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = write_frames(tmp_path_factory.mktemp("season"), COUNT)
    return folder, sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def expected(season: tuple[Path, list[str]]) -> np.ndarray:
    folder, names = season
    return brightness(np.stack([frames.load(folder / name, CARD.input.frame_rule()) for name in names]))


def classify(
    target: str, folder: Path, names: list[str], *, version: int | None = None, **options: float
) -> list[Prediction]:
    with Connection(target, version=version) as connection:
        classifier = Classifier(connection, CARD, **options)
        return list(itertools.chain.from_iterable(classifier.run(folder, names)))


def test_predictions_come_in_order_and_belong_to_their_frames(
    season: tuple[Path, list[str]], expected: np.ndarray
) -> None:
    with stand_in() as target:
        predictions = classify(target, *season)
    assert [p.name for p in predictions] == season[1]
    np.testing.assert_allclose([p.probabilities for p in predictions], expected, atol=1e-6)


def test_a_refused_batch_is_cut_down_to_the_bad_frames(season: tuple[Path, list[str]], expected: np.ndarray) -> None:
    folder, names = season
    bad = {5, 6, 300, 699}
    poison = {round(float(expected[n, 0]), 6) for n in bad}

    def answer(images: np.ndarray) -> np.ndarray:
        table = brightness(images)
        if any(round(float(p), 6) in poison for p in table[:, 0]):
            raise Refuse(grpc.StatusCode.INVALID_ARGUMENT, "poisoned")
        return table

    with stand_in(answer) as target:
        predictions = classify(target, folder, names)
    refused = {n for n, p in enumerate(predictions) if p.probabilities is None}
    assert refused == {n for n in range(COUNT) if round(float(expected[n, 0]), 6) in poison}
    assert all("poisoned" in predictions[n].error for n in refused)
    kept = [n for n in range(COUNT) if n not in refused]
    np.testing.assert_allclose([predictions[n].probabilities for n in kept], expected[kept], atol=1e-6)


def test_the_client_learns_the_largest_batch_a_server_takes(season: tuple[Path, list[str]]) -> None:
    sizes = []

    def answer(images: np.ndarray) -> np.ndarray:
        sizes.append(len(images))
        if len(images) > 64:
            raise Refuse(grpc.StatusCode.INVALID_ARGUMENT, "Task size is larger than maximum input batch size 64")
        return brightness(images)

    with stand_in(answer) as target:
        predictions = classify(target, *season)
    assert not [p for p in predictions if p.error]
    assert sizes[-1] <= 64


def test_overload_is_waited_out(season: tuple[Path, list[str]], expected: np.ndarray) -> None:
    calls = itertools.count()

    def answer(images: np.ndarray) -> np.ndarray:
        if next(calls) % 2 == 0:
            raise Refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
        return brightness(images)

    with stand_in(answer) as target:
        predictions = classify(target, *season, patience=60)
    np.testing.assert_allclose([p.probabilities for p in predictions], expected, atol=1e-6)


def blank(_: str, rule: FrameRule) -> Picture:
    return np.zeros((rule.height, rule.width, 3), np.uint8)


def test_all_of_several_servers_are_at_work_together(tmp_path: Path) -> None:
    idle, all_at_work = set(range(6)), threading.Event()

    def answering(number: int) -> Callable[[np.ndarray], np.ndarray]:
        def answer(images: np.ndarray) -> np.ndarray:
            idle.discard(number)
            if not idle:
                all_at_work.set()
            all_at_work.wait(10)  # those who are asked first have not answered when the last one is asked
            return brightness(images)

        return answer

    with ExitStack() as stack:
        target = read_target(",".join(stack.enter_context(stand_in(answering(number))) for number in range(6)))
        connection = stack.enter_context(Connection(target))
        classifier = Classifier(connection, CARD, servers=count_servers(target), load=blank)
        answers = itertools.chain.from_iterable(classifier.run(tmp_path, [str(n) for n in range(5000)]))
        assert next(answers).name == "0"
        assert all_at_work.is_set()
        assert len(list(answers)) == 4999


def test_servers_that_are_too_few_for_their_calls_get_fewer_and_more_again(tmp_path: Path) -> None:
    overloaded = True

    def answer(images: np.ndarray) -> np.ndarray:
        nonlocal overloaded
        overloaded = overloaded and classifier.progress.window > pipeline.FEWEST_CALLS
        if overloaded:
            raise Refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
        return brightness(images)

    names = [str(n) for n in range(8000)]
    with stand_in(answer) as target, Connection(target) as connection:
        classifier = Classifier(connection, CARD, servers=8, load=blank)
        assert len(list(itertools.chain.from_iterable(classifier.run(tmp_path, names)))) == 8000
    assert not overloaded
    assert classifier.progress.window == 16


@pytest.mark.parametrize(("servers", "calls"), [(1, 3), (2, 4), (8, 16), (1000, 32)])
def test_calls_in_flight_grow_with_the_servers_up_to_a_limit(servers: int, calls: int) -> None:
    with Connection("localhost:9") as connection:
        assert Classifier(connection, CARD, servers=servers).progress.window == calls


def test_overload_without_end_stops_the_run(season: tuple[Path, list[str]]) -> None:
    def answer(_: np.ndarray) -> np.ndarray:
        raise Refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")

    with stand_in(answer) as target, pytest.raises(ServerUnavailable, match="RESOURCE_EXHAUSTED: full"):
        classify(target, *season, patience=0)


def test_a_batch_the_server_has_no_memory_for_is_made_smaller(
    season: tuple[Path, list[str]], expected: np.ndarray
) -> None:
    def answer(images: np.ndarray) -> np.ndarray:
        if len(images) > 64:
            raise Refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "OOM when allocating tensor")
        return brightness(images)

    with stand_in(answer) as target:
        predictions = classify(target, *season, patience=30)
    np.testing.assert_allclose([p.probabilities for p in predictions], expected, atol=1e-6)


def test_a_server_that_has_no_room_for_anything_is_not_asked_for_every_frame(season: tuple[Path, list[str]]) -> None:
    sizes: list[int] = []

    def answer(images: np.ndarray) -> np.ndarray:
        sizes.append(len(images))
        raise Refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")

    with stand_in(answer) as target, pytest.raises(ServerUnavailable, match="RESOURCE_EXHAUSTED: full"):
        classify(target, *season, patience=2)
    assert len(sizes) < COUNT


def test_a_server_that_hangs_among_several_is_passed_over(season: tuple[Path, list[str]]) -> None:
    folder, names = season
    hung, calls = threading.Event(), itertools.count()

    def hang(_: np.ndarray) -> np.ndarray:
        next(calls)
        hung.wait(60)
        raise Refuse(grpc.StatusCode.UNAVAILABLE, "woken up")

    short = Timeouts(predict=1.0)
    with (
        stand_in() as well,
        stand_in() as other,
        stand_in(hang) as ill,
        Connection(read_target(f"{well},{ill},{other}"), timeouts=short) as connection,
    ):
        try:
            predictions = itertools.chain.from_iterable(Classifier(connection, CARD, patience=0.5).run(folder, names))
            assert [p.name for p in predictions if not p.error] == names
        finally:
            hung.set()
    assert next(calls), "the one that hangs was never asked: this proves nothing"


def test_a_server_that_refuses_everything_is_not_asked_700_times(season: tuple[Path, list[str]]) -> None:
    calls = []

    def answer(images: np.ndarray) -> np.ndarray:
        calls.append(len(images))
        raise Refuse(grpc.StatusCode.INVALID_ARGUMENT, "no")

    with stand_in(answer) as target, pytest.raises(ContractError, match=f"{pipeline.REFUSED_LIMIT} frames in a row"):
        classify(target, *season)
    assert len(calls) < 200


def test_frames_refused_and_frames_without_finite_numbers_count_together_and_are_both_named(
    season: tuple[Path, list[str]],
) -> None:
    calls = itertools.count()

    def answer(images: np.ndarray) -> np.ndarray:
        if len(images) > 1 or next(calls) % 2:
            raise Refuse(grpc.StatusCode.INVALID_ARGUMENT, "no")
        return np.full((len(images), 2), np.nan, np.float32)

    expected = (
        r"32 frames in a row: each was refused alone, or answered with numbers that are not finite\. The last was "
    )
    with stand_in(answer) as target, pytest.raises(ContractError, match=expected):
        classify(target, *season)


def test_a_frame_without_finite_numbers_costs_itself(season: tuple[Path, list[str]], expected: np.ndarray) -> None:
    bad = {3, 250, 251, 699}
    poison = {round(float(expected[n, 0]), 6) for n in bad}
    bad = {n for n in range(COUNT) if round(float(expected[n, 0]), 6) in poison}

    def answer(images: np.ndarray) -> np.ndarray:
        table = brightness(images)
        table[[round(float(p), 6) in poison for p in table[:, 0]], 1] = np.inf
        return table

    with stand_in(answer) as target:
        predictions = classify(target, *season)
    assert {n for n, p in enumerate(predictions) if p.error == NOT_FINITE and p.probabilities is None} == bad
    kept = [n for n in range(COUNT) if n not in bad]
    np.testing.assert_allclose([predictions[n].probabilities for n in kept], expected[kept], atol=1e-6)


def test_an_answer_of_another_version_is_not_taken_for_that_of_this_one(season: tuple[Path, list[str]]) -> None:
    expected = "expected an answer of version 6 of 'snowmode', received one of version 7 from"
    with stand_in() as target, pytest.raises(ContractError, match=expected):
        classify(target, *season, version=6)


@pytest.mark.parametrize(
    ("nonsense", "said"),
    [
        (lambda images: np.full((len(images), 2), np.nan, np.float32), "not finite"),
        (lambda images: np.zeros((len(images), 3), np.float32), "probabilities"),
        (lambda images: np.zeros((len(images) + 1, 2), np.float32), "probabilities"),
        (lambda images: np.zeros((len(images), 2), np.float64), "probabilities"),
        (lambda images: np.full((len(images), 2), b"?", object), "probabilities"),
        (lambda images: np.zeros((), np.float32), "probabilities"),
    ],
)
def test_nonsense_is_not_written_down(season: tuple[Path, list[str]], nonsense, said: str) -> None:
    with stand_in(nonsense) as target, pytest.raises(ContractError, match=said):
        classify(target, *season)


def test_a_server_that_loses_the_model_stops_the_run(season: tuple[Path, list[str]]) -> None:
    def answer(_: np.ndarray) -> np.ndarray:
        raise Refuse(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Specific(snowmode, 7)")

    with stand_in(answer) as target, pytest.raises(ServerError, match="Servable not found"):
        classify(target, *season)


def test_a_version_that_one_of_several_servers_lacks_costs_no_frame(
    season: tuple[Path, list[str]], expected: np.ndarray
) -> None:
    calls = itertools.count()

    def answer(images: np.ndarray) -> np.ndarray:
        if next(calls) % 3:  # two of three are on another version already
            raise Refuse(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Specific(snowmode, 7)")
        return brightness(images)

    with stand_in(answer) as target:
        predictions = classify(target, *season, version=7)
    np.testing.assert_allclose([p.probabilities for p in predictions], expected, atol=1e-6)


def test_a_version_that_no_server_has_any_more_stops_the_run(season: tuple[Path, list[str]]) -> None:
    def answer(_: np.ndarray) -> np.ndarray:
        raise Refuse(grpc.StatusCode.NOT_FOUND, "Servable not found for request: Specific(snowmode, 7)")

    with stand_in(answer) as target, pytest.raises(VersionMissing, match="one run keeps to one version"):
        classify(target, *season, version=7, patience=0.2)


def test_stop_yields_what_was_in_flight_and_raises(season: tuple[Path, list[str]]) -> None:
    folder, names = season
    many = names * 20
    with stand_in() as target, Connection(target) as connection:
        classifier = Classifier(connection, CARD)
        seen: list[Prediction] = []
        with pytest.raises(Interrupted, match="Stopped on request"):
            for predictions in classifier.run(folder, many):
                seen += predictions
                classifier.stop()
    assert [p.name for p in seen] == many[: len(seen)]
    assert len(seen) < len(many)


def test_a_fault_in_the_decoder_reaches_the_caller(
    season: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise MemoryError("no memory for a picture")

    monkeypatch.setattr(frames, "load", broken)
    with stand_in() as target, pytest.raises(MemoryError):
        classify(target, *season)


def test_a_frame_replaced_again_and_again_while_it_is_read_is_whole_or_named(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "season", 2)
    names = ["pr2hse00000.png", "pr2hse00001.png"]
    versions = [(folder / name).read_bytes() for name in names]
    with stand_in() as target:
        valid = [classify(target, folder, [name])[0].probabilities for name in names]
        done = threading.Event()

        def replace() -> None:
            for data in itertools.cycle(versions):
                if done.is_set():
                    return
                with (folder / names[0]).open("r+b") as file:  # in place, the hard case: no rename
                    file.truncate(0)
                    file.write(data)

        writer = threading.Thread(target=replace)
        writer.start()
        try:
            predictions = classify(target, folder, [names[0]] * 300)
        finally:
            done.set()
            writer.join()
    for prediction in predictions:
        if prediction.probabilities is None:
            assert prediction.error
        else:
            assert min(np.abs(prediction.probabilities - v).max() for v in valid) < 1e-6


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bad=st.sets(st.integers(0, 199), max_size=25), missing=st.sets(st.integers(0, 199), max_size=20))
def test_whatever_is_bad_every_frame_has_its_place(
    season: tuple[Path, list[str]], expected: np.ndarray, bad: set[int], missing: set[int]
) -> None:
    folder, names = season[0], season[1][:200]
    wanted = [f"gone{n}.png" if n in missing else name for n, name in enumerate(names)]
    poison = {round(float(expected[n, 0]), 6) for n in bad}

    def answer(images: np.ndarray) -> np.ndarray:
        if len(images) > 1 or round(float(brightness(images)[0, 0]), 6) in poison:
            table = brightness(images)
            if any(round(float(p), 6) in poison for p in table[:, 0]):
                raise Refuse(grpc.StatusCode.INVALID_ARGUMENT, "poisoned")
        return brightness(images)

    with stand_in(answer) as target:
        predictions = classify(target, folder, wanted)
    assert [p.name for p in predictions] == wanted
    for n, prediction in enumerate(predictions):
        if n in missing:
            assert "no such file" in prediction.error
        elif round(float(expected[n, 0]), 6) in poison:
            assert "poisoned" in prediction.error
        else:
            np.testing.assert_allclose(prediction.probabilities, expected[n], atol=1e-6)
