#!/usr/bin/env python3
"""Writes the tables of reasons in README.md from the `comment` of each element of each profile.

Run it after changing a profile: python3 profiles/reasons.py
"""
import json
import pathlib

HERE = pathlib.Path(__file__).parent
SETS = [p.parent.name for p in sorted(HERE.glob("*/data-set.json"))]
START, END = "<!-- reasons: written by reasons.py -->", "<!-- end of reasons -->"


def rows():
    """{type: [[element, reason, sets]]} in the order of the profiles; equal reasons share a row."""
    table = {}
    for name in SETS:
        for type_ in json.loads((HERE / name / "data-set.json").read_text())["order"]:
            profile = json.loads((HERE / name / f"{type_}.json").read_text())
            what = profile["differential"]["element"][0].get("short", "")
            listed = table.setdefault(type_, (what, []))[1]
            at = 0
            for element in profile["differential"]["element"][1:]:
                key = [element["id"], element.get("comment", "")]
                for n, row in enumerate(listed):
                    if row[:2] == key:
                        row[2].append(name)
                        at = n + 1
                        break
                else:
                    while at < len(listed) and listed[at][0] == key[0]:
                        at += 1
                    listed.insert(at, key + [[name]])
                    at += 1
    return table


def main():
    out = [START, ""]
    for type_, (what, listed) in rows().items():
        out += [f"### {type_}: {what}", "", "| element | sets | why |", "|---|---|---|"]
        for element, why, sets in listed:
            who = "all" if len(sets) == len(SETS) else ", ".join(sets)
            out.append(f"| `{element}` | {who} | {why} |")
        out.append("")
    readme = HERE / "README.md"
    text = readme.read_text()
    before, rest = text.split(START, 1)
    after = rest.split(END, 1)[1]
    readme.write_text(before + "\n".join(out) + END + after)


main()
