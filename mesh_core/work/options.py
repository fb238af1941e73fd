"""Every number of this package, with its unit and its reason."""

from __future__ import annotations

from typing import Final

# --- reading a corpus -------------------------------------------------------------------------------

FILE_BYTES_MAX: Final = 16 << 20
"""A document, packed or not, larger than this is skipped: it is data, not prose, and a bomb stays small."""

CORPUS_BYTES_MAX: Final = 1 << 30
"""Unpacked text of a whole corpus; more is refused, since nobody wants it indexed by surprise."""

CORPUS_FILES_MAX: Final = 200_000
"""Documents of a corpus; their names are held in memory while it is read."""

SHARDS_MAX: Final = 1_000
"""Shards of a corpus; every one becomes a job, and their answers have to be combined."""

# --- passages ---------------------------------------------------------------------------------------

PASSAGE_WORDS_MIN: Final = 80
"""A passage ends at the first paragraph break after this many words: enough to be understood alone."""

PASSAGE_WORDS_MAX: Final = 160
"""No passage is longer, so that two fit into the prompt of a small model."""

PASSAGE_CHARS_MAX: Final = 1_600
"""The same bound for text with few spaces: tables, code, scripts written without them."""

# --- answering --------------------------------------------------------------------------------------

QUERY_TERMS_MAX: Final = 32
"""Different words of a question that are searched for; each costs one walk through its postings."""

QUESTION_CHARS_MAX: Final = 600
"""What a prompt repeats of a question; together with the excerpts it fits the 1,024 tokens of a slot."""

EXCERPTS_MAX: Final = 2
"""Passages given to the model: one of 135M parameters loses the thread with more."""

EXCERPT_CHARS_TOTAL: Final = 1_300
"""Characters of all excerpts of a prompt, about 300 tokens. Two cores read some 500 tokens a second and six
providers ask at once, so every 100 tokens of prompt cost the slowest of them 1.2 s."""

ANSWER_TOKENS_MAX: Final = 64
"""Two sentences; six answers of this length take two cores about 2.5 s."""

ANSWER_SENTENCES: Final = 2
"""What the model is asked for, and what search puts together."""

PROMPT_HALVINGS_MAX: Final = 3
"""How often the texts of a prompt are cut in half for a model whose context they do not fit."""

PARTS_CHARS_TOTAL: Final = 2_000
"""Characters of all partial answers in the prompt of a combined one, about 450 tokens."""

PARTS_MAX: Final = 12
"""Partial answers in that prompt: with more, each would be cut to less than a sentence."""

COMBINED_TOKENS_MAX: Final = 128
"""The combined answer is the only one of its query that is being written."""

COMBINED_SENTENCES: Final = 4
"""As ANSWER_SENTENCES."""

COMBINED_PASSAGES_MAX: Final = 24
"""Passages a combined answer carries: those its parts cite, in their order."""

SHARED_WORDS_MIN: Final = 3
"""An answer draws on a passage if they share this many telling words that the question does not have, and …"""

SHARED_WORDS_RATIO_MIN: Final = 0.2
"""… these are at least this part of the answer's own. Of 32 passages given to a small model 81 % pass; of 645
that its answers had not seen, 2 %."""

RESTATED_WORDS_MIN: Final = 2
"""A sentence of an answer with this many telling words or more, all of them in one sentence of a passage, says what
that one says: `Water boils.` does, `Honey is honey.` does not."""

# --- talking to backends ----------------------------------------------------------------------------

CONNECT_S: Final = 3.0
"""A backend that does not take a connection in this time is not there."""

READ_S: Final = 60.0
"""Silence on an open stream: queued behind other prompts, a first token may take this long, not longer."""

GENERATION_S: Final = 100.0
"""A whole generation, below the 120 s a job has for its execution, so that search can still answer."""

RETRY_S: Final = 1.0
"""A backend that failed is left alone this long; the supervisor starts the local one again after as much."""

HELD_AFTER_PIECES: Final = 4
"""A demonstration's execution delay begins after this many pieces: whoever watches has seen tokens by then."""

# --- the local model server -------------------------------------------------------------------------

SLOT_TOKENS: Final = 1_024
"""Context of each slot: 23 KB of memory per token."""

BATCH_TOKENS: Final = 512
"""Prompt tokens computed in one go: about a second, after which a cancelled prompt is dropped and waiting
ones get their turn, so that first tokens come one after the other instead of all at the end."""

MICRO_BATCH_TOKENS: Final = 128
"""Tokens per pass through the network; larger ones are not faster on a few cores and need more memory."""
