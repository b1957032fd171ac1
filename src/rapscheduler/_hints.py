"""The words of ``typing`` that annotations need, without ``typing``.

What lives here: the names that rooms import which a program loads by importing a scheduler. Type checkers see those of
``typing``; a running program gets stand-ins, as ``typing`` and what it loads (``re``, ``enum``) are a tenth of that
import, and annotations are texts that nobody reads. What must not: a name that means something at run time, but
`NamedTuple`, which makes what ``typing.NamedTuple`` does.
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False  # type checkers take it for true, by its name

if TYPE_CHECKING:
    from typing import Any as Any
    from typing import ClassVar as ClassVar
    from typing import NamedTuple as NamedTuple
    from typing import Protocol as Protocol
    from typing import cast as cast
    from typing import final as final
else:
    Any = ClassVar = Protocol = object

    def cast(kind, value):
        """The value."""
        return value

    def final(cls):
        """The class."""
        return cls

    class _Fields(type):
        """Makes a named tuple of a class whose annotations are the fields; a value in the class is a default."""

        def __new__(meta, name, bases, members):
            if not bases:
                return super().__new__(meta, name, bases, members)
            fields = tuple(members.pop("__annotations__"))
            defaults = [members.pop(field) for field in fields if field in members]
            made = namedtuple(name, fields, defaults=defaults, module=members.pop("__module__"))
            for word, member in members.items():
                setattr(made, word, member)
            return made

    class NamedTuple(metaclass=_Fields):
        """The base of named tuples."""
