"""The results in README.md are what the committed records say."""

import books
import pytest

from netpress.book import readme
from netpress.errors import UserError


def test_the_readme_says_what_the_committed_records_say(monkeypatch):
    monkeypatch.setenv("NETPRESS_RESULTS", str(books.ROOT / "results"))
    monkeypatch.chdir(books.ROOT)
    text = (books.ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.section() in text, "run `python -m netpress.book.readme`"
    assert (books.ROOT / readme.FIGURE).read_text(encoding="utf-8") == readme.picture()


def test_a_readme_without_marks_is_refused(tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text("# netpress\n")
    monkeypatch.setattr("netpress.env.root", lambda: tmp_path)
    monkeypatch.setattr(readme, "picture", str)
    with pytest.raises(UserError, match="lacks the marks"):
        readme.main()
