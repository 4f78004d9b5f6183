"""The directories below ``_work``, and what ``actions/checkout`` puts there."""

from __future__ import annotations

import os


def prepare(work: str, repository: str) -> str:
    """The workspace ``<work>/<repo>/<repo>``; the job's temporary files and actions of earlier jobs are gone."""
    name = repository.rpartition("/")[2] or "repo"
    workspace = f"{work}/{name}/{name}"
    for scratch in ("_actions", "_temp"):
        clear(f"{work}/{scratch}")
    for directory in (workspace, f"{work}/_temp/_github_workflow", f"{work}/_actions", f"{work}/_tool"):
        os.makedirs(directory, exist_ok=True)
    return workspace


def write_event(work: str, event: str) -> str:
    """The path of a file that holds the JSON of what triggered the workflow."""
    path = f"{work}/_temp/_github_workflow/event.json"
    with open(path, "w", encoding="utf-8") as file:
        file.write(event)
    return path


def check_out(workspace: str, files: dict[str, str]) -> None:
    for path, text in files.items():
        if path.startswith("/") or ".." in path.split("/"):
            raise ValueError(f"File {path!r} is outside of the workspace")
        target = f"{workspace}/{path}"
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w", encoding="utf-8") as file:
            file.write(text)
        if text.startswith("#!"):
            os.chmod(target, 0o755)


def clear(directory: str) -> None:
    """Delete it with all below it, as far as we may; never through a symbolic link."""
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    clear(entry.path)
                else:
                    os.unlink(entry.path)
        os.rmdir(directory)
    except OSError:
        return
