"""What somebody else chose is shown as text: nothing of it reaches the terminal as an order."""

from __future__ import annotations

import io
import json

import pytest
import yaml

from runnerctl.cli import render
from runnerctl.cli.options import Output

ORDERS = {
    "C1": "a\x9b31mb",
    "DEL": "a\x7fb",
    "bidi": "a\u202eb\u2066c",
    "zero width": "a\u200bb\ufeffc",
    "escape": "a\x1b]0;title\x07b",
    "line separator": "a\u2028b",
    "tag": "a\U000e0041b",
}


@pytest.mark.parametrize("text", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("output", [Output.JSON, Output.YAML])
def test_a_document_means_the_same_and_holds_no_order(
    output: Output, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    content = {"name": text, text: ["ü", text]}
    render.document(output, content)
    shown = capsys.readouterr().out
    assert shown.replace("\n", "").isprintable()
    assert (json.loads(shown) if output is Output.JSON else yaml.safe_load(shown)) == content


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("text", ORDERS.values(), ids=ORDERS)
def test_a_line_on_a_terminal_holds_none_and_a_pipe_gets_what_there_is(text: str) -> None:
    terminal, pipe = Terminal(), io.StringIO()
    render.lines([text], terminal)
    render.lines([text], pipe)
    assert terminal.getvalue().removesuffix("\n").isprintable()
    assert pipe.getvalue() == f"{text}\n"
    assert render.cell(text).isprintable()


def test_a_secret_is_masked_as_a_key_too(capsys: pytest.CaptureFixture[str]) -> None:
    secret = "ghp_" + "a1" * 18
    for output in (Output.JSON, Output.YAML):
        render.document(output, {secret: secret, "list": [{secret: 1}]})
        assert "a1a1" not in capsys.readouterr().out
