"""Ear: the collaborators that every source of one listener shares.

Made by hark.listening; used by listener.listen and listener.hear.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from listener.index import Index
from listener.metrics import ListenerMetrics
from listener.notes import NoteWriter
from listener.recent import Recent
from listener.sourcehealth import Tell, tell_nobody


@dataclass(frozen=True, slots=True)
class Ear:
    """What is known, who writes, who counts, and when to stop."""

    index: Index
    recent: Recent
    notes: NoteWriter
    metrics: ListenerMetrics
    is_fresh: Callable[[], bool]
    stop: threading.Event
    now: Callable[[], float] = time.time
    tell: Tell = tell_nobody
    """Where it is said that a source fails."""
