"""Several models: configs, policies, labels, reloads. In one process, with real models."""

import logging
import shutil
import threading
import weakref

import grpc
import numpy as np
import pytest

from serving.model_server import manager as manager_module
from serving.model_server.errors import ServableError, StartError
from serving.model_server.flags import Settings
from serving.model_server.manager import ModelManager
from serving.protocol import wire
from tests.serving.model_server.toy_server import DEADLINE, wait_until

CODE = grpc.StatusCode
IMAGES = np.zeros((1, 8, 8, 3), np.uint8)
CANNOT_LABEL = "Request to assign label to version {} of model a, which is not currently available for inference"


def config_of(*models):
    """A config of models given as dicts of ModelConfig fields."""
    return wire.ModelServerConfig(
        model_config_list={"config": [{"model_platform": "tensorflow", **model} for model in models]}
    )


def entry(name, base_path, *, labels=(), **policy):
    return {
        "name": name,
        "base_path": str(base_path),
        "version_labels": dict(labels),
        **({"model_version_policy": policy} if policy else {}),
    }


@pytest.fixture
def managed(tmp_path):
    """Starts a manager by a config file; stops its thread at the end."""
    started = []

    def start(config, *, look_every=1, **flags):
        from google.protobuf import text_format

        file = tmp_path / "models.config"
        file.write_text(text_format.MessageToString(config))
        flags = {"max_num_load_retries": 0, "file_system_poll_wait_seconds": look_every, **flags}
        manager = ModelManager(Settings(model_config_file=file, **flags))
        started.append(manager)
        manager.start()
        return manager

    yield start
    for manager in started:
        manager.stop()


def states(manager, name="a"):
    try:
        answer = manager.status(wire.ModelSpec(name=name))
    except ServableError:
        return {}
    return {version.version: wire.State.Name(version.state) for version in answer.model_version_status}


def version_of(manager, name="a", **spec):
    with manager.lease(wire.ModelSpec(name=name, **spec)) as servable:
        servable.run("", {"images": IMAGES})
        return servable.version


def refusal(call):
    with pytest.raises(ServableError) as refused:
        call()
    return refused.value.code, refused.value.message


@pytest.fixture(scope="module")
def versions(publish, tmp_path_factory):
    """A base path with the versions 1, 2 and 3, for tests that change none."""
    base_path = tmp_path_factory.mktemp("versions")
    for number in (1, 2, 3):
        publish(base_path, number)
    return base_path


def test_several_models_answer_each_by_its_name(managed, publish, versions, tmp_path):
    publish(tmp_path / "b", 7)
    manager = managed(config_of(entry("a", versions), entry("b", tmp_path / "b")))
    wait_until(manager.is_ready, "both models")
    assert manager.available() == {"a": [3], "b": [7]}
    assert (version_of(manager, "a"), version_of(manager, "b")) == (3, 7)
    with manager.lease(wire.ModelSpec(name="b")) as servable:
        assert servable.name == "b"


@pytest.mark.parametrize(
    ("policy", "loaded"),
    [
        ({}, [3]),
        ({"latest": {"num_versions": 2}}, [3, 2]),
        ({"latest": {}}, [3]),
        ({"all": {}}, [3, 2, 1]),
        ({"specific": {"versions": [1, 2]}}, [2, 1]),
        ({"specific": {"versions": [2, 9]}}, [2]),
    ],
)
def test_policies(managed, versions, policy, loaded):
    manager = managed(config_of(entry("a", versions, **policy)))
    wait_until(lambda: manager.available() == {"a": loaded}, f"the versions {loaded}")
    assert version_of(manager) == loaded[0]
    assert version_of(manager, version={"value": loaded[-1]}) == loaded[-1]
    assert states(manager).keys() == set(loaded), "no other version was touched"


def test_a_specific_version_that_is_not_there_is_named(managed, versions, caplog):
    managed(config_of(entry("a", versions, specific={"versions": [9]})))
    wait_until(
        lambda: "Version 9 of servable a, which was requested to be served as a 'specific'" in caplog.text, "it"
    )


def test_a_policy_without_versions_is_named_while_the_server_waits(managed, versions, caplog):
    manager = managed(config_of(entry("a", versions, specific={})))
    wait_until(
        lambda: "The 'specific' version policy of servable a lists no version, so none is served" in caplog.text, "it"
    )
    assert not manager.is_ready()


def test_a_specific_version_that_is_not_complete_is_named(managed, publish, tmp_path, caplog):
    publish(tmp_path / "a", 1)
    (publish(tmp_path / "a", 2) / "saved_model.pb").unlink()
    managed(config_of(entry("a", tmp_path / "a", specific={"versions": [2]})))
    wait_until(lambda: "is not a complete SavedModel yet: there is no saved_model.pb" in caplog.text, "it")


def test_of_several_versions_one_broken_one_costs_itself_only(managed, publish, tmp_path):
    for number in (1, 2):
        publish(tmp_path / "a", number)
    (tmp_path / "a" / "2" / "saved_model.pb").write_bytes(b"nonsense")
    manager = managed(config_of(entry("a", tmp_path / "a", all={})))
    wait_until(lambda: states(manager) == {1: "AVAILABLE", 2: "END"}, "both versions")
    assert manager.is_ready()


def test_a_model_that_cannot_be_loaded_is_named_at_the_start(managed, publish, versions, tmp_path):
    broken = publish(tmp_path / "b", 5)
    (broken / "saved_model.pb").write_bytes(b"nonsense")
    manager = managed(config_of(entry("a", versions), entry("b", tmp_path / "b")))

    def failed():
        try:
            assert not manager.is_ready()
        except StartError as error:
            return str(error)
        return ""

    text = wait_until(failed, "the failure")
    assert text.startswith("1 servable(s) did not become available: {{name: b version: 5} due to error: ")


def test_reload_replaces_the_models_and_waits_for_the_new_one(managed, publish, versions, tmp_path):
    publish(tmp_path / "b", 7)
    manager = managed(config_of(entry("a", versions)), look_every=3600)
    wait_until(manager.is_ready, "the first model")
    manager.reload(config_of(entry("b", tmp_path / "b")))
    assert manager.available() == {"b": [7]}, "reload returned, so the new model answers"
    wait_until(lambda: states(manager) == {3: "END"}, "the old model unloaded")
    assert refusal(lambda: version_of(manager)) == (CODE.NOT_FOUND, "Servable not found for request: Latest(a)")
    manager.reload(config_of(entry("a", versions), entry("b", tmp_path / "b")))
    assert manager.available() == {"a": [3], "b": [7]}


def test_reload_changes_the_policy_and_returns_before_the_new_versions_load(managed, versions):
    manager = managed(config_of(entry("a", versions, specific={"versions": [1]})), look_every=3600)
    wait_until(manager.is_ready, "the first version")
    with manager.lease(wire.ModelSpec(name="a")) as old:
        manager.reload(config_of(entry("a", versions, specific={"versions": [2]})))
        wait_until(lambda: states(manager) == {1: "UNLOADING", 2: "AVAILABLE"}, "the other version")
        old.run("", {"images": IMAGES})
    wait_until(lambda: states(manager) == {1: "END", 2: "AVAILABLE"}, "the drained version")


def test_reload_waits_no_longer_than_its_caller_and_the_next_one_is_not_held_up(managed, publish, versions, tmp_path):
    manager = managed(config_of(entry("a", versions)))
    wait_until(manager.is_ready, "the first model")
    gone, refused = threading.Event(), []
    both = config_of(entry("a", versions), entry("b", tmp_path / "nothing"))
    waiting = threading.Thread(
        target=lambda: refused.append(refusal(lambda: manager.reload(both, is_wanted=lambda: not gone.is_set())))
    )
    waiting.start()
    wait_until(lambda: "b" in manager.available(), "the config in force")
    publish(tmp_path / "c", 1)
    manager.reload(config_of(entry("a", versions), entry("b", tmp_path / "nothing"), entry("c", tmp_path / "c")))
    assert waiting.is_alive()
    gone.set()
    waiting.join(DEADLINE)
    assert [code for code, _ in refused] == [CODE.CANCELLED]


def test_reload_ends_with_the_server(managed, versions, tmp_path):
    manager = managed(config_of(entry("a", versions)))
    wait_until(manager.is_ready, "the first model")
    manager.stop()
    code, _ = refusal(lambda: manager.reload(config_of(entry("b", tmp_path / "nothing"))))
    assert code is CODE.UNAVAILABLE


def test_reload_of_a_model_that_cannot_be_loaded(managed, publish, versions, tmp_path, caplog):
    broken = publish(tmp_path / "b", 5)
    (broken / "saved_model.pb").write_bytes(b"nonsense")
    manager = managed(config_of(entry("a", versions)))
    wait_until(manager.is_ready, "the first model")
    both = config_of(entry("a", versions), entry("b", tmp_path / "b"))
    code, message = refusal(lambda: manager.reload(both))
    assert code is CODE.UNKNOWN
    assert message.startswith("1 servable(s) did not become available: {{name: b version: 5} due to error: ")
    assert version_of(manager) == 3
    # Unlisted and listed again it is tried again, though its files are the same.
    manager.reload(config_of(entry("a", versions)))
    assert refusal(lambda: manager.reload(both)) == (code, message)
    wait_until(lambda: caplog.text.count("cannot load b version 5 (try 1 of 1)") == 2, "the second try")


def test_an_unloaded_model_keeps_its_history(managed, versions):
    manager = managed(config_of(entry("a", versions)))
    wait_until(manager.is_ready, "the first model")
    manager.reload(config_of())
    assert manager.available() == {}
    wait_until(lambda: states(manager) == {3: "END"}, "the end")


def test_labels(managed, versions):
    def listed(labels, numbers=(1, 2)):
        return config_of(entry("a", versions, labels=labels, specific={"versions": numbers}))

    manager = managed(listed({}))
    wait_until(lambda: manager.available() == {"a": [2, 1]}, "both versions")
    unknown = (CODE.INVALID_ARGUMENT, "Unrecognized servable version label: stable")
    assert refusal(lambda: version_of(manager, version_label="stable")) == unknown
    manager.reload(listed({"stable": 1, "canary": 2}))
    assert (version_of(manager, version_label="stable"), version_of(manager, version_label="canary")) == (1, 2)
    assert refusal(lambda: version_of(manager, "b", version_label="stable")) == unknown

    not_there = (CODE.FAILED_PRECONDITION, CANNOT_LABEL.format(3))
    assert refusal(lambda: manager.reload(listed({"stable": 3}))) == not_there
    assert version_of(manager, version_label="stable") == 1, "a refused config changes nothing"
    assert version_of(manager, version_label="canary") == 2

    manager.reload(listed({"stable": 2}))
    assert version_of(manager, version_label="stable") == 2
    assert refusal(lambda: version_of(manager, version_label="canary"))[0] is CODE.INVALID_ARGUMENT


def test_labels_in_advance(managed, versions):
    def listed(labels, numbers):
        return config_of(entry("a", versions, labels=labels, specific={"versions": numbers}))

    flags = {"allow_version_labels_for_unavailable_models": True}
    manager = managed(listed({"stable": 1, "next": 9}, [1]), **flags)
    wait_until(manager.is_ready, "the first version")
    assert version_of(manager, version_label="stable") == 1
    nothing = (CODE.NOT_FOUND, "Servable not found for request: Specific(a, 9)")
    assert refusal(lambda: version_of(manager, version_label="next")) == nothing
    moved = (CODE.FAILED_PRECONDITION, CANNOT_LABEL.format(2))
    assert refusal(lambda: manager.reload(listed({"stable": 2}, [1, 2]))) == moved
    manager.reload(listed({"stable": 1, "next": 9, "canary": 2}, [1, 2]))
    wait_until(lambda: manager.available() == {"a": [2, 1]}, "the new version")
    manager.reload(listed({"stable": 2}, [1, 2]))
    assert version_of(manager, version_label="stable") == 2


def test_a_config_that_stays_wrong_is_named_again_until_it_is_right(managed, versions, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(manager_module, "COMPLAIN_EVERY", 0)
    caplog.set_level(logging.INFO)
    manager = managed(config_of(entry("a", versions)), model_config_file_poll_wait_seconds=1)
    wait_until(manager.is_ready, "the model")
    file = tmp_path / "models.config"
    text = file.read_text()
    file.write_text("")
    empty = f"--model_config_file={file}: expected a model_config_list, got nothing at all"
    wait_until(lambda: caplog.text.count(empty) == 2, "the second complaint")
    assert version_of(manager) == 3
    file.write_text(text)
    wait_until(lambda: f"--model_config_file={file} is in order again" in caplog.text, "the all-clear")


def test_the_config_file_is_read_again(managed, publish, versions, tmp_path, caplog):
    from google.protobuf import text_format

    first = config_of(entry("a", versions, specific={"versions": [1]}))
    manager = managed(first, model_config_file_poll_wait_seconds=1)
    wait_until(manager.is_ready, "the first version")
    file = tmp_path / "models.config"

    def rewrite(text):
        file.with_suffix(".part").write_text(text)
        file.with_suffix(".part").replace(file)

    rewrite("model_config_list { nonsense }")
    wait_until(lambda: "the config stays as it is" in caplog.text, "the complaint")
    assert f"--model_config_file={file}" in caplog.text
    assert version_of(manager) == 1
    rewrite(text_format.MessageToString(config_of(entry("a", versions, labels={"stable": 9}))))
    wait_until(lambda: CANNOT_LABEL.format(9) in caplog.text, "the refusal")
    publish(tmp_path / "b", 7)
    rewrite(text_format.MessageToString(config_of(entry("b", tmp_path / "b"))))
    wait_until(lambda: manager.available() == {"b": [7]}, "the new config")
    wait_until(lambda: states(manager) == {1: "END"}, "the old model unloaded")


def test_one_model_without_its_folder_does_not_hold_up_the_other(managed, versions, tmp_path):
    manager = managed(config_of(entry("b", tmp_path / "nothing"), entry("a", versions)))
    wait_until(lambda: manager.available() == {"b": [], "a": [3]}, "the one that is there")
    assert not manager.is_ready()
    shutil.copytree(versions, tmp_path / "nothing.part")
    (tmp_path / "nothing.part").rename(tmp_path / "nothing")
    wait_until(manager.is_ready, "the other")


def test_what_is_unloaded_is_freed(managed, publish, tmp_path):
    """The graph and its session are what holds the memory."""
    publish(tmp_path / "a", 1)
    manager = managed(config_of(entry("a", tmp_path / "a")), look_every=3600)
    wait_until(manager.is_ready, "the model")
    with manager.lease(wire.ModelSpec(name="a")) as servable:
        graph = weakref.ref(servable._session.graph)
        session = weakref.ref(servable._session)
    del servable
    manager.reload(config_of())
    wait_until(lambda: states(manager) == {1: "END"}, "the end")
    wait_until(lambda: graph() is None, "the graph freed")
    assert session() is None
