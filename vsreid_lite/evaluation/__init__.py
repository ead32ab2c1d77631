"""DAVIS metrics and the numbers printed in the paper."""

from vsreid_lite.evaluation.metrics import InstanceScores, Scores, Statistics, evaluate, score_instance, score_sequence

__all__ = ["InstanceScores", "Scores", "Statistics", "evaluate", "score_instance", "score_sequence"]
