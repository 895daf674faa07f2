"""The webhook's application: what is posted, by whom, and what he is answered.

    POST    /v1/changes     announcements of anybody who writes to a backend (CloudEvents 1.0)
    POST    /v1/eventgrid   Azure Event Grid, in either of its schemas, with its handshake
    OPTIONS of both         CloudEvents' handshake

Fed by HTTP; feeds the source. Guarantees, in this order: nothing of a body is read before the
caller has proved who he is; nothing is heard unless all of a request's changes are within the
caller's scopes; 2xx is answered only after every event was acknowledged. Every refusal is a
sentence in JSON. Neither body, nor query, nor header is ever logged, and nothing that a body names
is fetched.

Azure pages: "Endpoint validation with Event Grid event schema", "... with CloudEvents schema",
"Azure Event Grid delivery and retry".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from flask import Flask, Request, Response, jsonify, request
from werkzeug.exceptions import ClientDisconnected, HTTPException

from externalsecret.errors import whereabouts
from listener.messages.meaning import ChangeEvent, Malformed, Meaning
from listener.messages.untrusted import section, text_of
from listener.sources.webhook import Outcome, Posted
from listener.webhook.callers import Callers
from listener.webhook.events import TYPES, TooMany, event_text, split
from listener.webhook.proof import CannotTell, NotAllowed, NotProven, Proof, Shown

log = structlog.get_logger()

CHANGES = "changes"
EVENT_GRID = "eventgrid"
SECRET_HEADER = "X-Hark-Secret"  # noqa: S105 - the name of a header
RETRY_AFTER = 5
"""Seconds that a sender is asked to wait."""
_COME_AGAIN = {
    Outcome.LATE: "Not every change could be noted in time, so this must be sent again; what was "
    "noted does no harm then.",
    Outcome.BUSY: "Too much is waiting to be noted; send this again.",
}
_TOO_LARGE = "The body is larger than HARK_WEBHOOK_MAX_BODY, or is not sent as HTTP wants it."
_MOST_ATTEMPTS = 1_000


@dataclass(frozen=True, slots=True)
class Desk:
    """What the application works with."""

    proof: Proof
    callers: Callable[[], Callers]
    parse: Callable[[str, str], Meaning]
    """What a body means, given its form (CHANGES or EVENT_GRID); raises Malformed."""
    offer: Callable[[Sequence[Posted]], Outcome]
    count: Callable[[str, int], None]
    """Told the route and the code of each answer."""
    longest_body: int
    """In bytes."""
    subscriptions: frozenset[str]
    """Names of the Event Grid subscriptions that are let in, in lower case."""
    origins: frozenset[str]
    """Who may ask by CloudEvents' handshake, in lower case."""


class Refused(Exception):
    """The request ends here, with this answer."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def make_app(desk: Desk) -> Flask:
    """The WSGI application."""
    app = Flask("hark-webhook", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = desk.longest_body + 1

    def changes() -> Response:
        return _answered(_take(desk, request, CHANGES))

    def event_grid() -> Response:
        return _answered(_event_grid(desk, request))

    def handshake() -> Response:
        return _handshake(desk, request)

    for name, view in ((CHANGES, changes), (EVENT_GRID, event_grid)):
        path = f"/v1/{name}"
        app.add_url_rule(path, name, view, methods=["POST"], provide_automatic_options=False)
        app.add_url_rule(
            path,
            f"{name}-handshake",
            handshake,
            methods=["OPTIONS"],
            provide_automatic_options=False,
        )
    app.register_error_handler(Refused, _refusal)
    app.register_error_handler(HTTPException, _http_refusal)
    app.register_error_handler(Exception, _fault)

    @app.after_request
    def counted(response: Response) -> Response:
        route = (request.endpoint or "other").removesuffix("-handshake")
        desk.count(route, response.status_code)
        response.headers["Cache-Control"] = "no-store"
        return response

    return app


def _event_grid(desk: Desk, asked: Request) -> Outcome | Response:
    caller = _caller(desk, asked)
    name = asked.headers.get("aeg-subscription-name", "")
    if name.strip().lower() not in desk.subscriptions:
        raise Refused(
            HTTPStatus.FORBIDDEN,
            "This Event Grid subscription is not let in; name it in "
            "HARK_WEBHOOK_EVENTGRID_SUBSCRIPTIONS.",
        )
    kind = asked.headers.get("aeg-event-type", "Notification").strip().lower()
    if kind == "subscriptiondeletion":
        return jsonify({})
    if kind == "subscriptionvalidation":
        return _validation(_events(desk, asked))
    return _offered(desk, caller, _events(desk, asked), EVENT_GRID, _attempts(asked))


def _take(desk: Desk, asked: Request, form: str) -> Outcome:
    caller = _caller(desk, asked)
    return _offered(desk, caller, _events(desk, asked), form, attempts=1)


def _caller(desk: Desk, asked: Request) -> str:
    scheme, _, token = asked.headers.get("Authorization", "").partition(" ")
    shown = Shown(
        bearer=token.strip() if scheme.lower() == "bearer" else "",
        secret=asked.headers.get(SECRET_HEADER) or asked.args.get("secret") or "",
    )
    try:
        caller = desk.proof.caller(shown)
    except NotProven as refusal:
        raise Refused(HTTPStatus.UNAUTHORIZED, str(refusal)) from None
    except NotAllowed as refusal:
        raise Refused(HTTPStatus.FORBIDDEN, str(refusal)) from None
    except CannotTell as refusal:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, str(refusal)) from None
    if not desk.callers().knows(caller):
        raise Refused(HTTPStatus.FORBIDDEN, "This caller may announce nothing here.")
    return caller


def _events(desk: Desk, asked: Request) -> Sequence[object]:
    if asked.mimetype not in TYPES:
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"The Content-Type must be one of {', '.join(TYPES)}.",
        )
    headers: Mapping[str, str] = {name.lower(): value for name, value in asked.headers.items()}
    body = asked.get_data(cache=False)
    if len(body) > desk.longest_body:
        # Of a body that comes in chunks Flask reads as much as it may, and does not tell.
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE)
    try:
        return split(body, headers)
    except Malformed as problem:
        raise Refused(HTTPStatus.BAD_REQUEST, str(problem)) from None
    except TooMany as problem:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(problem)) from None


def _offered(
    desk: Desk, caller: str, events: Sequence[object], form: str, attempts: int
) -> Outcome:
    """Have a request's events heard, if the caller may announce every change that they name."""
    bodies = [event_text(event) for event in events]
    callers = desk.callers()
    problem = ""
    for body in bodies:
        try:
            meaning = desk.parse(body, form)
        except Malformed as malformed:
            problem = problem or str(malformed)
            continue
        if isinstance(meaning, tuple) and not _is_within(callers, caller, meaning):
            raise Refused(
                HTTPStatus.FORBIDDEN,
                "The request announces a change outside of this caller's scopes; nothing of it was "
                "heard. A change must name every part of the scope: region, account and so on.",
            )
    outcome = desk.offer([Posted(body, form, attempts) for body in bodies])
    if outcome is Outcome.UNREADABLE:
        raise Refused(
            HTTPStatus.BAD_REQUEST,
            f"An event cannot be read; the others were noted. {problem}".strip(),
        )
    return outcome


def _is_within(callers: Callers, caller: str, changes: Sequence[ChangeEvent]) -> bool:
    return all(callers.may_announce(caller, change.secret) for change in changes)


def _validation(events: Sequence[object]) -> Response:
    """Event Grid's question whether we want a subscription. The URL beside it is not called."""
    event = events[0] if len(events) == 1 else None
    try:
        code = text_of(section(event, "data"), "validationCode") if isinstance(event, dict) else ""
    except Malformed:
        code = ""
    if not code:
        raise Refused(HTTPStatus.BAD_REQUEST, "The validation event has no data.validationCode.")
    return jsonify({"validationResponse": code})


def _handshake(desk: Desk, asked: Request) -> Response:
    """It gives nobody anything: what he sends afterwards needs his proof."""
    origin = asked.headers.get("WebHook-Request-Origin", "")
    if origin.strip().lower() not in desk.origins:
        raise Refused(
            HTTPStatus.FORBIDDEN, "This origin is not let in; name it in HARK_WEBHOOK_ORIGINS."
        )
    answer = jsonify({})
    answer.headers["Allow"] = "OPTIONS, POST"
    answer.headers["WebHook-Allowed-Origin"] = origin.strip()
    answer.headers["WebHook-Allowed-Rate"] = "*"
    return answer


def _attempts(asked: Request) -> int:
    said = asked.headers.get("aeg-delivery-count", "").strip()
    if said.isascii() and said.isdecimal():
        return min(int(said[:4]) + 1, _MOST_ATTEMPTS)
    return 1


def _answered(outcome: Outcome | Response) -> Response:
    if isinstance(outcome, Response):
        return outcome
    if outcome in _COME_AGAIN:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, _COME_AGAIN[outcome])
    return jsonify({"noted": True})


def _refusal(refused: Refused) -> Response:
    return _said(refused.status, str(refused))


def _http_refusal(error: HTTPException) -> Response:
    """What Flask refuses by itself."""
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    if isinstance(error, ClientDisconnected):
        # So Flask calls it when the server stops reading chunks; who has really gone sees nothing.
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    sentences = {
        HTTPStatus.NOT_FOUND: "There is nothing here. Changes are announced by POST /v1/changes, "
        "Event Grid delivers by POST /v1/eventgrid.",
        HTTPStatus.METHOD_NOT_ALLOWED: "Only POST, and OPTIONS for the handshake of CloudEvents.",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: _TOO_LARGE,
    }
    return _said(status, sentences.get(status, f"{status.phrase}."))


def _fault(error: Exception) -> Response:
    log.error("webhook.fault", fault=whereabouts(error))
    return _said(HTTPStatus.INTERNAL_SERVER_ERROR, "A fault of Hark itself, which its log tells.")


def _said(status: HTTPStatus, sentence: str) -> Response:
    answer = jsonify({"error": sentence})
    answer.status_code = status
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        answer.headers["Retry-After"] = str(RETRY_AFTER)
    if status is HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer
