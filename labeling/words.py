"""Stored codes in words, where more than one page or script says them."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from labeling.content import OverrideReason

OVERRIDE_REASONS = {
    OverrideReason.MISSED_ERROR: _("It missed an error"),
    OverrideReason.FALSE_ALARM: _("It sees an error where there is none"),
    OverrideReason.MISREAD: _("It misread the step or the problem"),
    OverrideReason.INHERITED: _("The error was made earlier"),
    OverrideReason.CONTRIBUTION: _("It adds more or less than said"),
    OverrideReason.GUIDELINES: _("Our guidelines judge otherwise"),
    OverrideReason.OTHER: _("Another reason"),
}
