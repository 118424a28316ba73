"""The pages that there are, by name; staging.py brings each to where it has something to show."""

from __future__ import annotations

# Not for everybody: what one sees before signing in.
PUBLIC = {"login": "/accounts/login/", "invitation-ended": "/invitations/ended/"}
# As the lead of the demo project.
PAGES = (
    *(
        "home",
        "account",
        "account-keys",
        "tokens",
        "project-new",
        "engines",
        "engine",
        "engine-new",
    ),
    *("api-docs", "not-found"),
    *("overview", "work", "submitted", "browse", "solution", "solution-injected", "injection"),
    *("imports", "import", "jobs", "job-new", "job", "job-items", "job-item"),
    "yield",
    *("job-new-genprm", "job-verified", "job-verified-items", "item-verified", "item-evidence"),
    *("trials", "solution-verified", "rate-evidence", "assignment-evidence"),
    *("rationale", "job-rationales", "job-rationales-none", "solution-evidence"),
    *("assignment-equalities", "item-equalities"),
    "job-labels-writing",
    *("job-rollouts", "job-labels", "item-rollouts", "item-scores", "solution-rollouts"),
    *("assignment-rollouts", "doubts"),
    *("consensus-runs", "consensus-empty", "consensus"),
    *("agreement", "agreement-items", "proposals", "disputes", "disputes-decided"),
    *("dispute-rating", "dispute-verdict", "dispute-decided"),
    *("comments", "comments-none", "comments-to-you", "item-comments", "assignment-comments"),
    *("releases", "release", "settings", "guidelines", "taxonomy", "members"),
    *("guidelines-panel", "guidelines-changed", "guidelines-search", "rulings", "rulings-none"),
    *("training", "training-choose", "training-round", "training-explained", "training-verified"),
    *("training-item", "own-work", "own-work-items"),
    *("rate-prm800k", "rate-proposed"),
    *("rate", "verify-sealed", "verify-open", "assignment-submitted", "assignment-expired"),
    *("verify-solution", "dispute-solution"),
    *("reports", "reports-confirmed", "reports-dismissed", "reports-none", "solution-reported"),
    *("submitted-changed", "submitted-nothing", "assignment-changed"),
    *("reopen", "reopen-verdict"),
)
NOT_OK = {"not-found": 404, "invitation-ended": 404}
# Names in the URL configuration that no page is behind, or that a test of their own covers.
NO_PAGES = frozenset(
    {
        *(
            "agreement-csv",
            "proposals-csv",
            "import-issues",
            "release-file",
            "take-again",
            "dispute-reopen",
            "dispute-send-back",
        ),
        *("report-decide", "report-reopen"),
        *("job-start", "job-pause", "job-resume", "job-cancel", "job-retry"),
        "job-budgets",
        *("job-guards", "sources-verify"),
        *("consensus-send", "consensus-conversations"),
        *("reading-file", "doubt-decide", "doubt-reopen"),
        "job-rationales-csv",
        *("ahead", "submit-next", "skip-next"),
        "training-start",
        "guidelines-read",
    }
)
