"""Green Button Connect: authorize at a utility over OAuth 2.0 with mutual TLS, keep the grant alive, fetch."""

from greenkit.custodian.access import Revocation
from greenkit.custodian.authorization import Authorization
from greenkit.custodian.client import Client
from greenkit.custodian.grants import Status
from greenkit.custodian.profiles import Profile
from greenkit.custodian.registration import connect
from greenkit.custodian.windows import Document, Pending, Window

__all__ = ["Authorization", "Client", "Document", "Pending", "Profile", "Revocation", "Status", "Window", "connect"]
