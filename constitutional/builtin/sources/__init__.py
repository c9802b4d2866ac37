"""Places that rows come from."""

from constitutional.builtin.sources.files import CsvSource, JsonlSource, JsonSource, ParquetSource
from constitutional.builtin.sources.hub import HubSource, SavedSource

SOURCES = (JsonlSource, JsonSource, CsvSource, ParquetSource, HubSource, SavedSource)
