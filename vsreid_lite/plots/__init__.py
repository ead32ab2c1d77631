"""Figures and widgets of the method. `plots` are pure: arrays in, figure out."""
