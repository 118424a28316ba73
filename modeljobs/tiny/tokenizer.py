"""Text to tokens and back, without any dependency: digits by twos, phrases, characters, bytes.

At each place the longest token that fits is taken. What no token spells is written as the bytes of
its UTF-8, so that every text can be encoded and `decode(encode(text))` is the text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from modeljobs.tiny.problems import (
    CONTAINERS,
    DAYS,
    GAINS,
    GROWTH,
    ITEMS,
    LOSSES,
    SUBJECTS,
)

BEGIN = "<｜begin▁of▁sentence｜>"
END = "<｜end▁of▁sentence｜>"
USER = "<｜User｜>"
ASSISTANT = "<｜Assistant｜>"
PADDING = "<｜▁pad▁｜>"
SPECIALS = (PADDING, BEGIN, END, USER, ASSISTANT)

# Fixed strings of the protocol and of the generated language, each one token. Every phrase here
# begins and ends where the texts that are encoded apart meet, so that a prompt gives the same
# tokens in parts and as a whole.
PROTOCOL_PHRASES = (
    "You are a math teacher. Your task is to review and critique the paragraphs in solution step "
    "by step.",
    "You are a math teacher. Your task is to review and critique the paragraphs in solution "
    "directly. Output your judgement in the format of `\\boxed{Yes}` if the paragraph is correct, "
    "or `\\boxed{No}` if the paragraph is incorrect.",
    "Please reason step by step, and put your final answer within \\boxed{}.",
    "There might be some problem in this paragraph of your reasoning, please rethink and refine "
    "your answer:",
    "<analyze>\nLet's analyze the Paragraph ",
    " step by step: ",
    "</analyze>\n",
    "<verify>\nLet's use python code to find any potential error:\n```python\n",
    "Let's run it again:\n```python\n",
    "</verify>\n",
    "<output>\n**Judgement**: $\\boxed",
    "</output>\n",
    "[Code Output]\n\n```\n",
    "\n```\n",
    "```python\n",
    "}$\n",
    "Yes",
    "No",
    " True",
    " False",
    "True",
    "False",
    "Code execute Error: ",
    "Code execute time out: Code execution timed out",
    "Code format error: No code found.",
    "NameError: name 'x' is not defined",
    "MemoryError: ",
    "x = ",
    "\nprint(x, x == ",
    "print(",
    "import ",
    "\n\n",
    "\n>",
    ".\n",
    "Step ",
    "Question: ",
)
LANGUAGE_PHRASES = (
    " has ",
    " with ",
    " each",
    "How many",
    " does it have in the end?",
    "At first it has ",
    ", so it has ",
    ". ",
    " + ",
    " - ",
    " * ",
    " = ",
    " == ",
    "It",
    "We need ",
    "The step says ",
    "The answer is ",
    "\\boxed{",
    *SUBJECTS,
    *(f" {container}" for container in CONTAINERS),
    *(f" {item}" for item in ITEMS),
    *(f"{verb} " for verb in (*GAINS, *LOSSES, GROWTH)),
    # One token before the verb, in problems, steps and analyses alike.
    *(f"{day} it " for day in DAYS),
    "On ",
    "Then on ",
    " the ",
    " is ",
    " of ",
    " and ",
    " to ",
    " in ",
    "ing ",
)
CHARACTERS = tuple(chr(code) for code in range(0x20, 0x7F)) + ("\n",)
# Two digits at a time: a number that is copied is then two tokens, and seldom like another one.
PAIRS = tuple(f"{value:02}" for value in range(100))
BYTES = tuple(f"<0x{value:02X}>" for value in range(256))


def build_vocabulary() -> tuple[str, ...]:
    """The tokens in the order of their ids."""
    byte_needed = [
        name for value, name in enumerate(BYTES) if value >= 0x80 or (chr(value) not in CHARACTERS)
    ]
    return (*SPECIALS, *CHARACTERS, *byte_needed, *PAIRS, *PROTOCOL_PHRASES, *LANGUAGE_PHRASES)


class Tokenizer:
    """Longest match over a fixed vocabulary. Cheap to make; holds no state."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = tuple(vocabulary)
        self._ids = {token: number for number, token in enumerate(self.vocabulary)}
        if len(self._ids) != len(self.vocabulary):
            raise ValueError("The vocabulary names a token twice.")
        self._bytes = {
            number: BYTES.index(token) for token, number in self._ids.items() if token in BYTES
        }
        # By their first character, longest first: what stands first and fits is the longest match.
        self._by_start: dict[str, list[tuple[str, int]]] = {}
        for token, number in sorted(self._ids.items(), key=lambda pair: -len(pair[0])):
            if number not in self._bytes:
                self._by_start.setdefault(token[0], []).append((token, number))
        self.begin_id = self._ids[BEGIN]
        self.end_id = self._ids[END]
        self.padding_id = self._ids[PADDING]

    def __len__(self) -> int:
        return len(self.vocabulary)

    @classmethod
    def read(cls, folder: Path) -> Tokenizer:
        """The tokenizer of a checkpoint folder."""
        document = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        ids: dict[str, int] = document["model"]["vocab"]
        return cls(sorted(ids, key=lambda token: ids[token]))

    def id_of(self, token: str) -> int:
        """The id of a token by its exact spelling; KeyError where it is none."""
        return self._ids[token]

    def encode(self, text: str, *, specials: bool = True) -> list[int]:
        """The token ids of a text. Nothing is put before or after it.

        Without `specials` a mark such as `<｜User｜>` is spelt out in bytes: what people or models
        write must not speak as somebody else.
        """
        ids: list[int] = []
        at = 0
        while at < len(text):
            for token, number in self._by_start.get(text[at], ()):
                if text.startswith(token, at) and (specials or token not in SPECIALS):
                    ids.append(number)
                    at += len(token)
                    break
            else:
                # Half of a surrogate pair has no UTF-8; it becomes "?".
                raw = text[at].encode("utf-8", "replace")
                ids += [
                    self._ids[BYTES[value]] if BYTES[value] in self._ids else self._ids[chr(value)]
                    for value in raw
                ]
                at += 1
        return ids

    def encode_pieces(self, texts: Iterable[str]) -> list[int]:
        """The ids of texts that are encoded apart."""
        return [number for text in texts for number in self.encode(text)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of tokens; bytes that are no UTF-8 become U+FFFD. Specials are spelt out."""
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The UTF-8 of tokens, which may end within a character."""
        return b"".join([self.bytes_of(number) for number in ids])

    def bytes_of(self, number: int) -> bytes:
        """What one token adds to the text."""
        if number in self._bytes:
            return bytes([self._bytes[number]])
        return self.vocabulary[number].encode()


def encode_chat(tokenizer: Tokenizer, messages: Sequence[tuple[str, str]]) -> list[int]:
    """The prompt of a chat of (role, content): each part is encoded by itself.

    A system text stands behind the first token, bare. A last turn by the assistant is left open to
    be gone on with; after any other the assistant's begins.
    """
    ids = [tokenizer.begin_id]
    for index, (role, content) in enumerate(messages):
        if role != "system":
            ids += tokenizer.encode(USER if role == "user" else ASSISTANT)
        ids += tokenizer.encode(content, specials=False)
        if role == "assistant" and index < len(messages) - 1:
            ids.append(tokenizer.end_id)
    if not messages or messages[-1][0] != "assistant":
        ids += tokenizer.encode(ASSISTANT)
    return ids


def build_tokenizer() -> Tokenizer:
    """The tokenizer of both checkpoints."""
    return Tokenizer(build_vocabulary())
