"""The only module that prints. Standard output is data, standard error is talk.

What jobs and GitHub say is shown without its control characters on a terminal, and nothing that looks like a secret
is ever shown.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TextIO

from runnerctl.core.redact import redact

from .options import CliContext, Output

Row = Mapping[str, Any]
"""Column → value; the columns of the first row are those of the table."""


_FOLDS = {"NAME": 20, "REASON": 30}
"""Columns that go on in the next line where others would not fit, and how narrow they are made for that."""


def items(
    cli: CliContext,
    documents: Sequence[Mapping[str, Any]],
    rows: Callable[[], Sequence[Row]],
    *,
    key: str,
    drop: Sequence[str] = (),
) -> None:
    """Several things: a table of ``rows``, ``{"items": […]}``, or the ``key`` of each.

    ``drop``: the columns that a narrow terminal can do without, the least needed first.
    """
    if cli.output is Output.NAME:
        lines(str(each[key]) for each in documents)
    elif cli.output is Output.TABLE:
        table(rows(), drop=drop)
    else:
        document(cli.output, {"items": list(documents)})


def item(cli: CliContext, content: Mapping[str, Any], row: Row, *, key: str) -> None:
    """One thing: its ``row`` as a table of one line, its document, or its ``key``."""
    if cli.output is Output.NAME:
        lines([str(content[key])])
    elif cli.output is Output.TABLE:
        table([row])
    else:
        document(cli.output, content)


def card(cli: CliContext, content: Mapping[str, Any], row: Row, *, key: str) -> None:
    """Like ``item``, but on a terminal one line for each column that has a value."""
    if cli.output is not Output.TABLE or not sys.stdout.isatty():
        item(cli, content, row, key=key)
        return
    width = max(map(len, row))
    lines(f"{name.capitalize():{width}}  {cell(value)}" for name, value in row.items() if cell(value))


def table(rows: Sequence[Row], *, drop: Sequence[str] = ()) -> None:
    """For people on a terminal, tab-separated with a header in a pipe."""
    if not rows:
        return
    cells = [[cell(value) for value in row.values()] for row in rows]
    if sys.stdout.isatty():
        _for_people(list(rows[0]), cells, drop=drop)
    else:
        lines("\t".join(each) for each in [list(rows[0]), *cells])


def _for_people(columns: list[str], cells: list[list[str]], *, drop: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False)
    kept = _fitting(columns, cells, drop=drop, width=console.width)
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in (columns[each] for each in kept):
        # A long name is folded before what stands beside it: a column of two letters says nothing.
        whole = column not in _FOLDS if drop else column == "NAME"
        shown.add_column(column, overflow="fold", no_wrap=whole)
    for row in cells:
        shown.add_row(*(Text(row[each]) for each in kept))
    console.print(shown)


def _fitting(columns: Sequence[str], cells: Sequence[Sequence[str]], *, drop: Sequence[str], width: int) -> list[int]:
    """Which columns are shown: of those that may be dropped, none that says nothing, and as many as there is room."""
    widths = [max(len(column), *(len(row[each]) for row in cells)) for each, column in enumerate(columns)]
    sizes = zip(columns, widths, strict=True)
    needed = [min(size, _FOLDS.get(column, size)) for column, size in sizes]
    kept = [each for each, column in enumerate(columns) if column not in drop or any(row[each] for row in cells)]
    for column in drop:
        if sum(needed[each] for each in kept) + len(kept) - 1 <= width:
            break
        kept = [each for each in kept if columns[each] != column]
    return kept


def cell(value: Any) -> str:
    """One line without control characters."""
    if value is None:
        return ""
    text = ",".join(value) if isinstance(value, list | tuple) else str(value)
    return redact("".join(char if char.isprintable() else " " for char in text))


def document(output: Output, content: Mapping[str, Any]) -> None:
    """One document, JSON or YAML."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    if redact(text) != text:
        # Value by value: a mask must not swallow the marks around it.
        content = _redacted(json.loads(text))
    _write(sys.stdout, _text(output, content))


def lines(texts: Iterable[str], stream: TextIO | None = None) -> None:
    """Each on a line of its own, at once."""
    stream = stream or sys.stdout
    shown = "".join(f"{_visible(redact(text), stream)}\n" for text in texts)
    if shown:
        _write(stream, shown)


def assignments(variables: Mapping[str, str]) -> None:
    """``export`` lines for a shell: what they hold is meant to be read, so nothing is masked."""
    import shlex  # seldom, and a status must be quick

    _write(sys.stdout, "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()))


def verbatim(text: str) -> None:
    """To the byte: a file that holds no secret."""
    _write(sys.stdout, text)


def disclosed(cli: CliContext, content: Mapping[str, Any], key: str, secret: str) -> None:
    """A secret that is shown once, and nothing else on standard output; or its document, of which it is a part."""
    if cli.output in {Output.TABLE, Output.NAME}:
        _write(sys.stdout, f"{secret}\n")
        return
    _write(sys.stdout, _text(cli.output, {**content, key: secret}))


def talk(cli: CliContext, message: str) -> None:
    if not cli.quiet:
        lines([message], sys.stderr)


def warn(cli: CliContext, message: str) -> None:
    talk(cli, f"Warning: {message}")


def agreed(question: str) -> bool:
    """Asks on the terminal."""
    # Not by Click: before 8.4 its question leaves a blank on standard output.
    _write(sys.stderr, f"{question} [y/N]: ")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def download_meter(cli: CliContext) -> Callable[[int, int | None], None] | None:
    """Shows how far a download came; None where nobody would see it."""
    if cli.quiet or not sys.stderr.isatty():
        return None
    shown = ""

    def show(done: int, total: int | None) -> None:
        nonlocal shown
        if done == total:
            text = f"Downloaded the runner package, {done / 1e6:.1f} MB\n"
        else:
            share = f" of {total / 1e6:.0f} MB, {done * 100 // total} %" if total else " MB"
            text = f"Downloading the runner package: {done / 1e6:.0f}{share}"
        if text != shown:
            shown = text
            _write(sys.stderr, f"\r\x1b[K{text}")  # over the line as it was

    return show


def _text(output: Output, content: Mapping[str, Any]) -> str:
    text = json.dumps(content, indent=2, ensure_ascii=False)
    if output is Output.YAML:
        import yaml

        # By way of JSON: enumerations and tuples are plain words and lists then. What would not be shown as it is, but
        # acted on by a terminal, makes all but ASCII be written as numbers.
        plain = text.replace("\n", "").isprintable()
        return str(yaml.safe_dump(json.loads(text), sort_keys=False, allow_unicode=plain))
    return f"{_escaped(text)}\n"


def _escaped(text: str) -> str:
    """JSON that means the same, without a character that a terminal acts on or that changes how others are read."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text)


def _redacted(value: Any) -> Any:
    if isinstance(value, dict):
        return {redact(str(name)): _redacted(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_redacted(each) for each in value]
    return redact(value) if isinstance(value, str) else value


def _visible(text: str, stream: TextIO) -> str:
    if text.isprintable() or not stream.isatty():
        return text
    return "".join(char if char.isprintable() or char == "\t" else "\ufffd" for char in text)


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()
