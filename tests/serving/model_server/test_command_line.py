"""The command line, read as tensorflow_model_server reads it."""

import inspect

import pytest
import typer.testing

from serving.model_server.command import ModelServerCommand, model_server
from serving.model_server.command_line import CommandLine, UnknownFlag, read_command_line
from serving.model_server.ignored_flags import IGNORED, IGNORED_SWITCHES

# All flags of tensorflow_model_server 2.20.0 (model_servers/main.cc).
OFFICIAL = """
port grpc_socket_path rest_api_port rest_api_num_threads rest_api_timeout_in_ms rest_api_enable_cors_support
enable_batching batching_parameters_file enable_per_model_batching_parameters
allow_version_labels_for_unavailable_models model_config_file model_config_file_poll_wait_seconds model_name
model_base_path num_load_threads num_unload_threads max_num_load_retries load_retry_interval_micros
file_system_poll_wait_seconds flush_filesystem_caches saved_model_tags tensorflow_session_parallelism
tensorflow_session_config_file tensorflow_intra_op_parallelism tensorflow_inter_op_parallelism
per_process_gpu_memory_fraction use_alts_credentials ssl_config_file platform_config_file grpc_channel_arguments
grpc_max_threads enable_model_warmup num_request_iterations_for_warmup version monitoring_config_file
remove_unused_fields_from_bundle_metagraph prefer_tflite_model num_tflite_pools num_tflite_interpreters_per_pool
enable_profiler enable_signature_method_name_check xla_cpu_compilation_enabled xla_gpu_compilation_enabled
thread_pool_factory_config_file mixed_precision skip_initialize_tpu enable_grpc_healthcheck_service
enable_serialization_as_tensor_content
""".split()
OURS = set(inspect.signature(model_server).parameters) - {"ctx"}


def read(*arguments):
    return read_command_line(arguments, ["port", "model_name", "enable_batching"], ["enable_batching"])


def test_every_flag_of_tensorflow_serving_is_taken_or_ignored():
    assert set(OFFICIAL) <= OURS | IGNORED.keys()
    assert not OURS & IGNORED.keys()
    assert set(OFFICIAL) >= IGNORED.keys() >= IGNORED_SWITCHES


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (["--port=1"], ["--port=1"]),
        (["--port", "1"], ["--port=1"]),
        (["--model_name=a=b"], ["--model_name=a=b"]),
        (["--model_name="], ["--model_name="]),
        (["--port"], ["--port"]),
        (["--enable_batching"], ["--enable_batching=true"]),
        (["--enable_batching", "--port=1"], ["--enable_batching=true", "--port=1"]),
        (["--enable_batching", "false", "--port=1"], ["--enable_batching=false", "--port=1"]),
        (["--enable_batching=false"], ["--enable_batching=false"]),
        (["--enable_batching=maybe"], ["--enable_batching=maybe"]),
        (["--help"], ["--help"]),
        (["-h", "--", "stray"], ["-h", "--", "stray"]),
    ],
)
def test_forms(given, left):
    assert read(*given) == CommandLine(left, [])


@pytest.mark.parametrize("given", [["--enable_profiler=false"], ["--enable_profiler"], ["--enable_profiler", "true"]])
def test_a_flag_without_effect_is_set_aside_with_its_value(given):
    assert read("--port=1", *given, "--model_name=a") == CommandLine(
        ["--port=1", "--model_name=a"], ["enable_profiler"]
    )
    assert read("--num_load_threads", "2", "--port=1") == CommandLine(["--port=1"], ["num_load_threads"])


@pytest.mark.parametrize(
    ("typo", "hint"),
    [
        ("--prot=1", "Did you mean --port?"),
        ("--model-name=a", "Did you mean --model_name?"),
        ("--enable_profler", "Did you mean --enable_profiler?"),
        ("--zzz", "See --help."),
    ],
)
def test_a_typo_is_an_error(typo, hint):
    with pytest.raises(UnknownFlag) as refused:
        read("--port=1", typo)
    assert str(refused.value).endswith(hint)


def test_the_version():
    app = typer.Typer()
    app.command(cls=ModelServerCommand)(model_server)
    answer = typer.testing.CliRunner().invoke(app, ["--version"])
    assert answer.exit_code == 0
    assert "TensorFlow ModelServer 2.20.0" in answer.output
