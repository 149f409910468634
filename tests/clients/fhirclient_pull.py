"""Maple Street pulls with fhirclient (SMART Health IT): it discovers by the CapabilityStatement, asks for its token
itself, and its models refuse every element that is not R4.

    fhirclient_pull.py WORK
"""

import functools
import importlib
import sys

from fhirclient import client as fhirclient
from fhirclient.models.careplan import CarePlan
from fhirclient.models.fhirabstractbase import FHIRValidationError
from fhirclient.models.operationoutcome import OperationOutcome
from fhirclient.models.patient import Patient
from fhirclient.server import FHIRNotFoundException, FHIRUnauthorizedException

import checks
import smart


def authorized(check, story):
    """A client with a token, gained with the RS384 key of two registered ones."""
    endpoint = smart.discover(story.base)["token_endpoint"]
    signed = smart.assertion(story, "maple-street", "RS384", endpoint)
    settings = {
        "app_id": story.client_id("maple-street"),
        "api_base": story.base,
        "scope": "system/*.cruds",
        "jwt_token": signed,
    }
    client = fhirclient.FHIRClient(settings=settings)
    # No launch: fhirclient would else add `launch/patient` to the scopes.
    client.wants_patient = False
    get = client.server.session.get
    client.server.session.get = functools.partial(get, timeout=smart.TIMEOUT)
    client.prepare()
    check.that(client.server.capabilityStatement is not None, "fhirclient parses the CapabilityStatement strictly")
    check.same(client.server.auth.auth_type, "oauth2", "fhirclient discovers the token endpoint")
    check.same(client.server.auth._token_uri, endpoint, "both discoveries name one token endpoint")
    client.authorize()
    check.that(client.ready, "fhirclient holds a token")
    again = functools.partial(client.server.auth.authorize, client.server)
    check.raises(FHIRUnauthorizedException, again, "the same assertion a second time is refused")
    return client.server


def model_of(name):
    return getattr(importlib.import_module(f"fhirclient.models.{name.lower()}"), name)


def pull(check):
    story = smart.Story(sys.argv[1])
    with check.step("discovery, token"):
        server = authorized(check, story)
    with check.step("search, read"):
        person = pull_person(check, story, server)
    with check.step("paged search"):
        paged(check, server, person)
    with check.step("write, patch"):
        stated(check, server, person)
    with check.step("error"):
        read = functools.partial(CarePlan.read, "00000000000000000000000000000000", server)
        check.raises(FHIRNotFoundException, read, "an absent plan is fhirclient's not found")


def stated(check, server, person):
    """A statement is made; its change is refused, because fhirclient names no version (`If-Match`) and has no way to."""
    observation = model_of("Observation")
    made = observation({
        "resourceType": "Observation",
        "status": "final",
        "identifier": [{"system": "https://ehr.example/observation", "value": "F-1"}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}], "text": "Heart rate"},
        "subject": {"reference": f"Patient/{person}"},
        "effectiveDateTime": "2026-11-21",
        "valueQuantity": {"value": 72, "unit": "/min"},
    })
    answer = made.create(server)
    check.that(answer and answer.get("id"), "a statement is made", answer)
    read = observation.read(answer["id"], server)
    check.same(read.valueQuantity.value, 72, "and read again")
    read.valueQuantity.value = 68
    error = check.raises(Exception, functools.partial(read.update, server), "a change of no version is refused")
    status = getattr(getattr(error, "response", None), "status_code", None)
    check.same(status, 400, "by 400")


def paged(check, server, person):
    """All pages, followed by their links, hold what one page holds."""
    observation = model_of("Observation")

    def ids(**more):
        found = observation.where(struct={"patient": person, **more}).perform_resources_iter(server)
        return [one.id for one in found if isinstance(one, observation)]

    whole = ids()
    check.that(len(whole) > 3, "there is more than a page of three", len(whole))
    check.same(ids(_count="3"), whole, "pages of three hold the same, in the same order")


def pull_person(check, story, server):
    found = Patient.where(struct={"identifier": story.facts["person"]}).perform_resources(server)
    people = [resource for resource in found if isinstance(resource, Patient)]
    check.same(len(people), 1, "the person is found by identifier")
    person = people[0].id
    check.same(Patient.read(person, server).as_json(), people[0].as_json(), "reading and searching agree")

    kinds = [r.type for r in server.capabilityStatement.rest[0].resource
             if any(parameter.name == "patient" for parameter in r.searchParam or [])]
    parsed = 0
    for name in kinds:
        search = model_of(name).where(struct={"patient": person})
        try:
            resources = list(search.perform_resources_iter(server))
        except FHIRValidationError as error:
            check.that(False, f"every {name} is strict R4", error)
            continue
        other = [r.resource_type for r in resources if not isinstance(r, (model_of(name), OperationOutcome))]
        check.same(other, [], f"a search for {name} answers only that")
        parsed += sum(isinstance(r, model_of(name)) for r in resources)
    check.that(parsed > 20, "everything received is strict R4", parsed)

    plans = CarePlan.where(struct={"patient": person, "category": "assess-plan"}).perform_resources(server)
    plans = [plan for plan in plans if isinstance(plan, CarePlan)]
    check.same(len(plans), 2, "the plan and its crisis plan are found by code alone")
    for plan in plans:
        check.that(plan.text.div and plan.as_json()["text"]["status"] == "generated", "a plan has its narrative")
        for reference in plan.goal or []:
            goal = model_of("Goal").read_from(reference.reference, server)
            check.that(goal.lifecycleStatus, "a goal is read by reference")
    return person


checks.run("fhirclient", pull)
