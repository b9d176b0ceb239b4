"""Explorers: pictures that move with a control. Each is one file on the frame of `frame.py`."""

from .augmentation import augmentation
from .browse import browse
from .budgets import budgets
from .circle import circle
from .controls import Choice, Slider, Words
from .drawing import draw_digit
from .embedding import embedding
from .feature_maps import feature_maps
from .frame import Explorer, explore
from .gallery import (
    gallery,
    small_run,  # what lines of code of the gallery name
)
from .pseudo_labels import pseudo_labels
from .ramp import ramp
from .seeds import seeds
from .similarity import similarity
from .targets import targets
from .temperature import temperature
from .training import training

__all__ = [
    "Choice",
    "Explorer",
    "Slider",
    "Words",
    "augmentation",
    "browse",
    "budgets",
    "circle",
    "draw_digit",
    "embedding",
    "explore",
    "feature_maps",
    "gallery",
    "pseudo_labels",
    "ramp",
    "seeds",
    "similarity",
    "targets",
    "temperature",
    "training",
]
