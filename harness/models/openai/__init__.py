"""Any OpenAI-compatible chat server (vLLM, SGLang, llama.cpp, hosted): `model=openai`."""

from harness.models.openai.server import Server

__all__ = ["Server"]
