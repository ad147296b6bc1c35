"""For the service's own tests: starts one, talks to it as clients do.

harness.py MODULE... runs the functions of the modules that begin with test_, and prints TAP.
"""
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import botocore.session

HERE = os.path.dirname(os.path.realpath(__file__))
KEY, SECRET = "AKIATESTTESTTESTTEST", "secretsecretsecretsecretsecretsecret/+es"
# Nothing of the host's own proxies.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Service:
    def __init__(self, folder):
        self.process = subprocess.Popen([os.path.join(HERE, "service"), "--state-dir", folder, "--print-port", "--until-eof"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = "http://127.0.0.1:" + self.process.stdout.readline().strip()
        self.session = botocore.session.Session()
        self.clients = {}

    def stop(self):
        self.process.stdin.close()
        return self.process.wait(60)

    def control(self, name, values=None):
        status, _, body = self.http("POST", "/_control/" + name, json.dumps(values or {}).encode())
        assert status == 200, body
        return json.loads(body)

    def http(self, method, path, body=None, headers=None):
        """(status, headers, body); the connection that ends early raises OSError."""
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=headers or {})
        try:
            with OPENER.open(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def client(self, name="ec2", region="us-west-2", key=KEY, secret=SECRET, token=None):
        """botocore's, which checks no parameter itself and does not try again."""
        which = (name, region, key)
        if which not in self.clients:
            config = botocore.config.Config(parameter_validation=False, retries={"total_max_attempts": 1}, proxies={},
                                            read_timeout=60)
            self.clients[which] = self.session.create_client(
                name, region_name=region, endpoint_url=self.url, aws_access_key_id=key, aws_secret_access_key=secret,
                aws_session_token=token, config=config)
        return self.clients[which]

    def raw(self, pairs, *, date=None, region="us-west-2", service="ec2", secret=SECRET, change=None):
        """A signed request of our own making; change(headers) spoils it afterwards. Gives status and body."""
        body = urllib.parse.urlencode(pairs).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Host": self.url[len("http://"):]}
        if date:
            headers["X-Amz-Date"] = date
        request = botocore.awsrequest.AWSRequest("POST", self.url + "/", headers=headers, data=body)
        signer = DatedAuth if date else botocore.auth.SigV4Auth
        signer(botocore.credentials.Credentials(KEY, secret), service, region).add_auth(request)
        headers = dict(request.headers.items())
        if change:
            change(headers)
        status, _, answer = self.http("POST", "/", body, headers)
        return status, answer.decode()

    def log(self, action):
        return [entry for entry in self.control("log") if entry["action"] == action]

    def state(self):
        return self.control("state")["regions"]["us-west-2"]

    def image(self, architecture="x86_64"):
        """The newest Debian."""
        images = self.client().describe_images(Owners=["136693071363"], Filters=[
            {"Name": "architecture", "Values": [architecture]}, {"Name": "name", "Values": ["debian-12-a*"]}])["Images"]
        return max(images, key=lambda image: image["CreationDate"])["ImageId"]

    def run(self, **params):
        values = {"ImageId": self.image(), "InstanceType": "m5.large", "MinCount": 1, "MaxCount": 1}
        values.update(params)
        return self.client().run_instances(**{k: v for k, v in values.items() if v is not None})["Instances"]


class DatedAuth(botocore.auth.SigV4Auth):
    """Signs with the date that the request has already."""

    def add_auth(self, request):
        request.context["timestamp"] = request.headers["X-Amz-Date"]
        text = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(text, request))


class refused:
    """with refused("Code"): the body is refused with that code; words, if given, are in the message."""

    def __init__(self, code, words=""):
        self.code = code
        self.words = words

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        assert kind is not None, f"{self.code} was expected, but it was let through"
        if not isinstance(error, botocore.exceptions.ClientError):
            return False
        told = error.response["Error"]
        assert told["Code"] == self.code, f"{self.code} was expected: {told}"
        assert self.words in told["Message"], told["Message"]
        assert error.response["ResponseMetadata"]["RequestId"], "no request id"
        self.status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return True


def eventually(check, seconds=30):
    """Polls until check() is true; gives what it gave."""
    deadline = time.monotonic() + seconds
    while True:
        result = check()
        if result or time.monotonic() > deadline:
            assert result, "it did not come about"
            return result
        time.sleep(0.02)


def run_test(service, function):
    """None, or what went wrong."""
    try:
        service.control("reset")
        function(service)
        bugs = service.log("bug")
        return bugs[0]["traceback"] if bugs else None
    except Exception:
        return traceback.format_exc()


def main(modules):
    """Runs the functions that begin with test_, each with the service as at its start."""
    tests = [function for module in modules for name, function in vars(importlib.import_module(module)).items()
             if name.startswith("test_")]
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        service = Service(folder)
        for number, function in enumerate(tests, 1):
            wrong = run_test(service, function)
            failed += wrong is not None
            name = function.__name__[5:].replace("_", " ")
            print(f"{'ok' if wrong is None else 'not ok'} {number} - {name}")
            if wrong is not None:
                print("# " + wrong.replace("\n", "\n# "))
            sys.stdout.flush()
        failed += service.stop() != 0
    return failed != 0


if __name__ == "__main__":
    # The modules say `import harness`, which must be this one.
    sys.modules["harness"] = sys.modules["__main__"]
    sys.exit(main(sys.argv[1:]))
