"""A server with `--ssl_config_file`, and clients with and without certificates."""

import contextlib
import shutil

import grpc
import numpy as np
import pytest
from google.protobuf import text_format

from serving.protocol import wire
from tests.serving.model_server import certificates
from tests.serving.model_server.toy_server import DEADLINE, outputs_of, predict_request

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make certificates with")

CODE = grpc.StatusCode
REQUEST = predict_request({"query": np.zeros(1, np.int32)}, "describe")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    certificates.authority(folder)
    certificates.authority(folder, "stranger")
    certificates.signed_by(folder, "authority", "server")
    certificates.signed_by(folder, "authority", "client")
    certificates.signed_by(folder, "stranger", "impostor")
    return folder


def start(servers, publish, folder, name, **fields):
    """Starts a server with the pair `server`, a UNIX socket, a size limit, and without the health service."""
    pair = certificates.read(folder, "server")
    config = wire.SSLConfig(server_key=pair.key, server_cert=pair.certificate, **fields)
    file = folder / f"{name}.config"
    file.write_text(text_format.MessageToString(config))
    publish(folder / name, 1)
    return servers(
        *(folder / name, f"--ssl_config_file={file}", f"--grpc_socket_path={folder / name}.sock"),
        *("--enable_grpc_healthcheck_service=false", "--grpc_channel_arguments=grpc.max_receive_message_length=4096"),
    )


@pytest.fixture(scope="module")
def mutual(servers, publish, folder):
    authority = certificates.read(folder, "authority").certificate
    return start(servers, publish, folder, "mutual", custom_ca=authority, client_verify=True)


@contextlib.contextmanager
def channel_to(server, folder, *, trusting="authority", presenting=None, target=None):
    pair = certificates.read(folder, presenting) if presenting else None
    credentials = grpc.ssl_channel_credentials(
        certificates.read(folder, trusting).certificate.encode(),
        pair.key.encode() if pair else None,
        pair.certificate.encode() if pair else None,
    )
    options = [("grpc.ssl_target_name_override", "localhost")]
    with grpc.secure_channel(target or server.target, credentials, options) as channel:
        yield channel


def predict(channel):
    call = channel.unary_unary(wire.PREDICT, wire.PredictRequest.SerializeToString, wire.PredictResponse.FromString)
    return outputs_of(call(REQUEST, timeout=DEADLINE))["model_card"].tolist()


def refusal(channel):
    with pytest.raises(grpc.RpcError) as refused:
        predict(channel)
    return refused.value.code()


def test_clients_need_a_certificate_where_that_is_asked_for(mutual, folder):
    with channel_to(mutual, folder, presenting="client") as channel:
        assert predict(channel) == [b'{"a": 1}\0']
    with channel_to(mutual, folder) as channel:
        assert refusal(channel) is CODE.UNAVAILABLE
    with channel_to(mutual, folder, presenting="impostor") as channel:
        assert refusal(channel) is CODE.UNAVAILABLE
    with channel_to(mutual, folder, trusting="stranger", presenting="client") as channel:
        assert refusal(channel) is CODE.UNAVAILABLE
    with grpc.insecure_channel(mutual.target) as channel:
        assert refusal(channel) is CODE.UNAVAILABLE


def test_the_socket_speaks_tls_too(mutual, folder):
    assert mutual.target
    socket = f"unix:{folder}/mutual.sock"
    with channel_to(mutual, folder, presenting="client", target=socket) as channel:
        assert predict(channel) == [b'{"a": 1}\0']
    with channel_to(mutual, folder, target=socket) as channel:
        assert refusal(channel) is CODE.UNAVAILABLE
    with grpc.insecure_channel(socket) as channel:
        assert refusal(channel) is CODE.UNAVAILABLE


def test_health_can_be_left_out(mutual, folder):
    with channel_to(mutual, folder, presenting="client") as channel:
        health = channel.unary_unary(
            wire.HEALTH_CHECK, wire.HealthCheckRequest.SerializeToString, wire.HealthCheckResponse.FromString
        )
        with pytest.raises(grpc.RpcError) as refused:
            health(wire.HealthCheckRequest(), timeout=DEADLINE)
        assert refused.value.code() is CODE.UNIMPLEMENTED


def test_channel_arguments_reach_grpc(mutual, folder):
    with channel_to(mutual, folder, presenting="client") as channel:
        call = channel.unary_unary(
            wire.PREDICT, wire.PredictRequest.SerializeToString, wire.PredictResponse.FromString
        )
        with pytest.raises(grpc.RpcError) as refused:
            call(predict_request({"query": np.zeros(4096, np.int32)}, "describe"), timeout=DEADLINE)
        assert refused.value.code() is CODE.RESOURCE_EXHAUSTED


def test_without_client_verify_anybody_who_trusts_the_server_is_served(servers, publish, folder):
    server = start(servers, publish, folder, "one-way")
    with channel_to(server, folder) as channel:
        assert predict(channel) == [b'{"a": 1}\0']
    assert server.end() == 0
