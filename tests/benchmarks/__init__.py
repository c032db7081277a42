"""Benchmarks: `python -m tests.benchmarks [NAME ...]`, or `make bench`.

Each module `bench_NAME.py` has a function `run(folder)` that yields rows. Everything that is compared is measured
side by side in one run, several times in turn, because machines are noisy; a row holds the median.
"""
