"""Green Button Connect: authorize at a utility (OAuth 2.0 with mutual TLS), renew the grant, and fetch the data."""

from greenkit.custodian._authorization import Authorization, Method
from greenkit.custodian._client import Client, Revocation
from greenkit.custodian._connect import connect
from greenkit.custodian._customers import Customers, NightlyFetch, open_customers
from greenkit.custodian._grants import Status
from greenkit.custodian._tokens import FileStore, KeyringStore, MemoryStore, Store
from greenkit.custodian._windows import Document, Pending, Window
from greenkit.custodian.notifications import BatchList
from greenkit.custodian.profiles import Profile

__all__ = [
    "Authorization",
    "BatchList",
    "Client",
    "Customers",
    "Document",
    "FileStore",
    "KeyringStore",
    "MemoryStore",
    "Method",
    "NightlyFetch",
    "Pending",
    "Profile",
    "Revocation",
    "Status",
    "Store",
    "Window",
    "connect",
    "open_customers",
]
