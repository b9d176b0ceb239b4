"""Explorers: pictures that move with a control, a file and a line here for each."""

from .augmentation import augmentation
from .browse import browse
from .budgets import budgets
from .circle import circle
from .drawing import draw_digit
from .embedding import embedding
from .feature_maps import feature_maps
from .frame import Choice, Explorer, Slider, Words, explore
from .gallery import gallery, small_run  # lines of code of the gallery name `small_run`
from .pseudo_labels import pseudo_labels
from .ramp import ramp
from .seeds import seeds
from .similarity import similarity
from .targets import targets
from .temperature import temperature
from .training import training
