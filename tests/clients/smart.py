"""SMART Backend Services with stock parts: `requests` for HTTP, `PyJWT` for the client assertion.
https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html

fhirpy wants a ready token, so an integration team writes these few lines; fhirclient asks for the token itself.
"""

import json
import pathlib
import time
import uuid

import jwt
import requests

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# Seconds, for every request.
TIMEOUT = 20


class Story:
    """What `prepare.py` and the registration left in the work folder: addresses, client ids, keys, people."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.facts = json.loads((self.folder / "story.json").read_text(encoding="utf-8"))
        self.base = self.facts["base"]

    def client_id(self, partner):
        registered = json.loads((self.folder / f"{partner}.registered.json").read_text(encoding="utf-8"))
        return registered["client_id"]

    def registered_endpoint(self, partner):
        registered = json.loads((self.folder / f"{partner}.registered.json").read_text(encoding="utf-8"))
        return registered["token_endpoint"]

    def key(self, partner, algorithm):
        return (self.folder / f"{partner}.{algorithm}.pem").read_text(encoding="ascii")


def discover(base):
    """The server's SMART configuration."""
    answer = requests.get(f"{base}/.well-known/smart-configuration", timeout=TIMEOUT)
    answer.raise_for_status()
    return answer.json()


def assertion(story, partner, algorithm, audience, *, signed_by=None, client_id=None, **claims):
    """A signed client assertion; `claims` replace or add to the right ones, to make wrong ones."""
    now = int(time.time())
    name = client_id or story.client_id(partner)
    right = {"iss": name, "sub": name, "aud": audience, "iat": now, "exp": now + 240, "jti": str(uuid.uuid4())}
    signer = signed_by or partner
    headers = {"kid": f"{partner}-{algorithm}", "typ": "JWT"}
    return jwt.encode({**right, **claims}, story.key(signer, algorithm), algorithm=algorithm, headers=headers)


def request_token(endpoint, signed, scope="system/*.rs"):
    """The token endpoint's answer, whatever it is."""
    form = {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signed,
    }
    return requests.post(endpoint, data=form, timeout=TIMEOUT)


def authorization(story, partner, algorithm="ES384", scope="system/*.rs"):
    """Discovers, authenticates, and gives the value of the `Authorization` header."""
    endpoint = discover(story.base)["token_endpoint"]
    answer = request_token(endpoint, assertion(story, partner, algorithm, endpoint), scope)
    if answer.status_code != 200:
        raise RuntimeError(f"no token for {partner}: {answer.status_code} {answer.text}")
    return f"Bearer {answer.json()['access_token']}"
