"""Kentucky Utilities (My Meter).

Pass its address: ``connect("kentucky_utilities", url="https://…")``.

Sources
-------
* Clients that work with it: a refresh without scope is refused with ``invalid_scope``; the authorization requires the
  complete parameter string that was registered (pass it as ``scope``); the client certificate is not checked.
"""

from greenkit.custodian.profiles import Profile

PROFILE = Profile(
    name="kentucky_utilities",
    title="Kentucky Utilities",
    authorize_url="/oauth/authorize",
    token_url="/oauth/token",  # noqa: S106 a URL
    resource_url="/espi/1_1/resource/",
    zone="America/New_York",
    refresh_scope="fixed",
    dates="iso",
    mutual_tls=False,
    unverified=("every path", "the longest window of one request", "the request limits"),
)
