"""What must be refused, asked with plain `requests`: wrong assertions, strangers; and the same plan as XML.

    refusals.py WORK
"""

import sys
import time
import uuid
import xml.etree.ElementTree as xml

import requests

import checks
import smart

FHIR = "{http://hl7.org/fhir}"
XHTML = "{http://www.w3.org/1999/xhtml}"


def get(story, path, header, accept="application/fhir+json"):
    headers = {"Accept": accept} | ({"Authorization": header} if header else {})
    return requests.get(f"{story.base}/{path}", headers=headers, timeout=smart.TIMEOUT)


def discovery(check, story):
    found = smart.discover(story.base)
    check.same(found["token_endpoint"], story.registered_endpoint("maple-street"), "registration said the same endpoint")
    check.that("client_credentials" in found["grant_types_supported"], "discovery lists client_credentials")
    check.that("private_key_jwt" in found["token_endpoint_auth_methods_supported"], "discovery lists private_key_jwt")
    algorithms = set(found["token_endpoint_auth_signing_alg_values_supported"])
    check.that({"RS384", "ES384"} <= algorithms, "discovery lists RS384 and ES384", algorithms)
    check.that("client-confidential-asymmetric" in found["capabilities"], "discovery lists the asymmetric capability")
    return found["token_endpoint"]


def right_assertions(check, story, endpoint):
    for algorithm in ("ES384", "RS384"):
        answer = smart.request_token(endpoint, smart.assertion(story, "maple-street", algorithm, endpoint))
        check.same(answer.status_code, 200, f"{algorithm}: a token")
        token = answer.json() if answer.ok else {}
        check.that(0 < token.get("expires_in", 0) <= 300, f"{algorithm}: for at most five minutes", token.get("expires_in"))
        check.same(str(token.get("token_type")).lower(), "bearer", f"{algorithm}: a bearer token")
        check.that("no-store" in answer.headers.get("Cache-Control", ""), f"{algorithm}: not to be cached")


def wrong_assertions(check, story, endpoint):
    now = int(time.time())
    used = smart.assertion(story, "maple-street", "ES384", endpoint)
    check.same(smart.request_token(endpoint, used).status_code, 200, "an assertion works once")

    def made(**changes):
        return smart.assertion(story, "maple-street", "ES384", changes.pop("audience", endpoint), **changes)

    wrong = {
        "used before": used,
        "for the FHIR base instead of the token endpoint": made(audience=story.base),
        "for another server": made(audience="https://elsewhere.example/auth/token"),
        "expired": made(iat=now - 900, exp=now - 600),
        "valid for an hour": made(exp=now + 3600),
        "signed with another partner's key": made(signed_by="elsewhere"),
        "of another subject": made(sub="someone-else"),
        "of an unknown client": made(client_id="nobody-here"),
        "without jti": made(jti=""),
        "not a JWT": "x",
    }
    bodies = set()
    for what, signed in wrong.items():
        answer = smart.request_token(endpoint, signed)
        bodies.add(answer.content)
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        error = answer.json().get("error") if is_json else answer.text
        check.same((answer.status_code, error), (401, "invalid_client"), f"an assertion {what} is refused")
    check.same(len(bodies), 1, "and nobody learns why")


def scopes_and_purposes(check, story, endpoint):
    def ask(scope="system/*.rs", purpose=None):
        claims = {"extensions": {"hl7-b2b": {"version": "1", "organization_id": "urn:oid:2.16.840.1.113883.4.6#1999002011",
                                             "purpose_of_use": [purpose]}}} if purpose else {}
        return smart.request_token(endpoint, smart.assertion(story, "maple-street", "ES384", endpoint, **claims), scope)

    check.same(ask("patient/*.read openid").json().get("error"), "invalid_scope", "scopes of people are refused")
    answer = ask("system/CarePlan.rs")
    check.same(answer.json().get("scope"), "system/CarePlan.rs", "a narrower scope is granted as asked")
    header = f"Bearer {answer.json().get('access_token')}"
    check.same(get(story, f"Goal?patient={uuid.uuid4()}", header).status_code, 403, "and allows nothing else")
    check.same(ask(purpose="urn:oid:2.16.840.1.113883.5.8#TREAT").status_code, 200, "hl7-b2b: TREAT is its purpose")
    answer = ask(purpose="urn:oid:2.16.840.1.113883.5.8#HPAYMT")
    check.same(answer.json().get("error"), "invalid_request", "hl7-b2b: a purpose not registered is refused")


def error_of(answer):
    """`resourceType` and severities of an error's body."""
    body = answer.json()
    return body["resourceType"], {issue["severity"] for issue in body["issue"]}


def statuses(check, story, header):
    expected = {
        f"CarePlan/{uuid.uuid4()}": 404,
        "CarePlan/of_no_lawful_id": 404,
        "NoSuchType/1": 404,
        "CarePlan?patient=x&no-such-parameter=1": 400,
        "CarePlan": 400,
    }
    for path, status in expected.items():
        answer = get(story, path, header)
        check.same(answer.status_code, status, f"GET {path} answers {status}")
        check.same(error_of(answer), ("OperationOutcome", {"error"}), f"GET {path} says why as OperationOutcome")
    for token in (None, "Bearer wrong", "Basic d3Jvbmc6d3Jvbmc="):
        answer = get(story, "CarePlan?patient=x", token)
        check.same(answer.status_code, 401, f"{token or 'no token'} answers 401")
        check.that("WWW-Authenticate" in answer.headers, "401 names the scheme")


def stranger(check, story, person, plan):
    """Registered, but with no relationship: the person does not exist for it."""
    for algorithm in ("ES384", "RS384"):
        header = smart.authorization(story, "elsewhere", algorithm)
        for path in (f"Patient?identifier={story.facts['person']}", f"CarePlan?patient={person}"):
            answer = get(story, path, header)
            found = [e for e in answer.json().get("entry", []) if e["search"]["mode"] != "outcome"]
            check.same((answer.status_code, found), (200, []), f"the stranger finds nothing: {path.split('?')[0]}")
        absent = get(story, f"CarePlan/{'0' * 32}", header)
        for path in (f"Patient/{person}", f"CarePlan/{plan}"):
            answer = get(story, path, header)
            check.same(answer.status_code, 404, f"the stranger reads nothing: {path.split('/')[0]}")
            check.that(answer.content == absent.content, "foreign and absent are one answer, byte for byte")


def as_xml(check, story, person, plan, header):
    for path, root in ((f"CarePlan/{plan}", "CarePlan"), (f"CarePlan?patient={person}", "Bundle"),
                       (f"CarePlan/{'0' * 32}", "OperationOutcome")):
        answer = get(story, path, header, "application/fhir+xml")
        media = answer.headers.get("Content-Type", "")
        check.that(media.startswith("application/fhir+xml"), f"{root} as XML is application/fhir+xml", media)
        try:
            tree = xml.fromstring(answer.content)
        except xml.ParseError as error:
            check.that(False, f"{root} as XML is well-formed", error)
            continue
        check.same(tree.tag, FHIR + root, f"{root} as XML is well-formed")
        if root == "CarePlan":
            check.same(tree.find(FHIR + "id").get("value"), plan, "the plan as XML is that plan")
            check.that(tree.find(f"{FHIR}text/{XHTML}div") is not None, "its narrative is XHTML")
    check.same(get(story, f"CarePlan/{plan}", header, "image/png").status_code, 406, "image/png is not acceptable")


def known_to_maple(story, header):
    """Ids of the person and of the plan."""
    def first(path):
        entries = get(story, path, header).json()["entry"]
        return [e["resource"] for e in entries if e["search"]["mode"] == "match"]

    person = first(f"Patient?identifier={story.facts['person']}")[0]["id"]
    plans = first(f"CarePlan?patient={person}")
    number = story.facts["plan"]["number"]
    return person, next(p["id"] for p in plans if p["identifier"][0]["value"] == number)


def pull(check):
    story = smart.Story(sys.argv[1])
    endpoint = discovery(check, story)
    right_assertions(check, story, endpoint)
    wrong_assertions(check, story, endpoint)
    scopes_and_purposes(check, story, endpoint)
    header = smart.authorization(story, "maple-street")
    statuses(check, story, header)
    person, plan = known_to_maple(story, header)
    stranger(check, story, person, plan)
    as_xml(check, story, person, plan, header)


checks.run("refusals", pull)
