"""The one place that opens SQLite.

store = open_store(home.database)
store.customers.by_phone("021-5555 1234")
"""

from appliance.store.errors import InvalidRow, NotFound, StoreBusy, StoreError
from appliance.store.seed import SHIPPED_FLOWS, SeedError, seed_defaults, speak_language
from appliance.store.settings import SETTINGS, Setting
from appliance.store.store import Store, open_store

__all__ = [
    "SETTINGS",
    "SHIPPED_FLOWS",
    "InvalidRow",
    "NotFound",
    "SeedError",
    "Setting",
    "Store",
    "StoreBusy",
    "StoreError",
    "open_store",
    "seed_defaults",
    "speak_language",
]
