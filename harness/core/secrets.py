"""Keys and passwords are taken out of every text that others wrote before it is stored or shown."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

GONE = "[redacted]"
NAMED = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|PWD|CREDENTIALS?)(_?ID)?$", re.IGNORECASE)
"""Names of environment variables whose values are secrets."""
FIELD = re.compile(
    r"(x-)?api[-_]?key|(proxy-)?authorization|passw(or)?d|secret|((access|auth)[-_]?)?token", re.IGNORECASE
)
"""Names of fields, of a JSON value, that hold one."""
CERTAIN = ("OPENAI_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "WANDB_API_KEY", "ANTHROPIC_API_KEY")
SHORTEST = 8
"""Characters of the shortest secret. Shorter ones occur in ordinary words."""
PATTERNS = (
    (re.compile(r"(?<=://)[^/\s@'\"]+(?=@)"), GONE),
    (
        re.compile(
            r"(?i)(\b(?:proxy-)?authorization\b['\"]?\s*[:=,]\s*(?:b?['\"])?)(?:(?:bearer|basic|token)\s+)?[^\s'\",;)}\\]+"
        ),
        rf"\g<1>{GONE}",
    ),
    (re.compile(r"(?i)\b(bearer\s+)(?!\[)[\w.~+/=-]{8,}"), rf"\g<1>{GONE}"),
    (re.compile(r"(?i)((?:\bx-)?\bapi[-_]?key['\"]?\s*[:=]\s*(?:b?['\"])?)(?!\[)[\w.~+/=-]{8,}"), rf"\g<1>{GONE}"),
    (
        re.compile(r"(?i)([?&](?:api[-_]?key|key|(?:access_)?token|secret|password|sig|signature)=)[^&\s'\"#]+"),
        rf"\g<1>{GONE}",
    ),
    (re.compile(r"\b(?:sk|hf|gsk|xai|r8|nvapi|ghp|github_pat|glpat)[-_][A-Za-z0-9_-]{16,}"), GONE),
)
"""What looks like a secret wherever it comes from: a user in a URL, an Authorization header, a provider's key."""

_guarded: set[str] = set()


def guard(secret: str) -> None:
    """Remember a secret whose variable has a name of its own (`model.key_env`)."""
    if len(secret.strip()) >= SHORTEST:
        _guarded.add(secret)


def hidden(text: str) -> str:
    """The text without the values of this process's secrets, in any of the forms in which errors repeat them."""
    if not text:
        return text
    for form in _forms():
        if form in text:
            text = text.replace(form, GONE)
    return text


def redacted(text: str) -> str:
    """`hidden`, and without anything that looks like a secret: for messages that others wrote."""
    text = hidden(text)
    for pattern, instead in PATTERNS:
        text = pattern.sub(instead, text)
    return text


def clean(value: Any) -> Any:
    """A JSON value whose texts are `redacted`; the very value where there is nothing to redact."""
    whole = "\0".join(_texts(value))
    return value if redacted(whole) == whole else _cleaned(value)


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value; instead of one that a field's name calls a secret something to redact."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for k, v in value.items():
            yield str(k)
            if _names_secret(k, v):
                yield "Bearer 01234567"
            else:
                yield from _texts(v)
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from _texts(v)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {_cleaned(k): GONE if _names_secret(k, v) else _cleaned(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cleaned(v) for v in value]
    return value


def _names_secret(field: Any, value: Any) -> bool:
    return isinstance(field, str) and bool(value) and isinstance(value, str) and FIELD.fullmatch(field) is not None


def _secrets() -> Iterator[str]:
    yield from _guarded
    for name, value in os.environ.items():
        if name in CERTAIN and len(value.strip()) >= SHORTEST:
            yield value
        elif NAMED.search(name) and len(value) >= SHORTEST and not value.startswith(("/", "~")):
            # A password that is a plain word would be taken out of ordinary sentences.
            if not re.fullmatch(r"[a-z_-]{1,15}|[A-Z_-]{1,15}|true|false", value):
                yield value
        elif "://" in value and (match := re.search(r"://([^/\s@]{4,})@", value)):
            yield match[1]
            if len(password := match[1].partition(":")[2]) >= SHORTEST:
                yield password


_known: tuple[frozenset[str], tuple[str, ...]] = (frozenset(), ())


def _forms() -> tuple[str, ...]:
    """Every text that gives a secret away, the longest first."""
    global _known
    secrets = frozenset(_secrets())
    if _known[0] != secrets:
        forms = {form for secret in secrets for form in _written(secret) if len(form) >= SHORTEST}
        _known = secrets, tuple(sorted(forms, key=lambda form: (-len(form), form)))
    return _known[1]


def _written(secret: str) -> Iterator[str]:
    """The secret as it is, its lines and runs of printable ASCII, and all of them escaped and encoded."""
    parts = {secret, secret.strip(), *secret.split(), *re.findall(r"[!-~]{8,}", secret)}
    for part in parts:
        yield part
        yield json.dumps(part)[1:-1]
        yield json.dumps(json.dumps(part))[3:-3]
        yield repr(part)[1:-1]
        yield quote(part, safe="")
        yield quote(part)
        yield quote_plus(part)
        yield from _base64(part.encode("utf-8", "surrogateescape"))


def _base64(data: bytes) -> Iterator[str]:
    """What stands in Base64 for these bytes at each of the three places where they may begin."""
    for before in range(3):
        padded = bytes(before) + data
        whole = padded[: len(padded) // 3 * 3]
        code = base64.b64encode(whole).decode()[(0, 2, 3)[before] :]
        yield code
        yield code.replace("+", "-").replace("/", "_")
