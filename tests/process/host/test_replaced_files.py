"""An editor, or whatever manages a host's files, puts another env file in the old one's place while runners live."""

from __future__ import annotations

import stat
from contextlib import closing

from runnerctl.core.services import Services
from runnerctl.core.settings import load as settings
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host
from tests.support.hosts.isolated import Isolated


def test_a_file_of_ours_that_was_replaced_is_not_opened_to_others_either(
    landlock: None, host: Host, sandbox: Sandbox
) -> None:
    """What a job's mounts kept from it was the old one; the App's key is in the new one, too."""
    path = host.env_file
    with closing(Services.open(settings.load(environ={}, env_file=str(path)))) as services:
        confined = Isolated(host=host, services=services, sandbox=sandbox)
        confined.runner("ours", ephemeral=False)
        new = host.top / "new"
        new.touch(mode=0o600)
        new.write_text(path.read_text())
        new.rename(path)
        tries = (f"chmod 644 {path}", f"touch {path}", f"chown 65534 {path}", f"cat {path}", f"mv {path} {path}-was")
        script = "".join(f"( {each} ) > /dev/null && echo BREACH\n" for each in tries)
        said = confined.run("ours", f"set +e\n{script}echo tried").splitlines()
    assert ("tried" in said, "BREACH" in said) == (True, False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
