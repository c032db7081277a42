"""Flags of tensorflow_model_server 2.20 that have no effect here, so that its command lines can be used unchanged."""

from types import MappingProxyType

_GPU_MEMORY = "this server leaves it to TensorFlow; set TF_FORCE_GPU_ALLOW_GROWTH=true"
_LOADS = "versions are loaded one after the other on a thread of its own, never on one that answers calls"
_PLAIN = "this server runs plain SavedModels only"

IGNORED = MappingProxyType(
    {
        "enable_profiler": "this server has no profiler service",
        "enable_signature_method_name_check": "Predict runs every signature",
        "flush_filesystem_caches": "this server leaves caches to the system",
        "mixed_precision": _PLAIN,
        "num_load_threads": _LOADS,
        "num_tflite_interpreters_per_pool": _PLAIN,
        "num_tflite_pools": _PLAIN,
        "num_unload_threads": _LOADS,
        "per_process_gpu_memory_fraction": _GPU_MEMORY,
        "platform_config_file": _PLAIN,
        "prefer_tflite_model": _PLAIN,
        "remove_unused_fields_from_bundle_metagraph": "this server keeps no such fields",
        "rest_api_enable_cors_support": "this server sends no CORS headers",
        "saved_model_tags": "this server loads the tag `serve`",
        "skip_initialize_tpu": _PLAIN,
        "tensorflow_session_config_file": "see the --tensorflow_*_parallelism flags",
        "thread_pool_factory_config_file": _PLAIN,
        "use_alts_credentials": "see --ssl_config_file",
        "xla_cpu_compilation_enabled": _PLAIN,
        "xla_gpu_compilation_enabled": _PLAIN,
    }
)
"""Names without dashes, and why."""

IGNORED_SWITCHES = frozenset(
    {
        *("enable_profiler", "enable_signature_method_name_check", "flush_filesystem_caches", "prefer_tflite_model"),
        *("remove_unused_fields_from_bundle_metagraph", "rest_api_enable_cors_support", "skip_initialize_tpu"),
        *("use_alts_credentials", "xla_cpu_compilation_enabled", "xla_gpu_compilation_enabled"),
    }
)
"""Those among them that may stand alone, for `=true`."""
