"""The way to a chat server: key, proxies and certificates from the environment, and further tries."""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.request import getproxies, proxy_bypass

from harness.core.errors import HarnessError, Missing, UsageError, first_line
from harness.core.secrets import GONE, guard
from harness.core.types import Reply
from harness.models.openai.gate import Gate
from harness.models.openai.replies import CHAT, Fault, read, reply, words

if TYPE_CHECKING:
    import httpx
    from tenacity import RetryCallState

LONGEST = 60.0
"""Seconds that one wait between two tries may take, whatever the server asks for."""
PROBE = 10.0
"""Seconds within which a server must take the first connection, and say what it is."""
SAY_EVERY = 10.0
"""Seconds between two lines about further tries."""
BUSY = {408, 429, 503, 529}
"""Statuses of a server that has too much to do."""
Made = TypeVar("Made")
PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def key_from(name: str) -> str:
    """The key in an environment variable, without blanks around it. Raises UsageError where it cannot be one."""
    key = os.environ.get(name, "").strip()
    if key:
        guard(os.environ[name])
        guard(key)
    if any(not "!" <= c <= "~" or c in "\"'`" for c in key):
        raise UsageError(
            f"the key in {name} contains a space, a line break, a quotation mark or a character that no key has: set "
            "it again, without anything around it"
        )
    return key


@dataclass(frozen=True)
class Answer(Generic[Made]):
    """What was made of an answer, and the further tries that it took."""

    made: Made
    retries: int


class Client:
    """Asks one server. Raises HarnessError where the way to it is not set up, in one line that names the fix."""

    def __init__(
        self,
        base_url: str,
        key_env: str,
        *,
        connections: int,
        timeout: float,
        retries: int,
        backoff: float,
        say: Callable[[str], None],
    ):
        try:
            import httpx
            import tenacity
        except ImportError as e:
            raise Missing(f"{e.name} is not installed: pip install 'harness[openai]'") from e
        self.base_url, self.key_env, self.timeout = base_url, key_env, timeout
        self.retries, self.backoff, self.say = retries, backoff, say
        self._waits = tenacity.wait_exponential(multiplier=backoff, max=LONGEST) + tenacity.wait_random(0, backoff / 2)
        self._gate = Gate(connections, timeout, self._narrowed)
        self._lock = threading.Lock()
        self._spoke, self._retried = -SAY_EVERY, 0
        self._key = key = key_from(key_env)
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        with _set_up():
            self._http: httpx.Client = httpx.Client(
                headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=timeout, limits=limits
            )
        from harness.models.openai.deadline import limited

        self._deadline = limited(self._http)

    def close(self) -> None:
        self._http.close()

    def _sent(self, method: str, url: str, seconds: float, **more: Any) -> httpx.Response:
        """The answer to a request that takes so many seconds at most, from its first byte to the answer's last."""
        with self._deadline.within(seconds):
            return self._http.request(method, url, timeout=seconds, **more)

    def ask(self, path: str, body: dict[str, Any], made: Callable[[Any], Made]) -> Answer[Made]:
        """What `made` makes of the answer's JSON. Raises Fault, with `tries`, where no try succeeds."""
        import tenacity

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.retries + 1),
            wait=self._wait,
            retry=tenacity.retry_if_exception(lambda e: isinstance(e, Fault) and e.again),
            before_sleep=self._before,
            sleep=time.sleep,
            reraise=True,
        )
        try:
            found = retrying(self._once, path, body, made)
        except Fault as fault:
            fault.tries = retrying.statistics["attempt_number"]
            raise
        return Answer(found, retrying.statistics["attempt_number"] - 1)

    def _once(self, path: str, body: dict[str, Any], made: Callable[[Any], Made]) -> Made:
        import httpx

        with self._gate.passage() as passage:
            try:
                response = self._sent("POST", f"{self.base_url}{path}", self.timeout, json=body)
            except httpx.TimeoutException as e:
                passage.busy()
                raise Fault(f"no answer within {self.timeout:g} seconds", again=True) from e
            except httpx.HTTPError as e:
                if reason := self._wrong(e):
                    raise Missing(reason) from e
                raise Fault(f"{type(e).__name__}: {_first(e) or 'the connection was cut'}", again=True) from e
            if response.status_code in BUSY:
                passage.busy()
            elif response.status_code == 200:
                passage.answered()
        found = read(response, made)
        if self._key and isinstance(found, Reply) and self._key in found.text:
            return replace(found, text=found.text.replace(self._key, GONE))
        return found

    def schema(self) -> Any:
        """What the server says about its requests (OpenAPI), as JSON; None where it says nothing."""
        import httpx

        try:
            root = self.base_url.removesuffix("/v1")
            response = self._sent("GET", f"{root}/openapi.json", min(PROBE, self.timeout))
            return response.json() if response.status_code == 200 else None
        except (httpx.HTTPError, ValueError, RecursionError):
            return None

    def models(self) -> list[str]:
        """Names that the server lists under /models; none where it lists none. Raises Missing where nothing answers."""
        import httpx

        try:
            response = self._sent("GET", f"{self.base_url}/models", min(PROBE, self.timeout))
            value = response.json() if response.status_code == 200 else None
        except httpx.ConnectTimeout as e:
            raise Missing(
                f"{self.base_url} does not take a connection within {min(PROBE, self.timeout):g} seconds"
                f"{self._through()}: start the server, or correct model.base_url"
            ) from e
        except (httpx.ConnectError, httpx.ProxyError) as e:
            reason = self._wrong(e) or (
                f"{self.base_url} cannot be reached ({_first(e)}){self._through()}: start the server, or correct "
                "model.base_url"
            )
            raise Missing(reason) from e
        except httpx.InvalidURL as e:
            raise UsageError(f"invalid model.base_url={self.base_url} ({_first(e)}): give http://HOST:PORT/v1") from e
        except (httpx.HTTPError, ValueError, RecursionError):  # it is there, and lists nothing
            return []
        rows = (value.get("data") or value.get("models")) if isinstance(value, dict) else None
        names = (r.get("id") or r.get("name") for r in rows if isinstance(r, dict)) if isinstance(rows, list) else ()
        return [str(name) for name in names if name]

    def check(self, name: str) -> None:
        """Raise Missing where the server is not there, or has no model of this name. Some servers take names that they
        do not list, so that one is asked for a token before it is refused."""
        known = self.models()
        if not known or name in known:
            return
        try:
            self._once(CHAT, {"model": name, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}, reply)
        except Fault as fault:
            if fault.status == 404 or (fault.status in (400, 422) and "model" in fault.said.lower()):
                more = f" and {len(known) - 8} more" if len(known) > 8 else ""
                raise Missing(
                    f"{self.base_url} has no model {name} ({fault.said}): give model.name={known[0]}"
                    f"{', or one of ' + ', '.join(known[1:8]) if known[1:] else ''}{more}"
                ) from fault

    def _wait(self, state: RetryCallState) -> float:
        fault = state.outcome.exception() if state.outcome else None
        asked = fault.wait if isinstance(fault, Fault) else None
        return self._waits(state) if asked is None else min(asked, LONGEST)

    def _before(self, state: RetryCallState) -> None:
        """Tell about retries, a line now and then."""
        fault = state.outcome.exception() if state.outcome else None
        with self._lock:
            self._retried += 1
            if time.monotonic() - self._spoke < SAY_EVERY:
                return
            self._spoke, retried = time.monotonic(), self._retried
        wait = state.next_action.sleep if state.next_action else 0.0
        self.say(
            f"{self.base_url}: {fault}; trying again in {wait:.1f} s (try {state.attempt_number + 1} of "
            f"{self.retries + 1}; {retried} retries so far)"
        )

    def _narrowed(self, limit: int) -> None:
        self.say(f"{self.base_url} is overloaded: sending {limit} requests at a time from now on")

    def _wrong(self, error: Exception) -> str:
        """What is wrong with certificates or a proxy, and its fix; "" where the server itself failed."""
        said = _first(error)
        if "CERTIFICATE_VERIFY_FAILED" in said and "mismatch" in said.lower():
            return f"{self.base_url}: its certificate is another host's ({said}): give the name in it as model.base_url"
        if "CERTIFICATE_VERIFY_FAILED" in said:
            return (
                f"{self.base_url}: its certificate is not trusted ({said}): name the file of your CA's certificates by "
                "SSL_CERT_FILE=FILE"
            )
        if "WRONG_VERSION_NUMBER" in said or "RECORD_LAYER_FAILURE" in said:
            return f"{self.base_url} does not speak TLS ({said}): give model.base_url=http://..."
        if type(error).__name__ == "ProxyError":
            return f"the proxy in {_proxy_variable()} refuses {self.base_url} ({said}): correct it, or set NO_PROXY"
        return ""

    def _through(self) -> str:
        """Names the proxy's variable where one stands between."""
        scheme, _, rest = self.base_url.partition("://")
        host = rest.partition("/")[0]
        found = getproxies()
        if not (found.get(scheme) or found.get("all")) or proxy_bypass(host):
            return ""
        return f" through the proxy in {_proxy_variable()}"


@contextmanager
def _set_up() -> Iterator[None]:
    """Turn what is wrong with proxies and certificates in the environment into one line."""
    try:
        yield
    except ImportError as e:
        name = _proxy_variable("socks")
        raise Missing(
            f"{name} names a SOCKS proxy, which needs another package: pip install 'httpx[socks]', or unset {name}"
        ) from e
    except (OSError, ssl.SSLError) as e:
        name = next((n for n in CERTIFICATES if os.environ.get(n)), CERTIFICATES[0])
        raise Missing(f"{name}={os.environ.get(name, '')} cannot be read as certificates ({_first(e)}): fix it") from e
    except HarnessError:
        raise
    except Exception as e:  # httpx names a proxy of an unknown scheme by ValueError, an odd address by InvalidURL
        if not any(os.environ.get(n) or os.environ.get(n.lower()) for n in PROXIES) and (hosts := _no_proxy()):
            raise UsageError(f"NO_PROXY={hosts} is not usable ({_first(e)}): give hosts, separated by commas") from e
        raise UsageError(f"the proxy in {_proxy_variable()} is not usable ({_first(e)}): give http://HOST:PORT") from e


def _no_proxy() -> str:
    return os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""


def _proxy_variable(kind: str = "") -> str:
    """The environment variable that names the proxy, the first whose value begins with `kind`."""
    names = [n for name in PROXIES for n in (name, name.lower()) if os.environ.get(n)]
    return next((n for n in names if os.environ[n].lower().startswith(kind)), (names or ["the system's settings"])[0])


def _first(error: BaseException) -> str:
    """The first line of a library's message, or of what caused it."""
    while not str(error).strip() and error.__cause__ is not None:
        error = error.__cause__
    return words(first_line(error)) if str(error).strip() else ""
