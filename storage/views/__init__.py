"""Views: the questions that people ask of the mirror, as SQL views whose names and columns are a contract.

A column is never renamed, taken out or given another meaning; new ones come at the end. Every row says as of when it
is. Views are made anew when a migration runs: a view that changes needs a revision of its own, even if no table does.
"""

from .history import IDLE, RUNNING_OUT
from .holders import HOLDERS, LEAVERS
from .licences import ACROSS, LICENCES, MISMATCHES, SEATS
from .state import APPS, LOCATIONS_HEALTH, RECENT_CHANGES
from .view import View

__all__ = ["VIEWS", "View"]

_ALL = (
    *(LICENCES, RUNNING_OUT, IDLE, HOLDERS, LEAVERS, LOCATIONS_HEALTH),
    *(RECENT_CHANGES, ACROSS, MISMATCHES, SEATS, APPS),
)

#: Every view, by its name.
VIEWS = {view.name: view for view in _ALL}
