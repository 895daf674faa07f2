"""All that can be set, and the one place that reads the environment for it.

Fed by the environment (hark.variables tells every name); feeds the composition of both halves.
Guarantees: what it returns is usable as it stands; nonsense is refused in a sentence that names the
variable and shows an example; what is legal but dear or odd is said in `warnings`. How a
cloud is reached (endpoints, intermediate role) is read by its backend from the same environment.
"""

import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from externalsecret.dialect.contract import Defaults
from externalsecret.dialect.google import is_project
from externalsecret.duration import format_duration
from externalsecret.kubeevents import ObjectRef
from hark.bytesize import parse_bytes
from hark.environment import DEFAULTS, Environment, refusal
from hark.formerly import ignored_variables

if TYPE_CHECKING:
    from hark.sources.plan import SourcePlan

LogFormat = Literal["auto", "json", "human"]
LogLevel = Literal["debug", "info", "warning", "error", "critical"]

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_LEVELS: dict[str, LogLevel] = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
    "fatal": "critical",
}
_FORMATS: dict[str, LogFormat] = {"auto": "auto", "json": "json", "human": "human"}
_SWITCH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_MONTH = 30 * 86400.0
_LONGEST_POLLER_MS = 2**31 - 1
_DEAR_SECONDS = 60.0
_MAX_DELAYS = 20
# "Annotations" in the reference of Kubernetes: [prefix/]name.
_ANNOTATION = re.compile(
    r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Durations in seconds, sizes in bytes."""

    sources: tuple["SourcePlan", ...]
    sweep_interval: float | None
    """None: only of objects that ask for one."""
    unannounced_after: float
    watched_namespaces: tuple[str, ...]
    """Empty: the whole cluster."""
    instance_id: str
    naming_annotation: str
    role_annotation: str
    annotations_enforced: bool
    permitted_full_match: bool
    aws_region: str
    region_forced: bool
    google_project: str
    vault_role: str
    vault_mount: str
    kubeconfig: str | None
    """None: as the pod that this runs in."""
    identity: str
    namespace: str
    pod: ObjectRef | None
    """The Pod that this is; None where nobody says."""
    leader_election: bool
    workers: int
    cache_bytes: int
    reread_delays: tuple[float, ...]
    service_account_tokens: bool
    """Whether Secrets of the type kubernetes.io/service-account-token may be made."""
    scripts: str
    """The folder of the libraries for templates; "" where none is named."""
    metrics_port: int
    log_level: LogLevel
    log_format: LogFormat
    warnings: tuple[str, ...]
    """Sentences to log at start."""

    @property
    def second_metrics_port(self) -> int:
        """The listener's, where both halves run together."""
        return self.metrics_port + 1 if self.metrics_port else 0

    @property
    def defaults(self) -> Defaults:
        """What a spec need not say."""
        return Defaults(
            region=self.aws_region,
            region_forced=self.region_forced,
            google_project=self.google_project,
            vault_role=self.vault_role,
            vault_mount=self.vault_mount,
        )


def read_settings(
    environ: Mapping[str, str],
    *,
    namespace_file: Path = _NAMESPACE_FILE,
    hostname: Callable[[], str] = socket.gethostname,
) -> Settings:
    """Understand the environment. GiveUp (InvalidSetting) where it makes no sense."""
    read = Environment(environ)
    region, forced = _region(read)
    interval = _sweep_interval(read)
    read.warnings += ignored_variables(environ)
    return Settings(
        sources=_sources(read),
        sweep_interval=interval,
        unannounced_after=_unannounced_after(read),
        watched_namespaces=_namespaces(read),
        instance_id=read.text("INSTANCE_ID"),
        naming_annotation=_annotation(read, "NAMING_PERMITTED_ANNOTATION"),
        role_annotation=_annotation(read, "ROLE_PERMITTED_ANNOTATION"),
        annotations_enforced=read.is_present("ENFORCE_NAMESPACE_ANNOTATIONS"),
        permitted_full_match=read.choice("HARK_PERMITTED_FULL_MATCH", _SWITCH),
        aws_region=region,
        region_forced=forced,
        google_project=_google_project(read),
        vault_role=read.text("DEFAULT_VAULT_ROLE"),
        vault_mount=read.text("DEFAULT_VAULT_MOUNT_POINT"),
        kubeconfig=_kubeconfig(read),
        identity=_identity(read, hostname),
        namespace=_own_namespace(read, namespace_file),
        pod=_pod(read, _own_namespace(read, namespace_file)),
        leader_election=read.choice("HARK_LEADER_ELECTION", _SWITCH),
        workers=read.whole("HARK_WORKERS", 1, 64),
        cache_bytes=_cache_bytes(read),
        reread_delays=_reread_delays(read),
        service_account_tokens=read.choice("HARK_ALLOW_SERVICE_ACCOUNT_TOKENS", _SWITCH),
        scripts=_scripts(read),
        metrics_port=read.whole("METRICS_PORT", 0, 65534),
        log_level=read.choice("LOG_LEVEL", _LEVELS),
        log_format=read.choice("LOG_FORMAT", _FORMATS),
        warnings=tuple(read.warnings),
    )


def _sources(read: Environment) -> tuple["SourcePlan", ...]:
    from hark.sources.catalogue import (  # noqa: PLC0415 - `hark crd` loads no half
        read_sources,
    )

    return read_sources(read)


def _sweep_interval(read: Environment) -> float | None:
    if read.is_present("DISABLE_POLLING"):
        read.warnings.append(
            "DISABLE_POLLING is present (its value does not count), so there is no sweep, but of "
            "objects with a spec.sweepInterval: a change of others that no event announces is "
            "never found. Remove it to have the safety net."
        )
        return None
    poller = "POLLER_INTERVAL_MILLISECONDS"
    name = "HARK_SWEEP_INTERVAL"
    if read.given(poller) and read.given(name):
        read.warnings.append(f"{poller} does not count, because {name} is set.")
    if read.given(poller) and not read.given(name):
        name = poller
        seconds = read.whole(poller, 1000, _LONGEST_POLLER_MS) / 1000
    else:
        seconds = read.duration(name, read.text(name), "1s", "30d", DEFAULTS[name])
    if seconds < _DEAR_SECONDS:
        read.warnings.append(_dear(name, seconds))
    return seconds


def _unannounced_after(read: Environment) -> float:
    name = "HARK_UNANNOUNCED_AFTER"
    return read.duration(name, read.text(name), "1s", "1d", DEFAULTS[name])


def _dear(name: str, seconds: float) -> str:
    rounds = round(_MONTH / seconds)
    return (
        f"{name} makes a sweep every {format_duration(seconds)}, which is dear: for every 100 keys "
        f"{rounds:,} calls a month where they can be listed, {100 * rounds:,} where each must be "
        "looked at. Events need no short interval; the default is "
        f"HARK_SWEEP_INTERVAL={DEFAULTS['HARK_SWEEP_INTERVAL']}."
    )


def _namespaces(read: Environment) -> tuple[str, ...]:
    names = read.several("WATCHED_NAMESPACES")
    for name in names:
        if not _LABEL.fullmatch(name):
            raise refusal("WATCHED_NAMESPACES", name, "is no name of a namespace", "shop,payment")
    return names


def _annotation(read: Environment, name: str) -> str:
    text = read.text(name)
    if not _ANNOTATION.fullmatch(text):
        raise refusal(name, text, "is no name of an annotation", DEFAULTS[name])
    return text


def _region(read: Environment) -> tuple[str, bool]:
    region = read.text("AWS_REGION") or read.text("AWS_DEFAULT_REGION")
    if region and not re.fullmatch(r"[a-z]{2,}(-[a-z]+)+-\d{1,2}", region, re.ASCII):
        raise refusal("AWS_REGION", region, "is no AWS region", "eu-central-1")
    forced = bool(read.text("LOCALSTACK"))
    return (region or "us-west-2" if forced else region, forced)


def _google_project(read: Environment) -> str:
    project = read.text("GOOGLE_CLOUD_PROJECT")
    if project and not is_project(project):
        raise refusal("GOOGLE_CLOUD_PROJECT", project, "is no Google project", "shop-prod-4711")
    return project


def _kubeconfig(read: Environment) -> str | None:
    given = read.text("KUBECONFIG")
    if given or read.text("KUBERNETES_SERVICE_HOST"):
        return given or None
    home = Path(read.text("HOME")) / ".kube" / "config"
    return str(home) if read.text("HOME") and home.is_file() else None


def _identity(read: Environment, hostname: Callable[[], str]) -> str:
    name = read.given("POD_NAME") or read.given("HOSTNAME") or hostname()
    if read.given("POD_NAME") or read.text("KUBERNETES_SERVICE_HOST"):
        return name
    # Outside a pod two may run on one host, and must not take each other for themselves.
    return f"{name}-{os.getpid()}"


def _pod(read: Environment, namespace: str) -> ObjectRef | None:
    name, uid = read.given("POD_NAME"), read.given("POD_UID")
    return ObjectRef(namespace, name, uid, "v1", "Pod") if name else None


def _own_namespace(read: Environment, file: Path) -> str:
    given = read.given("POD_NAMESPACE")
    if given and not _LABEL.fullmatch(given):
        raise refusal("POD_NAMESPACE", given, "is no name of a namespace", "hark")
    try:
        return given or file.read_text(encoding="utf-8").strip() or "default"
    except (OSError, UnicodeDecodeError):
        return "default"


def _scripts(read: Environment) -> str:
    folder = read.text("HARK_SCRIPTS")
    if folder and not Path(folder).is_dir():
        read.warnings.append(
            f"HARK_SCRIPTS={folder} is no folder, so no template expression can be evaluated. "
            "Fill one with `python -m reconciler.provide FOLDER`."
        )
    return folder


def _cache_bytes(read: Environment) -> int:
    name = "HARK_CACHE_BYTES"
    text = read.text(name)
    try:
        size = parse_bytes(text)
    except ValueError as error:
        raise refusal(name, text, str(error), DEFAULTS[name]) from None
    if not 2**20 <= size <= 4 * 2**30:
        raise refusal(name, text, "is not between 1Mi and 4Gi", DEFAULTS[name])
    return size


def _reread_delays(read: Environment) -> tuple[float, ...]:
    name = "HARK_REREAD_DELAYS"
    # Not `several`: the same wait may stand there twice.
    parts = [part.strip() for part in read.text(name).split(",")]
    if len(parts) > _MAX_DELAYS:
        raise refusal(name, ",".join(parts), f"has more than {_MAX_DELAYS} waits", DEFAULTS[name])
    return tuple(read.duration(name, part, "100ms", "10m", DEFAULTS[name]) for part in parts)
