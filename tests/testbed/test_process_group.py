import signal
import subprocess
import sys
from pathlib import Path

import psutil

from testbed.processgroup import ProcessGroup, how_it_ended

PARENT = """
import sys, time
from testbed.processgroup import ProcessGroup
group = ProcessGroup("hark-test-")
child = group.start("sleeper", ["sleep", "600"])
print(child.pid, group.folder, flush=True)
time.sleep(600)
"""


def test_children_and_their_folder_go_when_their_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().decode().split()
        child = psutil.Process(int(pid))
        parent.send_signal(signal.SIGKILL)
    child.wait(timeout=60)
    assert not Path(folder).exists()


def test_closing_kills_the_children_and_deletes_the_folder() -> None:
    group = ProcessGroup("hark-test-")
    child = group.start("sleeper", ["sleep", "600"])
    group.close()
    assert how_it_ended(child) == "was killed by SIGKILL"
    assert not group.folder.exists()


def test_the_log_tells_what_a_child_said_before_it_ended() -> None:
    group = ProcessGroup("hark-test-")
    try:
        child = group.start("talker", ["sh", "-c", "echo why it failed >&2; exit 3"])
        child.wait(timeout=60)
        assert group.log_tail("talker") == "why it failed"
        assert how_it_ended(child) == "ended with exit code 3"
    finally:
        group.close()
