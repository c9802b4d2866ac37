"""Places that rows come from."""

from constitutional.api import attributes, offered

SOURCES = offered(
    __name__,
    "",
    {
        "jsonl": "files:JsonlSource",
        "json": "files:JsonSource",
        "csv": "files:CsvSource",
        "parquet": "files:ParquetSource",
        "hub": "hub:HubSource",
        "saved": "hub:SavedSource",
    },
)
__getattr__ = attributes(__name__, *SOURCES)
