"""Pacific Gas and Electric, Share My Data (production).

Sources
-------
* pge.com, Share My Data: get started, registration, access your own data (mutual TLS on every request except the
  browser's; Self Access users have client credentials only; history of up to 48 months).
* PG&E, *Client SDK Python Development Guide* 2.1 (token endpoint, resources, ``client_access_token``, the subscription
  as the scope of a token answer, dates in epoch seconds).
* Clients that work: the authorization page, 28 days in one request, 403 for an access token that has expired.
* Third-party pages about PG&E (request limits; the bare ``"Invalid Certificate"``; 204 for no data).
"""

from greenkit.custodian.profiles import Profile

PROFILE = Profile(
    name="pge",
    title="Pacific Gas and Electric, Share My Data",
    authorize_url="https://sharemydata.pge.com/myAuthorization",
    token_url="https://api.pge.com/datacustodian/oauth/v2/token",  # noqa: S106 a URL
    resource_url="https://api.pge.com/GreenButtonConnect/espi/1_1/resource/",
    zone="America/Los_Angeles",
    grants=("authorization_code", "client_credentials"),
    client_token_field="client_access_token",  # noqa: S106 a field's name
    dates="epoch",
    window_days=28,
    subscription_in_scope=True,
    meanings={
        400: "the client certificate is not the registered one, or the window is malformed",
        403: "the access token has expired, or the authorization does not cover this",
        404: "the resource or its ID is unknown",
    },
    limits=((1, 1.0), (2_000, 3_600.0), (20_000, 86_400.0)),
    unverified=(
        "whether dates must be epoch seconds (the guide, and clients that work) or ISO 8601 (release notes)",
        "whether PKCE is accepted: not documented, so not sent",
        "whether http://localhost redirects are accepted in production",
        "the request limits, which no answer contains",
    ),
)
