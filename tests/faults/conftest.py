"""Fixtures of the fault tests: those of the integration tests (the cluster, programs, …) and what all scenarios share."""

import importlib.util
import os
import sys

INTEGRATION = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "integration"))
sys.path.insert(0, INTEGRATION)

_spec = importlib.util.spec_from_file_location("integration_fixtures", os.path.join(INTEGRATION, "conftest.py"))
_fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fixtures)
globals().update({name: value for name, value in vars(_fixtures).items() if not name.startswith("__")})
