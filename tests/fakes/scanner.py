#!/usr/bin/python3 -SEB
# SPDX-License-Identifier: Apache-2.0
"""A scanner with the command lines of Trivy and Grype. It finds in an OCI layout what they found there:
their reports in tests/fixtures/scan. How it fails stands in the file `mode` of its database's folder."""
import hashlib, json, os, signal, sys

IS_GRYPE = "GRYPE_DB_CACHE_DIR" in os.environ
DATABASE = os.environ["GRYPE_DB_CACHE_DIR" if IS_GRYPE else "TRIVY_CACHE_DIR"]
FIXTURES = os.path.join(DATABASE, "fixtures")  # whoever starts it puts them there: it sees no other files
NAME = "grype" if IS_GRYPE else "trivy"


def fixture(name):
    with open(os.path.join(FIXTURES, name), "rb") as f:
        return f.read()


def mode():
    try:
        with open(os.path.join(DATABASE, "mode")) as f:
            return f.read()
    except FileNotFoundError:
        return ""


def blob(layout, digest):
    """As a scanner reads it: from the folder, and it must be what its name says."""
    with open(os.path.join(layout, "blobs", *digest.split(":")), "rb") as f:
        data = f.read()
    assert hashlib.sha256(data).hexdigest() == digest.split(":")[1]
    return data


def look(layout):
    """The digest of the only image in it, of which all is there."""
    assert json.load(open(os.path.join(layout, "oci-layout"))) == {"imageLayoutVersion": "1.0.0"}
    (image,) = json.load(open(os.path.join(layout, "index.json")))["manifests"]
    data = blob(layout, image["digest"])
    assert len(data) == image["size"]
    manifest = json.loads(data)
    assert manifest["mediaType"] == image["mediaType"]
    for part in [manifest["config"], *manifest["layers"]]:
        blob(layout, part["digest"])
    return image["digest"]


def main(args):
    how = mode()
    if args in (["version", "--format=json"], ["db", "status", "--output=json"]):
        if how == "no database":
            print("{}")
            return 0
        sys.stdout.buffer.write(fixture("grype-db-status.json" if IS_GRYPE else "trivy-version.json"))
        return 0
    if IS_GRYPE:
        assert args[1] == "--output=json" and args[3] == "--quiet" and os.environ["GRYPE_DB_AUTO_UPDATE"] == "false"
        layout = args[0].removeprefix("oci-dir:")
    else:
        assert {"--format=json", "--skip-db-update", "--offline-scan", "--list-all-pkgs"} <= set(args), args
        layout = args[1].removeprefix("--input=")
    digest = look(layout)
    with open(os.path.join(DATABASE, "runs"), "a") as f:
        f.write(digest + "\n")
    with open(os.path.join(os.environ["TMPDIR"], "left-behind"), "w") as f:
        f.write("x")
    if how == "gate":
        open(os.path.join(DATABASE, "gate")).read()
    elif how == "hang":
        signal.pause()
    elif how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "error":
        print("cannot do that", file=sys.stderr)
        return 1
    elif how == "fill":
        with open(os.path.join(os.environ["TMPDIR"], "much"), "wb") as f:
            while True:
                f.write(b"x" * 65536)
    elif how == "endless":
        while True:
            sys.stdout.write("x" * 65536)
    folders = [f for f in ("debian12", "clean") if digest in fixture(f"{f}/trivy.json").decode()]
    if how == "lie":
        folders = [f for f in ("debian12", "clean") if f not in folders]
    report = fixture(f"{folders[0]}/{NAME}.json")
    if how == "nothing":
        said = json.loads(report)
        said.update(matches=[], ignoredMatches=[]) if IS_GRYPE else said.update(Results=[])
        report = json.dumps(said).encode()
    if not IS_GRYPE:  # of a folder it knows no name, and of the image its config alone
        said = json.loads(report)
        said["ArtifactName"] = layout
        del said["Metadata"]["RepoDigests"], said["Metadata"]["Reference"]
        report = json.dumps(said).encode()
    if IS_GRYPE:
        with open(args[2].removeprefix("--output=cyclonedx-json="), "wb") as f:
            f.write(fixture(f"{folders[0]}/grype.cdx.json"))
    sys.stdout.buffer.write(report[:len(report) // 2] if how == "cut" else report)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
