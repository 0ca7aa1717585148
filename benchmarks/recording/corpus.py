"""Text that every Python installation has: the standard library's sources, tokenised into pieces.

A piece is a word, a run of spaces, a number or a single sign. The vocabulary holds the 256 bytes and the most
frequent pieces; a piece outside it is spelt in bytes, so every text has a token sequence and decodes to itself.
"""

from __future__ import annotations

import hashlib
import re
import sysconfig
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PIECE = re.compile(rb"[A-Za-z]+|[0-9]+|[ ]+|\n+|_+|.", re.DOTALL)
SKIPPED_FOLDERS = {"site-packages", "test", "tests", "idlelib", "turtledemo", "__pycache__", "lib2to3"}


@dataclass(frozen=True)
class Corpus:
    """Token ids of the training and the validation files, with what is needed to say where they came from."""

    train: np.ndarray
    validation: np.ndarray
    vocabulary: list[bytes]
    sha256: str
    validation_bytes: int

    def batch(self, split: str, seed: int, step: int, sequences: int, length: int) -> np.ndarray:
        """Return the ``[sequences, length + 1]`` tokens of one step; a function of its arguments alone."""
        tokens = self.train if split == "train" else self.validation
        starts = np.random.default_rng([seed, step, split == "train"]).integers(0, len(tokens) - length - 1, sequences)
        return tokens[starts[:, None] + np.arange(length + 1)].astype(np.int64)


def library_files() -> list[Path]:
    root = Path(sysconfig.get_path("stdlib"))
    found = (path for path in root.rglob("*.py") if not SKIPPED_FOLDERS & set(path.relative_to(root).parts))
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def load_corpus(vocabulary_size: int = 2048) -> Corpus:
    """Read, split by file (one in twenty validates) and tokenise the standard library."""
    root, digest = Path(sysconfig.get_path("stdlib")), hashlib.sha256()
    texts: dict[str, list[bytes]] = {"train": [], "validation": []}
    for path in library_files():
        text, name = path.read_bytes(), path.relative_to(root).as_posix().encode()
        digest.update(name + b"\0" + text)
        held_out = hashlib.sha256(name).digest()[0] % 20 == 0
        texts["validation" if held_out else "train"].append(text)
    pieces = {split: PIECE.findall(b"\n".join(parts)) for split, parts in texts.items()}
    single = [bytes([value]) for value in range(256)]
    frequent = Counter(piece for piece in pieces["train"] if len(piece) > 1)
    ranked = sorted(frequent, key=lambda piece: (-frequent[piece], piece))[: vocabulary_size - len(single)]
    vocabulary = single + ranked
    index = {piece: (number,) for number, piece in enumerate(vocabulary)}

    def encode(parts: list[bytes]) -> np.ndarray:
        return np.array([token for piece in parts for token in index.get(piece) or tuple(piece)], dtype=np.uint16)

    return Corpus(
        encode(pieces["train"]),
        encode(pieces["validation"]),
        vocabulary,
        digest.hexdigest(),
        sum(map(len, texts["validation"])),
    )
