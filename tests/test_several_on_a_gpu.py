"""Several networks on one GPU: how many, and MPS around them, with a daemon that only notes what it is told."""

import os
from pathlib import Path

import pytest

from netpress import limits
from netpress.sweep import gpu
from netpress.sweep.workers import slots

GIB = 2**30
DAEMON = """#!/bin/sh
[ -d "$CUDA_MPS_PIPE_DIRECTORY" ] && [ -d "$CUDA_MPS_LOG_DIRECTORY" ] || exit 3
echo "${1:-$(cat)}" >> "$NOTED"
[ "$1" = -d ] || exit 0
[ -z "$BROKEN" ] || { echo "no such device"; exit 1; }
sleep 40 &
"""  # what stays keeps the outputs that it was given
NO_MPS = "import os; print(64 * 2**30 if 'CUDA_MPS_PIPE_DIRECTORY' not in os.environ else 1 / 0)"

REASONS = {
    "absent": "there is no no-such-control", "broken": "no such device",
    "no context": "a process could not use the GPU with it; its logs are empty",
}  # fmt: skip


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the daemon was told; the GPU has 64 GiB free, and the machine 16 cores."""
    (tmp_path / gpu.CONTROL).write_text(DAEMON)
    (tmp_path / gpu.CONTROL).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("NOTED", str(tmp_path / "noted"))
    monkeypatch.setenv("NETPRESS_DEVICE", "cuda:0")
    monkeypatch.delenv("CUDA_MPS_PIPE_DIRECTORY", raising=False)
    monkeypatch.setattr(limits, "cores", lambda: 16)
    monkeypatch.setattr(gpu, "FREE", "print(64 * 2**30)")
    monkeypatch.setattr(gpu, "PATIENCE", 20)
    return tmp_path / "noted"


def test_a_daemon_of_our_own_serves_the_workers_and_ends_with_them(
    noted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with slots(None, 1 / 4, 100) as count:
        assert count == 8 and noted.read_text() == "-d\n"
        pipe = Path(os.environ["CUDA_MPS_PIPE_DIRECTORY"])
        assert pipe.is_dir() and len(os.fsencode(pipe)) < 80
    assert noted.read_text() == "-d\nquit -t 1\n"
    assert not pipe.exists() and not [name for name in os.environ if name.startswith("CUDA_MPS")]
    assert capsys.readouterr().err == ""


def test_it_ends_with_a_sweep_that_is_stopped(noted: Path) -> None:
    with pytest.raises(KeyboardInterrupt), slots(2, 1.0, 100):
        raise KeyboardInterrupt
    assert noted.read_text().endswith("quit -t 1\n") and "CUDA_MPS_PIPE_DIRECTORY" not in os.environ


@pytest.mark.parametrize("fault", REASONS)
def test_without_it_one_sentence_and_two_in_turns(
    noted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    reason = REASONS[fault]
    if fault == "absent":
        monkeypatch.setattr(gpu, "CONTROL", "no-such-control")
    elif fault == "broken":
        monkeypatch.setenv("BROKEN", "1")
    else:
        monkeypatch.setattr(gpu, "FREE", NO_MPS)
    with slots(None, 1 / 4, 100) as count:
        assert count == gpu.IN_TURNS and "CUDA_MPS_PIPE_DIRECTORY" not in os.environ
    told = capsys.readouterr().err
    assert told == f"netpress: without MPS ({reason}) the networks share the GPU in turns.\n"
    with slots(3, 1 / 4, 100) as count:  # who names a number gets it
        assert count == 3


def test_a_daemon_of_the_user_is_left_alone(noted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", "/theirs")
    with slots(None, 1.0, 100) as count:
        assert count == 2 and os.environ["CUDA_MPS_PIPE_DIRECTORY"] == "/theirs"
    assert not noted.exists() and os.environ["CUDA_MPS_PIPE_DIRECTORY"] == "/theirs"


def test_one_network_needs_no_daemon(noted: Path) -> None:
    for asked, most in ((1, 100), (None, 1), (4, 1)):
        with slots(asked, 1.0, most) as count:
            assert count == 1
    assert not noted.exists()


def test_as_many_as_width_cores_and_memory_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "cores", lambda: 6)
    assert [gpu.at_once(width) for width in (2.0, 1.0, 1 / 2, 1 / 4)] == [2, 2, 4, 6]
    assert [gpu.fitting(2, 1.0, free) for free in (80 * GIB, 14 * GIB, 13 * GIB, 0)] == [2, 2, 1, 1]
    assert [gpu.fitting(8, 1 / 4, free) for free in (80 * GIB, 10 * GIB)] == [8, 4]


def test_elsewhere_there_is_no_daemon(noted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for device, count in (("cpu", 16), ("mps", 1)):
        monkeypatch.setenv("NETPRESS_DEVICE", device)
        with slots(None, 1.0, 100) as found:
            assert found == count
    assert not noted.exists()
