"""A version appears whole, or not at all."""

import multiprocessing
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from training.errors import GateError, TrainingError
from training.publishing.publish import check_writable, publish, version_of

VERSION = 202401010000


def versions(base):
    """The folders that a model server takes for versions."""
    return sorted(int(path.name) for path in base.iterdir() if path.name.isdecimal())


def fill(folder, text="weights"):
    (folder / "variables").mkdir(parents=True)
    (folder / "variables" / "data").write_text(text)
    (folder / "saved_model.pb").write_text(text)


def test_the_version_is_the_utc_stamp_to_the_minute():
    assert version_of(datetime(2024, 1, 1, 0, 0, 59, tzinfo=UTC)) == VERSION


def test_a_version_has_its_number_only_when_it_is_finished(tmp_path):
    base = tmp_path / "models" / "snowmode"

    def make(folder):
        assert not folder.exists()
        for step in range(3):
            fill(folder / str(step))
            assert versions(base) == []
        assert folder.name.startswith(".")

    published = publish(base, VERSION, make)
    assert published == base / str(VERSION)
    assert sorted(path.name for path in published.iterdir()) == ["0", "1", "2"]
    assert [path.name for path in base.iterdir()] == [str(VERSION)]


@pytest.mark.parametrize("error", [GateError("not good enough"), ValueError("a mistake"), KeyboardInterrupt()])
def test_an_exception_leaves_nothing(tmp_path, error):
    def make(folder):
        fill(folder)
        raise error

    with pytest.raises(type(error)) as caught:
        publish(tmp_path, VERSION, make)
    assert caught.value is error
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_training_error(tmp_path):
    def make(folder):
        fill(folder)
        raise OSError(28, "No space left on device")

    with pytest.raises(TrainingError, match=r"cannot publish there: No space left on device"):
        publish(tmp_path, VERSION, make)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_a_training_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match=r"file/snowmode: cannot publish there: Not a directory"):
        publish(tmp_path / "file" / "snowmode", VERSION, fill)


def test_a_folder_is_tried_before_a_run(tmp_path):
    check_writable(tmp_path / "new" / "snowmode", "--models")
    assert list((tmp_path / "new" / "snowmode").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match=r"file/snowmode: cannot write there: Not a directory; .* with --models"):
        check_writable(tmp_path / "file" / "snowmode", "--models")


def test_a_version_of_the_same_minute_gets_the_next_number_and_replaces_nothing(tmp_path):
    for n in range(3):
        publish(tmp_path, VERSION, lambda folder, n=n: fill(folder, f"model {n}"))
    assert versions(tmp_path) == [VERSION, VERSION + 1, VERSION + 2]
    assert [(tmp_path / str(VERSION + n) / "saved_model.pb").read_text() for n in range(3)] == [
        "model 0",
        "model 1",
        "model 2",
    ]


def test_a_file_with_the_number_of_a_version_is_left_alone(tmp_path):
    (tmp_path / str(VERSION)).write_text("somebody's notes")
    assert publish(tmp_path, VERSION, fill).name == str(VERSION + 1)
    assert (tmp_path / str(VERSION)).read_text() == "somebody's notes"


def publish_together(base, barrier, name):
    """One of two processes that finish their models at the same moment."""

    def make(folder):
        fill(folder, name)
        barrier.wait(60)

    publish(Path(base), VERSION, make)


def test_two_processes_at_once_publish_two_versions(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    jobs = [
        context.Process(target=publish_together, args=(str(tmp_path), barrier, name)) for name in ("one", "other")
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(120)
    assert [job.exitcode for job in jobs] == [0, 0]
    assert versions(tmp_path) == [VERSION, VERSION + 1]
    assert {(tmp_path / str(number) / "saved_model.pb").read_text() for number in versions(tmp_path)} == {
        "one",
        "other",
    }
    assert len(list(tmp_path.iterdir())) == 2


def test_two_threads_at_once_publish_two_versions(tmp_path):
    barrier = threading.Barrier(2)
    errors = []

    def job(name):
        def make(folder):
            fill(folder, name)
            barrier.wait(60)

        try:
            publish(tmp_path, VERSION, make)
        except BaseException as error:
            barrier.abort()
            errors.append(error)

    threads = [threading.Thread(target=job, args=(name,)) for name in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    assert versions(tmp_path) == [VERSION, VERSION + 1]
