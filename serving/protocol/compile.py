"""Compiles the `.proto` files beside this module into `wire.desc`: `python -m serving.protocol.compile`.

Needs grpcio-tools (extra `dev`); the result is checked in, so nobody else does. In a process of its own, since
grpcio-tools and TensorFlow bring two copies of protobuf, and importing one after the other ends in SIGSEGV.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
WIRE_DESC = HERE / "wire.desc"


def compile_protos(output: Path = WIRE_DESC) -> None:
    """Writes one FileDescriptorSet of all `.proto` files of this folder.

    Args:
        output: the file to write.

    Raises:
        RuntimeError: if protoc refuses a file; its own words are on stderr.
    """
    from importlib.resources import files

    from grpc_tools import protoc  # type: ignore[import-untyped]

    code = protoc.main(
        [
            "protoc",
            f"--proto_path={HERE}",
            f"--proto_path={files('grpc_tools') / '_proto'}",
            f"--descriptor_set_out={output}",
            *sorted(path.name for path in HERE.glob("*.proto")),
        ]
    )
    if code != 0:
        raise RuntimeError(f"protoc ended with exit code {code}")


if __name__ == "__main__":
    compile_protos(*map(Path, sys.argv[1:2]))
