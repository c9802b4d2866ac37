"""Ways to ask a model."""

from constitutional.api import attributes, offered

BACKENDS = offered(
    __name__,
    "",
    {
        "transformers": "transformers:TransformersBackend",
        "openai": "openai:OpenAIBackend",
        "server": "server:ServerBackend",
        "scripted": "scripted:ScriptedBackend",
    },
)
__getattr__ = attributes(__name__, *BACKENDS)
