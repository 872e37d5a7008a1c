"""Panels for a notebook: authorize at a utility, fetch, see.

They are made of core ipywidgets alone, so they work wherever a notebook does. What a panel knows and does is a plain
class (its ``model``), which runs without a browser, a kernel or ipywidgets. No secret enters a widget; the one box
into which a customer pastes is emptied before it is read.
"""

from __future__ import annotations

from greenkit.widgets.authorize import Authorize
from greenkit.widgets.explore import Explore
from greenkit.widgets.fetch import FetchSmt
from greenkit.widgets.usage import AuthorizeAndFetch

__all__ = ["Authorize", "AuthorizeAndFetch", "Explore", "FetchSmt"]
