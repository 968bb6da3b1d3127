"""Prints the scalars of a run's folder, as the tensorboard package reads them: {tag: [[step, value], ...]}."""
import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
events.Reload()
tags = events.Tags()["scalars"]
json.dump({tag: [[point.step, point.value] for point in events.Scalars(tag)] for tag in tags}, sys.stdout)
