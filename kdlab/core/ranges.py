"""Numbers with a range, to annotate hyper-parameters with: `T: Positive = 4.0`. A Config refuses what lies outside.

A number may be left open: `hidden: Count | None = None`. Infinity and NaN are refused whatever the annotation.
"""

from typing import Annotated

from pydantic import Field

Positive = Annotated[float, Field(gt=0)]  # temperatures, factors
Share = Annotated[float, Field(ge=0, le=1)]  # of training, of rows, of probability, of a moving average
PositiveShare = Annotated[float, Field(gt=0, le=1)]  # of a moving average that keeps at least something of its past
ShareBelow1 = Annotated[float, Field(ge=0, lt=1)]  # of a moving average that takes in something new
Count = Annotated[int, Field(gt=0)]  # widths, numbers of negatives, stages counted from 1
