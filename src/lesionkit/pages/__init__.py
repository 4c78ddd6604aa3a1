"""Titles, texts, tables and figures to HTML pages in which every text appears as text.

In: values and matplotlib figures. Out: the text of one self-contained page. Read ``page`` (templates filled in, numbers
and intervals for people), then ``svg`` (figures that follow the page's colours). ``templates/`` holds the pages.
"""
