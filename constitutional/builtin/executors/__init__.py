"""Places to run whole stages."""

from constitutional.builtin.executors.local import LocalExecutor

EXECUTORS = (LocalExecutor,)
