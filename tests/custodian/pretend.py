"""What a customer does at the pretend utility, and what is known of it beside the client."""

import re
from urllib.parse import parse_qs, urlsplit

import requests

from greenkit import synthetic
from greenkit.sandbox import custodian


def click(url, *, user="Ada", decision="allow", meters=None, follow=True):
    """Do what a customer does in a browser; give the redirected URL, or the page that the listener shows."""
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
    """Make a client with a grant."""
    user = more.pop("user", "Ada")
    client = utility.connect(**more)
    flow = client.authorize("paste")
    flow.finish(click(flow.url, user=user, follow=False))
    return client


def token_requests(utility):
    """Count the requests that reached the token endpoint."""
    return sum(n for what, n in utility.counts.items() if what.startswith("token "))


def query_of(url):
    return {k: v[0] for k, v in parse_qs(urlsplit(url).query).items()}


def truth(utility, start, end, user=0):
    """Give what the customer's meters really measured."""
    return synthetic.fleet_frame(list(utility.register.customers[user].meters), start, end)
