"""DAVIS metrics and the numbers printed in the paper."""

from vsreid_lite.evaluation.metrics import evaluate, score_instance, score_sequence
from vsreid_lite.evaluation.scores import InstanceScores, Scores, Statistics

__all__ = ["InstanceScores", "Scores", "Statistics", "evaluate", "score_instance", "score_sequence"]
