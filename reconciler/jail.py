"""The process in which scripts of tenants run. It is a program of its own, not imported by Hark.

Started by reconciler.javascript with an empty environment. It loads the trusted scripts once, then
forks for every call, so that nothing that one script does is seen by the next, and a script that
takes the whole process down takes only its own.

Frames on both pipes are a length (four bytes, big endian) and that many bytes. The first frame is
the start: {"package": ..., "limits": {...}, "sources": [...]}; each further one a call:
{"function": ..., "argument": ...}. A reply is one letter, which is a Stop of reconciler.javascript
or "=", then the microseconds of processor time that the call took (eight bytes, big endian), and
after "=" JSON. It ends at the end of its input.

Guarantees: nothing but that letter is said about a script's fault. Does not guarantee that what
follows "=" has the expected form: a script may have tampered with what makes it.
"""

import importlib
import json
import os
import resource
import selectors
import signal
import sys
import time
from typing import Any

_STACK_BYTES = 1 << 20
_CHUNK = 1 << 16
_SLACK_SECONDS = 0.25
_OVER_TIME = (signal.SIGPROF, signal.SIGXCPU)


def main() -> None:
    start = json.loads(_read_frame() or "{}")
    limits: dict[str, Any] = start["limits"]
    # The raw extension: the package around it starts a thread, and we fork.
    context = importlib.import_module(start["package"]).Context()
    for source in start["sources"]:
        context.eval(source)
    _write_frame(b"=")
    while request := _read_frame():
        before = _microseconds()
        reply = _in_a_fork(context, json.loads(request), limits)
        spent = (_microseconds() - before).to_bytes(8, "big")
        _write_frame(reply[:1] + spent + reply[1:])


def _microseconds() -> int:
    """Processor time of all forks that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int((usage.ru_utime + usage.ru_stime) * 1e6)


def _in_a_fork(context: Any, call: dict[str, str], limits: dict[str, Any]) -> bytes:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        reply = b"c"
        try:
            reply = _run(context, call, limits)
        except MemoryError:
            reply = b"m"
        finally:
            # Not sys.exit: nothing of the parent's is to be flushed or closed here.
            _write_all(writer, reply)
            os._exit(0)
    os.close(writer)
    try:
        reply = _collect(reader, limits)
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if not reply:
        over_time = os.WIFSIGNALED(status) and os.WTERMSIG(status) in _OVER_TIME
        return b"t" if over_time else b"c"
    return reply


def _run(context: Any, call: dict[str, str], limits: dict[str, Any]) -> bytes:
    _confine(limits)
    context.set_memory_limit(limits["memory"])
    context.set_max_stack_size(_STACK_BYTES)
    context.set_time_limit(limits["cpu"])
    started = time.process_time()
    try:
        # As an object, because the binding does not know every kind of string of the engine.
        result = context.get(call["function"])(call["argument"]).json()
    except Exception:  # noqa: BLE001 - its text may be a script's; only the kind of end is told
        spent = time.process_time() - started
        return b"t" if spent >= limits["cpu"] else b"m"
    encoded = b"=" + str(result).encode("utf-8", "backslashreplace")
    return encoded if len(encoded) <= limits["output"] else b"o"


def _confine(limits: dict[str, Any]) -> None:
    """Bounds of the operating system, for the case that those of the engine do not hold."""
    # Nobody handles its signal, so it kills: the engine's native loops heed no other bound.
    signal.setitimer(signal.ITIMER_PROF, limits["cpu"] + _SLACK_SECONDS)
    seconds = int(limits["cpu"]) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (limits["address_space"], limits["address_space"]))
    for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):
        resource.setrlimit(kind, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def _collect(reader: int, limits: dict[str, Any]) -> bytes:
    """All that the child writes, or a letter when it takes too long or writes too much."""
    deadline = time.monotonic() + limits["wall"]
    parts: list[bytes] = []
    size = 0
    with selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        while selector.select(max(0.0, deadline - time.monotonic())):
            part = os.read(reader, _CHUNK)
            if not part:
                return b"".join(parts)
            parts.append(part)
            size += len(part)
            if size > limits["output"]:
                return b"o"
    return b"w"


def _read_frame() -> bytes:
    head = sys.stdin.buffer.read(4)
    return sys.stdin.buffer.read(int.from_bytes(head, "big")) if head else b""


def _write_frame(payload: bytes) -> None:
    sys.stdout.buffer.write(len(payload).to_bytes(4, "big") + payload)
    sys.stdout.buffer.flush()


def _write_all(descriptor: int, payload: bytes) -> None:
    rest = memoryview(payload)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


if __name__ == "__main__":
    main()
