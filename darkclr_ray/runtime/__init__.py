"""Warm Tune trials: worker groups of Ray Train that stay alive from one trial to the next.

Nothing here depends on the content of a job. All use of Ray Train and Ray Tune is here.
"""
