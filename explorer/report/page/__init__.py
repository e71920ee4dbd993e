"""A study as one page of HTML that needs nothing else: no network, no other file.

:mod:`~explorer.report.page.words` says in sentences what was found, :func:`content` gathers all
that the page has, and :func:`lay_out` sets it by the templates beside this file.
"""

from explorer.report.page.content import Content, content
from explorer.report.page.rendering import html, lay_out

__all__ = ["Content", "content", "html", "lay_out"]
