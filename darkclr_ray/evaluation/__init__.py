"""What scores are worth: ROC curves, rejections with intervals, pT matching, comparisons. numpy and scipy, no Ray."""
