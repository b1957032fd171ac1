"""A stand-in for a RethinkDB server: it evaluates the queries that the real driver builds, in memory.

What lives here: the terms of ReQL that `RethinkDBJobStore` uses, on plain dicts. The driver's own query building runs
(what it would send, as JSON); the network and the server's semantics under load do not. Where a server is
given by RAPSCHEDULER_TEST_RETHINKDB_URL the same suite runs on it.
"""

from __future__ import annotations

import base64
import copy
import json
from threading import RLock
from typing import Any

from rethinkdb import ql2_pb2
from rethinkdb.ast import ReQLEncoder

TERMS = {number: name for name, number in vars(ql2_pb2.Term.TermType).items() if isinstance(number, int)}
MISSING = object()
MINVAL = object()


class NonExistence(Exception):
    """A field that isn't there, or a field of null; `default` catches it."""


class Database:
    """Tables shared by the connections of a test: name -> id -> document."""

    def __init__(self) -> None:
        self.databases: dict[str, dict[str, dict[str, dict[str, Any]]]] = {"test": {}}
        self.indexes: dict[tuple[str, str], list[str]] = {}
        self.lock = RLock()
        self.queries = 0


class Connection:
    """What `query.run(connection)` needs of a connection."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.open = True

    def _start(self, query: Any, **options: Any) -> Any:
        if not self.open:
            raise AssertionError("the connection was closed")
        with self.database.lock:
            self.database.queries += 1
            answer = Evaluator(self.database).run(json.loads(ReQLEncoder().encode(query)), {})
            return copy.deepcopy(_plain(answer))

    def close(self) -> None:
        self.open = False


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
        self.database.databases[self.run(arguments[0], scope)] = {}

    def do_table_list(self, arguments, options, scope):
        return list(self.database.databases[self.run(arguments[0], scope)])

    def do_table_create(self, arguments, options, scope):
        database, name = self.values(arguments, scope)
        self.database.databases[database][name] = {}

    def do_table(self, arguments, options, scope):
        database, name = self.values(arguments, scope)
        documents = self.database.databases[database][name]
        return Table(documents, list(documents.values()))

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
        return Single(table.documents, key)

    def do_get_all(self, arguments, options, scope):
        table, *keys = self.values(arguments, scope)
        return Table(table.documents, [table.documents[key] for key in keys if key in table.documents])

    def do_between(self, arguments, options, scope):
        table, low, high = self.values(arguments, scope)
        field = self.run(options["index"], scope)
        closed = options.get("right_bound") == "closed"
        if low is not MINVAL:
            raise AssertionError("only minval is known here")
        found = [row for row in table.rows if row.get(field) is not None]
        return Table(
            table.documents, [row for row in found if row[field] < high or (closed and row[field] == high)]
        )

    def do_minval(self, arguments, options, scope):
        return MINVAL

    def do_order_by(self, arguments, options, scope):
        table = self.run(arguments[0], scope)
        field = self.run(options["index"], scope)
        rows = [row for row in table.rows if row.get(field) is not None]  # an index has no entries for null
        return Table(table.documents, sorted(rows, key=lambda row: row[field]))

    def do_filter(self, arguments, options, scope):
        table = self.run(arguments[0], scope)
        return Table(table.documents, [row for row in table.rows if self.holds(arguments[1], scope, row)])

    def holds(self, function, scope, row):
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
        return self.values(arguments, scope)

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

    def do_and(self, arguments, options, scope):
        return all(self.run(argument, scope) is not False for argument in arguments)

    def do_branch(self, arguments, options, scope):
        condition, then, otherwise = arguments
        chosen = then if self.run(condition, scope) not in (False, None) else otherwise
        return self.run(chosen, scope)

    def do_merge(self, arguments, options, scope):
        first, second = self.values(arguments, scope)
        return _plain(first) | second

    def do_binary(self, arguments, options, scope):
        return arguments[0]

    # writing

    def do_insert(self, arguments, options, scope):
        table, documents = self.values(arguments, scope)
        result = _result(changes=[])
        for document in documents if isinstance(documents, list) else [documents]:
            document = {key: _stored(value) for key, value in document.items()}
            if document["id"] in table.documents:
                result["errors"] += 1
                result.setdefault("first_error", f"Duplicate primary key `id`:\n{document['id']}")
                continue
            table.documents[document["id"]] = document
            result["inserted"] += 1
            result["changes"].append({"old_val": None, "new_val": document})
        return result

    def do_update(self, arguments, options, scope):
        place = self.run(arguments[0], scope)
        current = place.documents.get(place.key)
        if current is None:
            return _result(skipped=1)
        changes = {key: _stored(value) for key, value in self.call(arguments[1], scope, current).items()}
        if current | changes == current:
            return _result(unchanged=1)
        current.update(changes)
        return _result(replaced=1)

    def do_replace(self, arguments, options, scope):
        place = self.run(arguments[0], scope)
        current = place.documents.get(place.key)
        new = _plain(self.call(arguments[1], scope, current))
        if new is None:
            place.documents.pop(place.key, None)
            return _result(deleted=int(current is not None), skipped=int(current is None))
        if new["id"] != place.key:
            raise AssertionError("a replace may not change the id")
        place.documents[place.key] = new
        return _result(replaced=int(new != current), unchanged=int(new == current))

    def do_delete(self, arguments, options, scope):
        target = self.run(arguments[0], scope)
        keys = [target.key] if isinstance(target, Single) else [row["id"] for row in target.rows]
        gone = [key for key in keys if target.documents.pop(key, None) is not None]
        return _result(deleted=len(gone), skipped=len(keys) - len(gone))

    def do_for_each(self, arguments, options, scope):
        result = _result()
        for item in self.run(arguments[0], scope):
            _add(result, self.call(arguments[1], scope, item))
        return result


def _stored(value: Any) -> Any:
    """Binary travels as a pseudo type and comes back as bytes."""
    if isinstance(value, dict) and value.get("$reql_type$") == "BINARY":
        return base64.b64decode(value["data"])
    return value
