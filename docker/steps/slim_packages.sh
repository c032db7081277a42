#!/bin/sh
# Takes out of a virtual environment what nothing needs at run time:
#
#     sh slim_packages.sh /opt/snowmode
set -eu
packages=$(echo "$1"/lib/python3*/site-packages)

# TensorFlow and astunparse ask for the first two, and do not need them to run.
"$1/bin/pip" uninstall --quiet --yes setuptools wheel pip

# Tests, and what only compilers read. TensorFlow keeps its folders named so: they are no tests.
find "$packages" -type d -path '*/tensorflow' -prune -o -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +
find "$packages" -type f \( -name '*.a' -o -name '*.h' -o -name '*.pxd' -o -name '*.pyi' -o -name '*.pyx' \) -delete
rm -rf "$packages"/numpy/_core/_simd.*.so "$packages/sqlalchemy/testing" \
    "$packages/tensorflow/include"

# Debugging symbols of extension modules, a third of some. TensorFlow comes without.
find "$packages" -type d -path '*/tensorflow' -prune -o -type f -name '*.so*' -exec strip --strip-unneeded {} +
