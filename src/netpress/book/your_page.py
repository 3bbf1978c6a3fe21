"""The page of a chapter about a network of the reader's own: other parameters, and the runs of one task."""

import shlex
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netpress import paths, words
from netpress.book.page import Page
from netpress.errors import UserError
from netpress.yours.wanted import Wanted, check_words

if TYPE_CHECKING:
    import pandas as pd

    from netpress.runs.run import Run
    from netpress.yours.prepare import Prepared
    from netpress.yours.shrink import Shrunk


class YourPage(Page):
    """The checked parameters of such a chapter.

    model, data, weights, blocks, most, px: as of `netpress shrink`; px 0 is the size that the images suggest. out: a
    folder for the files of the smaller network, "" for none. Paths are seen from the project's folder.
    """

    model: str = "netpress:small_resnet"
    data: str = "digits"
    weights: str = ""
    blocks: list[str] = []
    most: float = 1.0
    px: int = 0
    out: str = ""

    def __init__(self, **given: Any):
        super().__init__(**given)
        check_words(self.wanted)

    @property
    def wanted(self) -> Wanted:
        """The user's words, as the command line has them."""
        kind, _, name = self.model.rpartition(":")
        model = f"{in_project(kind)}:{name}" if kind.endswith(".py") else self.model
        folder = self.data if self.data.isidentifier() else in_project(self.data)
        weights = in_project(self.weights) if self.weights else ""
        seeds = tuple(self.seeds) or (0,)
        return Wanted(model, folder, weights, tuple(self.blocks), self.most, seeds, self.px or None, self.edition)

    @cached_property
    def prepared(self) -> "Prepared":
        """The task, its blocks, and what a reader should know before. UserError for whatever is wrong."""
        from netpress.yours.prepare import prepare

        return prepare(self.wanted)

    @cached_property
    def shrunk(self) -> "Shrunk":
        """What came out; what is missing of it is done first where `run_missing` says so."""
        from netpress.yours import files, shrink

        if self.run_missing:
            found: Shrunk | None = shrink.shrink(self.prepared)[0]
        else:
            found = shrink.read(self.prepared)
        if found is None:
            command = files.command(self.wanted)
            raise UserError(f"This network has not been shrunk yet: run `{command}`, or set run_missing=True.")
        if self.out:
            files.write(found, self.wanted, Path(in_project(self.out)))
        return found

    def records(self) -> "pd.DataFrame":
        """One row a run of the task; what is missing is done first where `run_missing` says so."""
        return self.table()  # `parts` has all done

    @cached_property
    def parts(self) -> "dict[str, tuple[Run, ...]]":
        """Edition -> all runs of the task, needs first."""
        from netpress.runs.run import with_needs

        return {self.edition: with_needs(self.shrunk.decision.found)}

    def command(self, out: str = "out.ipynb") -> str:
        """The papermill command that remakes this page, to be typed in the project's folder."""
        words = ["papermill", f"chapters/{self.chapter}.ipynb", out, "-k", "python3"]
        words += ["-p", "model", self.model, "-p", "data", self.data]
        if self.edition != type(self).model_fields["edition"].default:
            words += ["-p", "edition", self.edition]
        if self.weights:
            words += ["-p", "weights", self.weights]
        lists: tuple[tuple[str, Sequence[object]], ...] = (("blocks", self.blocks), ("seeds", self.seeds))
        for name, values in lists:
            words += ["-y", f"{name}: {list(values)}"] if values else []
        return shlex.join([*words, "-p", "most", f"{self.most:g}", *(["-p", "px", str(self.px)] if self.px else [])])


def in_project(place: str) -> str:
    """A path as seen from the project's folder, where a kernel may not have been started."""
    path = words.place(place)
    return str(path if path.is_absolute() or path.exists() else paths.root() / path)
