"""Consolidated Edison, and Orange and Rockland.

The authorization page is told at registration: name it in a TOML profile with ``based_on = "con_edison"``. Client
credentials work without it.

Sources
-------
* Pages of others that cite the utility's *Onboarding Document* 4.4: the token endpoint; access tokens of an hour;
  refresh tokens that stay; 50 token calls in a minute; batches answered with 202 and kept two days; ``publishedMin``
  (in that spelling) for ``Batch/Bulk`` alone; dates in UTC; an authorization unused for 365 days ends.
"""

from greenkit.custodian.profiles import Profile

PROFILE = Profile(
    name="con_edison",
    title="Consolidated Edison",
    authorize_url="/authorize",
    token_url="https://api.coned.com/gbc/espi/1_1/oauth/Token",  # noqa: S106 an address
    resource_url="https://api.coned.com/gbc/espi/1_1/resource/",
    zone="America/New_York",
    grants=("authorization_code", "client_credentials"),
    dates="iso",
    bulk_window_parameters=("publishedMin", "publishedMax"),
    meanings={400: "the same batch is being prepared already, or the window is malformed"},
    unverified=("the authorization page", "everything else: all of it is from pages of others"),
)
