"""A stand-in for a RethinkDB server: it evaluates the queries that the real driver builds, in memory.

What lives here: the terms of ReQL that `RethinkDBJobStore` uses, on plain dicts, with what a server 2.4.4 was seen to
do: limits of ids and arrays, refused documents in `changes`, two tables of one name, tables that are not available, a
connection that a failed `reconnect` leaves half made, or that two threads use at once. The driver's own query building
runs (what it would send, as JSON); the network does not. Where a server is given by RAPSCHEDULER_TEST_RETHINKDB_URL the
same suite runs on it.
"""

from __future__ import annotations

import base64
import copy
import json
from itertools import count
from threading import Lock, RLock
from typing import Any

from rethinkdb import ql2_pb2
from rethinkdb.ast import ReQLEncoder
from rethinkdb.errors import (
    ReqlDriverError,
    ReqlOpFailedError,
    ReqlQueryLogicError,
    ReqlResourceLimitError,
)

TERMS = {number: name for name, number in vars(ql2_pb2.Term.TermType).items() if isinstance(number, int)}
MISSING = object()
MINVAL = object()
MAXVAL = object()
MOST_OF_ARRAY = 100_000
MOST_OF_KEY = 127


class NonExistence(Exception):
    """A field that isn't there, or a field of null; `default` catches it."""


def key_of(value: Any) -> Any:
    """What a table keeps a document by."""
    return value if isinstance(value, str) else (type(value).__name__, json.dumps(value, default=str))


def rank(value: Any) -> tuple[str, Any]:
    """The order of values: by the name of the type first."""
    value = _plain(value)
    if isinstance(value, bool):
        return "BOOL", value
    if isinstance(value, (int, float)):
        return "NUMBER", value
    kinds = ((list, "ARRAY"), (str, "STRING"), (bytes, "PTYPE<BINARY>"), (type(None), "NULL"))
    name = next((name for kind, name in kinds if isinstance(value, kind)), "OBJECT")
    return name, value if isinstance(value, (str, bytes)) else json.dumps(value, default=str)


class Stored:
    """A table of a database: several may have one name."""

    def __init__(self, name: str) -> None:
        self.id = f"{next(_numbers):08}-table"
        self.name = name
        self.documents: dict[Any, dict[str, Any]] = {}


_numbers = count(1)


class Database:
    """Tables shared by the connections of a test.

    ``down``: nothing connects. ``twins``: the next table is made twice. ``unavailable``: tables can't be read until
    somebody waits for them, as just after the start of the server.
    """

    def __init__(self) -> None:
        self.databases: dict[str, list[Stored]] = {"test": []}
        self.indexes: dict[tuple[str, str], list[str]] = {}
        self.lock = RLock()
        self.queries = 0
        self.down = self.twins = self.unavailable = False

    def find(self, database: str, name: str) -> Stored:
        found = [table for table in self.databases[database] if table.name == name]
        if not found:
            raise ReqlOpFailedError(f"Table `{database}.{name}` does not exist.")
        if len(found) > 1:
            raise ReqlOpFailedError(
                f"Table `{database}.{name}` is ambiguous; there are multiple tables of that name."
            )
        return found[0]

    def documents(self, database: str, name: str) -> dict[Any, dict[str, Any]]:
        return self.find(database, name).documents


class Connection:
    """What `query.run(connection)` needs of a connection, and how the driver's own behaves."""

    def __init__(self, database: Database) -> None:
        if database.down:
            raise ReqlDriverError("Could not connect")
        self.database = database
        self.open = True
        self._half_made = False
        self._busy = Lock()
        self.overlaps = 0

    def lose(self) -> None:
        """The server goes away: the next query finds out."""
        self._lost = True

    _lost = False

    @property
    def _instance(self) -> Any:
        return self

    @_instance.setter
    def _instance(self, value: None) -> None:
        self._half_made = self.open = False

    def is_open(self) -> bool:
        self._check_whole()
        return self.open

    def _check_whole(self) -> None:
        if self._half_made:
            raise AttributeError("'NoneType' object has no attribute 'is_open'")

    def reconnect(self, noreply_wait: bool = True, timeout: Any = None) -> Any:
        self.close(noreply_wait)
        if self.database.down:
            self._half_made = True
            raise ReqlDriverError("Could not connect")
        self.open, self._lost = True, False
        return self

    def _start(self, query: Any, **options: Any) -> Any:
        self._check_whole()
        if not self._busy.acquire(blocking=False):
            self.overlaps += 1
            raise ReqlDriverError("Unexpected response received.")
        try:
            if not self.open or self._lost or self.database.down:
                self.open = False
                raise ReqlDriverError("Connection is closed.")
            with self.database.lock:
                self.database.queries += 1
                answer = Evaluator(self.database).run(json.loads(ReQLEncoder().encode(query)), {})
                return copy.deepcopy(_plain(answer))
        finally:
            self._busy.release()

    def close(self, noreply_wait: bool = True) -> None:
        self._check_whole()
        if noreply_wait:
            raise AssertionError("close() that waits for the server hangs when that stands still")
        self.open = False


class Config(dict[str, Any]):
    """A document of `table_config`."""

    def __init__(self, table: Stored, database: str) -> None:
        super().__init__(id=table.id, name=table.name, db=database)
        self.table = table

    def update(self, changes: Any) -> None:  # type: ignore[override]
        super().update(changes)
        self.table.name = self["name"]


class Table:
    """A table, or the rows that a query left of it; `rows` are the documents of the database themselves."""

    def __init__(self, documents: dict[str, dict[str, Any]], rows: list[dict[str, Any]]) -> None:
        self.documents = documents
        self.rows = rows


class Single:
    """One place of a table: `get(id)`."""

    def __init__(self, documents: dict[str, dict[str, Any]], key: str) -> None:
        self.documents = documents
        self.key = key


def _plain(value: Any) -> Any:
    if isinstance(value, Table):
        return value.rows
    if isinstance(value, Single):
        return value.documents.get(value.key)
    return value


def _key_problem(key: Any) -> str | None:
    if not isinstance(key, str):
        return None
    if len(key.encode()) > MOST_OF_KEY:
        return f"Primary key too long (max {MOST_OF_KEY} characters): {key}"
    return "Primary keys cannot contain a null byte" if "\0" in key else None


def _result(**counts: Any) -> dict[str, Any]:
    return {"deleted": 0, "errors": 0, "inserted": 0, "replaced": 0, "skipped": 0, "unchanged": 0} | counts


def _add(total: dict[str, Any], part: dict[str, Any]) -> None:
    for key, value in part.items():
        if isinstance(value, int):
            total[key] = total.get(key, 0) + value


class Evaluator:
    """Runs one query. `scope` maps the numbers of function parameters to values."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def run(self, node: Any, scope: dict[int, Any]) -> Any:
        if isinstance(node, dict):
            return {key: self.run(value, scope) for key, value in node.items()}
        if not isinstance(node, list):
            return node
        number, arguments, options = [*node, [], {}][:3] if len(node) > 1 else (node[0], [], {})
        if not isinstance(options, dict):
            options = {}
        return getattr(self, f"do_{TERMS[number].lower()}")(arguments, options, scope)

    def values(self, arguments: list[Any], scope: dict[int, Any]) -> list[Any]:
        return [self.run(argument, scope) for argument in arguments]

    def call(self, function: Any, scope: dict[int, Any], *values: Any) -> Any:
        if not (isinstance(function, list) and TERMS[function[0]] == "FUNC"):
            return self.run(function, scope)
        (_, names), body = function[1]
        return self.run(body, scope | dict(zip(names, values, strict=False)))

    # databases and tables

    def do_db(self, arguments, options, scope):
        return self.run(arguments[0], scope)

    def do_db_list(self, arguments, options, scope):
        return list(self.database.databases)

    def do_db_create(self, arguments, options, scope):
        name = self.run(arguments[0], scope)
        if name in self.database.databases:
            raise ReqlOpFailedError(f"Database `{name}` already exists.")
        self.database.databases[name] = []

    def do_table_list(self, arguments, options, scope):
        return [table.name for table in self.database.databases[self.run(arguments[0], scope)]]

    def do_table_create(self, arguments, options, scope):
        database, name = self.values(arguments, scope)
        tables = self.database.databases[database]
        if any(table.name == name for table in tables):
            raise ReqlOpFailedError(f"Table `{database}.{name}` already exists.")
        tables += [Stored(name) for _ in range(2 if self.database.twins else 1)]
        self.database.twins = False

    def do_table(self, arguments, options, scope):
        database, name = self.values(arguments, scope)
        if database == "rethinkdb":
            return self.configs()
        documents = self.database.documents(database, name)
        if self.database.unavailable:
            raise ReqlOpFailedError("Cannot perform read: primary replica for shard not available")
        return Table(documents, list(documents.values()))

    def configs(self):
        """The system table of tables: what is written there is written through."""
        rows = [
            Config(table, database)
            for database, tables in self.database.databases.items()
            for table in tables
        ]
        return Table({row["id"]: row for row in rows}, rows)

    def do_wait(self, arguments, options, scope):
        database, name = arguments[0][1]
        self.database.find(self.run(database, scope), self.run(name, scope))
        self.database.unavailable = False
        return {"ready": 1}

    def do_index_list(self, arguments, options, scope):
        return self.database.indexes.setdefault(self.table_key(arguments), [])

    def do_index_create(self, arguments, options, scope):
        self.database.indexes.setdefault(self.table_key(arguments), []).append(self.run(arguments[1], scope))

    def do_index_wait(self, arguments, options, scope):
        if self.run(arguments[1], scope) not in self.database.indexes[self.table_key(arguments)]:
            raise AssertionError("no such index")
        return []

    def table_key(self, arguments):
        database, name = arguments[0][1]
        return self.run(database, {}), self.run(name, {})

    # reading

    def do_get(self, arguments, options, scope):
        table, key = self.values(arguments, scope)
        return Single(table.documents, self.key(key))

    def key(self, key):
        problem = _key_problem(key)
        if problem is not None:
            raise ReqlQueryLogicError(problem)
        return key_of(key)

    def do_get_all(self, arguments, options, scope):
        table, *keys = self.values(arguments, scope)
        found = [self.key(key) for key in keys]
        return Table(table.documents, [table.documents[key] for key in found if key in table.documents])

    def do_between(self, arguments, options, scope):
        table, low, high = self.values(arguments, scope)
        field = self.run(options["index"], scope)
        above = options.get("left_bound") == "open"
        closed = options.get("right_bound") == "closed"
        found = [row for row in table.rows if row.get(field) is not None]  # an index has no entries for null
        if low is not MINVAL:
            found = [r for r in found if rank(r[field]) > rank(low) or (not above and r[field] == low)]
        if high is not MAXVAL:
            found = [r for r in found if rank(r[field]) < rank(high) or (closed and r[field] == high)]
        return Table(table.documents, found)

    def do_maxval(self, arguments, options, scope):
        return MAXVAL

    def do_minval(self, arguments, options, scope):
        return MINVAL

    def do_order_by(self, arguments, options, scope):
        table = self.run(arguments[0], scope)
        field = self.run(options["index"], scope)
        rows = [row for row in table.rows if row.get(field) is not None]  # an index has no entries for null
        return Table(table.documents, sorted(rows, key=lambda row: rank(row[field])))

    def do_filter(self, arguments, options, scope):
        table = self.run(arguments[0], scope)
        return Table(table.documents, [row for row in table.rows if self.holds(arguments[1], scope, row)])

    def holds(self, function, scope, row):
        if isinstance(function, dict):
            wanted = self.run(function, scope)
            return all(row.get(name) == value for name, value in wanted.items())
        try:
            return self.call(function, scope, row) is not False
        except NonExistence:
            return False

    def do_limit(self, arguments, options, scope):
        table, count = self.values(arguments, scope)
        return Table(table.documents, table.rows[:count])

    def do_pluck(self, arguments, options, scope):
        table, *fields = self.values(arguments, scope)
        return [{field: row[field] for field in fields if field in row} for row in table.rows]

    # values

    def do_make_array(self, arguments, options, scope):
        if len(arguments) > MOST_OF_ARRAY:
            raise ReqlResourceLimitError(f"Array over size limit `{MOST_OF_ARRAY}`.")
        return self.values(arguments, scope)

    def do_funcall(self, arguments, options, scope):
        function, *values = arguments
        return self.call(function, scope, *self.values(values, scope))

    def do_func(self, arguments, options, scope):
        raise AssertionError("functions are called, not evaluated")

    def do_var(self, arguments, options, scope):
        return scope[arguments[0]]

    def do_bracket(self, arguments, options, scope):
        owner, field = self.values(arguments, scope)
        owner = _plain(owner)
        if owner is None or field not in owner:
            raise NonExistence(field)
        return owner[field]

    def do_default(self, arguments, options, scope):
        try:
            value = self.run(arguments[0], scope)
        except NonExistence:
            value = None
        return self.run(arguments[1], scope) if value is None else value

    def do_eq(self, arguments, options, scope):
        left, right = self.values(arguments, scope)
        return _plain(_stored(left)) == _plain(_stored(right))

    def do_ne(self, arguments, options, scope):
        return not self.do_eq(arguments, options, scope)

    def do_ge(self, arguments, options, scope):
        left, right = self.values(arguments, scope)
        return rank(_stored(left)) >= rank(_stored(right))

    def do_le(self, arguments, options, scope):
        left, right = self.values(arguments, scope)
        return rank(_stored(left)) <= rank(_stored(right))

    def do_and(self, arguments, options, scope):
        return all(self.run(argument, scope) is not False for argument in arguments)

    def do_branch(self, arguments, options, scope):
        condition, then, otherwise = arguments
        chosen = then if self.run(condition, scope) not in (False, None) else otherwise
        return self.run(chosen, scope)

    def do_merge(self, arguments, options, scope):
        first, second = self.values(arguments, scope)
        return _plain(first) | {key: _stored(value) for key, value in second.items()}

    def do_binary(self, arguments, options, scope):
        return arguments[0]

    # writing

    def do_insert(self, arguments, options, scope):
        table, documents = self.values(arguments, scope)
        result = _result(changes=[])
        documents = _plain(documents)
        for document in documents if isinstance(documents, list) else [documents]:
            document = {key: _stored(value) for key, value in document.items()}
            problem = _key_problem(document["id"])
            if problem is None and key_of(document["id"]) in table.documents:
                problem = f"Duplicate primary key `id`:\n{document['id']}"
            if problem is not None:
                result["errors"] += 1
                result.setdefault("first_error", problem)
                if "Duplicate" not in problem:
                    result["changes"].append({"old_val": None, "new_val": None, "error": problem})
                continue
            table.documents[key_of(document["id"])] = document
            result["inserted"] += 1
            result["changes"].append({"old_val": None, "new_val": document})
        return result

    def places(self, target):
        """Where a write goes: one place, or every document of a selection."""
        if isinstance(target, Single):
            return [target]
        return [Single(target.documents, key_of(row["id"])) for row in target.rows]

    def do_update(self, arguments, options, scope):
        total = _result()
        for place in self.places(self.run(arguments[0], scope)):
            _add(total, self.updated(place, arguments[1], scope))
        return total

    def updated(self, place, function, scope):
        current = place.documents.get(place.key)
        if current is None:
            return _result(skipped=1)
        changes = {key: _stored(value) for key, value in self.call(function, scope, current).items()}
        if current | changes == current:
            return _result(unchanged=1)
        current.update(changes)
        return _result(replaced=1)

    def do_replace(self, arguments, options, scope):
        total = _result()
        for place in self.places(self.run(arguments[0], scope)):
            _add(total, self.replaced(place, arguments[1], scope))
        return total

    def replaced(self, place, function, scope):
        current = place.documents.get(place.key)
        new = _plain(self.call(function, scope, current))
        if new is None:
            place.documents.pop(place.key, None)
            return _result(deleted=int(current is not None), skipped=int(current is None))
        if key_of(new["id"]) != place.key:
            raise AssertionError("a replace may not change the id")
        place.documents[place.key] = new
        return _result(replaced=int(new != current), unchanged=int(new == current))

    def do_delete(self, arguments, options, scope):
        places = self.places(self.run(arguments[0], scope))
        gone = [place for place in places if place.documents.pop(place.key, None) is not None]
        return _result(deleted=len(gone), skipped=len(places) - len(gone))


def _stored(value: Any) -> Any:
    """Binary travels as a pseudo type and comes back as bytes."""
    if isinstance(value, dict) and value.get("$reql_type$") == "BINARY":
        return base64.b64decode(value["data"])
    return value
