"""Published experiments as studies, by the name of their table or figure."""

from .experiments import PRINTED, PUBLISHED
from .page import Replication
from .published import Cell

__all__ = ["PRINTED", "PUBLISHED", "Cell", "Replication"]
