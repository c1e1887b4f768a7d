"""The WordPiece tokenizer: NFKC and lower case are part of its file, so every reader of it agrees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer
from tokenizers.decoders import WordPiece as WordPieceDecoder
from tokenizers.models import WordPiece
from tokenizers.normalizers import NFKC, BertNormalizer, Sequence
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import WordPieceTrainer

from naru.errors import NaruError

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ALPHABET = 4500  # symbols kept, by frequency: syllables, jamo, Latin, common hanja
LONGEST_WORD = 200  # characters; people leave out spaces, and a longer run becomes one [UNK]


def train_tokenizer(texts: Iterator[str], size: int) -> Tokenizer:
    """A WordPiece tokenizer of at most `size` entries, `[CLS] text [SEP]`, normalised by NFKC and lower case."""
    tokenizer = Tokenizer(word_pieces(list(SPECIAL)))
    clean = BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=True)
    tokenizer.normalizer = Sequence([NFKC(), clean])
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.decoder = WordPieceDecoder()
    trainer = WordPieceTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        limit_alphabet=min(ALPHABET, size // 2),
        initial_alphabet=syllables() if size >= 4 * ALPHABET else [],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.model = word_pieces(spelt_out(by_number(tokenizer), size))
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def word_pieces(tokens: list[str]) -> WordPiece:
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=LONGEST_WORD)


def by_number(tokenizer: Tokenizer) -> list[str]:
    """The tokens in the order of their ids, so the rarest merges come last."""
    vocabulary = tokenizer.get_vocab()
    return sorted(vocabulary, key=vocabulary.__getitem__)


def spelt_out(tokens: list[str], size: int) -> list[str]:
    """At most `size` of the tokens, the rarest merges left out, with a word-inner form of every symbol.

    A symbol that occurs only at the start of words in the training text gets no inner form from the trainer, and a
    word that holds it inside would be one [UNK].
    """
    known = set(tokens)
    inner = [f"##{token}" for token in tokens if len(token) == 1 and f"##{token}" not in known]
    symbols = len(SPECIAL) + sum(len(token.removeprefix("##")) == 1 for token in tokens)
    kept = tokens[: max(size - len(inner), symbols)]
    return kept + inner


def syllables() -> list[str]:
    """The 2,350 Hangul syllables of KS X 1001: what people type, so that a typo is spelt and not unknown."""
    rows = range(0xB0, 0xC9)
    return [bytes((row, cell)).decode("euc-kr") for row in rows for cell in range(0xA1, 0xFF)]


def texts_of(root: Path, characters: Mapping[str, int]) -> Iterator[str]:
    """Text for the tokenizer: of each "folder/file.column" (Parquet files under `root`) so many characters.

    NaruError for a file or a column that is not there.
    """
    for key, wanted in characters.items():
        file, _, column = key.rpartition(".")
        path = root / f"{file}.parquet"
        try:
            batches = pq.ParquetFile(path).iter_batches(columns=[column])
            for batch in batches:
                if wanted <= 0:
                    break
                for text in batch.column(0).to_pylist():
                    wanted -= len(text)
                    yield text
                    if wanted <= 0:
                        break
        except (OSError, pa.ArrowException, IndexError) as error:
            raise NaruError(
                f"[model.vocabulary.characters] {key!r}: {path} has no such texts: {error}"
            ) from error
