"""Backends beside ONNX Runtime and PyTorch: lower precisions on the CPU, and servers."""
