"""deploy/quickstart.sh keeps its promises: --check passes, Ctrl-C and kill -9 leave nothing running."""

import os
import re
import signal
import subprocess

import pytest

from support.ports import REPOSITORY
from support.processes import die_with_parent
from support.waiting import wait_until

SCRIPT = os.path.join(REPOSITORY, "deploy", "quickstart.sh")


def command(*arguments):
    """The quickstart with the programs under test."""
    return [SCRIPT, *arguments, "--bin", os.environ["WARREN_BIN"]]


def mentioning(text):
    """Command lines and environments of running processes that hold this text."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as line, open(f"/proc/{pid}/environ", "rb") as environment:
                if text.encode() in line.read() + environment.read():
                    found.append(int(pid))
        except OSError:
            continue
    return found


def test_check_verifies_every_claim(tmp_path):
    result = subprocess.run(command("--check"), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                            timeout=480, env=os.environ | {"TMPDIR": str(tmp_path)}, preexec_fn=die_with_parent)
    print(result.stdout, result.stderr)
    assert result.returncode == 0 and "FAIL" not in result.stdout
    assert result.stdout.count("\nok ") >= 10
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_it_stays_up_and_leaves_nothing_running(tmp_path, number):
    output = tmp_path / "output"
    folder = tmp_path / "work"
    folder.mkdir()
    with open(output, "wb") as file:
        # pylint: disable-next=consider-using-with,subprocess-popen-preexec-fn
        process = subprocess.Popen(command(), stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                   env=os.environ | {"TMPDIR": str(folder)}, preexec_fn=die_with_parent)
    try:
        wait_until(lambda: "until Ctrl-C" in output.read_text() or process.poll() is not None, 180, output.read_text)
        assert process.poll() is None, output.read_text()
        shown = re.findall(r"^  (rabbit\d@localhost) +stream: shard\.web - \1 - [01] .*back end \d$", output.read_text(),
                           re.MULTILINE)
        assert len(shown) == 9, output.read_text()
        worker = re.search(r"kill -9 (\d+)  # worker 2", output.read_text())
        os.kill(int(worker[1]), signal.SIGKILL)
        wait_until(lambda: "worker-2 ended and is started again" in output.read_text(), 20, output.read_text)
        assert process.poll() is None, output.read_text()
    finally:
        process.send_signal(number)
        process.wait(60)
    wait_until(lambda: not mentioning(str(folder)), 30, lambda: f"left running: {mentioning(str(folder))}")
    if number == signal.SIGINT:
        assert process.returncode == 130 and os.listdir(folder) == []


def test_mistakes_are_named():
    for arguments in (["--explode"], ["--bin"], ["--bin", "/nowhere"]):
        result = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False, timeout=60)
        assert result.returncode == 64 and result.stderr.startswith("quickstart.sh: ")
