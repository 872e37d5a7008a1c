"""A service that follows the standards: ESPI 1.1 resources, OAuth 2.0 with PKCE, mutual TLS, ISO dates.

Pass its address, as in ``connect("generic", url="https://…")``, or write a TOML profile with ``based_on = "generic"``.

Sources
-------
* NAESB REQ.21 (ESPI), the API pages of the Green Button Alliance; RFC 6749, 6750, 7009, 7636, 8705.
"""

from greenkit.custodian.profiles import Profile

PROFILE = Profile(
    name="generic",
    title="a Green Button Connect service",
    authorize_url="/oauth/authorize",
    token_url="/oauth/token",  # noqa: S106 a URL
    resource_url="/espi/1_1/resource/",
    revoke_url="/oauth/revoke",
    grants=("authorization_code", "client_credentials"),
    pkce=True,
)
