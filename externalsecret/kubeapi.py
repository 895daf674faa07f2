"""The one seam to the Kubernetes API: JSON over the official client's connections and credentials.

Fed by a kubeconfig or the pod's ServiceAccount; feeds the watches (externalsecret.reflect) and all
writers. It uses the client library for what is delicate (configuration, TLS, client certificates,
exec plugins, tokens that are re-read from disk) and plain dictionaries for the rest: no model
objects in hot paths, and connections that are kept.

Guarantees: every failure is an ApiRetry or an ApiRefusal with the HTTP status; nothing is retried
in here. It does not guarantee that a request that failed in transit had no effect: all our writes
may be repeated.
"""

import json
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import load_incluster_config, load_kube_config
from kubernetes.config.config_exception import ConfigException
from yaml import YAMLError

from externalsecret import deepjson
from externalsecret.errors import GiveUp, HarkError, Retry

GROUP_PATH = "/apis/kubernetes-client.io/v1"
FIELD_MANAGER = "hark"
MERGE_PATCH = "application/merge-patch+json"
_TOKEN_SECONDS = 10.0
"""So long the library is not asked again for the token, for it configures itself anew each time,
which costs a quarter of a request. It reads a pod's token once a minute, and looks for another
token five minutes before one expires.
"""
_LONGEST_ASKED_WAIT = 60.0
_PASSING = {
    # A token that is being replaced, or an API server that cannot check it at the moment.
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_MANY_REQUESTS,
}


class ApiRetry(Retry):
    """The API server is away, busy, or saw a conflict. `status` is 0 when it did not answer."""

    def __init__(self, message: str, status: int, *, after: float | None = None) -> None:
        super().__init__(message, reason="KubernetesUnavailable", after=after)
        self.status = status


class ApiRefusal(GiveUp):
    """The API server said no. `fields` names what it disliked, without the values."""

    def __init__(self, message: str, status: int, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message, reason="KubernetesRefused")
        self.status = status
        self.fields = fields


class KubeApi(Protocol):
    """What the halves ask of the API server; tests and the simulation bring their own."""

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> dict[str, Any]:
        """One call; the parsed reply. Raises ApiRetry or ApiRefusal."""

    def stream(
        self, path: str, *, query: Mapping[str, str], accept: str, read_timeout: float
    ) -> Iterator[dict[str, Any]]:
        """Open a watch; its lines, parsed, until the server ends it. Raises as `request` does."""


def connect(
    kubeconfig: str | None, *, connections: int = 16, timeout: float = 15.0
) -> "HttpKubeApi":
    """Connect by the given kubeconfig file, or as the pod that this runs in.

    `timeout` is the longest wait for an answer, in seconds. Raises GiveUp with a sentence when
    there is no usable configuration.
    """
    configuration = Configuration()
    try:
        if kubeconfig is None:
            load_incluster_config(configuration)
        else:
            load_kube_config(config_file=kubeconfig, client_configuration=configuration)
    except (ConfigException, OSError, YAMLError) as error:
        raise GiveUp(_no_cluster(kubeconfig, error), reason="NoCluster") from error
    configuration.connection_pool_maxsize = connections
    return HttpKubeApi(configuration, timeout)


def _no_cluster(kubeconfig: str | None, error: Exception) -> str:
    if kubeconfig is None:
        return (
            "No cluster is named: KUBECONFIG is not set, there is no ~/.kube/config, and this is "
            f"no pod with a ServiceAccount token ({error}). Set KUBECONFIG to a kubeconfig file."
        )
    if not Path(kubeconfig).is_file():
        return f"The kubeconfig {kubeconfig} does not exist. Set KUBECONFIG to one that does."
    return (
        f"No cluster can be reached by the kubeconfig {kubeconfig} ({error}). Set "
        "KUBECONFIG to another one, or mend it."
    )


class HttpKubeApi:
    """KubeApi over the client library's connection pool. Threads share it."""

    def __init__(
        self,
        configuration: Configuration,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._configuration = configuration
        self._clock = clock
        self._token: tuple[float, str | None] = (float("-inf"), None)
        manager: urllib3.PoolManager = ApiClient(configuration).rest_client.pool_manager
        self._pool, self._base = _connections(manager, configuration.host.rstrip("/"))
        self._timeout = timeout

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> dict[str, Any]:
        encoded = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        try:
            reply = self._pool.urlopen(
                method,
                self._url(path, query),
                body=encoded,
                headers=self._headers(accept, content_type),
                timeout=urllib3.Timeout(connect=5.0, read=self._timeout),
                retries=False,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise _unreachable(error) from error
        if reply.status >= HTTPStatus.BAD_REQUEST:
            raise _translate(method, path, reply.status, reply.headers, reply.data)
        return _parsed(reply.data)

    def stream(
        self, path: str, *, query: Mapping[str, str], accept: str, read_timeout: float
    ) -> Iterator[dict[str, Any]]:
        try:
            reply = self._pool.urlopen(
                "GET",
                self._url(path, query),
                headers=self._headers(accept, "application/json"),
                timeout=urllib3.Timeout(connect=5.0, read=read_timeout),
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise _unreachable(error) from error
        if reply.status >= HTTPStatus.BAD_REQUEST:
            raise _translate("WATCH", path, reply.status, reply.headers, reply.data)
        return _lines(reply)

    def _url(self, path: str, query: Mapping[str, str] | None) -> str:
        if not query:
            return self._base + path
        return f"{self._base}{path}?{urllib.parse.urlencode(query)}"

    def _headers(self, accept: str, content_type: str) -> dict[str, str]:
        headers = {"Accept": accept, "Content-Type": content_type, "User-Agent": "hark"}
        token = self._bearer_token()
        if token:
            headers["Authorization"] = token
        return headers

    def _bearer_token(self) -> str | None:
        asked_at, token = self._token
        now = self._clock()
        if now - asked_at >= _TOKEN_SECONDS:
            token = self._configuration.get_api_key_with_prefix(
                "BearerToken", alias="authorization"
            )
            self._token = (now, token)
        return token


def _connections(
    manager: urllib3.PoolManager, host: str
) -> tuple[urllib3.PoolManager | urllib3.HTTPConnectionPool, str]:
    """The connections to the one host that is ever asked, and what stands before each path.

    Without the manager, which finds them anew for each request and so is a third of its cost. Only
    a proxy that is handed whole URLs, as is done without TLS, needs it.
    """
    address = urllib.parse.urlsplit(host)
    if manager.proxy is not None and address.scheme == "http":
        return manager, host
    return manager.connection_from_url(host), address.path


def _lines(reply: urllib3.BaseHTTPResponse) -> Iterator[dict[str, Any]]:
    """Parsed JSON lines. An empty chunk is nothing; a half line at the end is dropped."""
    held = b""
    try:
        for chunk in reply.read_chunked():
            held += chunk
            *lines, held = held.split(b"\n")
            for line in lines:
                yield _parsed(line)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _unreachable(error) from error
    finally:
        reply.close()


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = deepjson.parse(text)
    except ValueError:
        raise ApiRetry("The Kubernetes API server's answer is no JSON.", 0) from None
    return parsed


def _unreachable(error: Exception) -> ApiRetry:
    return ApiRetry(f"The Kubernetes API server did not answer ({type(error).__name__}).", 0)


def _translate(
    method: str, path: str, status: int, headers: Mapping[str, str], body: bytes
) -> HarkError:
    message, fields = _status_of(body)
    said = f"The Kubernetes API server answered {status} to {method} {path}: {message}"
    if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ApiRetry(said, status, after=_seconds(headers.get("Retry-After")))
    return ApiRefusal(said, status, fields)


def _status_of(body: bytes) -> tuple[str, tuple[str, ...]]:
    """(reason, disliked fields) of a Status object.

    The reason's word and the fields' names, not the message: the message of a refused Secret may
    quote what was sent.
    """
    try:
        parsed = json.loads(body)
        causes = (parsed.get("details") or {}).get("causes") or []
        fields = tuple(str(cause.get("field", "")) for cause in causes)
        reason = str(parsed.get("reason") or "no reason given")
    except (ValueError, AttributeError):
        return ("no reason given", ())
    return (", ".join([reason, *fields]), fields)


def _seconds(header: str | None) -> float | None:
    """Retry-After, at most a minute: a server that is back sooner shall not wait for us."""
    text = (header or "").strip()
    if not (text.isascii() and text.isdecimal()):
        return None
    return min(_LONGEST_ASKED_WAIT, float(text))
