"""Pacific Gas and Electric, Share My Data: the test endpoints, which new users must try within 90 days.

Sources
-------
As in :mod:`greenkit.custodian.profiles.pge`; the test URLs are those of clients that work.
"""

import dataclasses

from greenkit.custodian.profiles import pge

PROFILE = dataclasses.replace(
    pge.PROFILE,
    name="pge_test",
    title="Pacific Gas and Electric, Share My Data (test)",
    authorize_url="https://api.pge.com/datacustodian/test/oauth/v2/authorize",
    token_url="https://api.pge.com/datacustodian/test/oauth/v2/token",  # noqa: S106 a URL
)
