"""Who may do what: access keys, roles, temporary credentials, and a policy of allowed actions."""
import fnmatch
import secrets

from .errors import ApiError, unauthorized

ACCOUNT = "123456789012"
# The keys that every test may use; they are worth nothing elsewhere.
ACCESS_KEY = "AKIATESTTESTTESTTEST"
SECRET_KEY = "secretsecretsecretsecretsecretsecret/+es"


class Principal:
    """An identity with one access key. allowed is a list of patterns of actions, or None for the service's policy."""

    def __init__(self, arn, access_key, secret_key, session_token=None, expires=None, allowed=None):
        self.arn = arn
        self.access_key = access_key
        self.secret_key = secret_key
        self.session_token = session_token
        self.expires = expires
        self.allowed = allowed


class Iam:
    """All principals, and the policy for those that have none of their own."""

    def __init__(self):
        self.allowed = ["*"]
        # Names of roles that can be assumed; "*" for any.
        self.roles = ["*"]
        # The instance profiles that exist.
        self.profiles = ["bigm-test", "worker"]
        self.service_linked_role = True
        # By account.py.
        self.users = {}
        self.principals = {}
        self.add(Principal(f"arn:aws:iam::{ACCOUNT}:user/test", ACCESS_KEY, SECRET_KEY))

    def add(self, principal):
        self.principals[principal.access_key] = principal
        return principal

    def find(self, access_key):
        return self.principals.get(access_key)

    def temporary(self, arn, expires, allowed=None):
        """New temporary credentials."""
        key = "ASIA" + secrets.token_hex(8).upper()
        return self.add(Principal(arn, key, secrets.token_urlsafe(30), secrets.token_urlsafe(90), expires, allowed))

    def assume(self, role_arn, session, expires):
        name = role_arn.rpartition("/")[2]
        if not role_arn.startswith("arn:aws:iam::") or not any(fnmatch.fnmatchcase(name, r) for r in self.roles):
            raise ApiError("AccessDenied", f"User is not authorized to perform: sts:AssumeRole on resource: {role_arn}",
                           403)
        account = role_arn.split(":")[4]
        return self.temporary(f"arn:aws:sts::{account}:assumed-role/{name}/{session}", expires)

    def permits(self, principal, action):
        allowed = self.allowed if principal is None or principal.allowed is None else principal.allowed
        return any(fnmatch.fnmatchcase(action, pattern) for pattern in allowed)

    def require(self, principal, *actions):
        """Raises UnauthorizedOperation unless all actions ("ec2:RunInstances") are allowed."""
        for action in actions:
            if not self.permits(principal, action):
                error = unauthorized()
                error.why = f"not allowed: {action}"
                raise error

    def require_spot_role(self, principal):
        """The first spot instance of an account makes a role, which not everybody may do."""
        if not self.service_linked_role:
            if not self.permits(principal, "iam:CreateServiceLinkedRole"):
                raise ApiError("AuthFailure.ServiceLinkedRoleCreationNotPermitted", "The provided credentials do not have"
                               " permission to create the service-linked role for EC2 Spot Instances.", 403)
            self.service_linked_role = True
