"""Maple Street and Riverside pull one plan with fhirpy, the way an integration team would.

    fhirpy_pull.py WORK
"""

import asyncio
import sys
import uuid

import aiohttp
import requests
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import AuthorizationError, OperationOutcome, ResourceNotFound

import checks
import smart
from allow_list import AllowList

ASSESS_PLAN = "http://hl7.org/fhir/us/core/CodeSystem/careplan-category|assess-plan"
XHTML = '<div xmlns="http://www.w3.org/1999/xhtml"'


def client_for(story, partner):
    return SyncFHIRClient(
        story.base,
        authorization=smart.authorization(story, partner),
        requests_config={"timeout": smart.TIMEOUT},
    )


def find_person(client, identifier):
    return client.resources("Patient").search(identifier=identifier).fetch_all()


def pull_plan(check, story, client):
    """Finds the person and the plan, follows goals and actions. Returns the person's id."""
    people = find_person(client, story.facts["person"])
    check.same(len(people), 1, "the person is found by identifier")
    person = people[0]
    wanted = story.facts["person"].split("|")
    check.that(any([i.system, i.value] == wanted for i in person.identifier), "the person has that identifier")
    search = client.resources("CarePlan").search(patient=person.id, category=ASSESS_PLAN)
    check_bundle(check, story, search.fetch_raw())
    plans = {number_of(plan): plan for plan in search.fetch_all()}
    facts = story.facts["plan"]
    check.same(sorted(plans), sorted([facts["number"], facts["crisis"]]), "the plan and its crisis plan are found")
    for plan in plans.values():
        check_plan(check, person, plan)
    plan = plans[facts["number"]]
    check.same(plan.title, facts["title"], "the plan has the title the source gave it")
    goals = [goal.to_resource() for goal in plan.goal]
    found = sorted(goal.description.text for goal in goals)
    check.same(found, facts["goals"], "each goal of the source is there, by reference from the plan")
    check_actions(check, client, plan, story.facts["actions"]["maple-street"], "plan")
    check_actions(check, client, plans[facts["crisis"]], story.facts["crisisActions"]["maple-street"], "crisis plan")
    again = client.reference("CarePlan", plan.id).to_resource()
    check.same(again.serialize(), plan.serialize(), "reading the plan gives what searching gave")
    check.same(again.refresh().id, plan.id, "fhirpy's refresh (If-None-Match) works")
    return person.id


def number_of(plan):
    return plan.get_by_path(["identifier", 0, "value"], default="(no identifier)")


def check_bundle(check, story, bundle):
    check.same(bundle.type, "searchset", "a search answers a searchset")
    modes = [entry.search.mode for entry in bundle.entry]
    check.same(modes[-1], "outcome", "the last entry is the notice of incompleteness")
    matches = [entry for entry in bundle.entry if entry.search.mode == "match"]
    check.same(bundle.get("total"), len(matches), "total counts the matches")
    addresses = all(e.fullUrl == f"{story.base}/{e.resource.resourceType}/{e.resource.id}" for e in matches)
    check.that(addresses, "each fullUrl is the public address of its resource")
    outcomes = [e.resource for e in bundle.entry if e.resource.resourceType == "OperationOutcome"]
    grave = [i.severity for o in outcomes for i in o.issue if i.severity in ("error", "fatal")]
    check.same(grave, [], "no OperationOutcome says error")
    own = [link.url for link in bundle.link if link.relation == "self"]
    check.that(len(own) == 1 and own[0].startswith(f"{story.base}/CarePlan?"), "the self link is public", own)


def check_plan(check, person, plan):
    number = number_of(plan)
    system, code = ASSESS_PLAN.split("|")
    codings = [(c.system, c.code) for category in plan.category for c in category.coding]
    check.that((system, code) in codings, f"{number} has category assess-plan", codings)
    check.that(plan.text.status in ("generated", "additional"), f"{number}: us-core-narrative-status")
    check.that(plan.text.div.startswith(XHTML) and len(plan.text.div) > 60, f"{number} has a narrative", plan.text.div[:80])
    check.same(plan.subject.reference, f"Patient/{person.id}", f"{number} is about the person")
    check.that(plan.meta.profile and plan.meta.versionId and plan.meta.lastUpdated, f"{number} names profile and version")


def check_actions(check, client, plan, wanted, what):
    # fhirpy takes `activity`, an object with only `reference`, for a Reference itself: hence by address.
    tasks = [client.reference(reference=activity.reference.reference).to_resource() for activity in plan.activity]
    check.that(all(task.resourceType == "Task" for task in tasks), f"{what}: activities refer to Tasks")
    check.same(sorted(task.description for task in tasks), wanted, f"{what}: each action its data set opens is a readable Task, and no other")


def check_pages(check, client, person):
    """All pages, followed by their links, hold what one page holds."""
    search = client.resources("Observation").search(patient=person)
    whole = [one.id for one in search.fetch_all()]
    check.that(len(whole) > 3, "there is more than a page of three", len(whole))
    check.same([one.id for one in search.limit(3).fetch_all()], whole, "pages of three hold the same, in the same order")
    first = search.limit(3).fetch_raw()
    check.that(any(link.relation == "next" for link in first.link), "the first of them names the next")


def check_pdf(check, client, person):
    """The plan as a paper, for systems that only file documents."""
    step = "plan as PDF"
    offered = {resource["type"]: resource for resource in client.execute("metadata", method="get")["rest"][0]["resource"]}
    operations = offered.get("DocumentReference", {}).get("operation", [])
    if not any(operation["name"] == "docref" for operation in operations):
        check.skipped(step, "the CapabilityStatement names no $docref")
        return
    with check.step(step):
        documents = client.resources("DocumentReference").search(patient=person).fetch_all()
        attachments = [content["attachment"] for document in documents for content in document["content"]]
        # a source's own papers carry their bytes inline
        papers = [one["url"] for one in attachments if one.get("contentType") == "application/pdf" and "url" in one]
        check.that(papers, "the plan is there as PDF")
        for paper in papers:
            headers = {"Accept": "application/pdf", "Authorization": client.authorization}
            answer = requests.get(paper, headers=headers, timeout=smart.TIMEOUT)
            check.that(answer.content.startswith(b"%PDF-"), "a PDF", (answer.status_code, answer.headers))


def check_errors(check, story, client):
    absent = str(uuid.uuid4())
    read = client.reference("CarePlan", absent).to_resource
    check.raises(ResourceNotFound, read, "an absent plan is fhirpy's ResourceNotFound")
    search = client.resources("CarePlan").search(patient=absent, no_such_parameter="x").fetch_all
    error = check.raises(OperationOutcome, search, "an unknown search parameter is refused")
    if error:
        codes = [issue["code"] for issue in error.resource["issue"]]
        check.same(codes, ["not-supported"], "and the OperationOutcome says so")
    for header in ("Bearer not-a-token-of-anyone", None):
        nobody = SyncFHIRClient(story.base, authorization=header, requests_config={"timeout": smart.TIMEOUT})
        search = nobody.resources("Patient").search(identifier=story.facts["person"]).fetch_all
        check.raises(AuthorizationError, search, f"{header or 'no token'} is fhirpy's AuthorizationError")


def local_references(node):
    """Every reference in a resource, wherever it stands."""
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            yield node["reference"]
        for value in node.values():
            yield from local_references(value)
    elif isinstance(node, list):
        for value in node:
            yield from local_references(value)


async def pull_all(story, partner, person):
    """Every type the server searches by patient, all at once, and whatever those refer to. By `Type/id`."""
    header = await asyncio.to_thread(smart.authorization, story, partner)
    patience = aiohttp.ClientTimeout(total=smart.TIMEOUT)
    client = AsyncFHIRClient(story.base, authorization=header, aiohttp_config={"timeout": patience})
    statement = await client.execute("metadata", method="get")
    types = [r["type"] for r in statement["rest"][0]["resource"]
             if any(parameter["name"] == "patient" for parameter in r.get("searchParam", []))]
    searches = [client.resources(name).search(patient=person).fetch_all() for name in types]
    found = [resource for page in await asyncio.gather(*searches) for resource in page]
    received = {f"{r.resource_type}/{r.id}": r.serialize() for r in found}
    while missing := {ref for r in received.values() for ref in local_references(r)} - received.keys():
        ordered = sorted(missing)
        reads = [client.reference(reference=reference).to_resource() for reference in ordered]
        answers = await asyncio.gather(*reads, return_exceptions=True)
        received |= {ref: a if isinstance(a, Exception) else a.serialize() for ref, a in zip(ordered, answers)}
    # those of the guides are claimed beside ours, and published by others
    named = sorted({name for r in received.values() if isinstance(r, dict)
                    for name in r["meta"]["profile"] if name.startswith("https://postern.example/")})
    profiles = await asyncio.gather(*[client.execute(local_profile(name), method="get") for name in named])
    return received, dict(zip(named, profiles))


def local_profile(name):
    return f"StructureDefinition/{name.rsplit('/', 1)[1]}"


def check_whole(check, story, partner, person):
    """Returns the text of everything the partner can reach."""
    received, profiles = asyncio.run(pull_all(story, partner, person))
    allowed = {name: AllowList(profile) for name, profile in profiles.items()}
    for ref, resource in received.items():
        if isinstance(resource, dict):
            outside = [path for name in resource["meta"]["profile"] if name in allowed
                       for path in allowed[name].outside(resource)]
            check.that(any(name in allowed for name in resource["meta"]["profile"]), f"{partner}: {ref} names a profile of ours")
            check.same(outside, [], f"{partner}: {ref} is inside the profile it names")
    dead = [ref for ref, resource in received.items() if isinstance(resource, Exception)]
    check.same(dead, [], f"{partner}: no reference leads nowhere")
    kinds = {ref.split("/")[0] for ref in received}
    check.that({"CarePlan", "Task", "Patient"} <= kinds, f"{partner} gets plan, actions and person", sorted(kinds))
    return str([resource for resource in received.values() if isinstance(resource, dict)]), kinds


def pull(check):
    story = smart.Story(sys.argv[1])
    with check.step("discovery, token"):
        client = client_for(story, "maple-street")
    with check.step("search, read"):
        person = pull_plan(check, story, client)
    (story.folder / "person").write_text(person, encoding="ascii")
    with check.step("paged search"):
        check_pages(check, client, person)
    check_pdf(check, client, person)
    with check.step("error"):
        check_errors(check, story, client)
    check.same(find_person(client, story.facts["refused"]), [], "whoever refused consent is not found")

    maple, kinds = check_whole(check, story, "maple-street", person)
    secret = story.facts["secret"]
    check.that(len(secret) > 5, "the records hold texts that Riverside may not have", len(secret))
    check.that(any(text in maple for text in secret), "Maple Street gets some of them: its consent says so")
    riverside, _ = check_whole(check, story, "riverside", person)
    leaked = [text for text in secret if text in riverside]
    check.same(leaked, [], "Riverside gets none of them")
    check.that({"Goal", "MedicationRequest", "Condition"} <= kinds, "Maple Street gets goals, medications, problems", sorted(kinds))


checks.run("fhirpy", pull)
