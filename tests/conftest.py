"""Fixtures that several tests use."""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from realdata import REAL

if TYPE_CHECKING:
    from netpress.runs.run import Run


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """One browser for all tests of a process, which can have no two; skips where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium here: `make setup-browser` installs it")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def on_the_cpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ordinary tests compute on the CPU where there is a GPU too; those marked `gpu` choose it themselves."""
    if request.node.get_closest_marker("gpu"):  # keywords are names of folders, too
        monkeypatch.delenv("NETPRESS_DEVICE", raising=False)
    elif "NETPRESS_DEVICE" not in os.environ:
        monkeypatch.setenv("NETPRESS_DEVICE", "cpu")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Records and cache of this test alone, a checkpoint after every epoch, one thread."""
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NETPRESS_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("NETPRESS_CHECKPOINT_SECONDS", "0")
    from netpress.training.compute import one_thread

    with one_thread():
        yield tmp_path


@pytest.fixture
def invent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list["Run"]]:
    """A function that invents the records of an edition in this test's folder of results (`invented.fill`)."""
    import invented

    monkeypatch.setenv("NETPRESS_RESULTS", str(tmp_path / "results"))
    return partial(invented.fill, tmp_path / "results")


@pytest.fixture
def nothing_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETPRESS_RESULTS", str(tmp_path))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def own_cache(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETPRESS_CACHE", str(kept))


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Path:
    if not (REAL / "CIFAR-10").is_dir():
        pytest.skip(f"real data not found in {REAL}: set NETPRESS_DATA to the data folder to run this test")
    monkeypatch.setenv("NETPRESS_DATA", str(REAL))
    return REAL
