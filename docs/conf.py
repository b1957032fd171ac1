"""Sphinx: Markdown pages as they are, API from the docstrings. Built by `make docs`, warnings are errors."""

from __future__ import annotations

from importlib.metadata import version as _version

project = "rapscheduler"
author = "The rapscheduler authors"
copyright = "2026, the rapscheduler authors"
release = version = _version("rapscheduler")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.intersphinx"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown"}
html_theme = "furo"
html_title = f"rapscheduler {release}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
autodoc_typehints = "description"
autodoc_member_order = "bysource"
# Optional drivers need not be installed to read about the rooms that use them.
autodoc_mock_imports = (
    "gevent tornado twisted PySide6 sqlalchemy redis pymongo bson kazoo etcd3 rethinkdb rich".split()
)
intersphinx_mapping: dict[str, tuple[str, None]] = {}
exclude_patterns = ["build", "changes"]  # the latter: `towncrier`, see CONTRIBUTING
suppress_warnings = ["myst.xref_missing"]
