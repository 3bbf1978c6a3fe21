"""From notebooks to a site: what a chapter uses, and what `netpress book` does with it.

A chapter's second cell makes a page of the parameters in its first (`Page`); everything it shows goes through that.
`netpress.book.build` runs every chapter and renders the site.
"""

from netpress.book.page import Page, YourPage, check_parameters

__all__ = ["Page", "YourPage", "check_parameters"]
