"""How EC2 misbehaves: rules that tests set.

A rule is a dictionary that says when it applies

  action    name of an action ("RunInstances"), with wildcards; also "metadata:PATH"; default "*"
  region    only there
  match     parameters that the request must have, as they stand on the wire: {"InstanceId.1": "i-…"}; wildcards; of
            the metadata service, tags of the instance that asks: {"Tag.bigm:cluster": "NAME"}
  skip      so many matching requests are let through first (default 0)
  times     then it applies to so many (default: to all)

and what happens then, in this order:

  delay     seconds to wait before anything is done
  hold      a name: nothing is done until the test releases it
  cut       "before": the connection is closed without anything done
  error     {"code", "message", "status"}: the answer, nothing is done
  body      the answer's body as it is, with "status" (default 200) and "type"; nothing is done
  hold_answer  a name: the action is done, its answer is held until the test releases it
  cut       "after": the action is done and the connection closed without an answer; "middle": after half of it
  late      seconds to wait between the action and its answer
"""
import fnmatch
import threading

KEYS = {"action", "region", "match", "skip", "times", "delay", "hold", "cut", "error", "body", "status", "type", "hold_answer",
        "late"}
# How long a request that nobody releases is held, in seconds.
HOLD_LIMIT = 120


class Faults:
    def __init__(self):
        self.condition = threading.Condition()
        self.rules = []
        # Requests that are held now, by name, and names that have been released.
        self.held = {}
        self.released = set()

    def set(self, rules):
        for rule in rules:
            surplus = set(rule) - KEYS
            if surplus:
                raise ValueError(f"no such key of a fault: {', '.join(sorted(surplus))}")
            if rule.get("cut") not in (None, "before", "middle", "after"):
                raise ValueError(f"cut is {rule['cut']!r}")
        with self.condition:
            self.rules = [dict(rule, seen=0) for rule in rules]

    def find(self, action, region, wire):
        """The first rule that applies to a request, {} if none; counts."""
        with self.condition:
            for rule in self.rules:
                if not matches(rule, action, region, wire):
                    continue
                rule["seen"] += 1
                if rule["seen"] > rule.get("skip", 0) + rule.get("times", 1 << 60):
                    continue
                if rule["seen"] > rule.get("skip", 0):
                    return rule
        return {}

    def hold(self, name):
        """Waits until release(name)."""
        with self.condition:
            self.held[name] = self.held.get(name, 0) + 1
            self.condition.notify_all()
            self.condition.wait_for(lambda: name in self.released, HOLD_LIMIT)
            self.held[name] -= 1

    def release(self, name):
        with self.condition:
            self.released.add(name)
            self.condition.notify_all()

    def wait_held(self, name, count, seconds):
        """Whether so many requests are held by that name, within so long."""
        with self.condition:
            return self.condition.wait_for(lambda: self.held.get(name, 0) >= count, seconds)


def matches(rule, action, region, wire):
    return (fnmatch.fnmatchcase(action, rule.get("action", "*")) and rule.get("region", region) == region and
            all(fnmatch.fnmatchcase(wire.get(name, ""), pattern) for name, pattern in rule.get("match", {}).items()))


# EC2's own limits by action: tokens at most, and tokens a second. From "Request throttling for the Amazon EC2 API".
BUCKETS = {
    "RunInstances": (5, 2), "CreateFleet": (50, 5), "TerminateInstances": (100, 5), "CreateLaunchTemplate": (50, 5),
    "CreateTags": (100, 10), "DescribeInstances": (100, 20), "Describe": (100, 20), "other": (50, 5),
}


class Throttle:
    """A bucket of tokens for each kind of action, when throttling is switched on."""

    def __init__(self, buckets):
        self.buckets = BUCKETS if buckets is True else {k: tuple(v) for k, v in buckets.items()}
        self.levels = {}

    def take(self, action, now):
        """Whether the request may pass."""
        kind = next((kind for kind in (action, "Describe" if action.startswith(("Describe", "Get")) else "other", "*")
                     if kind in self.buckets), None)
        if kind is None:
            return True
        most, rate = self.buckets[kind]
        level, since = self.levels.get(kind, (most, now))
        level = min(most, level + (now - since) * rate)
        passes = level >= 1
        self.levels[kind] = (level - passes, now)
        return passes
