"""Chunks on a real cluster of two machines, both on this one's loopback."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from embfeast import EmbfeastError
from embfeast.plugin import parts
from embfeast.plugin.verify import verify
from tests.plugin.conftest import Repo, day, sample_rows

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow
