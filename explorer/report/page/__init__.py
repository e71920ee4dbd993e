"""A study as one self-contained page of HTML.

:func:`~explorer.report.page.content.content` gathers all that the page shows, and :func:`html`
sets it by the templates beside this file.
"""

from explorer.report.page.rendering import html

__all__ = ["html"]
