#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is printed by the program and kept in the tree is equal; what it answers fits its schema.

usage: generated.py PULLGATE [--write]   run from the source root; prints each offence.
"""
import json, os, subprocess, sys

GENERATED = {
    "conf/pullgate.yaml": ["config", "example"],
    "docs/configuration.md": ["config", "reference"],
    "docs/pullgate.8": ["man"],
    "conf/completion/pullgate.bash": ["completion", "bash"],
    "conf/completion/pullgate.zsh": ["completion", "zsh"],
    "conf/completion/pullgate.fish": ["completion", "fish"],
}
ANSWERS = {  # schema: a command that needs nothing but itself
    "docs/api/version.schema.json": ["version", "--json"],
    "docs/api/config-show.schema.json": ["config", "show", "-c", "conf/pullgate.yaml", "--json"],
    "docs/api/config-check.schema.json": ["config", "check", "-c", "conf/pullgate.yaml", "--json"],
}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def is_type(value, name):
    if name in ("integer", "number"):
        return isinstance(value, int if name == "integer" else (int, float)) and value is not True \
            and value is not False
    return isinstance(value, TYPES[name])


def misfits(value, schema, path="$", root=None):
    """The part of JSON Schema that docs/api uses; a word it does not know is an offence, too."""
    root = root or schema
    known = {"$schema", "$ref", "$defs", "title", "description", "type", "properties", "required",
             "additionalProperties", "items", "enum", "minimum"}
    for word in set(schema) - known:
        yield f"{path}: the schema says {word}, which this check does not know"
    if "$ref" in schema:
        yield from misfits(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], path, root)
        return
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(is_type(value, t) for t in types):
        yield f"{path}: {value!r} is no {' or '.join(types)}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of {schema['enum']}"
    if "minimum" in schema and value < schema["minimum"]:
        yield f"{path}: {value!r} is less than {schema['minimum']}"
    if isinstance(value, dict):
        for key in schema.get("required", []):
            if key not in value:
                yield f"{path}: no {key}"
        for key, inner in value.items():
            more = schema.get("additionalProperties", True)
            if key in schema.get("properties", {}):
                yield from misfits(inner, schema["properties"][key], f"{path}.{key}", root)
            elif more is False:
                yield f"{path}: {key} is not in the schema"
            elif isinstance(more, dict):
                yield from misfits(inner, more, f"{path}.{key}", root)
    if isinstance(value, list) and "items" in schema:
        for i, inner in enumerate(value):
            yield from misfits(inner, schema["items"], f"{path}[{i}]", root)


def run(program, words):
    return subprocess.run([program, *words], stdout=subprocess.PIPE, check=True).stdout


def main(program, write=False):
    bad = 0
    os.chmod("conf/pullgate.yaml", 0o644)  # as git would with any umask
    for path, words in GENERATED.items():
        text = run(program, words)
        if write:
            open(path, "wb").write(text)
        elif open(path, "rb").read() != text:
            print(f"{path} is not what `pullgate {' '.join(words)}` prints; "
                  f"run: tests/check/generated.py {program} --write")
            bad += 1
    for path, words in ANSWERS.items():
        for why in misfits(json.loads(run(program, words)), json.load(open(path))):
            print(f"{path}: {' '.join(words)}: {why}")
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], "--write" in sys.argv[2:]))
