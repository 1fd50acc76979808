"""How many times longer than Feast's tests say a command or a server may take: SUITE_PATIENCE.

That a machine is busy is no finding. `scripts/feast_suite.py` loads this into pytest before the
tests' own modules, which take these functions by their names.
"""

import os
import subprocess

import feast.wait

PATIENCE = float(os.environ["SUITE_PATIENCE"])
_wait, _communicate = feast.wait.wait_retry_backoff, subprocess.Popen.communicate


def _wait_longer(retry_fn, timeout_secs=0, **words):
    return _wait(retry_fn, timeout_secs * PATIENCE, **words)


def _communicate_longer(self, input=None, timeout=None):
    return _communicate(self, input, timeout and timeout * PATIENCE)


feast.wait.wait_retry_backoff = _wait_longer
subprocess.Popen.communicate = _communicate_longer
