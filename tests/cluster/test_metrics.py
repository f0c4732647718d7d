"""What a running study tells, and whom: scraped while it runs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..nodes.study_run import ROOT, StudyRun, listening, named

pytestmark = pytest.mark.slow

GPU_ONLY = {"ray_node_gpus_utilization", "ray_node_gram_used"}


def shown() -> set[str]:
    """Metrics on the panels of our board."""
    board = json.loads((ROOT / "cluster" / "monitoring" / "grafana-darkclr.json").read_text(encoding="utf-8"))
    targets = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return {name for expression in targets for name in re.findall(r"\bray_\w+", expression)}


def scraped(run: StudyRun) -> set[str]:
    """Names of all samples that the study's nodes tell right now, as Prometheus would find and read them."""
    try:
        ray = Path((run.folder / "logs" / "ray_folder").read_text())
        groups = json.loads((ray / "ray" / "prom_metrics_service_discovery.json").read_text())
    except (OSError, ValueError):
        return set()
    names: set[str] = set()
    for target in {target for group in groups for target in group["targets"]}:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{target}/metrics", timeout=5) as answer:
            names |= set(re.findall(r"^(ray_\w+)", answer.read().decode(), flags=re.MULTILINE))
    return names


@pytest.fixture
def run(tmp_path: Path, jet_folder: Path, tiny_options: list[str]) -> Iterator[StudyRun]:
    run = StudyRun(tmp_path / "results", jet_folder, tiny_options)
    run.options |= {"--contrastive.epochs": "100", "--nae.divergence_epochs": "200"}  # long enough to be seen
    run.environment |= {"RAY_metrics_report_interval_ms": "1000"}
    run.environment["HOME"] = os.devnull  # nothing can be written there, also not by root
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        run.environment.pop(name, None)
    yield run
    run.end()


def status(address: str, token: str | None) -> int:
    """HTTP status of Ray's dashboard for a request with this token."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"{address}/api/version", headers=headers), timeout=5
        ) as got:
            return int(got.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_study_exports_what_the_board_shows_and_keeps_the_rest_to_itself(run: StudyRun) -> None:
    names: set[str] = set()
    run.start()
    assert run.process is not None
    dashboard, token = set[str](), ""
    while run.process.poll() is None:
        names |= scraped(run)
        found = re.search(r"dashboard +(http://127\.0\.0\.1:(\d+)) \(its token: cat (\S+)\)", run.screen())
        if found and not token:
            file = Path(found[3])
            token = file.read_text()
            assert [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent)] == [0o600, 0o700]
            assert [status(found[1], sent) for sent in (None, "0" * 64, token)] == [401, 403, 200]
        if found:
            dashboard |= listening(int(found[2]))
            assert not named(run.family(), token.encode())  # on the command line of none of Ray's processes
        time.sleep(0.5)
    run.finish()
    assert shown() - names <= GPU_ONLY
    assert dashboard == {"0100007F"}  # loopback
    assert len(token) == 64
    for path in (path for path in run.folder.rglob("*") if path.is_file()):  # Ray's logs are among them
        assert token.encode() not in path.read_bytes(), path
    assert token not in run.screen()
