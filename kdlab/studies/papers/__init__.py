"""Published experiments as studies, by the name of their table or figure."""

from .experiments import PRINTED, PUBLISHED
from .published import Cell
from .replication import Replication

__all__ = ["PRINTED", "PUBLISHED", "Cell", "Replication"]
