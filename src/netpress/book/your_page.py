"""The page of a chapter about a network of the reader's own: the parameters of `netpress shrink`, and its report."""

import hashlib
import shlex
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netpress import env, words, yours
from netpress.book.glue import Html
from netpress.book.made_with import foot
from netpress.book.page import Page
from netpress.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from netpress.runs.run import Run
    from netpress.yours.shrink import Shrunk

EPOCHS = {"demo": (12, 3)}  # edition -> epochs of a network without weights, and of a step
LONGER = (24, 6)  # of the others


class YourPage(Page):
    """The checked parameters of such a chapter.

    model, data, weights, blocks, most, px: as of `netpress shrink`; px 0 is the size that the images suggest. out: a
    folder for the files, "" for one in the cache. Paths are seen from the project's folder.
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
        self.wanted.check(self.settings)

    @property
    def wanted(self) -> yours.Wanted:
        """What the command line would be given."""
        kind, _, name = self.model.rpartition(":")
        model = f"{in_project(kind)}:{name}" if kind.endswith(".py") else self.model
        source = self.data if self.data.isidentifier() else in_project(self.data)
        weights = in_project(self.weights) if self.weights else ""
        digest = hashlib.sha256(f"{model} {source} {weights} {self.blocks} {self.most}".encode()).hexdigest()[:12]
        folder = env.cache_dir() / "shrunk" / f"page-{self.edition}-{digest}"
        out = Path(in_project(self.out)) if self.out else folder
        parent_epochs = EPOCHS.get(self.edition, LONGER)[0]
        return yours.Wanted(model, source, weights, self.px or None, out=out, parent_epochs=parent_epochs)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the search."""
        epochs, seed = EPOCHS.get(self.edition, LONGER)[1], (self.seeds or [0])[0]
        return {
            "most": self.most, "goal": "milliseconds", "engine": "onnxruntime", "epochs": epochs, "lr": 1e-3,
            "seed": seed,
        }  # fmt: skip

    @cached_property
    def shrunk(self) -> "Shrunk":
        """What came out; what is missing of it is done first where `run_missing` says so."""
        if not self.run_missing and not (self.wanted.out / "report.json").is_file():
            raise UserError(f"This network has not been shrunk yet: run `{self.command()}`, or set run_missing=True.")
        return yours.shrunk(self.wanted, self.blocks, **self.settings)

    def records(self) -> "pd.DataFrame":
        """One row a step of the search."""
        return self.shrunk.report().table_steps().to_frame()

    @cached_property
    def parts(self) -> "dict[str, tuple[Run, ...]]":
        """None: the search has a journal of its own, and no runs."""
        return {}

    def table(self) -> "pd.DataFrame":
        """The same: there are no runs."""
        return self.records()

    def made_with(self) -> Html:
        """What the page ends with: where its search was done, and the command that remakes it."""
        if not self.run_missing and not (self.wanted.out / "report.json").is_file():
            return foot([], self.command())
        facts = self.shrunk.facts
        rows = [
            ("Network", facts["name"]),
            ("Data", f"{self.data}, {facts['validation']} validation images"),
            ("Search", f"{len(facts['steps'])} steps, {facts['taken']} taken, seed {facts['settings']['seed']}"),
            ("Device", f"{facts['device']}, torch {facts['torch']}"),
        ]
        return foot(rows, self.command())

    def command(self, out: str = "out.ipynb") -> str:
        """The papermill command that remakes this page, to be typed in the project's folder."""
        words = ["papermill", f"chapters/{self.chapter}.ipynb", out, "-k", "python3"]
        words += ["-p", "model", self.model, "-p", "data", self.data]
        if self.edition != type(self).model_fields["edition"].default:
            words += ["-p", "edition", self.edition]
        if self.weights:
            words += ["-p", "weights", self.weights]
        words += ["-y", f"blocks: {list(self.blocks)}"] if self.blocks else []
        words += ["-y", f"seeds: {list(self.seeds)}"] if self.seeds else []
        return shlex.join([*words, "-p", "most", f"{self.most:g}", *(["-p", "px", str(self.px)] if self.px else [])])


def in_project(place: str) -> str:
    """A path as seen from the project's folder, where a kernel may not have been started."""
    path = words.place(place)
    return str(path if path.is_absolute() or path.exists() else env.root() / path)
