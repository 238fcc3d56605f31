#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Debian package as it would be installed. usage: package.py BUILD_FOLDER   of a release"""
import glob, gzip, os, re, shutil, subprocess, sys, tempfile

WANTED = ["usr/bin/pullgate", "usr/libexec/pullgate/pullgate-tsa", "etc/pullgate/pullgate.yaml", "usr/lib/systemd/system/pullgate.service",
          "usr/share/man/man8/pullgate.8.gz", "usr/share/doc/pullgate/copyright",
          "usr/share/doc/pullgate/changelog.gz", "usr/share/doc/pullgate/README.md",
          "usr/share/doc/pullgate/upstreams.md", "usr/share/doc/pullgate/api/status.schema.json"]
EXPOSURE_MAX = 1.5  # of the service, as systemd-analyze counts it


def run(*argv, cwd=None):
    done = subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)}: {done.returncode}\n{done.stdout}")
    return done.stdout


def unit_offences(root, unit):
    text = open(unit).read()
    for line in re.findall(r"^Exec\w*=(.*)$", text, re.M):
        program = line.split()[0].lstrip("@-:+!")
        if program.startswith("/usr/bin/pullgate") and not os.path.exists(root + program):
            yield f"{os.path.basename(unit)} runs {program}, which the package does not have"
    if not shutil.which("systemd-analyze"):
        print("no systemd-analyze here: the exposure of the service was not looked at")
        return
    said = run("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    if not level:
        yield f"systemd-analyze said nothing of exposure: {said[-300:]}"
    elif float(level[1]) >= EXPOSURE_MAX:
        yield f"{os.path.basename(unit)}: exposure {level[1]}, allowed is below {EXPOSURE_MAX}"


def offences(deb, root):
    run("dpkg-deb", "-x", deb, root)
    run("dpkg-deb", "-e", deb, root + "/DEBIAN")
    for path in WANTED:
        if not os.path.isfile(f"{root}/{path}"):
            yield f"no {path}"
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            if os.stat(path).st_mode & 0o7022:
                yield f"{path[len(root):]} may be written by others, or has a special bit"
    if open(root + "/DEBIAN/conffiles").read().split() != ["/etc/pullgate/pullgate.yaml"]:
        yield "the configuration is not a conffile"
    control = open(root + "/DEBIAN/control").read()
    for library in ("libuv1", "libssl3", "libcurl4", "liblmdb0", "libc6"):
        if library not in control:
            yield f"does not depend on {library}"
    for script in ("postinst", "prerm", "postrm"):
        run("sh", "-n", f"{root}/DEBIAN/{script}")
    version = re.search(r"^Version: (\S+)", control, re.M)[1]
    if version not in run(root + "/usr/bin/pullgate", "version"):
        yield f"the program is not version {version}"
    run(root + "/usr/bin/pullgate", "config", "check", "-c", root + "/etc/pullgate/pullgate.yaml")
    if ".TH PULLGATE" not in gzip.open(root + "/usr/share/man/man8/pullgate.8.gz", "rt").read():
        yield "the manual is none"
    for unit in glob.glob(root + "/usr/lib/systemd/system/*.service"):
        yield from unit_offences(root, unit)


def main(build):
    with tempfile.TemporaryDirectory() as top:
        run("cpack", "-B", top, cwd=build)
        debs = glob.glob(top + "/*.deb")
        bad = [f"{len(debs)} packages"] if len(debs) != 1 else list(offences(debs[0], top + "/root"))
    for line in bad:
        print(line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
