"""Warm Tune trials: worker groups of Ray Train that stay alive from one trial to the next.

This package knows jobs, not their content: it would serve any study. All use of Ray Train and Ray Tune is here.
"""
