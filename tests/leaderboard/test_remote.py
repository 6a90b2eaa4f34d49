"""Where commits can be looked at."""

from __future__ import annotations

import pytest

from harness.leaderboard.remote import web_address


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://github.com/owner/name.git", "https://github.com/owner/name"),
        ("https://user:secret@gitlab.example.org:8443/group/sub/name", "https://gitlab.example.org/group/sub/name"),
        ("git@github.com:owner/name.git", "https://github.com/owner/name"),
        ("ssh://git@codeberg.org:22/owner/name.git", "https://codeberg.org/owner/name"),
        ("/srv/git/name.git", ""),
        ("../name", ""),
        ("file:///srv/git/name.git", ""),
        ("http://localhost/owner/name", ""),
        ("https://github.com/owner/<script>", ""),
        ("https://[broken/name", ""),
        ("", ""),
    ],
)
def test_the_page_of_a_remote(remote, address):
    assert web_address(remote) == address
