"""Elements of all reports: tables, figures, settings, versions, and one page of HTML."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml
from markdown_it import MarkdownIt

from analysis.workflow.run import Run
from analysis.workflow.target import Target
from analysis.workflow.versions import versions
from common.runtime import files


def write(run: Run, target: Target, sections: Iterable[str]) -> None:
    """Write a report from its sections in Markdown, as Markdown and as HTML."""
    text = "\n\n".join(section.rstrip() for section in sections) + "\n"
    files.write_text(target.output.with_suffix(".md"), text)
    files.write_text(target.output, to_html(run, text))


def table(run: Run, name: str) -> str:
    """Return a table of the run in Markdown."""
    return run.table(name).with_suffix(".md").read_text()


def figures(listed: Path) -> Iterator[str]:
    """Yield all figures of a list with their captions, in Markdown."""
    yield "## Figures"
    for figure in json.loads(listed.read_text()):
        (picture,) = (name for name in figure["files"] if name.endswith(".png"))
        yield f"![{figure['name']}](plots/{picture})"
        yield f"*{figure['caption']}*"


def origin(run: Run) -> Iterator[str]:
    """Yield the configuration and the software versions, in Markdown."""
    yield "## Configuration"
    settings = run.config.model_dump(mode="json", exclude={"batch"})  # changes no result
    written = yaml.safe_dump(settings, sort_keys=False, width=100, default_flow_style=None)
    yield f"```yaml\n{written}```"
    yield "## Versions"
    yield "\n".join(f"- {name} {version}" for name, version in versions().items())


_STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { padding: 0.2rem 0.7rem; border-bottom: 1px solid #ccc; text-align: right; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; }
pre { background: #f4f4f4; padding: 1rem; overflow-x: auto; }
"""


def to_html(run: Run, text: str) -> str:
    """Return the Markdown of a report as one HTML page that contains its figures."""
    body = MarkdownIt("commonmark").enable("table").render(text)

    def embedded(match: re.Match[str]) -> str:
        picture = base64.b64encode((run.output / match[1]).read_bytes()).decode()
        return f'src="data:image/png;base64,{picture}"'

    body = re.sub(r'src="(plots/[^"]+\.png)"', embedded, body)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{html.escape(run.config.name)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}</body>\n</html>\n"
    )
