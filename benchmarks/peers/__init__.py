"""The libraries we are measured beside: one process each, in an environment of its own with a pinned version."""
