"""Where memory comes from and when it goes back, each case in a process of its own: it is settled once for all."""

import json
import os
import subprocess
import sys

import numpy as np
import psutil
import pytest

from serving.protocol import wire
from tests.serving.model_server.toy_server import wait_until

MB = 2**20
BLOCKS, BLOCK = 12, 40 * MB  # as large as activations: alone in a thread's arena, or mapped, they go back when freed
CHURN = f"""
import ctypes, json, os, resource, threading
import psutil
from serving.model_server import memory

memory.prepare()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
resident = psutil.Process().memory_info

def churn():
    blocks = [libc.malloc({BLOCK}) for _ in range({BLOCKS})]
    for block in blocks:
        ctypes.memset(block, 1, {BLOCK})
    for block in reversed(blocks):
        libc.free(block)

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def twice():
    churn()
    figures.append(resident().rss - before)
    earlier = faults()
    churn()
    figures.append(faults() - earlier)

before, figures = resident().rss, []
thread = threading.Thread(target=twice)  # not the first: it has the heap that is easy to trim
thread.start()
thread.join()
with memory.giving_back():
    pass
print(json.dumps([os.environ.get("TF_ONEDNN_USE_SYSTEM_ALLOCATOR"), *figures, resident().rss - before]))
"""


def churn(**env):
    clean = {name: value for name, value in os.environ.items() if name != "TF_ONEDNN_USE_SYSTEM_ALLOCATOR"}
    done = subprocess.run(
        [sys.executable, "-c", CHURN], env={**clean, **env}, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_what_is_freed_is_kept_for_the_next_run_until_it_is_given_back():
    allocator, kept, faults, left = churn()
    assert allocator == "1"
    assert kept > 0.9 * BLOCKS * BLOCK
    assert faults < 0.05 * BLOCKS * BLOCK / os.sysconf("SC_PAGESIZE"), "the second run finds its memory there"
    assert left < 0.1 * BLOCKS * BLOCK


def test_who_has_chosen_an_allocator_keeps_it_and_malloc_as_it_was():
    allocator, kept, faults, _ = churn(TF_ONEDNN_USE_SYSTEM_ALLOCATOR="0")
    assert allocator == "0"
    assert kept < 0.1 * BLOCKS * BLOCK
    assert faults > 0.9 * BLOCKS * BLOCK / os.sysconf("SC_PAGESIZE")


ROWS, SIZE, CHANNELS = 32, 64, 64
TABLES, TABLE = 6, 32 * MB


def save_large(path):
    """A version with weights of its own, and convolutions whose activations oneDNN allocates."""
    import tensorflow as tf

    class Large(tf.Module):
        def __init__(self):
            super().__init__()
            self.tables = [tf.Variable(tf.ones([TABLE // 4 // CHANNELS, CHANNELS])) for _ in range(TABLES)]
            self.kernels = [
                tf.Variable(tf.random.normal([3, 3, channels, CHANNELS]) / 30) for channels in (3, CHANNELS, CHANNELS)
            ]

        @tf.function(input_signature=[tf.TensorSpec([None, SIZE, SIZE, 3], tf.uint8, name="images")])
        def classify(self, images):
            field = tf.cast(images, tf.float32) / 255.0
            for kernel in self.kernels:
                field = tf.nn.relu(tf.nn.conv2d(field, kernel, 1, "SAME"))
            return {"sums": tf.reduce_mean(field, [1, 2]) + tf.add_n([table[0] for table in self.tables])}

    large = Large()
    part = path.with_name("part")
    tf.saved_model.save(large, str(part), signatures=large.classify)
    part.rename(path)


@pytest.mark.slow
def test_a_large_version_takes_its_memory_along(servers, publish, tmp_path, images):
    publish(tmp_path / "toy", 1)
    save_large(tmp_path / "toy" / "2")

    def config(version):
        request = wire.ReloadConfigRequest()
        toy = request.config.model_config_list.config.add(
            name="toy", base_path=str(tmp_path / "toy"), model_platform="tensorflow"
        )
        toy.model_version_policy.specific.versions.append(version)
        return request

    def switch(version):
        server.call(wire.HANDLE_RELOAD_CONFIG_REQUEST, config(version), wire.ReloadConfigResponse)
        wait_until(lambda: server.states() == {version: "AVAILABLE", 3 - version: "END"}, "the other version alone")

    (tmp_path / "models.config").write_text(str(config(1).config))
    server = servers(None, f"--model_config_file={tmp_path / 'models.config'}")
    server.predict({"images": images})
    process = psutil.Process(server.process.pid)
    frames = np.zeros((ROWS, SIZE, SIZE, 3), np.uint8)
    before = process.memory_info().rss
    for _ in range(3):
        switch(2)
        for _ in range(3):
            server.predict({"images": frames})
        taken = process.memory_info().rss - before
        assert taken > TABLES * TABLE + ROWS * SIZE * SIZE * CHANNELS * 4, "weights and activations"
        switch(1)
        server.predict({"images": images})
        left = process.memory_info().rss - before
        # The end of a heap of 64 MB may be left of a thread or two; TensorFlow's pool leaves everything.
        assert left < taken / 2, f"{left // MB} of {taken // MB} MB are left"
