"""Releases: candidate, production and the way back, and what model servers make of the file they are given."""

import contextlib
import itertools
import multiprocessing
import shutil
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from serving.model_server.model_config import read_entries
from serving.protocol import wire
from serving.protocol.connection import Connection
from serving.protocol.contract import MODEL_NAME
from serving.protocol.errors import ServingError
from tests.serving.model_server.toy_server import Server, wait_until
from training.cli import app
from training.errors import TrainingError
from training.publishing import published, releases
from training.publishing.releases import CANDIDATE_NAME, CONFIG_FILE, RELEASES_FILE


def shelve(models, *versions):
    """Puts versions on the shelf that are just about recognised as such."""
    for version in versions:
        folder = models / MODEL_NAME / str(version)
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_bytes(b"")


def entries(models):
    config = text_format.Parse((models / CONFIG_FILE).read_text(encoding="utf-8"), wire.ModelServerConfig())
    return read_entries(config)


def served(models):
    """What the config file asks a server for: versions by name."""
    return {name: sorted(entry.policy.versions) for name, entry in entries(models).items()}


def test_the_first_version_goes_into_production_and_the_next_is_a_candidate_of_its_own_name(tmp_path):
    shelve(tmp_path, 1)
    releases.offer(tmp_path, 1)
    assert served(tmp_path) == {MODEL_NAME: [1]}
    shelve(tmp_path, 2)
    now = releases.offer(tmp_path, 2, note="radar")
    assert (now.production, now.candidate) == (1, 2)
    assert served(tmp_path) == {MODEL_NAME: [1], CANDIDATE_NAME: [2]}
    assert {entry.base_path for entry in entries(tmp_path).values()} == {tmp_path / MODEL_NAME}


def test_promotion_keeps_the_version_before_for_the_change_and_rollback_ends_that(tmp_path):
    shelve(tmp_path, 1)
    releases.promote(tmp_path, 1)
    shelve(tmp_path, 2)
    releases.promote(tmp_path, 2)
    assert served(tmp_path) == {MODEL_NAME: [1, 2]}
    now = releases.rollback(tmp_path, note="misses vortices").after
    # Version 2 must not be loaded now: the higher number answers requests that name none.
    assert served(tmp_path) == {MODEL_NAME: [1]}
    assert [(step.action, step.version) for step in now.history] == [("promote", 1), ("promote", 2), ("rollback", 1)]
    assert now.history[-1].note == "misses vortices"
    with pytest.raises(TrainingError, match="no version was in production before 1, so there is no way back"):
        releases.rollback(tmp_path)


def test_without_a_version_the_candidate_is_promoted_and_once_is_enough(tmp_path):
    shelve(tmp_path, 1, 2)
    releases.promote(tmp_path, 1)
    releases.offer(tmp_path, 2)
    change = releases.promote(tmp_path)
    assert (change.before.production, change.after.production, change.nothing) == (1, 2, "")
    assert served(tmp_path) == releases.served(tmp_path, change.after) == {MODEL_NAME: [1, 2]}
    again = releases.promote(tmp_path)
    assert again.nothing == "There is no candidate to promote"
    assert again.before == again.after == releases.read(tmp_path) == change.after
    assert releases.promote(tmp_path, 2).nothing == "2 is in production already"
    assert len(releases.read(tmp_path).history) == 3


@pytest.mark.parametrize("action", [releases.promote, releases.rollback])
def test_a_job_that_is_started_again_does_not_do_it_twice(tmp_path, action):
    shelve(tmp_path, 1, 2, 3, 4)
    for version in (1, 2, 3):
        releases.promote(tmp_path, version)
    releases.offer(tmp_path, 4)
    first = action(tmp_path, once="job-1")
    assert not first.nothing
    releases.offer(tmp_path, 1)  # meanwhile there is another candidate
    again = action(tmp_path, once="job-1")
    assert again.nothing.startswith("Done before, 20")
    assert again.nothing.endswith("(--once job-1)")
    assert again.after.production == first.after.production
    assert not action(tmp_path, once="job-2").nothing


def test_a_job_killed_before_the_config_was_written_is_made_good_by_the_next_one(tmp_path):
    shelve(tmp_path, 1, 2)
    releases.promote(tmp_path, 1)
    before = (tmp_path / CONFIG_FILE).read_text()
    releases.promote(tmp_path, 2, once="job")
    wanted = (tmp_path / CONFIG_FILE).read_text()
    for again in ({}, {"version": 2}, {"once": "job"}):
        (tmp_path / CONFIG_FILE).write_text(before)
        assert "was not what is released, and was written again" in releases.promote(tmp_path, **again).nothing
        assert (tmp_path / CONFIG_FILE).read_text() == wanted


@pytest.mark.parametrize("words", [["promote"], ["promote", "7"], ["rollback"]])
def test_a_folder_named_by_mistake_is_named_and_left_as_it_was(tmp_path, words):
    result = CliRunner().invoke(app, [*words, "--models", str(tmp_path / "modles")])
    assert result.exit_code == 2
    assert "modles/snowmode: expected published models, received none; name their folder with --models" in (
        result.output.replace("\n", "")
    )
    assert list(tmp_path.iterdir()) == []


def test_the_commands_tell_what_is_served_before_and_after(tmp_path):
    for version in (1, 2):
        shelve(tmp_path, version)
        releases.offer(tmp_path, version)

    def told(*words, **environment):
        result = CliRunner().invoke(app, [*words, "--models", str(tmp_path)], env=environment)
        assert result.exit_code == 0, result.output
        return [line.split() for line in result.output.splitlines()]

    header = ["served", "as", "before", "now"]
    promoted = told("promote", "--served-at", "/models")
    assert promoted[0] == header
    assert ["snowmode", "1", "2", "(and", "1)"] in promoted
    assert ["snowmode-candidate", "2", "-"] in promoted
    nothing = told("promote")
    assert nothing[0] == "There is no candidate to promote. Nothing was changed in what is released.".split()
    back = told("rollback", SNOWMODE_ONCE="job-1")
    assert back[-2][:4] == "1 is in production".split()
    assert told("rollback", SNOWMODE_ONCE="job-1")[0][:2] == ["Done", "before,"]
    assert releases.read(tmp_path).production == 1


def test_a_folder_without_records_has_its_newest_version_in_production(tmp_path):
    assert releases.read(tmp_path).production is None
    shelve(tmp_path, 5, 12)
    assert releases.read(tmp_path).production == 12
    shelve(tmp_path, 13)
    assert releases.offer(tmp_path, 13).labels_of(13) == ("production",), "nobody could tell it from the newest"


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["offer", "promote", "rollback"]), st.integers(1, 4)), max_size=12))
def test_whatever_is_done_nobody_gets_a_candidate_who_did_not_ask_for_it(tmp_path_factory, steps):
    models = tmp_path_factory.mktemp("shelf")
    shelve(models, 1, 2, 3, 4)
    releases.promote(models, 1)
    for action, version in steps:
        with contextlib.suppress(TrainingError):
            if action == "rollback":
                releases.rollback(models)
            else:
                getattr(releases, action)(models, version)
        now = releases.read(models)
        assert max(served(models)[MODEL_NAME]) == now.production
        assert not any(entry.labels for entry in entries(models).values()), "a reload that moves one is refused"
        assert not published.look(models).warnings


def test_what_cannot_be_promoted_is_named(tmp_path):
    shelve(tmp_path, 1)
    (tmp_path / MODEL_NAME / "2").mkdir()
    for version in (2, 3):
        with pytest.raises(TrainingError, match=f"expected a published version, received {version}; there are: 1"):
            releases.promote(tmp_path, version)
    assert not (tmp_path / CONFIG_FILE).exists()


def test_the_path_that_servers_see_is_kept(tmp_path):
    shelve(tmp_path, 1, 2)
    releases.promote(tmp_path, 1, served_at=Path("/models"))
    releases.promote(tmp_path, 2)
    assert entries(tmp_path)[MODEL_NAME].base_path == Path("/models/snowmode")
    with pytest.raises(TrainingError, match="expected an absolute path, received 'models'"):
        releases.promote(tmp_path, 1, served_at=Path("models"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"production": "one"}', "Input should be a valid integer"),
        ('{"produc', "Invalid JSON: EOF while parsing"),
        ("", "Invalid JSON: EOF while parsing"),
        ("[]", "Input should be an object"),
    ],
)
def test_damaged_records_are_named_with_the_way_out(tmp_path, text, reason):
    shelve(tmp_path, 1)
    (tmp_path / RELEASES_FILE).write_text(text)
    with pytest.raises(TrainingError, match=f"^[^\n]*cannot be read: {reason}[^\n]*training promote VERSION$"):
        releases.promote(tmp_path, 1)
    assert (tmp_path / RELEASES_FILE).read_text() == text


def test_a_config_that_does_not_fit_the_records_is_shown_and_can_be_written_again(tmp_path):
    shelve(tmp_path, 1)
    releases.promote(tmp_path, 1)
    (tmp_path / CONFIG_FILE).unlink()
    (warning,) = published.look(tmp_path).warnings
    assert f"training promote 1 --served-at {tmp_path}" in warning
    releases.promote(tmp_path, 1, served_at=tmp_path)
    assert not published.look(tmp_path).warnings


def test_lost_records_are_not_taken_for_a_folder_where_nothing_was_released(tmp_path):
    shelve(tmp_path, 1, 2)
    releases.promote(tmp_path, 1)
    (tmp_path / RELEASES_FILE).unlink()
    (warning,) = published.look(tmp_path).warnings
    assert "releases.json is not there" in warning
    assert f"{tmp_path / CONFIG_FILE} names" in warning
    served = (tmp_path / CONFIG_FILE).read_bytes()
    shelve(tmp_path, 3)
    with pytest.raises(TrainingError, match="nobody knows what is in production"):
        releases.offer(tmp_path, 3)
    assert (tmp_path / CONFIG_FILE).read_bytes() == served, "a version nobody looked at answers nobody"
    releases.promote(tmp_path, 1)
    assert releases.offer(tmp_path, 3).labels_of(3) == ("candidate",)
    assert not published.look(tmp_path).warnings


def offer_many(models, first):
    for version in range(first, first + 15):
        releases.offer(models, version)


def test_jobs_that_publish_at_the_same_time_lose_nothing(tmp_path):
    shelve(tmp_path, *range(100, 160))
    releases.promote(tmp_path, 100)
    context = multiprocessing.get_context("spawn")
    jobs = [context.Process(target=offer_many, args=(tmp_path, first)) for first in (101, 121, 141)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
        assert job.exitcode == 0
    assert len(releases.read(tmp_path).history) == 1 + 45


@pytest.mark.slow
def test_a_running_server_follows_promotion_and_rollback_under_a_client_that_misses_no_answer(tmp_path, models):
    """Real server process, real models, a client that never stops asking; every change by the commands alone."""
    shelf = tmp_path / "shelf"
    (version,) = (models / MODEL_NAME).iterdir()
    shutil.copytree(version, shelf / MODEL_NAME / "1")
    releases.offer(shelf, 1)
    server = Server(
        tmp_path,
        None,
        f"--model_config_file={shelf / CONFIG_FILE}",
        "--model_config_file_poll_wait_seconds=1",
        "--file_system_poll_wait_seconds=1",
    )
    stop, seen, failures = threading.Event(), [], []

    def ask_on():
        try:
            with Connection(server.target) as connection:
                size = connection.describe().card.input
                frames = np.zeros((4, size.height, size.width, 3), np.uint8)
                while not stop.is_set():
                    handle = connection.send("serving_default", frames)
                    connection.result(handle, "serving_default", len(frames))
                    seen.append(connection.describe().version)
        except Exception as error:
            failures.append(error)

    def answering(**how):
        try:
            with Connection(server.target, **how) as connection:
                return connection.describe().version
        except ServingError:
            return None

    def run(*words):
        result = CliRunner().invoke(app, [*words, "--models", str(shelf)])
        assert result.exit_code == 0, result.output

    client = threading.Thread(target=ask_on)
    try:
        assert answering() == 1
        client.start()
        wait_until(lambda: seen or failures, "an answer")
        shutil.copytree(version, shelf / MODEL_NAME / "2")
        releases.offer(shelf, 2)
        wait_until(lambda: answering(model=CANDIDATE_NAME) == 2, "the candidate")
        assert answering() == 1
        run("promote")
        wait_until(lambda: failures or seen[-1:] == [2], "the promotion")
        assert answering(version=1) == 1, "for jobs that began with it"
        wait_until(lambda: answering(model=CANDIDATE_NAME) is None, "the candidate is none any more")
        run("rollback")
        wait_until(lambda: failures or seen[-1:] == [1], "the rollback")
    finally:
        stop.set()
        if client.ident is not None:
            client.join()
        server.end(signal.SIGKILL)
    assert failures == []
    assert [version for version, _ in itertools.groupby(seen)] == [1, 2, 1]
