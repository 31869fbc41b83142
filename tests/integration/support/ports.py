"""Free ports, chosen as deploy/cluster chooses them."""

import os
import sys

REPOSITORY = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
sys.path.append(os.path.join(REPOSITORY, "deploy", "cluster"))

# pylint: disable-next=wrong-import-position,unused-import
from local_cluster.ports import answers, free_port, reserve  # noqa: E402,F401

reserve()  # Groups of tests run side by side.
