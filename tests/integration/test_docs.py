"""The commands in the documentation do what it says. A block ```sh after a line <!-- test --> is run;
the blocks of one page make one script, in order, on a cluster of its own and with free ports.
"""

import os
import re
import subprocess

import pytest

from support.ports import REPOSITORY, free_port
from support.processes import die_with_parent, program_environment
from support.waiting import wait_until

BLOCK = re.compile(r"^<!-- test -->\s*\n```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Ports that programs take by default, and where the commands say another.
DEFAULT_PORTS = ("15680", "15681", "15682", "15683", "15684", "8080", "3000", "5670")
PAGE_WITHIN_S = 420  # The longest takes 85 s on a calm machine, 50 of them asleep.
METRICS_PORTS = {"warren-coordinator": "15681", "warren-proxy": "15682", "warren-worker": "15683",
                 "warren-gateway": "15684"}


def pages():
    """Pages that have commands to run."""
    found = [os.path.join(REPOSITORY, "README.md")]
    for folder, _, names in os.walk(os.path.join(REPOSITORY, "docs")):
        found += [os.path.join(folder, name) for name in names if name.endswith(".md")]
    return sorted(os.path.relpath(path, REPOSITORY) for path in found if os.path.exists(path) and blocks(path))


def blocks(path):
    """The blocks of a page."""
    with open(os.path.join(REPOSITORY, path), encoding="utf-8") as text:
        return BLOCK.findall(text.read())


def adapted(script, binaries):
    """The script with our programs instead of a build, free ports, and a cluster that dies with the script."""
    script = re.sub(r"^cmake .*$", ":", script, flags=re.MULTILINE)
    script = re.sub(r"\\\n", " ", script)
    script = re.sub(r"^export PATH=.*$", f'export PATH="{binaries}:$PATH"', script, flags=re.MULTILINE)
    script = re.sub(r"(cluster/cluster start)", r"\1 --timeout 240 --with-parent $$", script)
    for program, port in METRICS_PORTS.items():
        script = re.sub(rf"^{program}(?= )(?!.*--metrics-listen)", f"{program} --metrics-listen 127.0.0.1:{port}", script,
                        flags=re.MULTILINE)
    script = re.sub(r"^warren-coordinator(?= )(?!.* --listen)", "warren-coordinator --listen 127.0.0.1:15680", script,
                    flags=re.MULTILINE)
    # What is left in the background ends with the script, however that ends.
    script = re.sub(r"^(?=(warren-|python3 ).*&$)", "setpriv --pdeathsig KILL ", script, flags=re.MULTILINE)
    for port in DEFAULT_PORTS:
        script = re.sub(rf"(?<![0-9]){port}(?![0-9])", str(free_port()), script)
    return script


@pytest.mark.parametrize("page", pages())
def test_the_commands_of(page, tmp_path):
    script = "set -eu\n" + adapted("\n".join(blocks(page)), os.environ["WARREN_BIN"])
    for name in os.listdir(REPOSITORY):
        if not name.startswith("build") and name != ".git":
            os.symlink(os.path.join(REPOSITORY, name), tmp_path / name)
    folder = tmp_path / "test-cluster"
    environment = program_environment({"WARREN_TEST_CLUSTER_DIR": str(folder)})
    # A session of its own: what the commands leave in the background ends with it.
    # pylint: disable-next=consider-using-with
    process = subprocess.Popen(["bash", "-c", script], cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
                               preexec_fn=die_with_parent)
    try:
        output, _ = process.communicate(timeout=PAGE_WITHIN_S)
    except subprocess.TimeoutExpired as error:
        output = f"the commands did not end within {PAGE_WITHIN_S} s:\n{(error.stdout or b'').decode(errors='replace')}"
    finally:
        try:
            os.killpg(process.pid, 9)
        except ProcessLookupError:
            pass
    logs = "\n".join(f"--- {file.name}\n{file.read_text()[-1500:]}" for file in tmp_path.glob("*.log"))
    end = "\n".join(output.splitlines()[-3:])
    assert process.returncode == 0, f"{page}, {process.returncode}: {end}\n--- script\n{script}\n--- output\n{output}\n{logs}"
    wait_until(lambda: not folder.exists(), 60, "the cluster is gone")
