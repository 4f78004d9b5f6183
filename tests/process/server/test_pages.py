"""The dashboard's files as a browser gets them: open to all, kept by whoever has them; they run nothing of others."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import requests

from runnerctl.sandbox import Sandbox
from runnerctl.server import static_files
from tests.support.hosts.host import Host, Server

STATIC = Path(static_files.__file__).parent / "static"
FILES = sorted(path.name for path in STATIC.iterdir())
PATHS = ["/", *(f"/static/{name}" for name in FILES)]
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' data:",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@pytest.fixture
def url(quiet_server: tuple[Server, Host, Sandbox]) -> str:
    return quiet_server[0].url


def fetched(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers=headers, timeout=60)


@pytest.mark.parametrize("path", PATHS)
def test_a_file_runs_nothing_of_others_and_is_framed_by_nobody(url: str, path: str) -> None:
    answer = fetched(f"{url}{path}")
    assert answer.status_code == 200
    told = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert told == POLICY
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Content-Type"].startswith(KINDS[Path(path).suffix or ".html"])
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("path", PATHS)
def test_a_file_that_the_browser_has_is_not_sent_again(url: str, path: str) -> None:
    first = fetched(f"{url}{path}")
    assert first.headers["Cache-Control"] == "no-cache"
    again = fetched(f"{url}{path}", **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert again.headers["Content-Security-Policy"] == first.headers["Content-Security-Policy"]
    assert fetched(f"{url}{path}", **{"If-None-Match": '"another"'}).content == first.content
    assert requests.head(f"{url}{path}", timeout=60).headers["ETag"] == first.headers["ETag"]


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/nothing.js",
        "/static/..%2fapp.py",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/index.html",
    ],
)
def test_nothing_else_is_there(quiet_server: tuple[Server, Host, Sandbox], path: str) -> None:
    server = quiet_server[0]
    prepared = requests.Request("GET", server.url, headers={"Authorization": f"Bearer {server.token}"}).prepare()
    prepared.url = f"{server.url}{path}"  # as it is
    answer = requests.Session().send(prepared, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] in {"script", "style"}:
            self.inline += data.strip()


def test_the_page_has_no_script_style_or_handler_in_itself_and_nothing_from_elsewhere() -> None:
    tags = Tags()
    tags.feed((STATIC / "index.html").read_text())
    assert tags.inline == ""
    for tag, attributes in tags.found:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], (tag, attributes)
        for name in ("src", "href"):
            target = attributes.get(name) or "#"
            assert target.startswith(("#", "/static/")), (tag, target)
            if target.startswith("/static/"):
                assert target.removeprefix("/static/") in FILES


def test_no_script_makes_markup_or_code_out_of_text() -> None:
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|srcdoc|javascript:"
        r"|createContextualFragment|https?://(?!www\.w3\.org/2000/svg)"
    )
    found = {path.name: forbidden.findall(path.read_text()) for path in STATIC.glob("*.js")}
    assert {name: words for name, words in found.items() if words} == {}


def test_every_module_that_is_imported_is_there_and_every_module_is_imported() -> None:
    imported = {name for path in STATIC.glob("*.js") for name in re.findall(r'from "\./([^"]+)"', path.read_text())} | {
        "app.js"
    }
    assert imported == {path.name for path in STATIC.glob("*.js")}


def test_the_package_has_the_dashboards_files(tmp_path: Path) -> None:
    """As `pip install` lays them."""
    code = "from setuptools import setup; setup()"
    top = Path(__file__).parents[3]
    argv = [sys.executable, "-c", code, "-q", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(
        [*argv, "egg_info", "--egg-base", str(tmp_path)], cwd=top, check=True, capture_output=True, timeout=60
    )
    assert sorted(path.name for path in (tmp_path / "runnerctl/server/static").iterdir()) == FILES
