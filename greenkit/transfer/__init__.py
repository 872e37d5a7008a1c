"""Fetch files from Smart Meter Texas: the remotes, and what is built on them."""
