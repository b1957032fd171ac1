#!/usr/bin/env bash
# pytest-xdist 3.8.0 on pytest 9.2.0: `--dist loadgroup` does not keep a group in one process.
#
# Seen: six tests marked xdist_group("a") run in two workers. xdist appends "@a" to `item._nodeid`; this pytest makes
# `nodeid` from another attribute, so the group never reaches the scheduler. Nothing is said.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pytest==9.2.0 pytest-xdist==3.8.0
cat >"$folder/test_group.py" <<'PY'
import time

import pytest


@pytest.mark.xdist_group("a")
@pytest.mark.parametrize("n", range(6))
def test_in_one_process(n, worker_id):
    time.sleep(0.3)
    print("ran in", worker_id)
PY
cd "$folder"
venv/bin/python -m pytest -n 2 --dist loadgroup -rP test_group.py | grep "^ran in" | sort | uniq -c # 3 in gw0, 3 in gw1
