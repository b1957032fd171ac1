"""The workloads as asv sees them: how a figure moves from commit to commit. ``cd benchmarks && asv run``."""
