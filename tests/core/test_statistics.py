"""Intervals against their formulas."""

import numpy as np
import pytest
from scipy.stats import binomtest

from kdlab.core.statistics import interval, wilson


def test_interval_against_a_hand_calculation():
    mean, half = interval([1.0, 2.0, 3.0])
    assert mean == 2 and half == pytest.approx(4.302653 / np.sqrt(3), rel=1e-5)
    assert np.isnan(interval([5.0])[1])


def test_wilson_by_its_formula():
    assert wilson(8, 10) == pytest.approx((49.02, 94.33), abs=0.01)
    assert wilson(0, 10) == pytest.approx((0, 27.75), abs=0.01)
    z2 = 1.959964**2
    middle, half = (5 + z2 / 2) / (50 + z2), (z2 * (5 * 45 / 50 + z2 / 4)) ** 0.5 / (50 + z2)
    assert wilson(5, 50) == pytest.approx((100 * (middle - half), 100 * (middle + half)), abs=1e-4)
    assert wilson(7, 9, level=0.5)[1] == pytest.approx(100 * binomtest(7, 9).proportion_ci(0.5, "wilson").high)
