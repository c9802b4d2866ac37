"""Ways to ask a model."""

from constitutional.builtin.backends.openai import OpenAIBackend
from constitutional.builtin.backends.scripted import ScriptedBackend
from constitutional.builtin.backends.server import ServerBackend
from constitutional.builtin.backends.transformers import TransformersBackend

BACKENDS = (TransformersBackend, OpenAIBackend, ServerBackend, ScriptedBackend)
