"""Evaluation of scores with numpy and scipy: ROC curves, rejections with intervals, pT matching and comparisons."""
