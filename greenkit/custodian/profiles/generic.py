"""A service that keeps to the standards: ESPI 1.1 resources, OAuth 2.0 with PKCE, mutual TLS, ISO dates.

Name its address: ``connect("generic", url="https://…")``; or write a TOML profile with ``based_on = "generic"``.

Sources
-------
* NAESB REQ.21 (ESPI), Green Button Alliance's API pages; RFC 6749, 6750, 7009, 7636, 8705.
"""

from greenkit.custodian.profiles import Profile

PROFILE = Profile(
    name="generic",
    title="a Green Button Connect service",
    authorize_url="/oauth/authorize",
    token_url="/oauth/token",  # noqa: S106 an address
    resource_url="/espi/1_1/resource/",
    revoke_url="/oauth/revoke",
    grants=("authorization_code", "client_credentials"),
    pkce=True,
)
