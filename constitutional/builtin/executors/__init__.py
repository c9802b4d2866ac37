"""Places to run whole stages."""

from constitutional.api import attributes, offered

EXECUTORS = offered(
    __name__,
    "",
    {
        "local": "local:LocalExecutor",
    },
)
__getattr__ = attributes(__name__, *EXECUTORS)
