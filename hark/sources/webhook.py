"""The webhook, as the environment asks for it.

Fed by hark.environment; feeds hark.sources.catalogue. HARK_WEBHOOK_PORT alone makes it exist; then
authentication, callers and what these need must be set, or the start is refused. Files are read
when it is opened, and again when they change.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from externalsecret.errors import GiveUp
from hark.bytesize import parse_bytes
from hark.environment import Environment, refusal
from hark.sources.plan import Surroundings
from listener.messages import announced, azure
from listener.messages.meaning import Meaning
from listener.sources.contract import Delivery, Source

if TYPE_CHECKING:
    from listener.webhook.callers import Callers
    from listener.webhook.proof import Proof
    from listener.webhook.reread import Reread

log = structlog.get_logger()

_PORT = "HARK_WEBHOOK_PORT"
_AUTH = "HARK_WEBHOOK_AUTH"
_CALLERS = "HARK_WEBHOOK_CALLERS"
_SECRETS = "HARK_WEBHOOK_SECRETS"
_TENANT = "HARK_WEBHOOK_TENANT"
_AUDIENCE = "HARK_WEBHOOK_AUDIENCE"
_CERT = "HARK_WEBHOOK_TLS_CERT"
_KEY = "HARK_WEBHOOK_TLS_KEY"
_MAX_BODY = "HARK_WEBHOOK_MAX_BODY"
KINDS = {"entra": "application", "secret": "secret", "token-review": "serviceAccount"}
"""The ways of authentication, each with the word for a caller in the file of callers."""
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_MOST_REQUESTS = 24
_LEAST_BODY, _MOST_BODY = 1024, 64 * 1024 * 1024
_EVENT_GRID = "eventgrid"
_A_TENANT = "11111111-2222-3333-4444-555555555555"


@dataclass(frozen=True, slots=True)
class WebhookPlan:
    """The one webhook. Implements hark.sources.plan.SourcePlan."""

    port: int
    auth: str
    callers: str
    secrets: str
    tenant: str
    audiences: tuple[str, ...]
    role: str
    cert: str
    key: str
    longest_body: int
    subscriptions: tuple[str, ...]
    origins: tuple[str, ...]
    patience: float = 20.0
    """Seconds that a request waits for its notes."""
    most_events: int = 20_000
    """Posted and not noted yet."""

    @property
    def label(self) -> str:
        return f"webhook:{self.port}"

    def open(self, surroundings: Surroundings) -> Source:
        from listener.sources.webhook import WebhookSource  # noqa: PLC0415 - only where it is used
        from listener.webhook.app import Desk, make_app  # noqa: PLC0415
        from listener.webhook.certificate import certificate  # noqa: PLC0415
        from listener.webhook.serve import Served  # noqa: PLC0415

        failed = partial(_reread_failed, surroundings)
        callers = self._read_callers(failed)
        source = WebhookSource(
            self.label,
            patience=self.patience,
            most_events=self.most_events,
            most_requests=_MOST_REQUESTS,
            is_ending=surroundings.stop.is_set,
        )
        requests = surroundings.metrics.webhook_requests
        desk = Desk(
            proof=self._proof(surroundings, lambda name: callers.get().knows(name), failed),
            callers=callers.get,
            parse=_parse,
            offer=source.offer,
            count=lambda route, code: requests.labels(route, str(code)).inc(),
            longest_body=self.longest_body,
            subscriptions=frozenset(name.lower() for name in self.subscriptions),
            origins=frozenset(name.lower() for name in self.origins),
        )
        context = None
        if self.cert:
            context = certificate(Path(self.cert), Path(self.key), failed).get
        served = Served(make_app(desk), self.port, self.longest_body, context)
        source.port = served.port
        source.when_closed(served.close)
        log.info("webhook.open", port=served.port, tls=context is not None)
        return source

    def parse(self, delivery: Delivery) -> Meaning:
        return _parse(delivery.body, delivery.attributes["form"])

    def _read_callers(self, failed: Callable[[GiveUp], None]) -> "Reread[Callers]":
        from listener.webhook.callers import read_callers  # noqa: PLC0415
        from listener.webhook.reread import Reread  # noqa: PLC0415

        def read(files: Sequence[Path]) -> "Callers":
            return read_callers(files[0].read_text(encoding="utf-8"), KINDS[self.auth])

        return Reread(lambda: (Path(self.callers),), read, failed)

    def _proof(
        self,
        surroundings: Surroundings,
        knows: Callable[[str], bool],
        failed: Callable[[GiveUp], None],
    ) -> "Proof":
        if self.auth == "entra":
            from listener.webhook.entra import EntraTokens, Wanted  # noqa: PLC0415

            return EntraTokens(Wanted(self.tenant, self.audiences, self.role), knows)
        if self.auth == "token-review":
            from listener.webhook.serviceaccount import ServiceAccounts  # noqa: PLC0415

            return ServiceAccounts(surroundings.api, self.audiences[0], knows)
        from listener.webhook import sharedsecret  # noqa: PLC0415
        from listener.webhook.reread import Reread  # noqa: PLC0415

        folder = Path(self.secrets)
        secrets: Reread[Mapping[str, Sequence[bytes]]] = Reread(
            lambda: sharedsecret.secret_files(folder), sharedsecret.read_secrets, failed
        )
        return sharedsecret.SharedSecrets(secrets.get)


def read_plans(read: Environment) -> tuple[WebhookPlan, ...]:
    """The webhook, if there is to be one. GiveUp (InvalidSetting) where it makes no sense."""
    ways = {"": "", **{name: name for name in KINDS}}
    plan = WebhookPlan(
        port=read.whole(_PORT, 0, 65_535) if read.given(_PORT) else -1,
        auth=read.choice(_AUTH, ways) if read.given(_AUTH) else "",
        callers=read.text(_CALLERS),
        secrets=read.text(_SECRETS),
        tenant=_tenant(read),
        audiences=read.several(_AUDIENCE),
        role=read.text("HARK_WEBHOOK_ROLE"),
        cert=read.text(_CERT),
        key=read.text(_KEY),
        longest_body=_longest_body(read),
        subscriptions=read.several("HARK_WEBHOOK_EVENTGRID_SUBSCRIPTIONS"),
        origins=read.several("HARK_WEBHOOK_ORIGINS"),
    )
    if plan.port < 0:
        return ()
    _check(plan)
    return (plan,)


def _check(plan: WebhookPlan) -> None:
    if not plan.auth:
        raise _missing(_AUTH, "who calls must be proved", "token-review")
    if not plan.callers:
        raise _missing(
            _CALLERS, "each caller is bound to what he may announce", "/etc/hark/callers.yaml"
        )
    because = f"{_AUTH}={plan.auth} needs it"
    if plan.auth == "secret" and not plan.secrets:
        raise _missing(_SECRETS, because, "/etc/hark/webhook-secrets")
    if plan.auth == "entra" and not plan.tenant:
        raise _missing(_TENANT, because, _A_TENANT)
    if plan.auth != "secret" and not plan.audiences:
        raise _missing(_AUDIENCE, because, "hark-webhook")
    if plan.auth == "token-review" and len(plan.audiences) > 1:
        raise refusal(_AUDIENCE, ",".join(plan.audiences), "is not one audience", "hark-webhook")
    if bool(plan.cert) != bool(plan.key):
        absent = _KEY if plan.cert else _CERT
        raise _missing(absent, "a certificate and its key belong together", "/etc/hark/tls/tls.pem")


def _parse(body: str, form: str) -> Meaning:
    return azure.parse(body) if form == _EVENT_GRID else announced.parse(body)


def _reread_failed(surroundings: Surroundings, failure: GiveUp) -> None:
    surroundings.metrics.webhook_reload_failures.labels(failure.reason).inc()
    log.error("webhook.reload_failed", error=str(failure), advice="What was read before is kept.")


def _tenant(read: Environment) -> str:
    tenant = read.text(_TENANT).lower()
    if tenant and not _GUID.fullmatch(tenant):
        raise refusal(_TENANT, tenant, "is no id of a tenant", _A_TENANT)
    return tenant


def _longest_body(read: Environment) -> int:
    text = read.text(_MAX_BODY)
    try:
        size = parse_bytes(text)
    except ValueError as error:
        raise refusal(_MAX_BODY, text, str(error), "1Mi") from None
    if not _LEAST_BODY <= size <= _MOST_BODY:
        raise refusal(_MAX_BODY, text, "is not between 1Ki and 64Mi", "1Mi")
    return size


def _missing(name: str, why: str, example: str) -> GiveUp:
    return GiveUp(
        f"{name} is not set, and {_PORT} is: {why}. Example: {name}={example}",
        reason="InvalidSetting",
    )
