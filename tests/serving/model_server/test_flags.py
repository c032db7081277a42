"""Settings: what cannot work is said at once, with the flag, what was expected and what to do."""

import shutil

import pytest
from google.protobuf import text_format

from serving.model_server.batching_parameters import BatchingOptions
from serving.model_server.errors import ConfigurationError
from serving.model_server.flags import Settings
from serving.protocol import wire
from tests.serving.model_server import certificates


def refusal(**flags):
    with pytest.raises(ConfigurationError) as refused:
        Settings(**flags)
    return str(refused.value)


def file_of(folder, text, name="file"):
    path = folder / name
    path.write_text(text)
    return path


def test_nothing_to_serve():
    assert "expected --model_base_path" in refusal()


def test_one_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (config,) = Settings(
        model_base_path=tmp_path.relative_to(tmp_path) / "models"
    ).model_server_config.model_config_list.config
    assert (config.name, config.base_path) == ("snowmode", str(tmp_path / "models"))


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (
            {"tensorflow_session_parallelism": 2, "tensorflow_intra_op_parallelism": 1},
            "--tensorflow_session_parallelism",
        ),
        ({"batching_parameters_file": "F"}, "--enable_batching is not given"),
        ({"enable_per_model_batching_parameters": True}, "--enable_batching is not given"),
        ({"rest_api_port": 8500}, "is the port of gRPC too"),
        ({"model_config_file_poll_wait_seconds": 5}, "--model_config_file; give both"),
        ({"grpc_channel_arguments": "a=1,b"}, "expected name=value,name=value, got 'b'"),
        ({"grpc_channel_arguments": "=1"}, "got '=1'"),
    ],
)
def test_contradictions(tmp_path, flags, text):
    assert text in refusal(model_base_path=tmp_path, **flags)


def test_channel_arguments(tmp_path):
    settings = Settings(model_base_path=tmp_path, grpc_channel_arguments="grpc.a=5,grpc.b=text,grpc.c=-1")
    assert settings.channel_arguments == {"grpc.a": 5, "grpc.b": "text", "grpc.c": -1}


FILES = [
    ("model_config_file", {}),
    ("batching_parameters_file", {"enable_batching": True}),
    ("monitoring_config_file", {}),
    ("ssl_config_file", {}),
]


@pytest.mark.parametrize(("flag", "more"), FILES)
def test_files_that_are_not_there_or_not_what_they_should_be(tmp_path, flag, more):
    more = {"model_base_path": tmp_path, **more}
    assert f"--{flag}={tmp_path / 'none'}" in refusal(**more, **{flag: tmp_path / "none"})
    assert "Is a directory" in refusal(**more, **{flag: tmp_path})
    typo = file_of(tmp_path, "\n  nonsense: 1")
    assert '2:3 : Message type "tensorflow.serving.' in refusal(**more, **{flag: typo})
    typo.write_bytes(b"\xff")
    assert "expected UTF-8 text; byte 0 is not" in refusal(**more, **{flag: typo})


def test_what_is_in_the_files(tmp_path):
    batching = file_of(
        tmp_path,
        "max_batch_size { value: 64 } allowed_batch_sizes: 32 allowed_batch_sizes: 64 "
        "enable_large_batch_splitting { value: True } pad_variable_length_inputs: false",
        "batching",
    )
    monitoring = file_of(tmp_path, 'prometheus_config { enable: true, path: "/metrics" }', "monitoring")
    settings = Settings(
        model_base_path=tmp_path,
        enable_batching=True,
        batching_parameters_file=batching,
        monitoring_config_file=monitoring,
    )
    assert settings.batching.max_batch_size == 64
    assert settings.batching.allowed_batch_sizes == (32, 64)
    assert settings.batching.enable_large_batch_splitting
    assert settings.monitoring_config.prometheus_config.path == "/metrics"
    plain = Settings(model_base_path=tmp_path)
    assert plain.batching == BatchingOptions(thread_pool_name="model_server_batch_threads")
    assert settings.batching.thread_pool_name == "batch_threads"
    assert plain.monitoring_config == wire.MonitoringConfig()
    assert plain.ssl_config is None


GOOD = 'name: "a" base_path: "/models/a" model_platform: "tensorflow"'


@pytest.mark.parametrize(
    ("models", "text"),
    [
        (None, "expected a model_config_list, got nothing at all. To serve no model, write model_config_list {}"),
        ([GOOD, GOOD], "Illegal to list model a multiple times in config list"),
        (['name: "a" base_path: "/models/a"'], "Illegal setting neither"),
        ([GOOD + ' version_labels { key: "stable" value: 1 }'], "--allow_version_labels_for_unavailable_models=true"),
    ],
)
def test_a_config_that_tensorflow_serving_would_not_start_with(tmp_path, models, text):
    listed = "".join(f" config {{ {model} }}" for model in models or ())
    file = file_of(tmp_path, "# empty" if models is None else f"model_config_list {{{listed} }}")
    assert text in refusal(model_config_file=file)


def test_a_config_of_no_models_is_one(tmp_path):
    config = Settings(model_config_file=file_of(tmp_path, "model_config_list {}")).model_server_config
    assert not config.model_config_list.config


def test_a_config_file(tmp_path):
    file = file_of(
        tmp_path,
        f"model_config_list {{ config {{ {GOOD} version_labels {{ key: 'stable' value: 1 }} "
        "logging_config { log_collector_config { type: 'x' } sampling_config { sampling_rate: 0.1 } } } }",
    )
    settings = Settings(model_config_file=file, allow_version_labels_for_unavailable_models=True)
    (config,) = settings.model_server_config.model_config_list.config
    assert config.version_labels == {"stable": 1}


@pytest.mark.parametrize(
    ("name", "text"),
    [("202611211745", "give the folder above: "), ("saved", "forget to name your leaf directory as a number")],
)
def test_a_model_given_as_the_base_path(publish, tmp_path, name, text):
    leaf = publish(tmp_path, name)
    assert text in refusal(model_base_path=leaf)
    file = file_of(
        tmp_path, f'model_config_list {{ config {{ name: "a" base_path: "{leaf}" model_platform: "tensorflow" }} }}'
    )
    assert f"--model_config_file={file}: {leaf}" in refusal(model_config_file=file)


@pytest.mark.parametrize(
    ("path", "reason"), [("none/port", "the folder does not exist; make it first"), (".", "that is a folder")]
)
def test_a_port_file_that_cannot_be_written(tmp_path, path, reason):
    assert reason in refusal(model_base_path=tmp_path, port_file=tmp_path / path)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    folder = tmp_path_factory.mktemp("tls")
    ca = certificates.authority(folder)
    return (
        ca,
        certificates.signed_by(folder, "authority", "server"),
        certificates.signed_by(folder, "authority", "other"),
    )


def tls_refusal(tmp_path, **fields):
    file = file_of(tmp_path, text_format.MessageToString(wire.SSLConfig(**fields)))
    return refusal(model_base_path=tmp_path, ssl_config_file=file)


def test_tls(tmp_path, pairs):
    ca, server, other = pairs
    good = {"server_key": server.key, "server_cert": server.certificate}
    file = file_of(tmp_path, text_format.MessageToString(wire.SSLConfig(**good, custom_ca=ca.certificate)))
    assert Settings(model_base_path=tmp_path, ssl_config_file=file).ssl_config.custom_ca == ca.certificate
    assert "contents of a PEM file in server_key (not its path), got nothing" in tls_refusal(tmp_path)
    path = tls_refusal(tmp_path, server_key="/etc/tls/key.pem", server_cert=server.certificate)
    assert "in server_key (not its path), got other text" in path
    mixed = tls_refusal(tmp_path, server_key=other.key, server_cert=server.certificate)
    assert "KEY_VALUES_MISMATCH" in mixed
    assert "custom_ca (not its path), got nothing" in tls_refusal(tmp_path, **good, client_verify=True)
    damaged = ca.certificate[:200] + "\n-----END CERTIFICATE-----\n"
    assert "expected certificates in custom_ca" in tls_refusal(tmp_path, **good, custom_ca=damaged)
