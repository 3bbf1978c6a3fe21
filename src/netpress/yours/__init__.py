"""Any network, any images: which of its blocks are spare after retraining, and the smaller network as files.

wanted.py (the user's words) -> prepare.py (a checked task) -> grid.py (its runs) -> decide.py (what follows from
records) -> shrink.py (do it) -> story.py (tables and pictures) -> files.py and export.py (what is taken away).
"""

import sys
from pathlib import Path

from netpress.yours.wanted import Wanted

__all__ = ["Wanted", "command"]


def command(
    wanted: Wanted, plan: bool = False, out: Path | None = None, results: Path | None = None, workers: int | None = None
) -> list[str]:
    """`netpress shrink`: prints what it finds; returns a line for each run that did not end well."""
    from netpress.yours import files, story
    from netpress.yours import plan as planning
    from netpress.yours.prepare import prepare
    from netpress.yours.shrink import shrink

    prepared = prepare(wanted)
    for note in prepared.notes:
        print(note, file=sys.stderr)
    print(story.table_blocks(prepared))
    if plan:
        print(planning.table(prepared.task))
        return []
    shrunk, failures = shrink(prepared, results, workers, lambda text: print(text, file=sys.stderr))
    for table in (story.table_triage(shrunk), story.table_steps(shrunk), story.table_test(shrunk)):
        print(f"\n{table}")
    print(f"\n{story.summary(shrunk)}")
    for warning in story.warnings(shrunk):
        print(warning, file=sys.stderr)
    if out:
        written = files.write(shrunk, wanted, out)
        print(f"{out}: {', '.join([*written.bytes, 'card.md', 'report.html'])}")
        for reason in written.left_out.values():
            print(reason, file=sys.stderr)
    for line in failures:
        print(line, file=sys.stderr)
    return failures
