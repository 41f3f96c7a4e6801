#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Holds doc/baton-scenario.schema.json against scenarios and against the parser.

schema_check.py validate SCHEMA FILE...   says for each file whether it is valid; status 1 when one is not
schema_check.py keys SCHEMA SOURCE...     compares the keys of each mapping with those that the parser knows
"""
import json
import re
import sys

import jsonschema
import yaml

# What the parser calls a mapping (the text of parse_map) and the schema's definitions of it; the root is "".
MAPPINGS = {
    "a scenario": [""],
    "health": ["health"],
    "control": ["control"],
    "log": ["log"],
    "d->key": ["size_distribution", "duration_distribution"],
    "a fault": ["fault"],
    "a match": ["match_conditions"],
    "the impairments of one direction": ["impairments"],
    "a network": ["network"],
    "a capture": ["capture_point"],
    "an attachment": ["attachment"],
    "apps": ["apps"],
    "a proxy": ["proxy"],
    "a relay": ["relay_listener"],
    "a server": ["relay_server"],
    "an expectation": ["expectation"],
    "limits": ["limits"],
    "a node": ["node"],
    "abort": ["abort"],
    "a request": ["request"],
    "a route": ["route"],
    "a rule": ["rule"],
    "a service": ["service"],
    "series": ["series"],
    "traffic": ["traffic"],
}


class Loader(yaml.SafeLoader):
    """Scalars of YAML 1.2's core schema: `on` is a text, and 1:30 no number."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in [
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN" + "\0"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
]:
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), list(first) + [""] * (tag == "null"))


def validate(schema, files):
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    bad = 0
    for file in files:
        try:
            with open(file, encoding="utf-8") as f:
                errors = [f"{'/'.join(map(str, e.path))}: {e.message}" for e in validator.iter_errors(yaml.load(f, Loader))]
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as e:
            errors = [str(e).replace("\n", " ")]
        print(f"{file}: {errors[0] if errors else 'valid'}")
        bad += bool(errors)
    return bad


def parser_mappings(sources):
    """The keys of each mapping, by what parse_map calls it: those of the list that stands last before the call."""
    lists = {}
    for source in sources:
        with open(source, encoding="utf-8") as f:
            text = f.read()
        for name, body in re.findall(r"#define (\w+_KEYS)\s*((?:.*\\\n)*.*)", text):
            lists[name] = re.findall(r'"([^"]*)"', body)
    found = {}
    for source in sources:
        with open(source, encoding="utf-8") as f:
            text = f.read()
        for m in re.finditer(r"(\w+)\[\] = \{([^;]*?)\};|parse_map\(p, [^,]+, (\"[^\"]*\"|[\w>-]+), (\w+),", text):
            if m[1]:
                keys = re.findall(r'"([^"]*)"|\b(\w+_KEYS)\b', m[2])
                lists[m[1]] = [k for word, macro in keys for k in ([word] if word else lists.get(macro, []))]
            elif m[4] in lists:
                found[m[3].strip('"')] = set(lists[m[4]])
    return found


def compare(schema, sources):
    found = parser_mappings(sources)
    wrong = [f"the parser reads a mapping '{w}' that is not in MAPPINGS" for w in found.keys() - MAPPINGS.keys()]
    wrong += [f"the parser reads no mapping '{w}'" for w in MAPPINGS.keys() - found.keys()]
    for what in found.keys() & MAPPINGS.keys():
        for name in MAPPINGS[what]:
            keys = set((schema["definitions"][name] if name else schema)["properties"])
            wrong += [f"{what}: '{k}' is not in the schema" for k in found[what] - keys]
            wrong += [f"{what}: '{k}' of the schema is not in the parser" for k in keys - found[what]]
    print("\n".join(sorted(wrong)) or f"{len(found)} mappings agree")
    return len(wrong)


def main():
    with open(sys.argv[2], encoding="utf-8") as f:
        schema = json.load(f)
    count = {"validate": validate, "keys": compare}[sys.argv[1]](schema, sys.argv[3:])
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
