"""One file for each event loop: the contract of schedulers in that loop. `test_loop_schedulers` runs each in a process
of its own; by hand: ``pytest tests/conformance/loops/on_asyncio.py``.
"""
