"""Where commits can be looked at: the web address of the checkout's remote."""

from __future__ import annotations

import re
import subprocess
from urllib.parse import urlsplit


def repository() -> str:
    """The web address of `origin` in the current directory; empty outside a checkout and for remotes without a page."""
    command = ("git", "config", "--get", "remote.origin.url")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return web_address(done.stdout.strip()) if done.returncode == 0 else ""


def web_address(remote: str) -> str:
    """https://host/owner/name of a remote over https, ssh or git, without user, password and port; else empty.

    A local path, a host without a dot and anything else that no browser finds are empty.
    """
    short = re.fullmatch(r"(?:[^@/\s]+@)?([\w.-]+\.[a-z]{2,}):([^\s:]+)", remote)  # git@host:owner/name.git
    if short and "://" not in remote:
        host, path = short[1], short[2]
    else:
        try:
            parts = urlsplit(remote)
        except ValueError:
            return ""
        if parts.scheme not in ("https", "http", "ssh", "git") or "." not in (parts.hostname or ""):
            return ""
        host, path = str(parts.hostname), parts.path
    path = path.strip("/").removesuffix(".git")
    return f"https://{host}/{path}" if re.fullmatch(r"[\w.~-]+(/[\w.~-]+)+", path) else ""
