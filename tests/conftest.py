"""What all tests share: no network, calm property tests."""

import os

from hypothesis import HealthCheck, settings

os.environ.update(
    HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false"
)

if "PYTEST_XDIST_WORKER" in os.environ:
    # Several workers share the cores: one thread each, here and in the processes that tests start.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile(
    "calm",
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("calm")
