"""Elements of all reports: first screen, contents, tables, figures, settings, versions.

A report is written in Markdown and, from that, as one page of HTML that needs no other file.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import yaml

from analysis.reporting.markup import anchor, figure, headings, in_rows, inline_html, to_html
from analysis.reporting.page_style import STYLE
from analysis.workflow.run import Run
from analysis.workflow.target import Target
from analysis.workflow.versions import versions
from common.runtime import files

MOST_FIGURES = 80
"""Number of figures that a page holds, about; each takes 100 to 400 kB."""


@dataclass(frozen=True)
class Tile:
    """A number that matters: its value with the error, its name, and what it is in one line."""

    value: str
    name: str
    meaning: str


@dataclass(frozen=True)
class Listed:
    """A figure of a list: name, files below the folder of figures, caption, heading."""

    name: str
    files: Sequence[str]
    caption: str
    heading: str = ""

    @property
    def picture(self) -> str:
        """Return the path of the PNG file from the folder of the run."""
        (picture,) = (name for name in self.files if name.endswith(".png"))
        return f"plots/{picture}"

    def markdown(self) -> str:
        """Return the figure and its caption in Markdown."""
        return f"![{self.name}]({self.picture})\n\n*{self.caption}*"


@dataclass(frozen=True)
class Head:
    """The first screen of a report: title, a line on it, what was run, numbers, main figures.

    All but the title may hold ``$formulas$`` and Markdown.
    """

    title: str
    lead: str
    facts: Mapping[str, str]
    tiles: Sequence[Tile] = ()
    figures: Sequence[Listed] = ()

    def markdown(self) -> Iterator[str]:
        """Yield the first screen in Markdown."""
        yield f"# {self.title}"
        yield self.lead
        yield "\n".join(f"- {name}: {text}" for name, text in self.facts.items())
        if self.tiles:
            rows = (
                [f"**{tile.value}**" for tile in self.tiles],
                [":---:" for _ in self.tiles],
                [tile.name for tile in self.tiles],
                [tile.meaning for tile in self.tiles],
            )
            yield "\n".join(f"| {' | '.join(_in_cells(row))} |" for row in rows)
        for one in self.figures:
            yield one.markdown()

    def html(self, folder: Path) -> str:
        """Return the first screen as HTML with its pictures, which are below ``folder``."""
        facts = "".join(
            f"<div><dt>{html.escape(name)}</dt><dd>{inline_html(text)}</dd></div>\n"
            for name, text in self.facts.items()
        )
        tiles = "".join(
            f'<div class="tile"><strong>{inline_html(tile.value)}</strong>'
            f"<b>{inline_html(tile.name)}</b>\n<span>{inline_html(tile.meaning)}</span></div>\n"
            for tile in self.tiles
        )
        pictures = [
            figure(one.name, folder / one.picture, inline_html(one.caption)) for one in self.figures
        ]
        return (
            f"<header>\n<h1>{html.escape(self.title)}</h1>\n"
            f'<p class="lead">{inline_html(self.lead)}</p>\n<dl class="facts">\n{facts}</dl>\n'
            + (f'<div class="tiles">\n{tiles}</div>\n' if tiles else "")
            + (in_rows(pictures) if pictures else "")
            + "</header>\n"
        )


def _in_cells(texts: Iterable[str]) -> Iterator[str]:
    return (text.replace("|", r"\|") for text in texts)


def write(run: Run, target: Target, sections: Iterable[str], head: Head | None = None) -> None:
    """Write a report from its sections in Markdown, as Markdown and as HTML.

    A table of contents follows the head, or what stands above the first section.
    """
    top = [*head.markdown()] if head else []
    intro, body = _divided("\n\n".join(filter(None, map(str.rstrip, sections))))
    contents = headings(body)
    links = [f"- [{one.text}](#{one.anchor})" for one in contents]
    parts = (*top, intro, "\n".join(links), body)
    text = "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"
    files.write_text(target.output.with_suffix(".md"), text)
    content = (
        (head.html(run.output) if head else "")
        + to_html(intro, run.output)
        + _navigation(one.text for one in contents)
        + to_html(body, run.output)
    )
    files.write_text(target.output, _document(run.config.name, content))


def _divided(text: str) -> tuple[str, str]:
    """Return what stands above the first section, and the sections."""
    first = next((one.line for one in headings(text)), None)
    lines = text.splitlines()
    return "\n".join(lines[:first]), "" if first is None else "\n".join(lines[first:])


def _navigation(titles: Iterable[str]) -> str:
    links = "".join(f'<a href="#{anchor(one)}">{inline_html(one)}</a>\n' for one in titles)
    return f"<nav><b>Contents</b>\n{links}</nav>\n" if links else ""


def _document(title: str, content: str) -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{content}</body>\n</html>\n"
    )


def table(run: Run, name: str) -> str:
    """Return a table of the run in Markdown."""
    return run.table(name).with_suffix(".md").read_text()


def note(run: Run, name: str) -> str:
    """Return the last note of a table of the run: why it is empty, if it is."""
    return table(run, name).rstrip().rsplit("\n\n", 1)[-1]


def listed(path: Path) -> list[Listed]:
    """Return the figures of a list."""
    return [Listed(**figure) for figure in json.loads(path.read_text())]


def figures(path: Path, but: Iterable[str] = (), most: int = MOST_FIGURES) -> Iterator[str]:
    """Yield the figures of a list, but for some, with their headings and captions, in Markdown.

    About ``most`` are shown, evenly from all headings; the others are links to their files, so that
    the page does not become too large to read.
    """
    left_out = {*but}
    chosen = [one for one in listed(path) if one.name not in left_out]
    if chosen:
        yield "## Figures"
    groups = [(heading, [*of]) for heading, of in groupby(chosen, key=lambda one: one.heading)]
    each = max(1, most // len(groups)) if len(chosen) > most else len(chosen)
    for heading, of_heading in groups:
        if heading:
            yield f"### {heading}"
        for one in of_heading[:each]:
            yield one.markdown()
        if links := ", ".join(f"[{one.name}]({one.picture})" for one in of_heading[each:]):
            yield f"Further figures, in files: {links}."


def origin(run: Run) -> Iterator[str]:
    """Yield the configuration and the software versions, in Markdown."""
    yield "## Configuration"
    yield "Settings without their default values; run.json has all."
    config = run.config
    settings = config.model_dump(
        mode="json",
        exclude={"batch"},  # changes no result
        exclude_defaults=True,
    )
    settings = {"name": config.name, "luminosity": config.luminosity, **settings}
    written = yaml.safe_dump(settings, sort_keys=False, width=80, default_flow_style=None)
    yield f"```yaml\n{written}```"
    yield "## Versions"
    yield ", ".join(f"{name} {version}" for name, version in versions().items())
