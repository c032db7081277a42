"""Version folders come and go; the manager is polled by hand, with real models."""

import logging
import shutil
from pathlib import Path

import grpc
import numpy as np
import pytest

from serving.model_server import warmup
from serving.model_server.errors import ServableError, StartError
from serving.model_server.flags import Settings
from serving.model_server.manager import ModelManager
from serving.model_server.predict import predict
from serving.model_server.versions import what_is_missing
from serving.protocol import wire
from tests.serving.model_server.toy_server import predict_request, wait_until

LATEST = wire.ModelSpec(name="toy")
IMAGES = np.zeros((1, 8, 8, 3), np.uint8)


def manager_of(base_path, **flags):
    flags = {"max_num_load_retries": 0, **flags}
    return ModelManager(Settings(model_base_path=base_path, model_name="toy", **flags))


def polled(base_path, **flags):
    manager = manager_of(base_path, **flags)
    manager.poll()
    return manager


def states(manager):
    return {entry.version: wire.State.Name(entry.state) for entry in manager.status(LATEST).model_version_status}


def wait_for(manager, **wanted):
    wanted = {int(number.removeprefix("v")): state for number, state in wanted.items()}
    wait_until(lambda: states(manager) == wanted, f"the states {wanted}")


def available(manager):
    return manager.available()["toy"]


def test_the_newest_of_several_versions_is_loaded(publish, tmp_path):
    for name in ("2", "0010", "9"):
        publish(tmp_path, name)
    (tmp_path / "11.part").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "12").write_text("a file is no version")
    manager = polled(tmp_path)
    assert states(manager) == {10: "AVAILABLE"}
    assert manager.is_ready()
    with manager.lease(LATEST) as servable:
        assert (servable.name, servable.version) == ("toy", 10)


def test_a_new_version_takes_over_and_running_calls_finish_on_the_old(publish, tmp_path):
    publish(tmp_path, 1)
    manager = polled(tmp_path)
    with manager.lease(LATEST) as old:
        publish(tmp_path, 2)
        manager.poll()
        assert states(manager) == {1: "UNLOADING", 2: "AVAILABLE"}
        assert available(manager) == [2]
        assert old.run("", {"images": IMAGES})["logits"].shape == (1, 4)
        with manager.lease(LATEST) as new:
            assert new.version == 2
    wait_for(manager, v1="END", v2="AVAILABLE")
    with pytest.raises(ServableError):
        old.run("", {"images": IMAGES})
    with (
        pytest.raises(ServableError, match="Specific"),
        manager.lease(wire.ModelSpec(name="toy", version={"value": 1})),
    ):
        pass


@pytest.mark.parametrize(
    "missing",
    ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"],
)
def test_a_folder_still_being_copied_is_left_alone(publish, tmp_path, missing):
    publish(tmp_path, 1)
    manager = polled(tmp_path)
    part = publish(tmp_path, 2)
    (part / missing).rename(tmp_path / "later")
    manager.poll()
    assert states(manager) == {1: "AVAILABLE"}
    (tmp_path / "later").rename(part / missing)
    manager.poll()
    assert available(manager) == [2]


def test_what_is_waited_for_is_named_while_the_version_before_answers(publish, tmp_path, caplog):
    publish(tmp_path, 1)
    part = publish(tmp_path, 2)
    (part / "variables" / "variables.index").unlink()
    manager = polled(tmp_path)
    assert available(manager) == [1]
    assert f"{part} is not a complete SavedModel yet: there is no variables/variables.index. Waiting" in caplog.text


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda folder: (folder / "saved_model.pb").unlink(), "there is no saved_model.pb"),
        (lambda folder: (folder / "saved_model.pb").write_bytes(b""), "saved_model.pb is empty"),
        (lambda folder: (folder / "fingerprint.pb").write_bytes(b""), "fingerprint.pb is empty"),
        (
            lambda folder: next((folder / "variables").glob("*.data-*")).unlink(),
            "there is no variables/variables.data-*",
        ),
        (
            lambda folder: next((folder / "variables").glob("*.data-*")).rename(
                folder / "variables" / "variables.data-00000-of-00002"
            ),
            "1 of 2 variables/variables.data-* are there",
        ),
    ],
)
def test_what_a_folder_lacks(publish, tmp_path, damage, text):
    folder = publish(tmp_path, 1)
    assert what_is_missing(folder) == ""
    damage(folder)
    assert what_is_missing(folder) == text


def test_a_folder_that_vanishes_meanwhile_lacks_something(tmp_path, monkeypatch):
    def vanish(_):
        raise FileNotFoundError(2, "No such file or directory", "saved_model.pb")

    monkeypatch.setattr(Path, "is_file", vanish)
    assert what_is_missing(tmp_path) == "saved_model.pb cannot be read (No such file or directory)"


def test_of_two_folders_of_one_number_the_other_is_named(publish, tmp_path, caplog):
    publish(tmp_path, "007")
    publish(tmp_path, "7")
    assert available(polled(tmp_path)) == [7]
    assert (
        "Duplicate version directories detected. Version 7 will be loaded from 7, 007 will be ignored." in caplog.text
    )


def test_a_number_that_no_message_can_carry_is_no_version(publish, tmp_path):
    publish(tmp_path, 1)
    publish(tmp_path, 2**63)
    publish(tmp_path, 2**63 - 1)
    assert states(polled(tmp_path)) == {2**63 - 1: "AVAILABLE"}


def test_zero_is_a_version(publish, tmp_path):
    publish(tmp_path, 0)
    with polled(tmp_path).lease(wire.ModelSpec(name="toy", version={"value": 0})) as servable:
        assert servable.version == 0


def test_a_version_may_be_a_link(publish, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "4").symlink_to(publish(tmp_path / "elsewhere", 1))
    (tmp_path / "models" / "5").symlink_to(tmp_path / "nowhere")
    assert available(polled(tmp_path / "models")) == [4]


def test_data_cut_short_are_no_model_and_loaded_once_they_are_whole(publish, tmp_path):
    publish(tmp_path, 1)
    manager = polled(tmp_path)
    part = publish(tmp_path, 2)
    data = next((part / "variables").glob("*.data-*"))
    whole = data.read_bytes()
    data.write_bytes(whole[: len(whole) // 2])
    manager.poll()
    wait_for(manager, v1="AVAILABLE", v2="END")
    (entry,) = (e for e in manager.status(LATEST).model_version_status if e.version == 2)
    assert entry.status.error_message.startswith("Read less bytes than requested"), "in TensorFlow's words only"
    data.write_bytes(whole)
    manager.poll()
    wait_for(manager, v1="END", v2="AVAILABLE")


def test_a_broken_version_ends_and_the_old_one_stays(publish, tmp_path, caplog):
    publish(tmp_path, 1)
    manager = polled(tmp_path)
    broken = publish(tmp_path, 2)
    whole = (broken / "saved_model.pb").read_bytes()
    (broken / "saved_model.pb").write_bytes(b"nonsense")
    manager.poll()
    wait_for(manager, v1="AVAILABLE", v2="END")
    (entry,) = (e for e in manager.status(LATEST).model_version_status if e.version == 2)
    assert entry.status.error_code != wire.ErrorCode.OK
    assert "saved_model.pb" in entry.status.error_message
    caplog.clear()
    manager.poll()
    assert not caplog.records, "the same files must not be tried for ever"
    (broken / "saved_model.pb").write_bytes(whole)
    manager.poll()
    wait_for(manager, v1="END", v2="AVAILABLE")


def test_the_first_load_is_tried_again_and_then_given_up(publish, tmp_path):
    broken = publish(tmp_path, 1)
    (broken / "saved_model.pb").write_bytes(b"nonsense")
    manager = manager_of(tmp_path, max_num_load_retries=2, load_retry_interval_micros=0)
    for _ in range(2):
        manager.poll()
        assert not manager.is_ready()
        assert states(manager) == {1: "LOADING"}
    manager.poll()
    with pytest.raises(StartError, match=r"1 servable\(s\) did not become available: \{\{name: toy version: 1\} due"):
        manager.is_ready()


def test_a_deleted_version_is_unloaded(publish, tmp_path):
    publish(tmp_path, 1)
    shutil.rmtree(publish(tmp_path, 2) / "variables")
    manager = polled(tmp_path)
    shutil.rmtree(tmp_path / "1")
    manager.poll()
    wait_for(manager, v1="END")
    with (
        pytest.raises(ServableError, match=r"Servable not found for request: Latest\(toy\)") as refused,
        manager.lease(LATEST),
    ):
        pass
    assert refused.value.code is grpc.StatusCode.NOT_FOUND
    publish(tmp_path, 1)
    manager.poll()
    assert states(manager) == {1: "AVAILABLE"}


def test_a_version_that_answers_stays_while_its_folder_is_there(publish, tmp_path):
    folder = publish(tmp_path, 1)
    manager = polled(tmp_path)
    (folder / "saved_model.pb").unlink()
    manager.poll()
    assert states(manager) == {1: "AVAILABLE"}


def test_deleting_the_newest_version_goes_back_to_the_one_before(publish, tmp_path):
    publish(tmp_path, 1)
    publish(tmp_path, 2)
    manager = polled(tmp_path)
    shutil.rmtree(tmp_path / "2")
    manager.poll()
    wait_for(manager, v1="AVAILABLE", v2="END")


def test_a_base_path_that_goes_away_keeps_the_model(publish, tmp_path, caplog):
    base_path = tmp_path / "models"
    publish(base_path, 1)
    manager = polled(base_path)
    base_path.rename(tmp_path / "away")
    manager.poll()
    manager.poll()
    assert states(manager) == {1: "AVAILABLE"}
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [
        f"Could not find base path {base_path} for servable toy (No such file or directory)"
    ]


def test_a_folder_without_versions_says_where_there_are_some(publish, tmp_path, caplog):
    publish(tmp_path / "other", 1)
    manager = polled(tmp_path)
    assert not manager.is_ready()
    assert (
        f"No versions of servable toy found under base path {tmp_path}. Did you forget to name your leaf directory "
        f"as a number (eg. '/1/')? These folders in it have some: {tmp_path / 'other'} "
        "(it is not served until there is a version)"
    ) in caplog.text


def test_looking_once_and_finding_nothing_is_an_error(tmp_path):
    manager = manager_of(tmp_path / "nothing", file_system_poll_wait_seconds=0)
    manager.poll()
    with pytest.raises(StartError, match=r"Could not find base path .* nobody looks again"):
        manager.is_ready()


def test_looking_once_still_tries_again_to_load(publish, tmp_path):
    broken = publish(tmp_path, 1)
    (broken / "saved_model.pb").write_bytes(b"nonsense")
    (tmp_path / "01").mkdir()
    manager = manager_of(
        tmp_path, file_system_poll_wait_seconds=0, max_num_load_retries=1, load_retry_interval_micros=1000
    )
    manager.start()

    said = []

    def has_failed():
        try:
            return manager.is_ready()
        except StartError as error:
            said.append(str(error))
        return True

    wait_until(has_failed, "the last try")
    assert "Duplicate" not in said[0], "that it could not be loaded is why it is not there"
    assert states(manager) == {1: "END"}
    manager.stop()


def record(inputs, signature=""):
    return wire.PredictionLog(predict_log={"request": predict_request(inputs, signature)}).SerializeToString()


def test_warm_up_requests_are_replayed(publish, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    publish(tmp_path, 1, [record({"images": IMAGES}), record({"query": np.zeros(1, np.int32)}, "describe")])
    assert available(polled(tmp_path)) == [1]
    assert "warmed toy version 1 with 2 requests" in caplog.text


def test_warm_up_requests_are_replayed_as_often_as_asked_for(publish, tmp_path, monkeypatch):
    replayed = []

    def count(servable, request, **how):
        replayed.append(request.model_spec.signature_name)
        return predict(servable, request, **how)

    monkeypatch.setattr(warmup, "predict", count)
    publish(tmp_path, 1, [record({"images": IMAGES}), record({"query": np.zeros(1, np.int32)}, "describe")])
    polled(tmp_path, num_request_iterations_for_warmup=3)
    assert replayed == [""] * 3 + ["describe"] * 3


@pytest.mark.parametrize(
    ("records", "text"),
    [
        ([b"\xff\xff"], "Failed to parse warmup record"),
        ([wire.PredictionLog().SerializeToString()], "Unsupported log_type"),
        ([record({"images": IMAGES[0]})], "is not compatible with expected shape"),
        ([record({}, "X")], "not found"),
        ([record({"query": np.zeros(1, np.int32)}, "describe")] * 1001, "exceeds the maximum"),
    ],
)
def test_a_bad_warm_up_record_fails_the_load(publish, tmp_path, records, text):
    publish(tmp_path, 1, records)
    manager = polled(tmp_path)
    assert states(manager) == {1: "END"}
    (entry,) = manager.status(LATEST).model_version_status
    assert text in entry.status.error_message


def test_a_damaged_warm_up_file_fails_the_load_unless_warm_up_is_off(publish, tmp_path):
    folder = publish(tmp_path, 1, [b"x"])
    (folder / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"no TFRecord at all")
    (entry,) = polled(tmp_path).status(LATEST).model_version_status
    assert entry.status.error_code == wire.ErrorCode.DATA_LOSS
    assert entry.status.error_message.endswith("Please verify your warmup data is in TFRecord format.")
    assert available(polled(tmp_path, enable_model_warmup=False)) == [1]
