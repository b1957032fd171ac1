"""What a Python file touches of APScheduler: its syntax tree is read, nothing is imported of it and nothing is run.

What lives here: from a file to findings. What must not: what differs (`rules`). A file that neither imports APScheduler
nor a library over it is looked through for texts that name its modules only.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from rapscheduler.cli.check import rules
from rapscheduler.cli.check.rules import BREAKS, DIFFERS, SAME, Row, Rule

OVER_IT = ("flask_apscheduler", "django_apscheduler", "telegram.ext", "nonebot_plugin_apscheduler")
_NAMED = re.compile(r"apscheduler(?:\.[A-Za-z_]\w*)+(?::[A-Za-z_][\w.]*)?\Z")
_BAD_IN_WEEKDAY = re.compile(r"[0-9]")


class Finding(NamedTuple):
    """``kind`` is one of `rules`; ``what`` the name that is touched; ``row`` the row that says more, if one does."""

    file: str
    line: int
    kind: str
    what: str
    text: str
    row: Row | None = None


class Source(NamedTuple):
    """What one file has: its findings, whether it keeps jobs in a database, whether it imports APScheduler."""

    findings: list[Finding]
    keeps_rows: bool
    imports: bool


def methods_of(trees: Iterable[ast.AST]) -> set[str]:
    """The names of the methods that classes of a project define: they are its own, whoever calls them."""
    return {
        one.name
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for one in node.body
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def parsed(path: Path, shown: str) -> ast.AST | str:
    """The syntax tree of a file, or why there is none."""
    try:
        return ast.parse(path.read_bytes(), shown)
    except (OSError, SyntaxError, ValueError, RecursionError) as exc:
        return f"{type(exc).__name__}: {exc}"


def look(tree: ast.AST, shown: str, methods: Collection[str] = ()) -> Source:
    """Read one file; ``methods`` are those of the project."""
    reader = _Reader(shown, methods)
    reader.imports = any(_is_import(node, ("apscheduler",)) for node in ast.walk(tree))
    reader.touches = reader.imports or any(_is_import(node, OVER_IT) for node in ast.walk(tree))
    reader.learn(tree)
    reader.visit(tree)
    return Source(sorted(set(reader.findings), key=lambda one: one[:2]), reader.keeps_rows, reader.imports)


def _is_import(node: ast.AST, packages: tuple[str, ...]) -> bool:
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and not node.level:
        names = [node.module or ""]
    return any(name == package or name.startswith(f"{package}.") for name in names for package in packages)


@lru_cache(maxsize=1024)
def has(module: str, name: str | None = None) -> bool:
    """Whether there is ``apscheduler.X`` here, and the name in it (its driver need not be installed)."""
    own = "rapscheduler" + module.removeprefix("apscheduler")
    try:
        found = find_spec(own)
    except ModuleNotFoundError:
        return False
    if found is None:
        return False
    if name is None or name == "*":
        return True
    if module == "apscheduler" and name in ("version", "version_info", "release", "__version__"):
        return True
    if has(f"{module}.{name}"):
        return True
    try:
        return hasattr(import_module(own), name)
    except ImportError:  # a driver that is not installed here: the text tells
        text = Path(found.origin or "").read_text(encoding="utf-8")
        return re.search(rf"\b{re.escape(name)}\b", text) is not None


class _Reader(ast.NodeVisitor):
    def __init__(self, shown: str, methods: Collection[str]) -> None:
        self.shown = shown
        self.findings: list[Finding] = []
        self.touches = self.imports = self.keeps_rows = False
        self._ours: set[str] = set()  # names that were imported from apscheduler
        # The bases of the classes around, of those made of APScheduler's.
        self._classes: list[tuple[str, ...]] = []
        self._methods = methods
        self._own: set[str] = set()  # attributes that classes of this file set themselves

    def _find(self, node: ast.AST, kind: str, what: str, text: str, row: Row | None = None) -> None:
        self.findings.append(Finding(self.shown, getattr(node, "lineno", 0), kind, what, text, row))

    def learn(self, tree: ast.AST) -> None:
        """What the file's own classes set: nothing of APScheduler's is meant by it."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                self._own.update({node.attr} if ast.unparse(node.value) == "self" else ())

    # imports

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name == "apscheduler" or alias.name.startswith("apscheduler."):
                self._ours.add((alias.asname or alias.name).partition(".")[0])
                self._import(node, alias.name, None)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level or not (module == "apscheduler" or module.startswith("apscheduler.")):
            if not node.level and module.startswith(OVER_IT):
                self._ours.update(alias.asname or alias.name for alias in node.names)
            return
        for alias in node.names:
            self._ours.add(alias.asname or alias.name)
            self._import(node, module, alias.name)
            if alias.name in rules.STORES_OF_ROWS:
                self.keeps_rows = True

    def _import(self, node: ast.AST, module: str, name: str | None) -> None:
        what = module if name is None else f"{module}:{name}"
        if has(module, name):
            self._find(node, SAME, what, "is here")
        elif module == "apscheduler" and name in rules.OF_VERSION_4:
            self._find(
                node, BREAKS, what, "is of APScheduler 4, which is another interface; this is APScheduler 3's"
            )
        else:
            self._find(node, BREAKS, what, "is not here")

    # classes

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        bases = tuple(_last(base) for base in node.bases if self._is_ours(base))
        if bases:
            self._subclass(node, bases)
            self._ours.add(node.name)
        self._classes.append(bases)
        self.generic_visit(node)
        self._classes.pop()

    def _is_ours(self, node: ast.AST) -> bool:
        root = node
        while isinstance(root, ast.Attribute):
            root = root.value
        return isinstance(root, ast.Name) and root.id in self._ours

    def _subclass(self, node: ast.ClassDef, bases: tuple[str, ...]) -> None:
        if any("Trigger" in base for base in bases):
            text = "a trigger of your own: jobs in a database need register_type() on it"
            self._find(node, DIFFERS, node.name, text, rules.OWN_TYPES)
        for child in node.body:
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) or _hands_on(child):
                continue
            rule = rules.NOT_CALLED.get(child.name)
            wanted = rules.OF_BASES.get(child.name)
            if rule is not None and (wanted is None or any(one in base for one in wanted for base in bases)):
                self._find(child, rule.kind, f"{node.name}.{child.name}", rule.text, rule.row)

    # attributes

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if self.touches and node.attr in rules.STORES_OF_ROWS:
            self.keeps_rows = True
        if self.touches and node.attr.startswith("_") and not node.attr.startswith("__"):
            self._private(node)
        self.generic_visit(node)

    def _private(self, node: ast.Attribute) -> None:
        receiver = ast.unparse(node.value).lower()
        own = receiver in ("self", "cls", "super()") and bool(self._classes) and self._classes[-1]
        words = " ".join(own).lower() if own else receiver.rpartition(".")[2]
        if receiver in ("self", "cls", "super()") and not own:
            return
        if (own and node.attr in self._own) or node.attr in self._methods:
            return
        gone = rules.GONE.get(node.attr)
        if gone is not None and any(word in words for word in gone[0]):
            self._say(node, gone[1])
        elif node.attr in rules.KEPT_ANYWHERE or any(
            one in words for one in rules.KEPT_OF.get(node.attr, ())
        ):
            self._find(node, SAME, node.attr, "a private name that is here too")

    def _say(self, node: ast.Attribute, rule: Rule) -> None:
        self._find(node, rule.kind, node.attr, rule.text, rule.row)

    # calls and texts

    def visit_Call(self, node: ast.Call) -> None:
        name = _last(node.func)
        for keyword in node.keywords:
            if keyword.arg == "pickle_protocol" and self.touches:
                self._find(
                    keyword.value, DIFFERS, "pickle_protocol", "does nothing here", rules.PICKLE_PROTOCOL
                )
        first = _text(node.args[0]) if node.args else None
        if name == "getLogger" and first is not None and (first + ".").startswith("apscheduler."):
            text = "is named rapscheduler… when you change the imports, and as it was after install_as_apscheduler()"
            self._find(node, DIFFERS, first, text, rules.LOGGERS)
        if name == "from_crontab" and first is not None and self.touches and _has_weekday_number(first):
            text = "0 is Monday, as there, and one warning says so; name the weekday to silence it"
            self._find(node, DIFFERS, first, text, rules.WEEKDAYS)
        if name == "add_jobstore" and first in rules.STORE_ALIASES:
            self.keeps_rows = True
        if name == "import_jobs" and self.imports:
            self._find(
                node,
                DIFFERS,
                name,
                "reads exports of ours; of APScheduler's, convert the store",
                rules.EXPORTS,
            )
        self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values):
            if (
                key is not None
                and _text(key) == "type"
                and _text(value) in rules.STORE_ALIASES
                and self.touches
            ):
                self.keeps_rows = True
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring names nothing
            self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if not isinstance(node.value, str) or not _NAMED.match(node.value):
            return
        for module, name in _splits(node.value):
            if has(module, name):
                if module.endswith(tuple(rules.STORE_ALIASES)):
                    self.keeps_rows = True
                self._find(node, SAME, node.value, "is here, when it is asked for as apscheduler")
                return
        if ":" in node.value or node.value.count(".") > 1:
            self._find(node, BREAKS, node.value, "names something that is not here")


def _splits(reference: str) -> Iterator[tuple[str, str | None]]:
    """Module and name that a text may mean; of the attributes of a class only the class is looked at."""
    module, colon, name = reference.partition(":")
    if colon:
        yield module, name.partition(".")[0]
        return
    yield module, None
    while "." in module:
        module, _, name = module.rpartition(".")
        yield module, name


def _hands_on(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether all it does is to call the method of this name of an object that it holds: the loop of that object is at
    work, and never called the method here."""
    body = [
        one for one in method.body if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
    ]
    if len(body) != 1 or not isinstance(body[0], ast.Expr | ast.Return):
        return False
    call = body[0].value
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return False
    holder = call.func.value
    return (
        call.func.attr == method.name
        and isinstance(holder, ast.Attribute)
        and ast.unparse(holder.value) == "self"
    )


def _last(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _text(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _has_weekday_number(line: str) -> bool:
    fields = line.split()
    return len(fields) == 5 and bool(_BAD_IN_WEEKDAY.search(fields[4].partition("/")[0]))
