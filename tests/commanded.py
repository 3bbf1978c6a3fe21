"""The command line in this process: fast, and with the exit status and the two outputs that a user sees."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from netpress import cli


@dataclass(frozen=True)
class Told:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The last line of stderr, which must be a sentence of ours and no traceback."""
        assert "Traceback" not in self.err, self.err
        lines = self.err.strip().splitlines()
        assert lines and lines[-1].startswith("netpress: "), self.err
        return lines[-1]


Command = Callable[..., Told]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """A function that does `netpress WORD...` and returns how it ended."""

    def do(*words: object) -> Told:
        monkeypatch.setattr(sys, "argv", ["netpress", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        found = capsys.readouterr()
        return Told(int(end.value.code or 0), found.out, found.err)

    return do
