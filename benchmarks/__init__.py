"""Benchmarks: what is measured, on what workload, against which budget. See README.md."""
