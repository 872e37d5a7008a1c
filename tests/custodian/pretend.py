"""A simulated customer, and what is known about the simulated utility beside the client."""

import re
from urllib.parse import parse_qs, urlsplit

import requests

from greenkit import synthetic
from greenkit.sandbox import custodian


def click(url, *, user="Ada", decision="allow", meters=None, follow=True):
    """Sign in as a customer in a browser; return the redirect URL, or the page that the listener shows."""
    browser = requests.Session()
    browser.trust_env = False
    assert browser.get(url).status_code == 200
    page = browser.post(url, data={"user": user, "password": custodian.PASSWORD}).text
    ticket = re.search(r"name='ticket' value='([^']+)'", page)[1]
    meters = meters if meters is not None else re.findall(r"name='meter' value='([^']+)'", page)
    answer = browser.post(url, data={"ticket": ticket, "meter": meters, "decision": decision}, allow_redirects=False)
    assert answer.status_code == 302, answer.text
    return browser.get(answer.headers["Location"]) if follow else answer.headers["Location"]


def authorized(utility, **more):
    """Return a client with a grant."""
    user = more.pop("user", "Ada")
    client = utility.connect(**more)
    flow = client.authorize("paste")
    flow.finish(click(flow.url, user=user, follow=False))
    return client


def token_requests(utility):
    """Return the number of requests at the token endpoint."""
    return sum(n for what, n in utility.counts.items() if what.startswith("token "))


def query_of(url):
    return {k: v[0] for k, v in parse_qs(urlsplit(url).query).items()}


def truth(utility, start, end, user=0):
    """Return the true values of the customer's meters."""
    return synthetic.fleet_frame(list(utility.register.customers[user].meters), start, end)
