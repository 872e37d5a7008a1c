"""Consolidated Edison, and Orange and Rockland.

The utility tells you its authorization page when you register: set it in a TOML profile with
``based_on = "con_edison"``. Client credentials work without it.

Sources
-------
* Third-party pages that cite the utility's *Onboarding Document* 4.4: the token endpoint; access tokens of one hour;
  refresh tokens that are not replaced; 50 token requests per minute; batches that are answered with 202 and kept for
  two days; ``publishedMin`` (in this spelling) only for ``Batch/Bulk``; dates in UTC; an authorization that is not
  used for 365 days ends.
"""

from greenkit.custodian.profiles import Profile

PROFILE = Profile(
    name="con_edison",
    title="Consolidated Edison",
    authorize_url="/authorize",
    token_url="https://api.coned.com/gbc/espi/1_1/oauth/Token",  # noqa: S106 a URL
    resource_url="https://api.coned.com/gbc/espi/1_1/resource/",
    zone="America/New_York",
    grants=("authorization_code", "client_credentials"),
    dates="iso",
    bulk_window_parameters=("publishedMin", "publishedMax"),
    meanings={400: "the same batch is already being prepared, or the window is malformed"},
    unverified=("the authorization page", "everything else: all of it is from third-party pages"),
)
