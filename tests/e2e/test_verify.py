# SPDX-License-Identifier: Apache-2.0
"""`pullgate verify` over every OCI layout of the fixtures, each refused for the reason in its name;
`verify-bundle` as the conformance suite asks for it."""
import base64, glob, hashlib, json, os, shutil, subprocess, sys, tempfile

import pg as stage
from gated import OPEN, Gated, Signer, put_signature, signed
from upstream import Upstream

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../check"))
from generated import misfits

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
FIXTURES = os.path.join(ROOT, "tests/fixtures/signing")
GOOD = "good"

# Why each case is refused: the code of the answer. What is not here passes.
OCI = {
    "neg-att-bundle-annotation-lies": "kind", "neg-att-bundle-wrong-type": "kind",
    "neg-att-payload-tampered": "key", "neg-att-payloadtype-changed": "unsupported",
    "neg-att-predicate-annotation-lies": "kind", "neg-attestation-is-not-signature": "kind",
    "neg-bundle-index-artifacttype-lies": GOOD, "neg-bundle-not-json": "malformed",
    "neg-bundle-payload-tampered": "signature", "neg-bundle-sig-tampered": "signature",
    "neg-bundle-subject-other": "subject", "neg-bundle-two-layers": "malformed",
    "neg-bundle-unknown-version": "unsupported", "neg-bundle-wrong-hint": GOOD,
    "neg-sig-annotation-mismatch": "policy", "neg-sig-blob-corrupt": "too_large",
    "neg-sig-blob-missing": "malformed", "neg-sig-copied-from-other-image": "subject",
    "neg-sig-empty-annotation": "signature", "neg-sig-identity-mismatch": "policy",
    "neg-sig-manifest-not-json": "malformed", "neg-sig-no-annotation": "malformed",
    "neg-sig-no-layers": "malformed", "neg-sig-payload-claims-us": "key",
    "neg-sig-payload-size-1g": "too_large", "neg-sig-payload-swapped": "key",
    "neg-sig-removed": "none", "neg-sig-tampered-annotation": "key",
    "neg-sig-two-signers-need-both": "policy", "neg-sig-wrong-mediatype": "unsupported",
    "v2-sig-other-key_fail": "key", "v3-bundle-other-key_fail": "key",
}
# cosign signs with Ed25519ph, which OpenSSL has from 3.2 on; with an older one, these cannot be
# verified, and the answer says so.
PREHASHED = {"v2-sig-ed25519", "v3-bundle-ed25519"}
# Certificates of one's own authority: a policy that wants them does not load, and says so.
OWN_AUTHORITY = {"v2-sig-pki"}
KEYLESS = {
    "bundle-of-other-image_fail": "subject", "bundle-only-attestation_fail": "kind",
    "bundle-wrong-identity_fail": "identity", "legacy-att-lying-annotation_fail": "kind",
    "legacy-att-of-other-image_fail": "subject", "legacy-sig-bad-set_fail": "log",
    "legacy-sig-duplicate-digest-key_fail": "malformed", "legacy-sig-key-case_fail": "malformed",
    "legacy-sig-no-bundle_fail": "time", "legacy-sig-of-other-image_fail": "subject",
    "legacy-sig-wrong-identity_fail": "identity", "legacy-sig-wrong-type_fail": "malformed",
    "unsigned_fail": "none",
}


def run(*args):
    p = subprocess.run([os.environ["PULLGATE"], *args], text=True, timeout=stage.DEADLINE,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return p.returncode, p.stdout, p.stderr


def answer(*args):
    """What is said as JSON, which fits its schema; its code, or GOOD."""
    code, out, err = run("verify", "--json", *args)
    assert code in (0, 1) and not err, (args, code, err)
    said = json.loads(out)
    with open(os.path.join(ROOT, "docs/api/verify.schema.json")) as f:
        wrong = list(misfits(said, json.load(f)))
    assert not wrong, wrong
    assert said["verified"] == (code == 0) == (said["code"] is None), said
    return GOOD if code == 0 else said["code"], said


def policy_of(folder, expect, rules):
    """Annotations, names and several signers are a policy's: the command has no option for them."""
    path = os.path.join(folder, "policy.json")
    with open(path, "w") as f:
        json.dump(rules, f)
    return ["--policy", path, "-c", os.path.join(folder, "pullgate.yaml"), "docker.io/library/app:v1"]


def wanted(base, expect, folder):
    key = os.path.join(base, expect["key"]) if expect.get("key") else None
    open(os.path.join(folder, "pullgate.yaml"), "w").write("listen: 127.0.0.1:5000\n")
    keys = [shutil.copy(os.path.join(base, k), folder) for k in expect.get("requireAll", [])]
    if key and not keys:
        keys = [shutil.copy(key, folder)]
    if expect.get("signedIdentity"):
        need = {"type": "sigstoreSigned", "keyPath": keys[0], "signedIdentity": expect["signedIdentity"]}
        return policy_of(folder, expect, {"default": [{"type": "reject"}], "transports": {
            "docker": {"docker.io/library/app": [need]}}})
    if expect.get("annotations") or expect.get("requireAll"):
        signers = [{"key": os.path.basename(k), **({"annotations": expect["annotations"]}
                    if expect.get("annotations") else {})} for k in keys]
        return policy_of(folder, expect, {"default": "deny", "rules": [
            {"name": "all", "match": {"repositories": ["**"]},
             "require": {"signature": {"all_of": signers}}}]})
    args = ["--key", key] if key else [
        "--identity", expect["identity"], "--issuer", expect["issuer"],
        "--trusted-root", os.path.join(base, expect["trustedRoot"])]
    return args + (["--type", expect["predicateType"]] if expect["kind"] == "attestation" else [])


def check_all(base, reasons, skipped=()):
    files = sorted(glob.glob(os.path.join(base, "*.expect.json")))
    assert files, base
    left = set(reasons)
    for file in files:
        name = os.path.basename(file).removesuffix(".expect.json")
        expect = json.load(open(file))
        left.discard(name)
        if name in skipped:
            continue
        with tempfile.TemporaryDirectory() as folder:
            code, said = answer("--layout", f"{base}/{name}:{expect['image']}",
                                *wanted(base, expect, folder))
        assert code == reasons.get(name, GOOD), (name, said)
        assert said["digest"] == expect["digest"], (name, said)
        if expect["expect"] != "implementation-defined":
            assert (code == GOOD) == (expect["expect"] == "pass"), (name, said)
    assert not left, f"no such cases: {left}"


def test_each_layout_signed_with_keys_gets_its_verdict():
    check_all(os.path.join(FIXTURES, "oci"), OCI, skipped=PREHASHED | OWN_AUTHORITY)


def test_each_layout_signed_by_identities_gets_its_verdict():
    check_all(os.path.join(FIXTURES, "keyless/oci"), KEYLESS)


def test_what_the_real_services_made_is_verified():
    check_all(os.path.join(FIXTURES, "real-keyless"), {})


def test_ed25519ph_is_verified_or_said_to_need_another_openssl():
    base = os.path.join(FIXTURES, "oci")
    for name in sorted(PREHASHED):
        code, said = answer("--layout", f"{base}/{name}:v1", "--key", f"{base}/keys/ed25519.pub")
        assert code == GOOD or (code == "unsupported" and "OpenSSL" in said["reason"]), said


def test_certificates_of_ones_own_authority_are_refused_by_name():
    base = os.path.join(FIXTURES, "oci")
    for name in sorted(OWN_AUTHORITY):
        pki = json.load(open(f"{base}/{name}.expect.json"))["pki"]
        with tempfile.TemporaryDirectory() as folder:
            root = shutil.copy(os.path.join(base, pki["roots"]), folder)
            need = {"type": "sigstoreSigned", "signedIdentity": {"type": "matchRepository"},
                    "pki": {"caRootsPath": root, "subjectEmail": pki["subjectEmail"]}}
            file = os.path.join(folder, "policy.json")
            with open(file, "w") as f:
                json.dump({"default": [{"type": "reject"}],
                           "transports": {"docker": {"docker.io": [need]}}}, f)
            config = os.path.join(folder, "pullgate.yaml")
            open(config, "w").write("listen: 127.0.0.1:5000\n")
            code, out, err = run("verify", "--layout", f"{base}/{name}:v1", "--policy", file,
                                 "-c", config, "docker.io/library/app:v1")
        assert code == 2 and "pki" in err and "cannot be honoured" in err, (code, out, err)
        code, said = answer("--layout", f"{base}/{name}:v1", "--key", f"{base}/keys/k1.pub")
        assert code == "time", said  # nobody else vouches for when it was signed


# ---- what is too large to be kept ------------------------------------------------------------

def with_signatures(folder, change):
    """The image of v2-sig-key, with another manifest under its .sig."""
    layout = os.path.join(folder, "layout")
    shutil.copytree(os.path.join(FIXTURES, "oci/v2-sig-key"), layout)
    index = json.load(open(f"{layout}/index.json"))
    entry, = (m for m in index["manifests"]
              if m.get("annotations", {}).get("org.opencontainers.image.ref.name", "").endswith(".sig"))
    manifest = json.load(open(f"{layout}/blobs/sha256/{entry['digest'][7:]}"))
    change(manifest)
    text = json.dumps(manifest).encode()
    entry["digest"], entry["size"] = "sha256:" + hashlib.sha256(text).hexdigest(), len(text)
    open(f"{layout}/blobs/sha256/{entry['digest'][7:]}", "wb").write(text)
    json.dump(index, open(f"{layout}/index.json", "w"))
    return answer("--layout", layout + ":v1", "--key", os.path.join(FIXTURES, "oci/keys/k1.pub"))


def refused_when(change):
    with tempfile.TemporaryDirectory() as folder:
        return with_signatures(folder, change)


def bad_layers(n):
    def change(manifest):
        bad = json.loads(json.dumps(manifest["layers"][0]))
        bad["annotations"]["dev.cosignproject.cosign/signature"] = "AAAA"
        manifest["layers"] = [bad] * n + manifest["layers"]
    return change


def test_F13_neg_sig_5000_layers():
    code, said = refused_when(bad_layers(5000))
    assert code == "too_large" and "5001 layers" in said["reason"], said


def test_F13_the_good_one_behind_sixty_four_bad_ones_is_not_found():
    code, said = refused_when(bad_layers(63))
    assert code == GOOD and len(said["refused"]) == 63, said
    code, said = refused_when(bad_layers(64))
    assert code == "key" and said["state"] == "cut" and len(said["refused"]) == 64, said
    assert "of 65 signatures or attestations, 64 were looked at" in said["reason"], said


def test_F13_neg_sig_huge_annotation():
    def change(manifest):
        manifest["layers"][0]["annotations"]["dev.cosignproject.cosign/signature"] = "A" * (3 << 20)
    code, said = refused_when(change)
    assert code == "too_large" and "3145728 bytes" in said["reason"], said


# ---- what people see -------------------------------------------------------------------------

def test_the_text_says_who_when_and_where_it_was_logged():
    expect = json.load(open(f"{FIXTURES}/keyless/oci/legacy-sig-tsa.expect.json"))
    code, out, err = run("verify", "--layout", f"{FIXTURES}/keyless/oci/legacy-sig-tsa:v1",
                         "--identity", expect["identity"], "--issuer", expect["issuer"],
                         "--trusted-root", f"{FIXTURES}/keyless/oci/trusted_root.json")
    assert code == 0 and not err, err
    for text in [expect["digest"], "by identity " + expect["identity"], "known to " + expect["issuer"],
                 "at 2026-01-15T12:00:30Z", "1 transparency log", "1 certificate log",
                 "1 timestamp authority", "signed as registry.fixture.test/acme/app", "\nverified\n"]:
        assert text in out, (text, out)


def test_a_refusal_names_both_digests():
    code, out, _ = run("verify", "--layout", f"{FIXTURES}/oci/neg-sig-copied-from-other-image:v1",
                       "--key", f"{FIXTURES}/oci/keys/k1.pub")
    assert code == 1 and "\nnot verified: the signature is over sha256:" in out, out
    assert ", this image is sha256:" in out, out


def test_a_digest_can_be_asked_for_instead_of_a_tag():
    expect = json.load(open(f"{FIXTURES}/oci/v2-sig-key.expect.json"))
    key = ["--key", f"{FIXTURES}/oci/keys/k1.pub"]
    assert answer("--layout", f"{FIXTURES}/oci/v2-sig-key@{expect['digest']}", *key)[0] == GOOD
    child = json.load(open(f"{FIXTURES}/oci/v2-sig-index-only.expect.json"))["child"]
    assert answer("--layout", f"{FIXTURES}/oci/v2-sig-index-only@{child}", *key)[0] == "none"


def test_what_cannot_be_done_is_said_with_status_2():
    layout = ["--layout", f"{FIXTURES}/oci/v2-sig-key:v1"]
    key = ["--key", f"{FIXTURES}/oci/keys/k1.pub"]
    for args, why in [
            (key, "--layout DIR:TAG"), (layout, "one of --key FILE"),
            ([*layout, *key, "--policy", "x"], "one of --key FILE"),
            ([*layout, "--identity", "x"], "go together"),
            ([*layout, "--identity", "x", "--issuer", "y"], "--trusted-root"),
            ([*layout, *key, "app"], "IMAGE"), ([*layout, "--key", "/nonexistent"], "/nonexistent"),
            ([*layout, "--key", f"{FIXTURES}/oci/v2-sig-key/index.json"], "PEM"),
            (["--layout", f"{FIXTURES}/oci/v2-sig-key:v2", *key], "tagged v2"),
            (["--layout", f"{FIXTURES}/oci/v2-sig-key", *key], "DIR:TAG"),
            (["--layout", f"{FIXTURES}/oci:v1", *key], "no OCI layout"),
            (["--layout", "/nonexistent:v1", *key], "/nonexistent")]:
        code, out, err = run("verify", *args)
        assert code == 2 and why in err and not out, (args, code, err, out)


def test_without_pullgate_tsa_a_timestamp_is_refused():
    with tempfile.TemporaryDirectory() as folder:
        alone = shutil.copy(os.environ["PULLGATE"], folder)
        expect = json.load(open(f"{FIXTURES}/keyless/oci/legacy-sig-tsa.expect.json"))
        args = ["verify", "--json", "--identity", expect["identity"], "--issuer", expect["issuer"],
                "--trusted-root", f"{FIXTURES}/keyless/oci/trusted_root.json", "--layout"]
        p = subprocess.run([alone, *args, f"{FIXTURES}/keyless/oci/legacy-sig-tsa:v1"], text=True,
                           stdout=subprocess.PIPE, timeout=stage.DEADLINE)
        said = json.loads(p.stdout)
        assert p.returncode == 1 and said["code"] == "helper", said
        assert "pullgate-tsa is not installed" in said["reason"], said
        p = subprocess.run([alone, *args, f"{FIXTURES}/keyless/oci/legacy-sig:v1"],
                           stdout=subprocess.PIPE, timeout=stage.DEADLINE)
        assert p.returncode == 0  # which has none


# ---- an image behind a server ----------------------------------------------------------------

IMAGE = "origin.test/library/app"


def looked_at(pg, *args):
    """As answer(), of an image behind this server."""
    code, out, err = pg.command("verify", "--json", *args)
    assert code in (0, 1), (args, code, err)
    said = json.loads(out)
    with open(os.path.join(ROOT, "docs/api/verify.schema.json")) as f:
        wrong = list(misfits(said, json.load(f)))
    assert not wrong, wrong
    assert said["verified"] == (code == 0), said
    return GOOD if code == 0 else said["code"], said, err


def a_server(policy=None):
    up = Upstream()
    signed_one, other = up.image("library/app", "v1"), up.image("library/app", "v2", arch="other")
    pg = Gated(up, policy) if policy else Gated(up, OPEN)
    pg.signer.sign(up, "library/app", signed_one.digest)
    return up, pg, signed_one, other


def test_the_policy_of_the_server_is_what_is_wanted():
    up, pg, image, other = a_server(signed("deny"))
    code, said, err = looked_at(pg, IMAGE + ":v1")
    assert code == GOOD and said["rule"] == "signed" and said["digest"] == image.digest, said
    assert said["repository"] == IMAGE and said["tag"] == "v1" and said["state"] == "complete", said
    assert [f["signer"] for f in said["found"]] == ["key"] and not err, (said, err)
    assert looked_at(pg, f"{IMAGE}@{image.digest}")[0] == GOOD
    code, said, _ = looked_at(pg, IMAGE + ":v2")     # which no client gets a byte of
    assert code == "policy" and said["digest"] == other.digest and "rule signed" in said["reason"], said
    pg.signer.sign(up, "library/app", other.digest)
    assert looked_at(pg, IMAGE + ":v2", "--key", pg.signer.public)[0] == GOOD
    for layer in image.layers + other.layers:        # to look at an image is not to pull it
        assert up.count("GET", layer) == 0, layer
    pg.stop()


def test_a_key_is_enough_where_there_is_no_policy():
    up, pg, image, _ = a_server()
    key = ["--key", pg.signer.public]
    code, said, err = looked_at(pg, IMAGE + ":v1", *key)
    assert code == GOOD and said["digest"] == image.digest and not err, (said, err)
    code, said, _ = looked_at(pg, IMAGE + ":v2", *key)
    assert code == "none" and said["state"] == "complete", said
    stranger = Signer(pg.folder, "stranger")
    code, said, _ = looked_at(pg, IMAGE + ":v1", "--key", stranger.public)
    assert code == "key" and len(said["refused"]) == 1, said
    pg.stop()


def test_what_upstream_has_no_more_is_looked_for_in_the_store():
    up, pg, image, other = a_server(signed("deny"))
    assert looked_at(pg, IMAGE + ":v1")[0] == GOOD
    assert looked_at(pg, IMAGE + ":v2")[0] == "policy"
    pg.landed(1)
    up.die()
    for _ in ("the server runs", "it does not"):
        code, said, err = looked_at(pg, IMAGE + ":v1")
        assert code == GOOD and said["digest"] == image.digest, (said, err)
        assert said["state"] == "failed", said       # there may be more, which was not asked for
        code, said, err = looked_at(pg, f"{IMAGE}@{other.digest}", "--key", pg.signer.public)
        assert code == "unknown" and said["digest"] == other.digest, said
        if pg.proc.poll() is None:
            pg.end()
    assert "upstream was not asked" in said["reason"], said
    code, out, err = pg.command("verify", IMAGE + ":v3", "--key", pg.signer.public)
    assert code == 2 and "not in the store" in err and "pullgate serve" in err and not out, err


def test_an_rsa_key_signs_with_pss_where_the_policy_says_so():
    up = Upstream()
    image = up.image("library/app", "v1")
    rule = ("default: deny\nrules:\n- name: signed\n  match: {repositories: ['origin.test/library/**']}\n"
            "  require: {signature: {any_of: [{key: rsa.pub%s}]}}\n")
    pg = Gated(up, OPEN)
    key = f"{pg.folder}/rsa.key"
    for args in (["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key],
                 ["pkey", "-in", key, "-pubout", "-out", f"{pg.folder}/rsa.pub"]):
        subprocess.run(["openssl", *args], check=True, capture_output=True)
    payload = json.dumps({"critical": {"identity": {"docker-reference": IMAGE}, "image": {
        "docker-manifest-digest": image.digest}, "type": "cosign container image signature"},
        "optional": None}).encode()
    p = subprocess.run(["openssl", "dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt",
                        "rsa_pss_saltlen:32", "-sign", key], input=payload, stdout=subprocess.PIPE, check=True)
    put_signature(up, "library/app", image.digest, payload, base64.b64encode(p.stdout).decode())
    pg.use(rule % ", rsa_pss: true")
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    pg.use(rule % "")                            # and the other way round it is no signature
    assert pg.get("/v2/library/app/manifests/v1").status == 403
    pg.put(rule.replace("rsa.pub%s", "builder.pub, rsa_pss: true"), "other.yaml")
    code, out, err = run("policy", "check", "-c", pg.conf, f"{pg.folder}/other.yaml")
    assert code == 1 and "no RSA key" in out + err, (code, out, err)
    pg.stop()


def status_of(pg):
    code, out, err = pg.command("status", "--json")
    assert code == 0, err
    said = json.loads(out)
    with open(os.path.join(ROOT, "docs/api/status.schema.json")) as f:
        wrong = list(misfits(said, json.load(f)))
    assert not wrong, wrong
    return said


def test_status_and_doctor_say_which_policy_is_in_force():
    up, pg, _, _ = a_server(signed("deny"))
    pg.put(open(f"{FIXTURES}/keyless/oci/trusted_root.json").read(), "root.json")
    first = status_of(pg)
    policy = first["policy"]
    assert policy["file"] == f"{pg.folder}/policy.yaml" and policy["since"], policy
    assert (policy["rules"], policy["observing"], policy["default"]) == (1, 0, "deny"), policy
    assert policy["trust"]["keys"] == 1 and policy["trust"]["ends"] is None, policy
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    assert pg.get("/v2/library/app/manifests/v2").status == 403
    said = status_of(pg)
    assert (said["admission"]["allow"], said["admission"]["deny"]) == (1, 1), said["admission"]
    assert said["admission"]["collecting"] == said["admission"]["verifying"] == 0, said["admission"]
    assert said["policy"] == policy
    pg.reload()                                  # of the same: it was in force all the time
    pg.wait_metric("pullgate_config_reloads_total", 1)
    assert status_of(pg)["policy"] == policy
    pg.reloads += 1
    pg.use("default: allow\nrules:\n- name: who\n  mode: observe\n  match: {repositories: ['**']}\n"
           "  require: {signature: {any_of: [{keyless: {issuer: https://a, subject: b, "
           "trusted_root: root.json}}]}}\n")
    policy = status_of(pg)["policy"]
    assert (policy["rules"], policy["observing"], policy["default"]) == (1, 1, "allow"), policy
    assert policy["revision"] != first["policy"]["revision"] and policy["trust"]["authorities"] > 0, policy
    code, out, err = pg.command("status")
    for text in ("policy.yaml, revision " + policy["revision"], "1 rule, 1 of them only observes",
                 "1 allowed, 1 denied, 0 pending"):
        assert text in out, (text, out)
    code, out, err = pg.command("doctor")
    assert "1 rule; what none speaks of is served" in out and "only observes" in out, (out, err)
    pg.stop()


def test_trust_that_ended_is_told():
    root = json.load(open(f"{FIXTURES}/keyless/oci/trusted_root.json"))
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "pullgate.yaml")
        open(config, "w").write(
            f"storage: {{path: {folder}/data}}\nadmin: {{listen: 127.0.0.1:1}}\nupstreams: {{}}\n"
            f"trust: {{trusted_root: {folder}/root.json}}\n"
            "policy: {default: deny, rules: [{name: who, match: "
            "{repositories: ['**']}, require: {signature: {any_of: [{keyless: {issuer: https://a, "
            "subject: b}}]}}}]}\n")
        for end, level, text in (("2125-01-01T00:00:00Z", "ok", "nothing of it ends before 20"),
                                 ("2025-01-01T00:00:00Z", "fail", "ended at 2025-01-01T00:00:00Z")):
            for ca in root["certificateAuthorities"]:
                ca["validFor"]["end"] = end
            json.dump(root, open(os.path.join(folder, "root.json"), "w"))
            code, out, err = run("doctor", "--json", "-c", config)
            assert out, err
            found, = (c for c in json.loads(out)["checks"]
                      if c["check"] == "policy" and c["subject"] == "trust")
            assert found["level"] == level and text in found["text"], (found, err)
            assert (found["remedy"] is None) == (level == "ok"), found


def test_what_cannot_be_looked_at_behind_a_server_is_said():
    up, pg, _, _ = a_server()
    key = ["--key", pg.signer.public]
    for args, why in [([IMAGE + ":none", *key], "not known to upstream"), (["other.test/app", *key], "other.test"),
                      ([IMAGE + ":"], "tag"), ([IMAGE + "@sha256:12", *key], "digest"),
                      ([IMAGE, "more", *key], "one IMAGE"),
                      ([IMAGE, "--trusted-root", "x"], "--trusted-root goes with")]:
        code, out, err = pg.command("verify", *args)
        assert code == 2 and why in err and not out, (args, code, err)
    pg.stop()
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "pullgate.yaml")
        open(config, "w").write("listen: 127.0.0.1:5000\n")
        code, out, err = run("verify", "-c", config, "docker.io/library/app")
        assert code == 2 and "has no policy" in err and not out, err


# ---- the conformance suite's protocol --------------------------------------------------------

def verify_bundle(folder, target=None, root=None):
    """As the suite asks: the options in its order, the files by its names."""
    def text(name):
        return open(os.path.join(folder, name)).read().strip()
    args = ["verify-bundle", "--bundle", os.path.join(folder, "bundle.sigstore.json")]
    if os.path.exists(os.path.join(folder, "key.pub")):
        args += ["--key", os.path.join(folder, "key.pub")]
    else:
        args += ["--certificate-identity", text("identity"), "--certificate-oidc-issuer", text("issuer")]
    return run(*args, "--trusted-root", root or os.path.join(folder, "trusted_root.json"),
               target or os.path.join(folder, "artifact"))


def test_verify_bundle_speaks_the_suites_protocol():
    for name, verdict, why in [
            ("ok-msg-rekor1", 0, "verified"), ("ok-dsse-rekor2", 0, "verified"),
            ("ok-key-rekor1", 0, "verified"), ("ok-tsa-leaf-expired-now", 0, "verified"),
            ("id-wrong-san_fail", 1, "another identity"), ("key-wrong_fail", 1, "trusted key"),
            ("tlog-missing_fail", 1, ""), ("sct-missing_fail", 1, "certificate log"),
            ("msg-other-artifact_fail", 1, ""), ("tsa-window_fail", 1, "outside the time")]:
        folder = f"{FIXTURES}/keyless/bundle-verify/{name}"
        code, out, err = verify_bundle(folder)
        assert code == verdict and why in out and not err, (name, code, out, err)
        digest = "sha256:" + hashlib.sha256(open(folder + "/artifact", "rb").read()).hexdigest()
        assert verify_bundle(folder, digest)[0] == verdict, name
    code, _, err = run("verify-bundle", "--bundle", "x", "y")
    assert code == 2 and "--certificate-identity" in err, err
    code, _, err = verify_bundle(f"{FIXTURES}/keyless/bundle-verify/ok-msg-rekor1", "/nonexistent")
    assert code == 2 and "/nonexistent" in err, err


# ---- third-party data, where it is at hand ---------------------------------------------------

def conformance():
    data = os.environ.get("PG_CONFORMANCE_DIR")
    if not data:
        print("PG_CONFORMANCE_DIR is not set: the third-party cases were not looked at")
    return data


def as_layout(image, folder):
    """A `dir:` image of skopeo's, with its attached signatures, as an OCI layout."""
    blobs = os.path.join(folder, "blobs/sha256")
    os.makedirs(blobs)
    entries = []

    def put(text):
        digest = hashlib.sha256(text).hexdigest()
        open(os.path.join(blobs, digest), "wb").write(text)
        return digest

    text = open(os.path.join(image, "manifest.json"), "rb").read()
    digest = put(text)
    entries.append({"mediaType": json.loads(text).get("mediaType", "?"), "digest": "sha256:" + digest,
                    "size": len(text), "annotations": {"org.opencontainers.image.ref.name": "v1"}})
    layers = []
    for file in sorted(glob.glob(os.path.join(image, "signature-*"))):
        raw = open(file, "rb").read()
        head, body = raw.split(b"\n", 1)
        assert head == b"\0sigstore-json", file
        one = json.loads(body)
        payload = base64.b64decode(one["payload"])
        layers.append({"mediaType": one["mimeType"], "size": len(payload),
                       "digest": "sha256:" + put(payload), "annotations": one["annotations"]})
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                           "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2,
                                      "digest": "sha256:" + put(b"{}")}, "layers": layers}).encode()
    entries.append({"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": len(manifest),
                    "digest": "sha256:" + put(manifest),
                    "annotations": {"org.opencontainers.image.ref.name": f"sha256-{digest}.sig"}})
    json.dump({"schemaVersion": 2, "manifests": entries}, open(os.path.join(folder, "index.json"), "w"))
    json.dump({"imageLayoutVersion": "1.0.0"}, open(os.path.join(folder, "oci-layout"), "w"))
    return folder


def test_signatures_of_containers_image_get_their_verdicts():
    data = conformance()
    if not data:
        return
    base = os.path.join(data, "containers-image")
    for name, verdict in [("valid", GOOD), ("valid-2", GOOD), ("valid-with-tag", GOOD), ("mixed", GOOD),
                          ("key-rekor-valid", GOOD), ("modified-manifest", "subject"),
                          ("other-attachment", "unsupported")]:
        with tempfile.TemporaryDirectory() as folder:
            image = os.path.join(base, "dir-img-cosign-" + name)
            code, said = answer("--layout", as_layout(image, folder) + ":v1",
                                "--key", os.path.join(base, "cosign2.pub" if "rekor" in name else "cosign.pub"))
            assert code == verdict, (name, said)


def test_the_suites_bundles_get_their_verdicts():
    data = conformance()
    if not data:
        return
    root = os.path.join(data, "roots/public-good/trusted_root.json")
    beacon = ("https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/"
              "workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main")
    for folder in sorted(glob.glob(os.path.join(data, "bundle-verify/*/"))):
        own = os.path.join(folder, "trusted_root.json")
        artifact = os.path.join(folder, "artifact")
        args = ["verify-bundle", "--bundle", os.path.join(folder, "bundle.sigstore.json")]
        if os.path.exists(os.path.join(folder, "key.pub")):
            args += ["--key", os.path.join(folder, "key.pub")]
        else:
            def text(name, otherwise):
                file = os.path.join(folder, name)
                return open(file).read().strip() if os.path.exists(file) else otherwise
            args += ["--certificate-identity", text("identity", beacon), "--certificate-oidc-issuer",
                     text("issuer", "https://token.actions.githubusercontent.com")]
        code, out, err = run(*args, "--trusted-root", own if os.path.exists(own) else root,
                             artifact if os.path.exists(artifact) else
                             os.path.join(data, "bundle-verify/a.txt"))
        fails = folder.rstrip("/").endswith("_fail")
        assert (code != 0) == fails, (folder, code, out, err)


if __name__ == "__main__":
    stage.main(globals())
