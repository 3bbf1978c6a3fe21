"""What the page on data shows: the data sets, their sources, and which edition uses what."""

from netpress import data, editions, papers
from netpress.book import html
from netpress.book.html import Html
from netpress.data.registry import DATASETS, Source
from netpress.report.tables import Table, listing


def table_sources() -> Table:
    """Every data set: its classes and how many images it has."""
    rows = [
        {
            "data set": name, "source": source.title, "classes": DATASETS[name].classes,
            "training": source.counts["train"] + source.counts.get("validation", 0), "test": source.counts["test"],
        }
        for name, source in sources()
    ]  # fmt: skip
    note = "Of several sources the first that is found is used; the last is the one that may be downloaded."
    return listing(rows, "The data sets, with all sources that can be read.", note)


def cards_sources() -> Html:
    """Of every source how far it can be trusted, and on what terms it may be used."""
    cards = [
        html.listing(f"{source.title} ({name})", [("Fidelity", source.fidelity), ("Terms", source.terms)], "data")
        for name, source in sources()
    ]
    return Html("".join(card.html for card in cards), "\n".join(card.text for card in cards))


def sources() -> list[tuple[str, Source]]:
    """(data set, source), in the order in which they are looked for."""
    return [(name, source) for name, dataset in DATASETS.items() for source in dataset.sources]


def table_used() -> Table:
    """Which paper uses which data set at which size, by edition."""
    rows = []
    for paper in papers.PAPERS:
        for edition in editions.EDITIONS:
            chosen = editions.settings(edition, paper)
            for dataset in chosen.datasets:
                px = editions.of(chosen.px, dataset)
                most = data.count(dataset, "train", chosen.images)
                rows.append(
                    {"paper": paper, "edition": edition, "data set": dataset, "px": px, "training images": most}
                )
    note = "Parts of a paper may use fewer images: the settings that end in `_images` say so."
    return listing(rows, "What each edition uses.", note)
