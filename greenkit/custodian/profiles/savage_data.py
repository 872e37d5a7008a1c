"""Savage Data's platform: Alectra, Hydro Ottawa, Milton, Elexicon, Enova, Toronto, and others.

Pass your utility's address: ``connect("savage_data", url="https://…")``.

Sources
-------
* Clients that work with it: the endpoints; refresh tokens that can be used once; status 400 for an end in the future;
  status 202 forever for a subscription's batch at Alectra and Hydro Ottawa, while the notification names one URL for
  each usage point; no list of usage points (404); a new job for each different start, so windows begin at local
  midnight.
"""

from greenkit.custodian.profiles import Profile

PROFILE = Profile(
    name="savage_data",
    title="Savage Data's platform",
    authorize_url="/connect/authorize",
    token_url="/connect/token",  # noqa: S106 a URL
    resource_url="/espi/1_1/resource/",
    zone="America/Toronto",
    dates="iso",
    clip_future=True,
    whole_days=True,
    lists_usage_points=False,
    meanings={400: "the window ends in the future or is malformed", 404: "there is no such list here"},
    unverified=("the path of the resources", "the longest window of one request", "the request limits"),
)
