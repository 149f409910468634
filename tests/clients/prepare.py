"""Fills the work folder of run.sh: keys, registrations to make, records to import, `postern.toml`, `story.json`.

    prepare.py WORK REPOSITORY
"""

import datetime
import json
import pathlib
import socket
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

# Partner → its keys. The stranger is registered like the others, but no record or consent names it.
KEYS = {"maple-street": ("ES384", "RS384"), "riverside": ("ES384",), "elsewhere": ("ES384", "RS384")}

# Sensitivities that the consent for Riverside withholds, as the demo's records write them.
WITHHELD = {"SA", "HIV", "DV"}
PART2_PROGRAM = "HARBOR"

# Phases of actions that each partner's data set opens (`profiles/*/Task.json`): nobody needs all of them.
PHASES = {"maple-street": {"EARLY", "AFTER"}, "riverside": {"EARLY", "ESC", "AFTER"}}

CONFIGURATION = """\
[server]
listen = "127.0.0.1:{port}"
public_url = "http://127.0.0.1:{port}/fhir"
[store]
url = "sqlite:{work}/postern.db"
[paths]
keys = "{work}/keys"
mappings = "{repository}/mappings"
profiles = "{repository}/profiles"
[agency]
zone = "America/Chicago"
"""


def make_keys(work):
    for partner, algorithms in KEYS.items():
        keys = [make_key(work, partner, algorithm) for algorithm in algorithms]
        (work / f"{partner}.jwks.json").write_text(json.dumps({"keys": keys}), encoding="utf-8")


def make_key(work, partner, algorithm):
    """Writes the private key and returns the public one as a JWK."""
    if algorithm == "ES384":
        key = ec.generate_private_key(ec.SECP384R1())
        jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    encoding = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (work / f"{partner}.{algorithm}.pem").write_bytes(key.private_bytes(*encoding))
    # PyJWT says `key_ops: [verify]`, which RFC 7517 4.3 would have beside `use` only if the two agree.
    public = {name: value for name, value in jwk.items() if name != "key_ops"}
    return {**public, "kid": f"{partner}-{algorithm}", "use": "sig", "alg": algorithm}


def copy_records(work, demo):
    """The demo's records of Rosa and Tamsin, their consents valid for another 300 days from today."""
    until = datetime.date.today() + datetime.timedelta(days=300)
    records = {}
    for path in sorted(demo.glob("*.json")):
        kind, who = path.name.removesuffix(".json").split(".", 1)
        if not who.startswith(("rosa", "tamsin")):
            continue
        record = json.loads(path.read_text(encoding="utf-8"))
        if "onDate" in record.get("expires", {}):
            record["expires"]["onDate"] = f"{until.month}/{until.day}/{until.year}"
        folder = work / "records" / kind
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path.name).write_text(json.dumps(record, ensure_ascii=False, indent=1), encoding="utf-8")
        records[f"{kind}.{who}"] = record
    return records


def lists_of(node):
    """Every list of objects in a record: its goals, actions, medications and so on."""
    for value in node.values():
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            yield value
        elif isinstance(value, dict):
            yield from lists_of(value)


def secret_texts(records):
    """Texts that Riverside must never receive: what the Part 2 program wrote and what is marked sensitive."""
    told = ("doThis", "why", "text", "wording", "note", "name", "drugName", "sig", "outcome", "mitigation")
    secret, open_texts = set(), set()
    for record in records:
        for items in lists_of(record):
            for item in items:
                hidden = item.get("program") == PART2_PROGRAM or WITHHELD & set(item.get("sens", []))
                texts = {item[name] for name in told if item.get(name)}
                if "staffNo" in item or "npi" in item:
                    continue
                alone = {item[name] for name, mark in (("note", "noteSens"), ("doThis", "textSens"))
                         if WITHHELD & set(item.get(mark, [])) and item.get(name)}
                secret |= texts if hidden else alone
                open_texts |= set() if hidden else texts - alone
    return sorted(text for text in secret - open_texts if len(text) > 12)


def identifier(record):
    return f"https://hearthstone.example/ids/client|{record['client']['clientNo']}"


def actions(items, partner, secret):
    """What the partner gets of these actions, in words. Only Maple Street has consent for the secret ones."""
    needed = (item["doThis"] for item in items if item["phase"] in PHASES[partner])
    return sorted(text for text in needed if partner == "maple-street" or text not in secret)


def facts(records, port):
    plan = records["care-plan.rosa"]
    secret = secret_texts(record for name, record in records.items() if name.split(".")[1].startswith("rosa"))
    return {
        "base": f"http://127.0.0.1:{port}/fhir",
        "person": identifier(plan),
        "refused": identifier(records["care-plan.tamsin"]),
        "plan": {
            "number": plan["planNo"],
            "title": plan["title"],
            "goals": sorted(goal["wording"] for goal in plan["goals"]),
            "crisis": plan["crisis"]["crisisNo"],
        },
        "actions": {partner: actions(plan["actions"], partner, secret) for partner in PHASES},
        "crisisActions": {partner: actions(plan["crisis"]["actions"], partner, secret) for partner in PHASES},
        "secret": secret,
    }


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    work, repository = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    demo = repository / "mappings" / "hearthstone" / "demo"
    make_keys(work)
    records = copy_records(work, demo)
    if not {"care-plan.rosa", "care-plan.tamsin"} <= records.keys():
        sys.exit(f"{demo}: the records of Rosa and Tamsin are missing")
    port = free_port()
    configuration = CONFIGURATION.format(port=port, work=work, repository=repository)
    (work / "postern.toml").write_text(configuration, encoding="utf-8")
    story = json.dumps(facts(records, port), ensure_ascii=False, indent=1)
    (work / "story.json").write_text(story, encoding="utf-8")
    print(port)


main()
