"""London Hydro's platform: London, Burlington, Enwin, Oakville, Oshawa, NT Power, NPEI, Festival, ELK, and others.

Pass your utility's address and the scope of your registration: ``connect("london_hydro", url="https://…",
scope="FB=…")``.

Sources
-------
* Clients that work with it: the endpoints; only the bare ``FB=`` list, because further parameters are refused with
  ``invalid_scope``; a ``published-max`` with fractions of a second is answered with 400; a refresh works with and
  without scope; ``updated-min`` is not used, because Burlington ignores the window with it.
"""

from greenkit.custodian.profiles import Profile

PROFILE = Profile(
    name="london_hydro",
    title="London Hydro's platform",
    authorize_url="/oauth/authorize",
    token_url="/oauth/token",  # noqa: S106 a URL
    resource_url="/espi/1_1/resource/",
    zone="America/Toronto",
    dates="iso",
    meanings={400: "the window is malformed: it must be in whole seconds"},
    unverified=("the path of the resources", "the longest window of one request", "the request limits"),
)
