"""What names, labels and repositories may look like."""

from __future__ import annotations

import pytest

from runnerctl.core.domain import durations, names
from runnerctl.core.domain.errors import InvalidRequest
from runnerctl.core.domain.models import RunnerSpec, Scope


@pytest.mark.parametrize("name", ["a", "A1", "runner-1234567890", "x.y_z-", "9", "a" * 64])
def test_a_good_name_is_taken_as_it_is(name: str) -> None:
    assert names.runner_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "../x", ".x", "-x", "_x", "a/b", "a" * 65, "rünner", "a b", "a\n", "a\0", "١", "a,b"]
)
def test_any_other_name_is_refused_naming_the_field(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        names.runner_name(name)
    assert [error.field for error in refused.value.errors] == ["name"]
    assert "1 to 64" in (refused.value.hint or "")


@pytest.mark.parametrize("repo", ["o/r", "octo-org/octo.repo_1", "A/b", "emu_user/x"])
def test_a_repository_is_two_parts(repo: str) -> None:
    assert "/".join(names.repository(repo)) == repo


@pytest.mark.parametrize(
    "pasted",
    [
        "octo-org/octo-repo.git",
        "https://github.com/octo-org/octo-repo",
        "https://github.com/octo-org/octo-repo/",
        "https://github.com/octo-org/octo-repo.git",
        "http://github.example.com:8080/octo-org/octo-repo",
        "git@github.com:octo-org/octo-repo.git",
        "ssh://git@github.com/octo-org/octo-repo.git",
    ],
)
def test_what_people_paste_is_the_repository(pasted: str) -> None:
    assert names.repository(pasted) == ("octo-org", "octo-repo")
    assert Scope.of(repo=pasted) == Scope(owner="octo-org", repo="octo-repo")


@pytest.mark.parametrize(
    "pasted",
    [
        "https://github.com/octo-org",
        "https://github.com/octo-org/octo-repo/issues/7",
        "https://github.com/octo-org/octo-repo?tab=readme",
        "file:///octo-org/octo-repo",
        "git@github.com:octo-repo.git",
        "octo-org/.git",
    ],
)
def test_a_url_of_something_else_is_no_repository(pasted: str) -> None:
    with pytest.raises(InvalidRequest):
        names.repository(pasted)


@pytest.mark.parametrize(
    "repo", ["", "o", "o/", "/r", "o/r/x", "-o/r", "o-/r", "o/..", "o/.", "o/r?x", "ö/r", "o/" + "r" * 101, "o r/x"]
)
def test_anything_else_is_no_repository(repo: str) -> None:
    with pytest.raises(InvalidRequest):
        names.repository(repo)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("self-hosted,linux", ("self-hosted", "linux", "me")),
        (" a , b ", ("a", "b", "me")),
        ("GPU,gpu,Gpu", ("GPU", "me")),
        ("ME,a", ("ME", "a")),
        (["a b", "c"], ("a b", "c", "me")),
    ],
)
def test_labels_are_trimmed_unique_and_hold_the_name(given: str | list[str], taken: tuple[str, ...]) -> None:
    assert names.labels(given, name="me") == taken


@pytest.mark.parametrize(
    "given", ["", "a,,b", "a,", "x" * 257, ["a,b"], ["tab\there"], [f"l{number}" for number in range(100)]]
)
def test_labels_that_github_would_not_take_are_refused(given: str | list[str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        names.labels(given, name="me")
    assert refused.value.errors[0].field == "labels"


def test_a_scope_is_a_repository_or_an_organization_and_never_both() -> None:
    assert str(Scope.of(repo="o/r")) == "o/r"
    assert Scope.of(org="o").path == "orgs/o"
    for repo, org in ((None, None), ("o/r", "o")):
        with pytest.raises(InvalidRequest):
            Scope.of(repo=repo, org=org)


def test_scopes_are_the_same_whatever_their_case() -> None:
    assert Scope.of(repo="Octo/Repo").same_as(Scope.of(repo="octo/repo"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", "newest"),
        ("version", "2.3"),
        ("workdir", "../x"),
        ("workdir", "/x"),
        ("workdir", "bin"),
        ("group", " "),
    ],
)
def test_a_spec_checks_its_other_parts(field: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        RunnerSpec.of(name="a", scope=Scope.of(org="o"), labels="x", **{field: value})  # type: ignore[arg-type]
    assert refused.value.errors[0].field == field


def test_a_group_belongs_to_an_organization() -> None:
    with pytest.raises(InvalidRequest):
        RunnerSpec.of(name="a", scope=Scope.of(repo="o/r"), labels="x", group="builders")


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("2m", 120), ("1h", 3600), ("1.5s", 1.5)])
def test_durations_are_read(text: str, seconds: float) -> None:
    assert durations.seconds(text) == seconds


@pytest.mark.parametrize("text", ["30d", "36h", "90m", "2m", "45s", "0s", "1.5s", "0.25s", "90061s"])
def test_a_duration_is_shown_as_it_could_be_typed(text: str) -> None:
    assert durations.typed(durations.seconds(text)) == text


@pytest.mark.parametrize("text", ["", "m", "-1", "1y", "1e3", "٣"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        durations.seconds(text)


@pytest.mark.parametrize("value", ["--replace", " --replace", "-x", "/?"])
def test_a_group_is_never_taken_for_an_option_of_config_sh(value: str) -> None:
    """`--runnergroup --replace` are two flags to it: the second takes a registration over that is in use."""
    with pytest.raises(InvalidRequest, match="Runner group"):
        names.group(value)
