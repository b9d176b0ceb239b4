"""Explorers: pictures whose every setting can be moved."""

from .augmentation import augmentation
from .circle import circle
from .frame import Choice, Explorer, Slider, explore
from .ramp import ramp
from .seeds import seeds
from .temperature import temperature

__all__ = ["Choice", "Explorer", "Slider", "augmentation", "circle", "explore", "ramp", "seeds", "temperature"]
