"""Savage Data's platform: Alectra, Hydro Ottawa, Milton, Elexicon, Enova, Toronto and others.

Name your utility's address: ``connect("savage_data", url="https://…")``.

Sources
-------
* Clients that work with it: the endpoints; refresh tokens that serve once; an end in the future is answered with
  a bare 400; a subscription's batch is answered with 202 for ever at Alectra and Hydro Ottawa, while the
  notification names one address for each usage point; a start that drifts makes a new job each time, so windows
  begin at whole days.
"""

from greenkit.custodian.profiles import Profile

PROFILE = Profile(
    name="savage_data",
    title="Savage Data's platform",
    authorize_url="/connect/authorize",
    token_url="/connect/token",  # noqa: S106 an address
    resource_url="/espi/1_1/resource/",
    zone="America/Toronto",
    dates="iso",
    clip_future=True,
    whole_days=True,
    meanings={400: "the window ends in the future, or is malformed", 404: "there is no such listing here"},
    unverified=("the path of the resources", "the longest window of one request", "the request limits"),
)
