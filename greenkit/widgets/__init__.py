"""Panels for notebooks: authorize at a utility, fetch data, and chart it.

Panels use only core ipywidgets, so they work in every notebook front end. The state and the actions of a panel are in a
plain class (its ``model``), which needs no browser, kernel, or ipywidgets. Widgets keep no secrets: the text box for a
pasted URL is cleared before the URL is read.
"""

from __future__ import annotations

from greenkit.widgets.authorize import Authorize
from greenkit.widgets.explore import Explore
from greenkit.widgets.fetch import FetchSmt
from greenkit.widgets.usage import AuthorizeAndFetch

__all__ = ["Authorize", "AuthorizeAndFetch", "Explore", "FetchSmt"]
