"""Which languages a text may be given in, beside the installation's own."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

from labeling.guidance_texts import MAX_GUIDELINES
from workbench.errors import InvalidInput


def list_other_languages() -> tuple[str, ...]:
    """The codes of the interface's languages but for the installation's own: ("zh-hans",)."""
    return tuple(code for code, _name in settings.LANGUAGES if code != settings.LANGUAGE_CODE)


def check_translations(
    translations: Mapping[str, str], *, limit: int = MAX_GUIDELINES
) -> dict[str, str]:
    """The translations as they are stored: by known codes, and none that is empty."""
    for code, text in translations.items():
        check_language(code)
        if len(text) > limit:
            raise InvalidInput(
                f"The text in {code!r} has {len(text):,} characters; {limit:,} are allowed.",
                field="translations",
            )
        if "\x00" in text:
            raise InvalidInput(
                f"The text in {code!r} holds a NUL character, which cannot be stored.",
                field="translations",
            )
    return {code: text for code, text in translations.items() if text.strip()}


def check_language(code: str) -> None:
    """Refuse a language that the interface does not have, or that needs no translation."""
    known = list_other_languages()
    if code not in known:
        raise InvalidInput(
            f"{code[:40]!r} is no language of a translation; use {', '.join(known)}.",
            field="translations",
        )
