"""Command lines of model servers: flags of TensorFlow Serving 2.20.0, with values and files it can work with."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from serving.protocol.contract import WARMUP_BATCH_SIZES
from serving.protocol.pipeline import MAX_BATCH
from tests.k8s.command_lines import (
    MODEL_SERVER,
    CommandLine,
    Files,
    command_lines,
    mounted_files,
    moved,
    place_files,
    read,
)
from tests.k8s.objects import containers, quantity
from tests.k8s.policies import policy
from tests.k8s.policies.probes import probes_of
from tests.k8s.rendering import Objects
from training.publishing import releases

if TYPE_CHECKING:
    from serving.model_server.flags import Settings

METRICS = "/monitoring/prometheus/metrics"
CUDA_CACHE = 2**30
"""How much CUDA keeps where CUDA_CACHE_MAXSIZE says nothing."""

# main.cc of TensorFlow Serving 2.20.0.
FLAGS_OF_TENSORFLOW_SERVING = frozenset(
    """
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
)

SAFER_THAN_THE_DEFAULT = {
    "enable_grpc_healthcheck_service": "true",
    "enable_serialization_as_tensor_content": "true",
    "enable_profiler": "false",
    "num_load_threads": "1",
    "num_unload_threads": "1",
    "max_num_load_retries": "1",
}
"""With the reasons in facts: probes, speed, an open door, loading beside requests, failing fast."""


def model_server_lines(objects: Objects) -> Iterator[CommandLine]:
    for container in containers(objects):
        for line in command_lines(objects, container):
            if line.program == MODEL_SERVER or line.words[1:2] == ("model-server",):
                yield line


def flags_of(line: CommandLine) -> dict[str, str]:
    start = 1 if line.program == MODEL_SERVER else 2
    parts = [word.removeprefix("--").partition("=") for word in line.words[start:]]
    return {name: value if separator else "true" for name, separator, value in parts}


@policy
def every_flag_is_known_to_tensorflow_serving(objects: Objects) -> list[str]:
    """TensorFlow Serving starts with a misspelt flag, as if it had not been given."""
    found = []
    for container in containers(objects):
        if container.image not in ("tensorflow/serving", "snowmode-serving"):
            continue
        command = container.spec.get("command")
        if container.image == "tensorflow/serving" and command != [f"/usr/bin/{MODEL_SERVER}"]:
            found.append(f"{container.name}: expected the command /usr/bin/{MODEL_SERVER}; the image's is a shell")
        for word in container.spec.get("args", []):
            name = word.removeprefix("--").partition("=")[0]
            if not word.startswith("--") or name not in FLAGS_OF_TENSORFLOW_SERVING:
                found.append(f"{container.name}: {word}: TensorFlow Serving 2.20.0 has no such flag")
            elif "=" not in word:
                found.append(f"{container.name}: {word}: expected --{name}=VALUE; it reads no other form")
        names = [word.partition("=")[0] for word in container.spec.get("args", [])]
        found += [f"{container.name}: {name} is given twice" for name in set(names) if names.count(name) > 1]
    return found


@policy
def a_missing_model_is_said_so(objects: Objects) -> list[str]:
    """Without its config file TensorFlow Serving ends again and again, and its log hides why."""
    found = []
    for line in model_server_lines(objects):
        file = flags_of(line).get("model_config_file")
        if file is None or line.container.init:
            continue
        waiting = [
            part
            for part in line.container.pod.containers
            if part.init
            and file in " ".join(part.spec.get("args", []))
            and any(file.startswith(f"{mount['mountPath']}/") for mount in part.spec.get("volumeMounts", []))
        ]
        if not waiting:
            found.append(f"{line.container.name}: expected an init container that waits for {file} and says so")
    return found


@policy
def compiled_kernels_are_kept(objects: Objects) -> list[str]:
    """On a GPU that TensorFlow has no code for, the first load compiles for minutes; the root is read-only."""
    found = []
    for line in model_server_lines(objects):
        spec = line.container.spec
        if not any("gpu" in key for key in spec.get("resources", {}).get("limits", {})):
            continue
        path = line.environment.get("CUDA_CACHE_PATH", "")
        writable = [mount["mountPath"] for mount in spec.get("volumeMounts", []) if not mount.get("readOnly")]
        if not any(path == mount or path.startswith(f"{mount}/") for mount in writable):
            found.append(f"{line.container.name}: CUDA_CACHE_PATH={path}: expected a path that can be written")
        for mount in spec.get("volumeMounts", []):
            limit = line.container.pod.volumes[mount["name"]].get("emptyDir", {}).get("sizeLimit")
            if path == mount["mountPath"] and limit and quantity(limit) <= CUDA_CACHE:
                found.append(
                    f"{line.container.name}: {path} of {limit}: CUDA keeps 1Gi; a fuller volume ends the pod"
                )
    return found


def read_model_server(line: CommandLine, files: Files) -> str:
    """Lets the embedded server read a command line with the files it names; gives what it says against it."""
    start = 1 if line.program == MODEL_SERVER else 2
    folders = tuple(
        mount["mountPath"]
        for mount in line.container.spec.get("volumeMounts", [])
        if mount["mountPath"].startswith("/models")
    )
    return _read_again(line.words[start:], json.dumps(line.environment), json.dumps(files), folders)


@cache
def _read_again(words: tuple[str, ...], environment: str, files: str, folders: tuple[str, ...]) -> str:
    from serving.model_server.errors import ConfigurationError
    from serving.model_server.flags import Settings

    with tempfile.TemporaryDirectory() as scratch:
        models = Path(scratch) / "models"
        _publish(models)
        placed = {**place_files(json.loads(files), Path(scratch)), **dict.fromkeys(folders, str(models))}
        there = [re.sub("=(/.*)", lambda match: f"={moved(match[1], placed)}", word) for word in words]
        done = read("serving", ["model-server", *there], json.loads(environment))
        if done.fault:
            return done.fault
        flags = {
            name: value.value == "true" if isinstance(value, StrEnum) else value
            for name, value in done.parameters.items()
            if name != "version"
        }
        try:
            return _settings_fault(Settings(**flags))
        except ConfigurationError as error:
            return str(error)


def _publish(models: Path) -> None:
    """Writes what `training publish` would, for model servers that see the folder there."""
    version = models / "snowmode" / "202611211820"
    version.mkdir(parents=True)
    (version / "saved_model.pb").touch()
    releases.offer(models, 202611211820)


def _settings_fault(settings: Settings) -> str:
    largest = max(*WARMUP_BATCH_SIZES, MAX_BATCH)
    batching, prometheus = settings.batching, settings.monitoring_config.prometheus_config
    if settings.enable_batching:
        if batching.max_batch_size < largest:
            return (
                f"batching: max_batch_size {batching.max_batch_size}; expected {largest} or more: models are "
                "warmed up with as many frames, and clients send as many"
            )
        if odd := [size for size in batching.allowed_batch_sizes if size not in WARMUP_BATCH_SIZES]:
            return f"batching: allowed_batch_sizes {odd}: models are not warmed up with those"
    if not prometheus.enable:
        return "monitoring: expected a file with prometheus_config { enable: true }"
    if prometheus.path != METRICS:
        return f"monitoring: path {prometheus.path}; expected {METRICS}"
    return ""


@policy
def model_server_command_lines_are_accepted_with_their_files(objects: Objects) -> list[str]:
    found = []
    for line in model_server_lines(objects):
        if not line.container.init and (fault := read_model_server(line, mounted_files(objects, line.container))):
            found.append(f"{line.container.name}: {fault}")
    return found


@policy
def model_servers_are_told_what_they_should_be(objects: Objects) -> list[str]:
    found = []
    for line in model_server_lines(objects):
        if line.container.init or line.container.pod.component != "model-server":
            continue
        flags = flags_of(line)
        found += [
            f"{line.container.name}: --{name}={flags.get(name, '(not given)')}; expected {value}"
            for name, value in SAFER_THAN_THE_DEFAULT.items()
            if flags.get(name) != value
        ]
        mounts = {mount["mountPath"] for mount in line.container.spec.get("volumeMounts", [])}
        if "model_config_file" in flags:
            if flags["model_config_file"] != f"/models/{releases.CONFIG_FILE}":
                found.append(
                    f"{line.container.name}: --model_config_file={flags['model_config_file']}; training writes "
                    f"/models/{releases.CONFIG_FILE}"
                )
            if int(flags.get("model_config_file_poll_wait_seconds", "0")) <= 0:
                found.append(
                    f"{line.container.name}: without --model_config_file_poll_wait_seconds a promotion is never seen"
                )
            if "/models" not in mounts:
                found.append(f"{line.container.name}: nothing is mounted at /models")
        elif flags.get("model_name") != "snowmode" or not flags.get("model_base_path", "").endswith("/snowmode"):
            found.append(
                f"{line.container.name}: expected --model_config_file, or --model_name=snowmode and its base path"
            )
        arguments = flags.get("grpc_channel_arguments", "")
        if "grpc.max_connection_age_ms=" not in arguments:
            found.append(
                f"{line.container.name}: without grpc.max_connection_age_ms clients stay with the pods they found"
            )
    return found


@policy
def model_servers_listen_where_they_are_asked(objects: Objects) -> list[str]:
    found = []
    for line in model_server_lines(objects):
        if line.container.init:
            continue
        flags = flags_of(line)
        expected = {int(flags.get("port", "8500")), int(flags.get("rest_api_port", "0"))} - {0}
        ports = {port["containerPort"] for port in line.container.spec.get("ports", [])}
        if ports != expected:
            found.append(f"{line.container.name}: it listens on {sorted(expected)} and declares {sorted(ports)}")
        if not flags.get("rest_api_port") and any("httpGet" in probe for probe in probes_of(line.container).values()):
            found.append(f"{line.container.name}: an HTTP probe and no --rest_api_port")
    return found
