"""The wire to Vault: one request and its answer, through hvac.

Fed by vaultsession with paths, bodies and tokens; feeds it with replies. Imports the SDK.

Guarantees: a token goes to the host that VAULT_ADDR names, or to one that the settings name, and
nowhere else: redirects (a standby answers with one) are followed by hand and never from https to
http. Whatever the SDK raises becomes Retry without a word of the request. Proxies are those of the
environment (HTTPS_PROXY, NO_PROXY). Safe for several threads.
"""

import logging
import ssl
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
import requests.adapters
from hvac.adapters import RawAdapter

from externalsecret.errors import GiveUp
from reconciler.backends import reasons
from reconciler.backends.vaulterrors import foreign, unreachable
from reconciler.backends.vaultsettings import VaultSettings
from reconciler.jsontext import MAX_DEPTH, Json, NotJson, TooDeep, parse

_CONNECTIONS = 16
_MOST_REDIRECTS = 3
_REDIRECTS = frozenset((301, 302, 307, 308))
_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class Reply:
    """What Vault answered. Its repr shows no value."""

    status: int
    headers: Mapping[str, str]
    answer: dict[str, Json] | None
    """None where the body is empty or no JSON object."""

    def __repr__(self) -> str:
        return f"Reply({self.status})"

    def is_success(self) -> bool:
        return self.status in _SUCCESS

    def member(self, name: str) -> dict[str, Json] | None:
        """A member of the answer that is an object itself."""
        found = None if self.answer is None else self.answer.get(name)
        return found if isinstance(found, dict) else None


class Wire:
    """Connections to one Vault."""

    def __init__(self, settings: VaultSettings) -> None:
        """Raises GiveUp where the certificates cannot be read."""
        # It tells paths at debug level, which may hold more than a log should.
        if logging.getLogger("urllib3").getEffectiveLevel() < logging.INFO:
            logging.getLogger("urllib3").setLevel(logging.INFO)
        self._settings = settings
        self._host = urllib.parse.urlsplit(settings.address).netloc
        self._session = _session(settings)

    def send(
        self,
        method: str,
        path: str,
        token: str = "",
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request. `path` stands after /v1/ and is not encoded. Raises Retry."""
        parts = [self._settings.prefix, urllib.parse.quote(path)]
        url = "/".join(["v1", *filter(None, parts)])
        base = self._settings.address
        more: dict[str, Any] = {"params": params} if params else {}
        for _ in range(_MOST_REDIRECTS):
            response = self._ask(self._adapter(base, token), method, url, {"json": body, **more})
            if response.status_code not in _REDIRECTS:
                return self._reply(response)
            base, url = self._follow(base, response.headers.get("Location", ""))
            more = {}
        raise foreign(self._host)

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    def _adapter(self, base: str, token: str) -> RawAdapter:
        settings = self._settings
        return RawAdapter(
            base_uri=base,
            token=token or None,
            timeout=(settings.connect_timeout, settings.read_timeout),  # type: ignore[arg-type]
            verify=settings.ca_file or settings.verify,  # type: ignore[arg-type]
            allow_redirects=False,
            session=self._session,
            namespace=settings.namespace or None,
        )

    def _ask(
        self, adapter: RawAdapter, method: str, url: str, more: Mapping[str, Any]
    ) -> requests.Response:
        kind = ""
        try:
            response: requests.Response = adapter.request(
                method, url, raise_exception=False, **more
            )
        except (requests.RequestException, OSError) as error:
            kind = type(error).__name__
        if kind:
            # Out here, so that the SDK's exception, which holds the request, is not shown with it.
            raise unreachable(self._host, kind)
        return response

    def _follow(self, base: str, location: str) -> tuple[str, str]:
        here = urllib.parse.urlsplit(base)
        there = urllib.parse.urlsplit(urllib.parse.urljoin(f"{base}/", location))
        host = there.hostname or ""
        is_known = host == here.hostname or host in self._settings.redirect_hosts
        is_as_safe = there.scheme in {here.scheme, "https"}
        if not is_known or not is_as_safe or "@" in there.netloc:
            raise GiveUp(
                f"Vault at {self._host} sends its callers on to {host or 'nowhere'}, where no "
                "token is sent: let VAULT_ADDR name the active node, or add that host to "
                "HARK_VAULT_REDIRECT_HOSTS.",
                reason="InvalidSetting",
            )
        query = f"?{there.query}" if there.query else ""
        return f"{there.scheme}://{there.netloc}", f"{there.path.lstrip('/')}{query}"

    def _reply(self, response: requests.Response) -> Reply:
        answer: Json = None
        if response.content:
            try:
                answer = parse(response.content)
            except TooDeep:
                raise GiveUp(
                    f"A document nested deeper than {MAX_DEPTH} levels cannot be read: write one "
                    "that is flatter.",
                    reason=reasons.BAD_VALUE,
                ) from None
            except NotJson:
                if response.status_code in _SUCCESS:
                    raise foreign(self._host) from None
        return Reply(
            response.status_code, response.headers, answer if isinstance(answer, dict) else None
        )


class _Adapter(requests.adapters.HTTPAdapter):
    """Trusts more certificates than the usual ones."""

    def __init__(self, extra: str) -> None:
        self._extra = extra
        super().__init__(pool_maxsize=_CONNECTIONS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **{**kwargs, **self._context()})

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return super().proxy_manager_for(*args, **{**kwargs, **self._context()})

    def _context(self) -> dict[str, Any]:
        if not self._extra:
            return {}
        context = ssl.create_default_context()
        context.load_verify_locations(cafile=self._extra)
        return {"ssl_context": context}


def _session(settings: VaultSettings) -> requests.Session:
    session = requests.Session()
    session.verify = settings.ca_file or settings.verify
    for name in (settings.ca_file, settings.extra_ca_file):
        _check(name)
    # A file that names extra certificates counts only where no other trust is set.
    extra = settings.extra_ca_file if settings.verify and not settings.ca_file else ""
    session.mount("https://", _Adapter(extra))
    session.mount("http://", _Adapter(""))
    return session


def _check(file: str) -> None:
    """Raises GiveUp where a file holds no certificates."""
    try:
        if file:
            ssl.create_default_context().load_verify_locations(cafile=file)
    except OSError:
        raise GiveUp(
            f"{file} holds no certificates that can be read: correct VAULT_CACERT or "
            "NODE_EXTRA_CA_CERTS.",
            reason="InvalidSetting",
        ) from None
