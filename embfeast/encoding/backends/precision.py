"""Precisions below float32, and whether this machine computes them itself.

A processor without the instructions would imitate them: slowly, and with other bits.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import get_args

from embfeast.encoding.settings import Precision
from embfeast.errors import EmbfeastError

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
# What a processor calls the instructions; one of them is enough.
INSTRUCTIONS = {
    "bfloat16": {"avx512_bf16", "amx_bf16"},
    "int8": {"avx512_vnni", "avx_vnni", "amx_int8"},
}
PACKAGES = {"bfloat16": ["openvino"], "int8": ["openvino", "nncf"]}
CPU = Path("/proc/cpuinfo")


def lacking(precision: Precision) -> str:
    """Return why this machine cannot compute a precision, or nothing."""
    if precision == "float32":
        return ""
    if not INSTRUCTIONS[precision] & _instructions():
        return f"its processor has none of {', '.join(sorted(INSTRUCTIONS[precision]))}"
    missing = [name for name in PACKAGES[precision] if find_spec(name) is None]
    return f"the package {missing[0]} is not installed" if missing else ""


def check(precision: Precision) -> None:
    """Raise an EmbfeastError where this machine cannot compute a precision."""
    if not (reason := lacking(precision)):
        return
    mend = "run where it can be computed, or fit again with precision float32"
    if "package" in reason:
        mend = "run: pip install 'embfeast[openvino]'"
    raise EmbfeastError(f"precision {precision!r} cannot be computed here: {reason}", mend)


def _instructions() -> set[str]:
    if not CPU.exists():
        return set()
    lines = CPU.read_text(encoding="utf-8", errors="replace").splitlines()
    return {flag for line in lines if line.startswith("flags") for flag in line.split()}
