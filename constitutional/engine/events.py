"""Events: to `events.jsonl`, to the display, and to plugins that listen, off the row loop.

What a listener raises is said once with the plugin's name and version, the listener is dropped, the run goes on.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from constitutional.events import Event, Progress
from constitutional.plugins import Installed, Registry

Observer = Callable[[Event], None]


class Events:
    """Fan-out of one run's events.  Observers are called in place; listeners by a thread of their own."""

    def __init__(
        self, log: Path, registry: Registry, observers: Sequence[Observer] = (), say: Callable[[str], None] = print
    ) -> None:
        self._log: TextIO = log.open("a", encoding="utf-8")
        self._registry = registry
        self._observers = tuple(observers)
        self._say = say
        self._dropped: set[str] = set()
        self._queue: queue.Queue[Event | None] = queue.Queue()
        self._thread = threading.Thread(target=self._listen, name="constitutional-listeners", daemon=True)
        self._thread.start()

    def emit(self, event: Event) -> None:
        """Log an event and pass it on; progress is shown, but not logged."""
        if not isinstance(event, Progress):
            self._log.write(json.dumps(event.to_json(), ensure_ascii=False, default=str) + "\n")
            self._log.flush()
        for observer in self._observers:
            observer(event)
        self._queue.put(event)

    def close(self) -> None:
        """Wait a moment for slow listeners, then let go."""
        self._queue.put(None)
        self._thread.join(timeout=5.0)
        self._log.close()

    def _listen(self) -> None:
        while (event := self._queue.get()) is not None:
            for plugin, function in self._registry.listeners(event.type):
                if plugin.name not in self._dropped:
                    self._call(plugin, function, event)

    def _call(self, plugin: Installed, function: Callable[..., None], event: Event) -> None:
        try:
            function(event=event)
        except Exception as error:  # noqa: BLE001  (a listener may raise anything; it must not stop the run)
            self._dropped.add(plugin.name)
            self._say(f"{plugin} failed on `{event.type}` and hears no more: {type(error).__name__}: {error}")
