"""The actions of EC2. Each module registers its functions with @action; a function takes a Call and returns its answer in the
operation's output shape, or raises ApiError.
"""
ACTIONS = {}


def action(function):
    """DescribeInstances is describe_instances()."""
    name = "".join(word.capitalize() for word in function.__name__.split("_"))
    ACTIONS[name] = function
    return function


class Call:
    """One request: params in the shape of its action, and who asks where. note goes to the log."""

    def __init__(self, world, region, action_name, params, principal):
        self.world = world
        self.region = region
        self.action = action_name
        self.params = params
        self.principal = principal
        self.note = None

    def require(self, *actions):
        self.world.iam.require(self.principal, *actions)
