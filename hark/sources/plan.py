"""SourcePlan: a source of messages that the settings name, before it is opened.

Made by the modules of this folder, one a kind of source, when the settings are read; opened by
hark.listening. A plan is plain data and loads no SDK before `open`: no setting for a source means
that it does not exist.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from externalsecret.kubeapi import KubeApi
from listener.index import Index
from listener.messages.meaning import Meaning
from listener.metrics import ListenerMetrics
from listener.sources.contract import Delivery, Source


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a source may need of the listener that it is part of."""

    api: KubeApi
    index: Index
    metrics: ListenerMetrics
    environ: Mapping[str, str]
    """For credentials and addresses, which each SDK or access module reads itself."""
    namespace: str
    """The listener's own."""
    identity: str
    """This replica's name, other than that of every other replica."""
    stop: threading.Event
    spawn: Callable[[str, Callable[[], None]], None]
    """Runs something in a thread of its own, again should it raise, until the stop."""


class SourcePlan(Protocol):
    """One source, as the settings name it."""

    @property
    def label(self) -> str:
        """What the opened source will be called, in metrics and logs."""

    def open(self, surroundings: Surroundings) -> Source:
        """The source; loads its SDK. Raises Retry or GiveUp, after which it is tried again."""

    def parse(self, delivery: Delivery) -> Meaning:
        """What one of its messages means; raises Malformed."""
