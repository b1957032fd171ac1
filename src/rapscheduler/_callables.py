"""What may be the callable of a job, and what is known of it.

What lives here: `callable_facts`, which `add_job`, `add_jobs` and `modify_job` ask. What must not: whether arguments
fit (`util.check_callable_args`), what a row may name (`_serialization`). A plain function is looked at once.
"""

from __future__ import annotations

from types import CodeType, FunctionType, MethodType

from rapscheduler._hints import Any
from rapscheduler.util import get_callable_name, logger_name, obj_to_ref, ref_to_obj

#: (callable, its reference or None, its name, code, how many positional arguments the code certainly takes or -1)
Facts = tuple[Any, str | None, str, CodeType | None, int]

#: functions of modules only, which live as long as their module
_known_functions: dict[FunctionType, Facts] = {}
KNOWN_FUNCTIONS = 4096
_GENERATES = 0x20 | 0x200  # inspect.CO_GENERATOR, CO_ASYNC_GENERATOR
_COROUTINE = 0x80  # inspect.CO_COROUTINE


def callable_facts(func: Any) -> Facts:
    """What is to be known of a callable, or of a reference to one. TypeError: it is neither."""
    if type(func) is FunctionType:
        facts = _known_functions.get(func)
        if facts is not None and facts[3] is func.__code__ and facts[2] == func.__qualname__:
            return facts
    func_ref: str | None
    if isinstance(func, str):
        func_ref, func = func, ref_to_obj(func)
    elif callable(func):
        try:
            func_ref = obj_to_ref(func)
        except ValueError:
            func_ref = None  # such a job can't be written down, but it can run
    else:
        cure = "; give the function itself, without calling it" if func is None else ""
        raise TypeError(f"func must be a callable or a textual reference to one, got {func!r}{cure}")
    if type(func) is not FunctionType:
        if type(func) is MethodType and type(func.__func__) is FunctionType:
            _look_at_code(func, func.__func__.__code__)
        return func, func_ref, get_callable_name(func), None, -1
    code = func.__code__
    _look_at_code(func, code)
    plain = not code.co_kwonlyargcount and "__signature__" not in func.__dict__
    facts = (func, func_ref, get_callable_name(func), code, code.co_argcount if plain else -1)
    if func_ref is not None and func.__closure__ is None:
        if len(_known_functions) >= KNOWN_FUNCTIONS:
            _known_functions.clear()
        _known_functions[func] = facts
    return facts


def _look_at_code(func: Any, code: CodeType) -> None:
    if code.co_flags & _COROUTINE:
        import asyncio  # noqa: F401 (so that no worker is the first to load it)
    if code.co_flags & _GENERATES:
        import logging

        logging.getLogger(logger_name("scheduler")).warning(
            "The job function %r is a generator function (it has a 'yield'): a call runs nothing of it, and will count "
            "as success. Give a function that goes through the generator",
            func,
        )
