"""Benchmarks: one definition of data and operations, answers compared before the clock starts. See README.md."""
