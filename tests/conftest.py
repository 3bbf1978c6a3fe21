"""Fixtures that several tests use."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Records and cache of this test alone, a checkpoint after every epoch, one thread."""
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NETPRESS_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("NETPRESS_CHECKPOINT_SECONDS", "0")
    from netpress.training.threads import single

    with single():
        yield tmp_path
