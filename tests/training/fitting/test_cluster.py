"""The cluster: who trains together, and the wait for those who are not there yet."""

import json
import socket
import threading

import pytest

from tests.training.fitting.test_devices import free_ports
from training.errors import MachineError, TrainingError
from training.fitting.cluster import Cluster, find, meet


@pytest.mark.parametrize(
    ("workers", "hosts"),
    [
        ("a:1,b:2", ("a:1", "b:2")),
        (" a:1 , b:2 ", ("a:1", "b:2")),
        (
            "training-multinode-{0..2}.training-multinode:2222",
            tuple(f"training-multinode-{n}.training-multinode:2222" for n in range(3)),
        ),
        ("chief:2222,w{09..10}:2222", ("chief:2222", "w9:2222", "w10:2222")),
        ("[::1]:1,10.0.0.7:2", ("[::1]:1", "10.0.0.7:2")),
    ],
)
def test_workers_by_list_and_by_pattern(workers, hosts):
    cluster = find(workers, 1, {})
    assert (cluster.hosts, cluster.number) == (hosts, 1)
    assert json.loads(cluster.tf_config()) == {
        "cluster": {"worker": list(hosts)},
        "task": {"type": "worker", "index": 1},
    }


@pytest.mark.parametrize(
    "config",
    [
        {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}},
        {"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"type": "chief", "index": 0}},
        {"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"type": "worker", "index": 0}},
    ],
)
def test_what_tf_config_says_goes_before_and_is_handed_on_as_it_was(config):
    cluster = find("c:1,d:1", 0, {"TF_CONFIG": json.dumps(config)})
    assert cluster.hosts == ("a:1", "b:1")
    assert json.loads(cluster.tf_config()) == config


@pytest.mark.parametrize(
    ("workers", "worker", "said"),
    [
        ("", 0, "expected --workers .*none of them is set"),
        ("a:1,b:1", None, "--worker: expected .* 0 to 1, received none; .*completionMode: Indexed"),
        ("a:1,b:1", 2, "0 to 1, received 2"),
        ("a:1,b:1", -1, "0 to 1, received -1"),
        ("a:1,b", 0, "received 'b'"),
        ("a:1,", 0, "received ''"),
        ("http://a:1", 0, "received 'http://a:1'"),
        ("a:0", 0, "received 'a:0'"),
        ("a:70000", 0, "received 'a:70000'"),
        ("a{3..1}:1", 0, "expected each worker once"),
        ("a:1,a:1", 0, "expected each worker once"),
        ("a{0..9999}:1", 0, "1000 workers at most"),
        ("a{0..3:1", 0, "received"),
    ],
)
def test_workers_that_make_no_sense_are_named(workers, worker, said):
    with pytest.raises(TrainingError, match=said):
        find(workers, worker, {})


@pytest.mark.parametrize("host", ["b", "b:0", "b:70000"])
def test_a_tf_config_with_a_host_that_is_none_is_named(host):
    config = {"cluster": {"worker": ["a:1", host]}, "task": {"type": "worker", "index": 0}}
    with pytest.raises(TrainingError, match=f"expected TF_CONFIG such as .*'{host}' is not host:port"):
        find("", None, {"TF_CONFIG": json.dumps(config)})


def test_all_wait_until_all_are_there():
    hosts = tuple(f"localhost:{port}" for port in free_ports(3))
    ends, said = [], []

    def come(number):
        try:
            meet(Cluster(hosts, number), limit=60, say=said.append)
            # The port is free again: TensorFlow is to take it, and those that come later knock at its door.
            with socket.create_server(("", int(hosts[number].rpartition(":")[2]))):
                ends.append(number)
                all_there.wait(60)
        except BaseException as error:
            ends.append(error)

    all_there = threading.Barrier(3)
    threads = [threading.Thread(target=come, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends, key=str) == [0, 1, 2]


def test_who_is_not_there_in_time_is_named_with_the_reason():
    mine, nobodys = free_ports(2)
    said = []
    hosts = (f"localhost:{mine}", f"localhost:{nobodys}", "worker-2.nowhere.invalid:2222")
    with pytest.raises(MachineError, match=r"2 of 3 workers were not there within 0.5 s") as caught:
        meet(Cluster(hosts, 0), limit=0.5, say=said.append)
    assert f"localhost:{nobodys}: is not listening yet; {hosts[2]}: its name is not known yet" in str(caught.value)
    assert "headless Service, NetworkPolicy" in str(caught.value)
    assert said[0].startswith("Waiting for 2 of 3 workers, up to 0.5 s: localhost:")


def test_a_port_that_somebody_else_has_is_named():
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(MachineError, match=rf"localhost:{port}, which is this worker: port {port} cannot be"):
            meet(Cluster((f"localhost:{port}",), 0), limit=1, say=lambda _: None)
