"""The reference engine: every room of the compiled engine once more, in the plainest Python.

It is the fallback where no compiler was at hand, and the first oracle of the tests. Modules here import each other
and the standard library only; never ``rapscheduler._engine`` and nothing from the floors above.
"""
