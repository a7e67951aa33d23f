"""What is packed for another machine works without anything else of ours: shown on this one."""

from __future__ import annotations

import subprocess
from pathlib import Path

from substrates.rungs import cgroups
from tests.live.namespaces import elsewhere


def test_the_packed_rungs_bite(home: Path) -> None:
    """Started by hand from its folder, the program finds every limit, its supervisor ends with its code, and the groups go."""
    folder = home / "packed"
    folder.mkdir(mode=0o755)
    found = cgroups.here()
    command = elsewhere.pack(folder, folder, found)

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert elsewhere.judge(done.stdout) == []
    assert [path for path in found.folders(elsewhere.NAME) if path.exists()] == []
    found.remove_bases()


def test_the_judge_sees_what_is_wrong() -> None:
    """A limit that did not bite, and a line that is missing, are named."""
    good = "processes 14 11\nmemory 9\ncpu 0.201\ndone\n"

    assert elsewhere.judge(good) == []
    assert elsewhere.judge(good.replace("14", "400")) == ["processes: ['400', '11'], not 14 and EAGAIN"]
    assert elsewhere.judge(good.replace("memory 9", "memory 0")) == ["memory: ['0'], not killed"]
    assert elsewhere.judge(good.replace("0.201", "0.9")) == ["cpu: 0.9 of 0.2"]
    assert elsewhere.judge(good.replace("done", "")) == ["not said: done"]
