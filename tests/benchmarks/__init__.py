"""Measures the workbench beside what the machine can do at all: `python -m tests.benchmarks`."""
