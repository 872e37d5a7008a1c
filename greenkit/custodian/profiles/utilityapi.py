"""UtilityAPI, which serves Green Button Connect for many utilities, also under their own hosts.

Sources
-------
* utilityapi.com/docs/greenbutton/oauth and /api (endpoints, scope syntax, ``customerResourceURI``, ISO dates).
* A utility's own host has the same paths: ``Profile.at("https://…")``.
"""

from greenkit.custodian.profiles import Profile

PROFILE = Profile(
    name="utilityapi",
    title="UtilityAPI",
    authorize_url="https://utilityapi.com/DataCustodian/oauth/authorize",
    token_url="https://utilityapi.com/DataCustodian/oauth/token",  # noqa: S106 a URL
    resource_url="https://utilityapi.com/DataCustodian/espi/1_1/resource/",
    grants=("authorization_code", "client_credentials"),
    dates="iso",
    mutual_tls=False,
    unverified=(
        "the longest window of one request",
        "the request limits",
        "whether PKCE is accepted: not documented, so not sent",
    ),
)
