# SPDX-License-Identifier: Apache-2.0
"""Policies as files: read, refused, followed when they change, imported."""
import glob, os, shutil, subprocess, tempfile

import pg as stage
from pg import Pullgate
from pki import Authority, openssl
from upstream import Upstream

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
TRUSTED_ROOT = os.path.join(ROOT, "tests/fixtures/signing/keyless/bundle-verify/ok-msg-rekor1-tsa/trusted_root.json")
POLICY = """\
default: allow
rules:
- name: signed
  match: {repositories: ["origin.test/library/**"]}
  require: {signature: {any_of: [{key: a.pub}]}}
"""


class Folder:
    """A folder with a configuration and a policy, for commands that need no server."""
    def __init__(self, policy=POLICY, more=""):
        self.dir = tempfile.mkdtemp(prefix="pg-policies-")
        self.policy, self.conf = f"{self.dir}/policy.yaml", f"{self.dir}/pullgate.yaml"
        self.key("a")
        self.write("policy.yaml", policy)
        self.write("pullgate.yaml", f"storage: {{path: {self.dir}/data}}\n"
                                    f"policy: {{file: {self.policy}}}\n{more}")

    def write(self, name, text, mode=0o644):
        with open(f"{self.dir}/{name}", "w") as f:
            f.write(text)
        os.chmod(f"{self.dir}/{name}", mode)

    def key(self, name):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{self.dir}/{name}.key")
        openssl("ec", "-in", f"{self.dir}/{name}.key", "-pubout", "-out", f"{self.dir}/{name}.pub")

    def run(self, *args):
        p = subprocess.run([os.environ["PULLGATE"], *args], capture_output=True, text=True)
        return p.returncode, p.stdout, p.stderr

    def check(self):
        return self.run("config", "check", "-c", self.conf)

    def close(self):
        shutil.rmtree(self.dir)


def test_a_policy_is_part_of_the_configuration():
    f = Folder()
    assert f.check()[0] == 0, f.check()
    f.write("policy.yaml", POLICY.replace("any_of", "anyof"))
    code, out, err = f.check()
    assert code == 1 and f"{f.conf}:2:16: {f.policy}:5:25: unknown key \"anyof\" in signature; did you mean " \
                         "\"any_of\"?\n" in out, (out, err)
    f.write("policy.yaml", POLICY.replace("a.pub", "none.pub"))
    code, out, err = f.check()
    assert code == 1 and f"cannot open {f.dir}/none.pub: No such file or directory\n" in out, (out, err)
    f.write("pullgate.yaml", "policy:\n  default: deny\n  rules: [{nam: a}]\n")
    code, out, err = f.check()
    assert code == 1 and f"{f.conf}:3:12: unknown key \"nam\" in a rule; did you mean \"name\"?\n" in out, (out, err)
    f.close()


def test_N24_files_that_others_could_change_are_not_used():
    f = Folder()
    for name in ("policy.yaml", "a.pub"):
        os.chmod(f"{f.dir}/{name}", 0o666)
        code, out, err = f.check()
        assert code == 1 and "can be written by others" in out and "chmod go-w" in out, (out, err)
        os.chmod(f"{f.dir}/{name}", 0o644)
    os.chmod(f.dir, 0o777)
    code, out, err = f.check()
    assert code == 1 and "the directory" in out and "can be written by others" in out, (out, err)
    os.chmod(f.dir, 0o755)
    outside = Folder()
    os.rename(f"{f.dir}/a.pub", f"{f.dir}/b.pub")
    os.symlink(f"{outside.dir}/a.pub", f"{f.dir}/a.pub")
    code, out, err = f.check()
    assert code == 1 and "symbolic link that leads out of its directory" in out, (out, err)
    os.remove(f"{f.dir}/a.pub")
    os.symlink("b.pub", f"{f.dir}/a.pub")       # as Kubernetes mounts secrets
    assert f.check()[0] == 0, f.check()
    if os.getuid() == 0:
        os.chown(f"{f.dir}/b.pub", 12345, 0)
        code, out, err = f.check()
        assert code == 1 and "belongs to uid 12345" in out, (out, err)
    outside.close()
    f.close()


def test_what_is_shown_loads_again():
    f = Folder(more=f"trust: {{trusted_root: {f_root()}}}\n")
    f.write("pullgate.yaml", f"storage: {{path: {f.dir}/data}}\ntrust: {{trusted_root: [{f_root()}]}}\npolicy:\n"
            "  default: deny\n  rules:\n  - name: \"a: b\"\n    match: {repositories: [nginx]}\n    require:\n"
            "      signature:\n        any_of:\n        - key: a.pub\n          tlog: true\n"
            "        - keyless: {issuer: 'https://i', subject_regex: '^\\S.*\"x$', sct: false}\n"
            .replace("\\S", "[a]"))
    code, out, err = f.run("config", "show", "-c", f.conf)
    assert code == 0, (out, err)
    f.write("pullgate.yaml", out)
    again = f.run("config", "show", "-c", f.conf)
    cut = lambda text: [l.split("  # ")[0] for l in text.splitlines()[1:]]
    assert again[0] == 0 and cut(again[1]) == cut(out), again
    f.close()


def f_root():
    """A trusted root where nobody else could have put another one."""
    folder = tempfile.mkdtemp(prefix="pg-root-")
    shutil.copy(TRUSTED_ROOT, folder)
    os.chmod(f"{folder}/trusted_root.json", 0o644)
    stage.atexit.register(shutil.rmtree, folder)
    return f"{folder}/trusted_root.json"


def test_keyless_needs_a_trusted_root():
    keyless = POLICY.replace("{key: a.pub}", "{keyless: {issuer: i, subject: s}}")
    f = Folder(keyless)
    code, out, err = f.check()
    assert code == 1 and "there is no trusted root" in out, (out, err)
    f.close()
    f = Folder(keyless, more=f"trust: {{trusted_root: {f_root()}}}\n")
    assert f.check()[0] == 0, f.check()
    f.write("root.json", "{}")
    f.write("policy.yaml", keyless.replace("subject: s", "subject: s, trusted_root: root.json"))
    code, out, err = f.check()
    assert code == 1 and "root.json" in out, (out, err)
    f.close()


def test_notation_is_trusted_by_its_own_files():
    notation = POLICY.replace("{key: a.pub}", "{notation: {}}")
    f = Folder(notation)
    code, out, err = f.check()
    assert code == 1 and "there is no trust policy of Notation" in out, (out, err)
    fixtures = os.path.join(ROOT, "tests/fixtures/signing/notation")
    shutil.copytree(f"{fixtures}/truststore", f"{f.dir}/truststore")
    shutil.copy(f"{fixtures}/trustpolicy.strict.json", f"{f.dir}/trustpolicy.json")
    for folder, _, files in os.walk(f.dir):
        for name in files:
            os.chmod(f"{folder}/{name}", 0o644)
    f.write("pullgate.yaml", f"policy: {{file: {f.policy}}}\ntrust: {{notation_policy: {f.dir}/trustpolicy.json, "
                             f"notation_store: {f.dir}/truststore}}\n")
    assert f.check()[0] == 0, f.check()
    code, out, err = f.run("config", "show", "-c", f.conf)
    assert code == 0 and f'notation_store: "{f.dir}/truststore"' in out, out
    root = glob.glob(f"{f.dir}/truststore/x509/ca/*/*.pem")[0]
    f.write(os.path.relpath(root, f.dir), "no certificate")
    code, out, err = f.check()
    assert code == 1 and root in out, (out, err)
    shutil.rmtree(f"{f.dir}/truststore")
    code, out, err = f.check()
    assert code == 1 and "trustpolicy.json" in out, (out, err)      # it names a store that is not there
    f.write("policy.yaml", POLICY.replace("{key: a.pub}", "{notation: {policy: gone.json}}"))
    code, out, err = f.check()
    assert code == 1, (out, err)
    f.close()


def test_the_examples_load():
    f = Folder(more=f"trust: {{trusted_root: {f_root()}}}\n")
    for name in ("release", "security", "scanner"):
        f.key(name)
    examples = [e for e in glob.glob(os.path.join(ROOT, "conf/policies/*.yaml")) if not e.endswith(".test.yaml")]
    assert len(examples) >= 3
    for path in examples:
        with open(path) as example:
            f.write("example.yaml", example.read())
        code, out, err = f.run("policy", "check", "-c", f.conf, f"{f.dir}/example.yaml")
        assert code == 0 and out.startswith(f"{f.dir}/example.yaml: good\n"), (path, out, err)
    f.close()


def test_the_tests_of_the_examples_pass():
    f = Folder()
    for name in ("contents", "scanned"):
        for path in glob.glob(os.path.join(ROOT, f"conf/policies/{name}*.yaml")):
            with open(path) as example:
                f.write(os.path.basename(path), example.read())
    code, out, err = f.run("policy", "test", "-c", f.conf, f.dir)
    assert (code, err) == (0, "") and out == "14 passed, 0 failed, in 2 files\n", (code, out, err)
    os.unlink(f"{f.dir}/scanned.test.yaml")
    with open(f"{f.dir}/contents.yaml") as policy:
        f.write("contents.yaml", policy.read().replace("72h", "1h"))
    code, out, err = f.run("policy", "test", "-c", f.conf, f"{f.dir}/contents.test.yaml")
    assert code == 1 and f"{f.dir}/contents.test.yaml:10:5: yesterday's image waits: expected is deny by rule settled" in out, out
    f.write("contents.test.yaml", "policy: contents.yaml\ntests: [{image: nginx}]\n")
    code, out, err = f.run("policy", "test", "-c", f.conf, f.dir)
    assert code == 2 and f"{f.dir}/contents.test.yaml:2:9: a test needs expect" in err, err
    assert f.run("policy", "test", "-c", f.conf, f"{f.dir}/nowhere")[0] == 2
    f.close()


def test_lint_and_diff():
    f = Folder()
    f.write("b.yaml", POLICY.replace("default: allow", "default: deny").replace("  require", "  action: deny #"))
    assert f.run("policy", "lint", "-c", f.conf, f.policy)[:2] == (0, "nothing was found\n")
    f.write("two.yaml", POLICY + "- name: none\n  match: {repositories: ['**']}\n  action: deny\n")
    code, out, err = f.run("policy", "lint", "-c", f.conf, f"{f.dir}/two.yaml")
    assert code == 1 and f"{f.dir}/two.yaml:3:3: rule signed: is of no use: rule none denies all" in out, (out, err)
    assert f.run("policy", "diff", "-c", f.conf, f.policy, f.policy)[:2] == (0, "both say the same\n")
    code, out, err = f.run("policy", "diff", "-c", f.conf, f.policy, f"{f.dir}/b.yaml")
    assert code == 1 and "+ what no rule speaks of is denied\n" in out and \
        "+ rule signed for origin.test/library/**: denies\n" in out, (out, err)
    assert f.run("policy", "diff", "-c", f.conf, f.policy)[0] == 2
    f.close()


def test_containers_policy_json_with_keys_of_a_log_and_a_ca():
    f = Folder()
    f.key("rekor")
    ca = Authority(f.dir, "fulcio")
    f.write("containers.json", """{"default": [{"type": "reject"}], "transports": {"docker": {
      "ghcr.io": [{"type": "sigstoreSigned", "keyPath": "%s/a.pub", "rekorPublicKeyPath": "%s/rekor.pub"}],
      "quay.io": [{"type": "sigstoreSigned", "fulcio": {"caPath": "%s", "oidcIssuer": "https://i",
                   "subjectEmail": "a@b"}, "rekorPublicKeyPath": "%s/rekor.pub"}]}}}"""
            % (f.dir, f.dir, ca.file, f.dir))
    code, out, err = f.run("policy", "check", "-c", f.conf, f"{f.dir}/containers.json")
    assert code == 0 and "scope ghcr.io: wants\n    a signature by key" in out, (out, err)
    assert "scope quay.io: wants\n    a signature by identity \"a@b\" of \"https://i\"" in out, out
    f.write("rekor.pub", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    code, out, err = f.run("policy", "check", "-c", f.conf, f"{f.dir}/containers.json")
    assert code == 1 and "containers.json:2:" in err and "the log's key is no public key" in err, (out, err)
    f.close()


def test_import_says_what_it_cannot_honour():
    f = Folder()
    with open(f"{f.dir}/a.pub") as key:
        pem = key.read().replace("\n", "\n        ")
    f.write("cip.yaml", "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata: {name: p}\n"
            f"spec:\n  images: [{{glob: '**'}}]\n  authorities:\n  - key:\n      data: |\n        {pem}\n")
    code, out, err = f.run("policy", "import", f"{f.dir}/cip.yaml")
    assert code == 0 and "NOT HONOURED" not in out, (out, err)
    f.write("policy.yaml", out)
    assert f.run("policy", "check", "-c", f.conf, f.policy)[0] == 0
    f.write("cip.yaml", "kind: ClusterImagePolicy\nspec:\n  images: [{glob: '**'}]\n  authorities:\n"
                        "  - key: {kms: awskms://x}\n")
    code, out, err = f.run("policy", "import", f"{f.dir}/cip.yaml")
    assert code == 1 and f"# NOT HONOURED: {f.dir}/cip.yaml:5:10: the key is in a secret or a KMS" in out, out
    assert "  action: deny\n" in out
    code, out, err = f.run("policy", "import", f"{f.dir}/nowhere")
    assert code == 2 and "cannot read" in err, err
    f.close()


def rewrite(path, text):
    with open(path + ".new", "w") as out:
        out.write(text)
    os.rename(path + ".new", path)


def test_a_changed_policy_is_taken_over_and_a_bad_one_is_not():
    f, upstream = Folder(), Upstream()
    pg = Pullgate(upstream, more=f"policy: {{file: {f.policy}}}")
    pg.wait_log(r"policy: .*policy.yaml; revision [0-9a-f]{16}")
    rewrite(f.policy, POLICY.replace("require", "requires"))
    pg.wait_log(r"policy.yaml:5:3: unknown key .*requires")
    pg.wait_log(r"the configuration stays as it was")
    rewrite(f.policy, POLICY.replace("default: allow", "default: deny"))
    line = pg.wait_log(r"policy or trust changed: .*; revision [0-9a-f]{16} in place of [0-9a-f]{16}")
    revision = line.split("revision ")[1][:16]
    f.key("b")
    os.rename(f"{f.dir}/b.pub", f"{f.dir}/a.pub")       # another key under the same name
    pg.wait_log(rf"policy or trust changed: .* in place of {revision}")
    pg.stop()
    f.close()


if __name__ == "__main__":
    stage.main(globals())
