"""Lists of tasks by the name of who evaluates on them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from harness.tasks.miniwob.policies import POLICIES

BROWSERGYM = """
ascending-numbers bisect-angle book-flight book-flight-nodelay buy-ticket choose-date choose-date-easy
choose-date-medium choose-date-nodelay choose-list circle-center click-button click-button-sequence click-checkboxes
click-checkboxes-large click-checkboxes-soft click-checkboxes-transfer click-collapsible click-collapsible-2
click-collapsible-2-nodelay click-collapsible-nodelay click-color click-dialog click-dialog-2 click-link click-menu
click-menu-2 click-option click-pie click-pie-nodelay click-scroll-list click-shades click-shape click-tab click-tab-2
click-tab-2-easy click-tab-2-hard click-tab-2-medium click-test click-test-2 click-test-transfer click-widget copy-paste
copy-paste-2 count-shape count-sides daily-calendar drag-box drag-circle drag-cube drag-items drag-items-grid
drag-shapes drag-shapes-2 drag-single-shape drag-sort-numbers draw-circle draw-line email-inbox email-inbox-delete
email-inbox-forward email-inbox-forward-nl email-inbox-forward-nl-turk email-inbox-important email-inbox-nl-turk
email-inbox-noscroll email-inbox-reply email-inbox-star-reply enter-date enter-password enter-text enter-text-2
enter-text-dynamic enter-time find-greatest find-midpoint find-word focus-text focus-text-2 form-sequence
form-sequence-2 form-sequence-3 generate-number grid-coordinate guess-number highlight-text highlight-text-2 hot-cold
identify-shape login-user login-user-popup multi-layouts multi-orderings navigate-tree number-checkboxes odd-or-even
order-food phone-book read-table read-table-2 resize-textarea right-angle scroll-text scroll-text-2 search-engine
sign-agreement simple-algebra simple-arithmetic social-media social-media-all social-media-some stock-market terminal
text-editor text-transform tic-tac-toe unicode-test use-autocomplete use-autocomplete-nodelay use-colorwheel
use-colorwheel-2 use-slider use-slider-2 use-spinner visual-addition
""".split()
"""The 125 of BrowserGym's benchmark (browsergym/experiments, miniwob metadata)."""

RCI = """
choose-list click-button click-button-sequence click-checkboxes click-checkboxes-large click-checkboxes-soft
click-checkboxes-transfer click-collapsible click-collapsible-2 click-color click-dialog click-dialog-2 click-link
click-menu click-option click-scroll-list click-shades click-shape click-tab click-tab-2 click-tab-2-hard click-test
click-test-2 click-widget count-shape email-inbox email-inbox-forward-nl email-inbox-forward-nl-turk
email-inbox-nl-turk enter-date enter-password enter-text enter-text-dynamic enter-time focus-text focus-text-2
grid-coordinate guess-number identify-shape login-user login-user-popup multi-layouts multi-orderings navigate-tree
search-engine simple-algebra social-media social-media-all social-media-some terminal text-transform tic-tac-toe
use-autocomplete use-spinner
""".split()
"""The 54 of RCI (task_names.json)."""

SYNAPSE = sorted(
    [
        *RCI, "book-flight", "choose-date", "click-pie", "copy-paste", "copy-paste-2", "find-word", "read-table",
        "simple-arithmetic", "unicode-test", "use-slider",
    ]
)  # fmt: skip
"""The 64 of Synapse: no single file of theirs states the list; it follows from their exemplars and results."""

LISTS: dict[str, Sequence[str]] = {
    "embedded": sorted(POLICIES),
    "browsergym": sorted(BROWSERGYM),
    "rci": sorted(RCI),
    "synapse": SYNAPSE,
}


def digest(names: Sequence[str]) -> str:
    """Twelve hex digits of the sorted names: averages over other lists are not comparable."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:12]
