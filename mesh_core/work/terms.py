"""Words of a text, as search and citation compare them."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """All words in order, in lower case. Letters and digits make a word, everything else parts them."""
    return _WORD.findall(text.lower())


_STOPWORDS = frozenset(
    words(
        """
        a about an and any are as at be been but by can could did do does doing explain for from had has have how
        i if in into is it its just may me more most my no not of on one only or other our out over s should so
        some such t tell than that the their them then there these they this those to us use used using was we
        were what when where which while who whose why will with would yes you your
        """
    )
)


def telling_words(text: str) -> list[str]:
    """Each different word that says something, in order; all different words when none does."""
    return only_telling_words(text) or list(dict.fromkeys(words(text)))


def only_telling_words(text: str) -> list[str]:
    """The same, and nothing when none does."""
    return [word for word in dict.fromkeys(words(text)) if word not in _STOPWORDS]
