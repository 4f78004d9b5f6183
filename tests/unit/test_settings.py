"""Settings: who wins, what is refused, what is shown."""

from __future__ import annotations

import base64
import re
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from runnerctl.core.domain.errors import ConfigInvalid
from runnerctl.core.services import Services
from runnerctl.core.settings import credentials, files
from runnerctl.core.settings import load as settings
from runnerctl.core.settings.table import BY_KEY, SETTINGS, DefaultsSection, GithubSection, HostSection, ServerSection
from runnerctl.core.settings.typed import Setting

BIND = "GITHUB_WFA_RUNNER_SERVER__BIND"
LABELS = "GITHUB_WFA_RUNNER_DEFAULTS__LABELS"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ``./.env`` of the developer's."""
    monkeypatch.chdir(tmp_path)


def load(tmp_path: Path, *, env_file: str = "", config: str = "", flags: dict[str, str] | None = None, **environ: str):  # type: ignore[no-untyped-def]
    (tmp_path / "env").write_text(env_file)
    (tmp_path / "config.yaml").write_text(config)
    environ.setdefault("RUNNERCTL_CONFIG", str(tmp_path / "config.yaml"))
    return settings.load(environ=environ, env_file=str(tmp_path / "env"), flags=flags)


def test_flag_beats_environment_beats_env_file_beats_config_file_beats_default(tmp_path: Path) -> None:
    config = "server: {bind: '127.0.0.1:1'}"
    env_file = f"{BIND}=127.0.0.1:2\n"
    assert load(tmp_path).server.bind == "127.0.0.1:8080"
    assert load(tmp_path, config=config).server.bind == "127.0.0.1:1"
    assert load(tmp_path, config=config, env_file=env_file).server.bind == "127.0.0.1:2"
    both = {BIND: "127.0.0.1:3"}
    assert load(tmp_path, config=config, env_file=env_file, **both).server.bind == "127.0.0.1:3"
    flagged = load(tmp_path, config=config, env_file=env_file, flags={"server.bind": "127.0.0.1:4"}, **both)
    assert flagged.server.bind == "127.0.0.1:4"
    assert flagged.origin(ServerSection.bind) == "flag"


def test_every_key_is_the_name_by_which_code_reads_it(tmp_path: Path) -> None:
    loaded = load(tmp_path, RUNNERCTL_STOP_INTERRUPT="7s", RUNNERCTL_LIMITS_MEMORY_MAX="2G", RUNNERCTL_MAX_RUNNERS="3")
    read = {key: attrgetter(key)(loaded) for key in BY_KEY}
    assert read == {key: value.value for key, value in loaded.values.items()}
    assert (loaded.stop.interrupt, loaded.limits.memory_max, loaded.max_runners) == (7.0, 2 * 1024**3, 3)


def test_settings_in_force_cannot_be_written(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    for section, name in ((loaded, "max_runners"), (loaded.stop, "interrupt")):
        with pytest.raises(AttributeError):
            setattr(section, name, 1)


@pytest.mark.parametrize("setting", [each for each in SETTINGS if each.default is not None], ids=lambda each: each.key)
def test_every_default_is_one_that_could_have_been_set(setting: Setting[Any]) -> None:
    assert setting.parse(str(setting.default)) is not None


def test_origins_name_file_and_variable(tmp_path: Path) -> None:
    loaded = load(tmp_path, env_file=f"{BIND}=127.0.0.1:2\n", config="defaults: {version: 2.336.0}")
    assert loaded.origin(ServerSection.bind) == f"env file {tmp_path / 'env'}: {BIND}"
    assert loaded.origin(DefaultsSection.version) == f"config file {tmp_path / 'config.yaml'}"
    assert loaded.origin(HostSection.state_dir).startswith("default")


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    assert load(tmp_path, **{BIND: ""}).origin(ServerSection.bind) == "default"


@pytest.mark.parametrize("short", ["GHWFAX__SERVER__BIND", "RUNNERCTL_BIND"])
def test_short_names_mean_the_same_and_must_agree(tmp_path: Path, short: str) -> None:
    assert load(tmp_path, **{short: "127.0.0.1:5"}).server.bind == "127.0.0.1:5"
    assert load(tmp_path, **{short: "127.0.0.1:5", BIND: "127.0.0.1:5"}).server.bind == "127.0.0.1:5"
    with pytest.raises(ConfigInvalid, match=short):
        load(tmp_path, **{short: "127.0.0.1:5", BIND: "127.0.0.1:6"})


def test_an_unknown_variable_of_ours_is_reported_with_a_suggestion(tmp_path: Path) -> None:
    (warning,) = load(tmp_path, RUNNERCTL_STATEDIR="/x").warnings
    assert "did you mean RUNNERCTL_STATE_DIR?" in warning


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("defaults: {lables: a}", "defaults.lables"),
        ("defaults: 3", "not a mapping"),
        ("a: [", "line"),
        ("defaults: {ephemeral: perhaps}", "true or false"),
        ("defaults: {labels: {a: b}}", "wrong kind"),
    ],
)
def test_a_config_file_that_cannot_be_meant_is_refused(tmp_path: Path, config: str, says: str) -> None:
    with pytest.raises(ConfigInvalid, match=says):
        load(tmp_path, config=config)


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        (LABELS, " linux , GPU ,gpu", "linux,GPU"),
        (LABELS, ",".join(f"l{number}" for number in range(99)), ",".join(f"l{number}" for number in range(99))),
        ("RUNNER_VERSION", "v2.330.0", "2.330.0"),
        ("RUNNER_WORKDIR", " work ", "work"),
        ("RUNNERCTL_BASE_DIR", "/srv/runners", Path("/srv/runners")),
    ],
)
def test_a_default_is_read_as_a_create_would_read_it(tmp_path: Path, variable: str, text: str, value: object) -> None:
    loaded = load(tmp_path, **{variable: text})
    assert value in {loaded.values[key].value for key in loaded.values if key.startswith("defaults.")}


UNUSABLE = {
    "a comma at the end": ({LABELS: "self-hosted,linux,"}, "a label is empty; separate labels by single commas"),
    "two commas": ({LABELS: "a,,b"}, "a label is empty"),
    "a label that is too long": ({LABELS: "x" * 257}, "has 257 characters; use at most 256"),
    "with the runner's name one too many": ({LABELS: ",".join(map(str, range(100)))}, "101 labels are too many"),
    "a control character in a label": ({LABELS: "a\tb"}, "hold no comma and no control character"),
    "a work directory elsewhere": ({"RUNNER_WORKDIR": "/tmp/x"}, "use one plain name below the root, such as _work"),
    "a slash behind a work directory": ({"RUNNER_WORKDIR": "_work/"}, "use one plain name"),
    "a work directory that is the runner's own": ({"RUNNER_WORKDIR": "externals"}, "use one plain name"),
    "a version of a container image": ({"RUNNER_VERSION": "2.330.0-alpine"}, "use 'latest' or a version such as"),
    "no version at all": ({"RUNNER_VERSION": "newest"}, "use 'latest' or a version such as"),
    "a relative base_dir": ({"RUNNERCTL_BASE_DIR": "runners"}, "use an absolute path, such as '/"),
    "a base_dir with a tilde": ({"RUNNERCTL_BASE_DIR": "~/runners"}, "use an absolute path, such as '/"),
    "a relative state_dir": ({"RUNNERCTL_STATE_DIR": "./state"}, "use an absolute path, such as '/"),
    "a relative package_dir": ({"RUNNERCTL_PACKAGE_DIR": "packages"}, "use an absolute path, such as '/"),
}


@pytest.mark.parametrize(("environ", "says"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_no_create_could_use_is_refused_when_it_is_read(
    tmp_path: Path, environ: dict[str, str], says: str
) -> None:
    with pytest.raises(ConfigInvalid, match=re.escape(says)) as caught:
        load(tmp_path, **environ)
    (variable,) = environ
    assert f"(environment: {variable})" in caught.value.message


@pytest.mark.parametrize("variable", [LABELS, "RUNNER_WORKDIR", "RUNNER_VERSION", "RUNNERCTL_MAX_RUNNERS"])
def test_a_secret_in_the_wrong_place_is_refused_without_quoting_it(tmp_path: Path, variable: str) -> None:
    secret = "ghp_" + "a1B2" * 9
    with pytest.raises(ConfigInvalid, match="looks like a secret") as caught:
        load(tmp_path, **{variable: secret})
    assert secret not in f"{caught.value.message} {caught.value.hint}"


def test_labels_may_be_a_list_in_the_config_file(tmp_path: Path) -> None:
    assert load(tmp_path, config="defaults: {labels: [a, b]}").defaults.labels == "a,b"


def test_an_env_file_error_names_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"env, line 2"):
        load(tmp_path, env_file="GITHUB_APP_ID=1\nthis is 'not a line\n")


@pytest.mark.parametrize("variable", ["RUNNERCTL_ENV_FILE", "RUNNERCTL_CONFIG"])
def test_a_named_file_must_be_there(tmp_path: Path, variable: str) -> None:
    with pytest.raises(ConfigInvalid, match="missing"):
        settings.load(environ={variable: str(tmp_path / "missing")})


def test_a_dot_env_that_others_can_write_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GITHUB_APP_ID=7\n")
    assert settings.load(environ={}).github.app_id == "7"
    assert files.skipped_env_files(Path(".env")) == []
    (tmp_path / ".env").chmod(0o666)
    assert settings.load(environ={}).github.app_id is None
    assert files.skipped_env_files(None) == [".env is not read: others may write it (mode 0666)"]
    assert files.skipped_env_files(Path("named")) == []


def test_a_dot_env_that_is_no_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert settings.load(environ={}).env_file is None
    assert files.skipped_env_files(None) == [".env is not read: it is not a file"]


def test_values_of_an_env_file_are_not_interpolated(tmp_path: Path) -> None:
    assert load(tmp_path, env_file="GITHUB_PAT=a${HOME}b\n").github.pat == "a${HOME}b"


@pytest.mark.parametrize(
    ("named", "api", "server"),
    [
        ({}, "https://api.github.com", "https://github.com"),
        ({"GITHUB_SERVER_URL": "https://ghe.corp"}, "https://ghe.corp/api/v3", "https://ghe.corp"),
        ({"GITHUB_API_URL": "https://ghe.corp/api/v3"}, "https://ghe.corp/api/v3", "https://ghe.corp"),
        ({"GITHUB_SERVER_URL": "https://corp.ghe.com"}, "https://api.corp.ghe.com", "https://corp.ghe.com"),
        ({"GITHUB_API_URL": "https://api.corp.ghe.com/"}, "https://api.corp.ghe.com", "https://corp.ghe.com"),
    ],
)
def test_one_of_githubs_addresses_follows_from_the_other(
    tmp_path: Path, named: dict[str, str], api: str, server: str
) -> None:
    assert load(tmp_path, **named).github_urls == (api, server)


def test_secrets_are_masked_where_they_are_shown(tmp_path: Path) -> None:
    loaded = load(tmp_path, GITHUB_PAT="ghp_secret", GITHUB_APP_PRIVATE_KEY_B64="c2VjcmV0")
    shown = " ".join(value.shown for value in loaded.values.values())
    assert "secret" not in shown
    assert "c2VjcmV0" not in shown


PEM = "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    "given",
    [
        {"GITHUB_APP_PRIVATE_KEY": PEM},
        {"GITHUB_APP_PRIVATE_KEY": PEM.replace("\n", "\\n")},
        {"GITHUB_APP_PRIVATE_KEY_B64": base64.b64encode(PEM.encode()).decode()},
        {"GITHUB_APP_PRIVATE_KEY_FILE": "key.pem"},
    ],
)
def test_the_key_may_be_a_text_a_base64_or_a_file(tmp_path: Path, given: dict[str, str]) -> None:
    (tmp_path / "key.pem").write_text(PEM)
    key = credentials.private_key_pem(load(tmp_path, GITHUB_APP_ID="1", **given))
    assert key is not None
    assert key.strip() == PEM.strip()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"GITHUB_APP_ID": "1"}, "no private key"),
        ({"GITHUB_APP_PRIVATE_KEY": PEM}, "no GITHUB_APP_ID"),
        ({"GITHUB_APP_ID": "1", "GITHUB_APP_PRIVATE_KEY_B64": "%%%"}, "base64"),
        ({"GITHUB_APP_ID": "1", "GITHUB_APP_PRIVATE_KEY_FILE": "/nowhere.pem"}, "nowhere.pem"),
        (
            {"GITHUB_APP_ID": "1", "GITHUB_APP_PRIVATE_KEY": PEM, "GITHUB_APP_PRIVATE_KEY_FILE": "/x"},
            "GITHUB_APP_PRIVATE_KEY_FILE and GITHUB_APP_PRIVATE_KEY",
        ),
    ],
)
def test_no_two_or_unusable_keys_are_refused(tmp_path: Path, given: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigInvalid, match=says) as refused:
        credentials.private_key_pem(load(tmp_path, **given))
    assert "abc" not in str(refused.value)


def test_the_api_token_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("very-secret\n")
    loaded = load(tmp_path, RUNNERCTL_API_TOKEN_FILE=str(tmp_path / "token"))
    assert credentials.api_token(loaded) == "very-secret"
    with pytest.raises(ConfigInvalid):
        credentials.api_token(load(tmp_path, RUNNERCTL_API_TOKEN_FILE="/x", RUNNERCTL_API_TOKEN="y"))


# --- What systemd hands over ---


@pytest.fixture
def handed(tmp_path: Path) -> Path:
    directory = tmp_path / "credentials"
    directory.mkdir()
    (directory / "app-key").write_text(PEM)
    (directory / "api-token").write_text("token-of-systemd\n")
    return directory


def test_systemds_credentials_are_the_defaults_of_key_and_token(tmp_path: Path, handed: Path) -> None:
    loaded = load(tmp_path, GITHUB_APP_ID="1", CREDENTIALS_DIRECTORY=str(handed))
    assert credentials.private_key_pem(loaded) == PEM
    assert credentials.api_token(loaded) == "token-of-systemd"
    assert (
        loaded.origin(GithubSection.private_key_file)
        == loaded.origin(ServerSection.api_token_file)
        == "systemd credential"
    )


@pytest.mark.parametrize("where", ["environment", "env file"])
@pytest.mark.parametrize("variable", ["GITHUB_APP_PRIVATE_KEY", "GITHUB_APP_PRIVATE_KEY_B64"])
def test_what_is_set_wins_over_a_credential(tmp_path: Path, handed: Path, where: str, variable: str) -> None:
    key = "-----BEGIN X-----" if variable == "GITHUB_APP_PRIVATE_KEY" else "LS0tLS1CRUdJTiBYLS0tLS0="
    given = {"GITHUB_APP_ID": "1", variable: key, "RUNNERCTL_API_TOKEN": "of-ours"}
    lines = "".join(f"{name}='{value}'\n" for name, value in given.items())
    sources = given if where == "environment" else {}
    loaded = load(tmp_path, env_file="" if sources else lines, CREDENTIALS_DIRECTORY=str(handed), **sources)
    assert credentials.private_key_pem(loaded) == "-----BEGIN X-----"
    assert credentials.api_token(loaded) == "of-ours"


def test_a_blank_or_missing_credential_counts_as_unset(tmp_path: Path, handed: Path) -> None:
    (handed / "app-key").write_text("\n")
    (handed / "api-token").unlink()
    loaded = load(tmp_path, CREDENTIALS_DIRECTORY=str(handed))
    assert credentials.private_key_pem(loaded) is None
    assert credentials.api_token(loaded) is None


def test_a_supervisors_child_looks_for_the_credential_when_it_needs_it(tmp_path: Path, handed: Path) -> None:
    """The server may be stopped by then, and the credential with it: that is no key, not a broken one."""
    given = {"GITHUB_APP_ID": "1", "CREDENTIALS_DIRECTORY": str(handed), "RUNNERCTL_STATE_DIR": str(tmp_path / "state")}
    services = Services.open(load(tmp_path, **given))
    environment = services.launching.reap_environment()
    services.close()
    assert credentials.private_key_pem(settings.load(environ=environment)) == PEM
    (handed / "app-key").unlink()
    assert settings.load(environ=environment).github.private_key_file is None
