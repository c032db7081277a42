"""Command lines of model servers, broken."""

from __future__ import annotations

import re

from tests.k8s.mutants.ways import Mutant, config_text, drop, replace, server, tfserving, variable, words

MODEL_SERVER = [
    Mutant(
        "every_flag_is_known_to_tensorflow_serving",
        "a misspelt flag, which the server itself would not mention",
        lambda o: words(tfserving(o)).append("--enable_batchng=true"),
        "--enable_batchng=true: TensorFlow Serving 2.20.0 has no such flag",
    ),
    Mutant(
        "every_flag_is_known_to_tensorflow_serving",
        "a flag of the embedded server",
        lambda o: words(tfserving(o)).append("--exit_with_parent=true"),
        "has no such flag",
    ),
    Mutant(
        "every_flag_is_known_to_tensorflow_serving",
        "a value after a space",
        lambda o: words(tfserving(o)).append("--grpc_max_threads"),
        "expected --grpc_max_threads=VALUE",
    ),
    Mutant(
        "every_flag_is_known_to_tensorflow_serving",
        "the entry point of the image, a shell",
        lambda o: tfserving(o).pop("command"),
        "expected the command /usr/bin/tensorflow_model_server",
    ),
    Mutant(
        "model_server_command_lines_are_accepted_with_their_files",
        "a value that is none",
        lambda o: words(tfserving(o)).append("--grpc_max_threads=many"),
        "Invalid value for '--grpc_max_threads'",
    ),
    Mutant(
        "model_server_command_lines_are_accepted_with_their_files",
        "parameters of batching without batching",
        lambda o: drop(tfserving(o), "--enable_batching"),
        "--enable_batching is not given",
    ),
    Mutant(
        "model_server_command_lines_are_accepted_with_their_files",
        "batches that warm-up does not fit in",
        lambda o: config_text(
            o, "batching.txt", lambda t: re.sub(r"(max_batch_size\s*\{\s*value:\s*)[0-9]+", r"\g<1>64", t)
        ),
        "batch",
    ),
    Mutant(
        "model_server_command_lines_are_accepted_with_their_files",
        "a field of batching that does not exist",
        lambda o: config_text(o, "batching.txt", lambda t: t + "\nmax_batchsize { value: 512 }\n"),
        "max_batchsize",
    ),
    Mutant(
        "model_server_command_lines_are_accepted_with_their_files",
        "numbers switched off",
        lambda o: config_text(o, "monitoring.txt", lambda t: t.replace("enable: true", "enable: false")),
        "monitoring: expected a file with prometheus_config { enable: true }",
    ),
    Mutant(
        "model_servers_are_told_what_they_should_be",
        "an open profiler",
        lambda o: drop(tfserving(o), "--enable_profiler"),
        "--enable_profiler=(not given); expected false",
    ),
    Mutant(
        "model_servers_are_told_what_they_should_be",
        "a config file that is read once",
        lambda o: drop(tfserving(o), "--model_config_file_poll_wait_seconds"),
        "a promotion is never seen",
    ),
    Mutant(
        "model_servers_are_told_what_they_should_be",
        "a config file nobody writes",
        lambda o: replace(tfserving(o), "/models/models.config", "/models/model.config"),
        "training writes /models/models.config",
    ),
    Mutant(
        "model_servers_listen_where_they_are_asked",
        "another REST port than declared",
        lambda o: replace(tfserving(o), "--rest_api_port=8501", "--rest_api_port=8502"),
        "it listens on [8500, 8502] and declares [8500, 8501]",
    ),
    Mutant(
        "a_missing_model_is_said_so",
        "a server that says it in its log alone",
        lambda o: server(o).spec.pop("initContainers"),
        "expected an init container that waits for /models/models.config",
    ),
    Mutant(
        "compiled_kernels_are_kept",
        "a cache on the read-only root",
        lambda o: variable(tfserving(o), "CUDA_CACHE_PATH").update(value="/root/.nv"),
        "CUDA_CACHE_PATH=/root/.nv",
    ),
    Mutant(
        "compiled_kernels_are_kept",
        "a cache as large as CUDA lets it grow",
        lambda o: server(o).volumes["cuda-cache"]["emptyDir"].update(sizeLimit="1Gi"),
        "CUDA keeps 1Gi; a fuller volume ends the pod",
    ),
]
