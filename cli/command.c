/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "cli/affected.h"
#include "cli/auditing.h"
#include "cli/auditing_list.h"
#include "cli/auditing_report.h"
#include "cli/backup.h"
#include "cli/clientconf.h"
#include "cli/completion.h"
#include "cli/doctor.h"
#include "cli/explain.h"
#include "cli/forget.h"
#include "cli/fsck.h"
#include "cli/lifecycle.h"
#include "cli/ls.h"
#include "cli/manual.h"
#include "cli/policies.h"
#include "cli/prewarm.h"
#include "cli/print.h"
#include "cli/reference.h"
#include "cli/refresh.h"
#include "cli/replay.h"
#include "cli/retention.h"
#include "cli/retire.h"
#include "cli/revoke.h"
#include "cli/scan_image.h"
#include "cli/scan_read.h"
#include "cli/serve.h"
#include "cli/show.h"
#include "cli/status.h"
#include "cli/storage.h"
#include "cli/sweep.h"
#include "cli/trials.h"
#include "cli/verify_bundle.h"
#include "cli/verify_image.h"
#include "cli/version.h"

#define NAME_MAX_LEN 64

const struct command command_table[] = {
    {"serve", "cj", "Serve until SIGTERM.",
     "Says `listening on ADDR:PORT admin ADDR:PORT` on standard output when it is ready, and logs "
     "on standard error, with --json in JSON whatever log.format says. SIGHUP reads the "
     "configuration again. SIGUSR1 carries rules of retention out now. SIGUSR2 lets a new process "
     "of the program, as it is on disk then, take "
     "over. "
     "SIGTERM and SIGINT let running downloads end, for limits.drain_timeout at most; a second one "
     "ends it at once.",
     serve_run, NULL},
    {"config check", "cj", "Read the configuration and say everything that is wrong with it.",
     "Reads the file as `serve` would, and the files that it names. Each problem is one line: "
     "file:line:column: what is wrong. Exit status 1 if there is one.",
     show_check, NULL},
    {"config show", "cj", "Print the configuration in effect, defaults included.",
     "Prints every option with its value and where it comes from: the line of the file, or the "
     "default. What it prints is a configuration file. It holds no secrets: those are in files of "
     "their own, which are named but not read.",
     show_effective, NULL},
    {"config example", "c", "Print a configuration file with every option and its default.",
     "The file that is installed as /etc/pullgate/pullgate.yaml.", reference_print_example, NULL},
    {"config reference", "c", "Print the description of every option, in Markdown.",
     "The file docs/configuration.md.", reference_print_markdown, NULL},
    {"policy check", "c", "Read a policy and say what it was understood to be.",
     "FILE is a policy of ours or containers-policy.json. Reads the files that it names, too, with "
     "what the configuration says under `trust`. Prints each rule with what it is for and what it "
     "wants. What is wrong is told as FILE:LINE:COLUMN: what, and what may stand there; exit "
     "status "
     "1 then.",
     policies_check, "FILE"},
    {"policy test", "c", "Run table tests of a policy.",
     "Each file (of a DIR: those named *.test.yaml) names a policy and has tests: facts, and what "
     "has to follow from them; docs/policy.md says which. Asks no server and fetches nothing. Exit "
     "status 1 if a test failed, 2 if something is no test.",
     trials_run, "DIR|FILE..."},
    {"policy lint", "c", "Say what is wrong with a policy that loads.",
     "Rules that do nothing, that another rule makes useless, or that together let nothing pass. "
     "Exit status 1 if there is one.",
     policies_lint, "FILE"},
    {"policy diff", "c", "Say what a new policy says otherwise than an old one.",
     "Rules that came, are gone, or were changed, with the keys that they name. Exit status 1 if "
     "they differ.",
     policies_diff, "OLD NEW"},
    {"policy replay", "cogqG5J6vj", "Say what a policy would have decided otherwise.",
     "Puts the requests that the audit log has to the policy of --policy, as of their time, with "
     "what the store has of the images now, and says which would be decided otherwise than they "
     "were: images, requests, callers, and the rule. Where the policy in force says the same by "
     "now, it is no change. Reads log and store beside the server, and changes nothing; an OPA of "
     "the policy is asked. Exit status 1 if something would change.",
     replay_run, "[DIR]"},
    {"policy import", "", "Make a policy of one of Kubernetes.",
     "FILE has objects of the kinds ClusterImagePolicy, ClusterPolicy (verifyImages) and "
     "ImageValidatingPolicy. Prints a policy that never says less. What cannot be honoured stands "
     "in it as a comment with its place; exit status 1 if there is any such.",
     policies_import, "FILE"},
    {"verify", "csLkiIoTYj", "Say who has signed an image, and whether that is what is wanted.",
     "Finds all signatures and attestations of an image (cosign's tags, Sigstore bundles, "
     "Notation), verifies them, and says who signed what, when, and where it was logged. What is "
     "wanted is one of --key, --identity with --issuer, and --policy; else what the policy of the "
     "configuration wants. IMAGE is named as behind the proxy: the running server is asked, and "
     "fetches what it has not; where it gives nothing, or none runs, its store is looked at. With "
     "--layout an OCI image layout is looked at, without a network, and IMAGE is the name by which "
     "the policy knows it. Asks for no key. Exit status 1 if it is not verified, 2 if it could not "
     "be looked at.",
     verify_image_run, "[IMAGE]"},
    {"verify-bundle", "ukeET", "Verify one Sigstore bundle about one file or digest.",
     "As the public conformance suite asks for it: signed by the key, or by the identity with at "
     "least one entry in a transparency log and one in a certificate log. Exit status 1 if it is "
     "not "
     "verified.",
     verify_bundle_run, "FILE|DIGEST"},
    {"scan image", "cxQZj", "Scan an image of the store with Trivy or Grype.",
     "DIGEST is of an image's manifest, with all that it names in the store. The scanner is shown "
     "it as a folder of hard links, with limits and without a word about a network: its database "
     "has to be there. Its report is kept in scan/reports/ of the storage directory if it counts; "
     "`scan read` explains it. Needs no server, and does not mind one; run it as the user who owns "
     "the store. Exit status 1 if the image could not be scanned, 2 if none could be.",
     scan_image_run, "DIGEST"},
    {"scan read", "DNSWVZj", "Say what scanners' reports say, and whether they count.",
     "Reads Trivy JSON, Grype JSON, SARIF, Harbor's vulnerability report, and cosign's "
     "vulnerability "
     "predicate. A report counts if it can be read whole, is about the image, and shows that the "
     "scanner saw packages; otherwise the image is as good as not scanned. Prints what is left of "
     "its findings when waivers and VEX have been heard. Needs no configuration and no server. "
     "Exit "
     "status 1 if a report does not count.",
     scan_read_run, "FILE..."},
    {"fsck", "cdrlj", "Check the store, and repair it.",
     "Looks at every invariant of the store: sizes and names of files, rows, counts, links, the "
     "journal; with --deep at every byte, too. It may run beside a server, which then may be in "
     "the "
     "middle of something: what it finds twice is wrong. --repair needs the store for itself. Exit "
     "status 1 if something is wrong and was not repaired.",
     fsck_command, NULL},
    {"status", "caswj", "Ask a running server how it is.",
     "Asks the admin listener, or the control socket where admin.listen leaves the port to the "
     "kernel. With --admin or --control no configuration is read. Exit status 2 if it cannot be "
     "reached.",
     status_run, NULL},
    {"clientconf", "cCPUKO", "Write the configuration of a client.",
     "Writes the files that make a client pull through this proxy, in the closed form: the proxy "
     "is "
     "the only place that is asked, so that a refusal is not answered by the registry itself. "
     "Where a client has no such form, the files and standard error say so. Prints them, each "
     "after a comment with its path, or writes them below --dir, where nothing is overwritten. "
     "What is not given is taken from the configuration: its upstreams, and its first listener "
     "where that has an address that others can reach. Closing the egress is what keeps images "
     "out; these files make it usable.",
     clientconf_run, NULL},
    {"doctor", "casyPUKj", "Look whether all is there that a server needs.",
     "Reads the configuration, looks at the storage directory, the limits of the process, the "
     "certificates, and the running server, and asks each URL of each upstream, through its proxy: "
     "its name, its connection, TLS, its answer, its token service, its clock. Says OK, WARN or "
     "FAIL, and what to do. Sends no "
     "logins. Exit status 1 if something is FAIL.\n"
     "With --canary it looks at the clients of this machine: lets one pull what every pullgate "
     "refuses, by a digest that is fixed, and says whom it asked: `closed` is the proxy alone; "
     "`open`, another registry was asked and answered; `held`, it was asked and did not answer, so "
     "that only the egress holds. Run it on the node, as who runs the client. Exit status 1 if one "
     "is "
     "open or held, 2 if it could not be seen.",
     doctor_run, NULL},
    {"backup", "cdBj", "Copy the store into an empty directory, while the server works.",
     "A snapshot of the index, the journal, and the blobs: linked where DIR is on the filesystem "
     "of "
     "the store, copied else. The copy is then put in order and checked, with --deep every byte of "
     "it. Needs no server, and does not mind one; run it as the user who owns the store. Exit "
     "status 1 if something is wrong with the copy.",
     backup_command, "DIR"},
    {"restore", "cdfj", "Make a backup the store again.",
     "Copies what `backup` made into the storage directory, which must be empty and not in use, "
     "and "
     "checks it. With --force what is there is moved to a folder in it. Run it as the user who "
     "is to own the store.",
     backup_restore, "DIR"},
    {"ls", "cstmbj", "List what is in the store.",
     "Tags with the size of all that they name and that is here, how long ago upstream confirmed "
     "them, and the last pull; with --manifests or --blobs those, by repository. REF is a "
     "registry, "
     "a repository, or one of its tags or digests. Asks the control socket.",
     ls_run, "[REF]"},
    {"purge", "csnj", "Forget tags, digests, repositories or all of an upstream.",
     "REF is REPOSITORY:TAG, REPOSITORY@DIGEST, REPOSITORY, a registry, or a digest alone. With a "
     "tag "
     "goes what it alone needs; with the last link to it, content leaves the disk; a digest alone "
     "removes the content and keeps the right to fetch it again. Downloads under way end as they "
     "would have. Says how many bytes came free. Exit status 1 if a REF was not there or could not "
     "be purged.",
     forget_run, "REF..."},
    {"prewarm", "cspj", "Fetch images before anybody asks for them.",
     "LIST is a file, or - for standard input, with a reference on each line: [REGISTRY/]REPOSITORY"
     "[:TAG][@DIGEST]; empty lines and what is behind a # are ignored. Fetches manifests, "
     "configurations and layers through the server, a few at a time and behind what clients wait "
     "for; what is in the store already costs nothing. Goes on after errors. May be interrupted: "
     "what "
     "the server has begun it ends. Exit status 1 if something could not be fetched.",
     prewarm_run, "LIST"},
    {"refresh", "csj", "Ask upstream now what tags are.",
     "Whatever is known of a tag and however fresh it is: says the digest that it was and the one "
     "that it is, and fetches the manifest if it is another. REF is REPOSITORY:TAG, or REPOSITORY "
     "for all its tags that are in the store. Exit status 1 if upstream did not answer, or has no "
     "such tag.",
     refresh_run, "REF..."},
    {"explain", "csj", "Say why an image may be pulled, or not.",
     "IMAGE is [REGISTRY/]REPOSITORY[:TAG][@DIGEST]. Asks the server, which looks at it as it "
     "would "
     "at a pull: which rules speak of it, what each wants, which evidence was found, by whom, and "
     "why "
     "it counts or not. Exit status 1 if it may not be pulled now, 2 if that cannot be found out.",
     explain_run, "IMAGE"},
    {"affected", "csj", "Say which images have a vulnerability or a package, and who pulled them.",
     "NAME is of a vulnerability (CVE-2024-3094, or any name that a scanner has for it) or of a "
     "package: NAME, NAME@VERSION, or a package URL. Of each image in the "
     "store: the findings and what fixes them, where it was pulled from, whether it would be "
     "served "
     "now, who pulled it last, and when. Says how many images no scanner has looked at. Exit "
     "status "
     "1 if there is an image, 0 if there is none. Asks the control socket.",
     affected_run, "NAME"},
    {"gc", "csMj", "Say what the server removes by rules, or let it do so now.",
     "The rules are those of retention.rules in the configuration: which file, when they are "
     "carried out next, what came of the last time. With --now it begins, or goes on with what is "
     "under way, whatever the schedule says, and waits for the end; to interrupt it ends nothing. "
     "Exit status 1 if something could not be removed. Asks the control socket.",
     sweep_run, NULL},
    {"retention plan", "cRAj12", "Say what rules of retention would remove, and why.",
     "Reads the store, with or without a server running, and changes nothing. Each manifest that "
     "would go stands on a line with the bytes that it frees (what others share is counted once) "
     "and the rule that says so; with --all, what stays and why, too. What stays keeps what it is "
     "built on, its images, and its signatures.",
     retention_plan, NULL},
    {"retention apply", "csR4fj", "Carry out what rules of retention say.",
     "Makes the plan of now, and removes what goes through the control socket, an image at a time; "
     "pulls beside it wait for nothing. What was pulled since the plan was made, or whose tag has "
     "moved, stays, and is told. Refuses, without --force, when nothing was pulled for a week, "
     "since then the clock may be wrong, and when more than half of what is there would go. Run it "
     "on the server's machine as its user, by cron or a timer.",
     retire_run, NULL},
    {"retention lint", "j", "Find what rules of retention do against their own words.",
     "Rules that are described as one thing and do another, that can never match, that others "
     "overrule or make useless, tags that no rule is about, pins that have ended: each with its "
     "place and what to write instead. FILE may be a lifecycle policy of Amazon ECR, or Harbor's, "
     "too. Exit status 1 if anything is found.",
     retention_lint, "FILE"},
    {"retention import", "", "Make rules of retention of another registry's.",
     "FILE is a lifecycle policy of Amazon ECR, in JSON, or Harbor's retention and garbage "
     "collection, in YAML. Prints rules that mean the same; what ECR would not take is refused. "
     "`retention plan --rules` takes such files as they are, too.",
     retention_import, "FILE"},
    {"lifecycle", "890n$4fj12", "Carry out rules of retention in another registry.",
     "Reads all tags of the repositories, through the registry's API, and what they name, makes a "
     "plan by the same rules as `retention plan`, and deletes what goes, by digest. How old an "
     "image is, its configuration says; when it was pulled, Harbor alone tells, and elsewhere no "
     "rule takes an image for unused. What has a tag that the rule does not speak of stays, as do "
     "children of what stays, and whatever a tag names by the time it would go. Asks Harbor for "
     "its "
     "garbage collection. Logs in as docker's config.json says. Exit status 1 if something could "
     "not be deleted.",
     lifecycle_run, NULL},
    {"deps", "c", "Show what an image needs, and what needs it.",
     "IMAGE is REPOSITORY:TAG or REPOSITORY@DIGEST, named as `pullgate ls` names it. Indexes and "
     "their images, signatures and what "
     "they are about, and images with what they are built on: by the annotation base.digest, else "
     "by the lowest layers. Reads the store, with or without a server running.",
     retention_deps, "IMAGE"},
    {"report storage", "cjR2F7",
     "Say what takes the room, whose it is, how it grows, and until when.",
     "Bytes stored, those that only one upstream, namespace or team has and those that are shared, "
     "duplicates that need not be stored, waste that was found and what was reclaimed, growth a "
     "week and the day on which there is no room left: by the record that the server keeps of each "
     "day, else by when what is there came. With --rules, what rules of retention would free is "
     "waste, too. Reads the index, with or without a server running, and changes nothing.",
     storage_report, NULL},
    {"audit verify", "cjH", "Say whether the audit log is as it was written.",
     "Computes the hash of every entry and checks each signature. DIR is the log's directory, "
     "without it audit/ of the storage directory; a copy will do, the server may run. Each finding "
     "is a line: an entry that was changed, cut out, swapped or put in, a segment that is missing. "
     "That the end was cut off is seen from a head that was kept elsewhere: --head. Exit status 1 "
     "if something was found.",
     auditing_verify, "[DIR]"},
    {"audit head", "c", "Print the newest signed head of the audit log, to be kept elsewhere.",
     "One line of JSON: the number of the last entry, the hash of all, the time, the key and its "
     "signature. The server renews it every minute in which something was recorded.",
     auditing_head, "[DIR]"},
    {"audit query", "cjgqG5Jv6z", "Print entries of the audit log.",
     "Those that all options ask for, oldest first, a line each; with --json as they are in the "
     "log. Exit status 1 if lines could not be read.",
     auditing_list_query, "[DIR]"},
    {"audit export", "cjgqG5Jv6zX", "Write entries of the audit log as CSV or JSON lines.",
     "As audit query, with every field.", auditing_list_export, "[DIR]"},
    {"audit report", "cjgqGFH", "Write what an auditor asks for, of a span of time, as one file.",
     "Policies that were in force and from when on, administrative acts, what was served under "
     "which rule and policy, what was refused and why, what only observed rules would have "
     "refused, "
     "and whether the log is as it was written. As one HTML file that needs no other, or as JSON.",
     auditing_report_run, "[DIR]"},
    {"revoke", "cs3j", "Take something back: it is refused from the next request on.",
     "WHAT is sha256:DIGEST of an image, an index or a layer (or REPOSITORY@DIGEST, as a client "
     "shows "
     "it: it is revoked wherever it is), key:ID or identity:NAME of somebody whose signatures are "
     "not to count any more, or a repository. What is in the store is refused as well, with all "
     "that an index lists, and with every image that names a revoked layer. It is kept in the "
     "journal, and needs no policy. Downloads under way end as they would have.",
     revoke_run, "WHAT..."},
    {"unrevoke", "cs3j", "Serve again what was revoked.", "WHAT is as `revocations` shows it.",
     revoke_undo, "WHAT..."},
    {"revocations", "csj", "List what is revoked.",
     "What, since when, and why. Asks the control socket.", revoke_list, NULL},
    {"version", "cj", "Print the version, and those of the libraries in use.",
     "Prints the version of pullgate and of each library that it runs with.", version_print, NULL},
    {"completion", "", "Print what completes the command line: for bash, zsh or fish.",
     "The files in conf/completion/, made of the same tables as this page.", completion_print,
     "bash|zsh|fish"},
    {"man", "c", "Print the manual page.", "The file docs/pullgate.8, made of the same tables.",
     manual_print, NULL},
};
const size_t command_count = sizeof command_table / sizeof *command_table;

const struct command_option command_options[] = {
    {'c', 'c', "config", "FILE",
     "The configuration file. Without it: /etc/pullgate/pullgate.yaml if that exists, else the "
     "defaults.",
     offsetof(struct command_args, config_file)},
    {'a', 0, "admin", "ADDR:PORT", "Ask this admin listener, not the configured one.",
     offsetof(struct command_args, admin)},
    {'s', 0, "control", "SOCKET", "Ask this control socket, not the configured one.",
     offsetof(struct command_args, control)},
    {'w', 'w', "watch", NULL, "Ask again every two seconds, until it is interrupted.",
     offsetof(struct command_args, watch)},
    {'p', 0, "platform", "OS/ARCH[,...]",
     "Of images for several platforms, these: linux/amd64,linux/arm64; or all. Without it: this "
     "machine's.",
     offsetof(struct command_args, platform)},
    {'t', 0, "tags", NULL, "List tags, as without any of these.",
     offsetof(struct command_args, listed.tags)},
    {'m', 0, "manifests", NULL, "List manifests.", offsetof(struct command_args, listed.manifests)},
    {'b', 0, "blobs", NULL, "List layers, configurations and other blobs.",
     offsetof(struct command_args, listed.blobs)},
    {'n', 'n', "dry-run", NULL, "Say what would be done, and do not do it.",
     offsetof(struct command_args, change.dry_run)},
    {'j', 0, "json", NULL, "Answer in JSON; docs/api/ has the schemas.",
     offsetof(struct command_args, json)},
    {'d', 0, "deep", NULL, "Read every blob and compute its digest.",
     offsetof(struct command_args, fsck.deep)},
    {'r', 0, "repair", NULL, "Mend what can be mended. The server must not be running.",
     offsetof(struct command_args, fsck.repair)},
    {'l', 0, "accept-loss", NULL,
     "With --repair: begin a new journal where the old one is missing or broken. Pins and "
     "revocations in the lost part are gone; that this was done is recorded.",
     offsetof(struct command_args, fsck.accept_loss)},
    {'C', 0, "for", "CLIENT",
     "docker, containerd1 (1.6, 1.7), containerd2, podman (and buildah, skopeo), crio, k3s, "
     "buildkit "
     "or talos.",
     offsetof(struct command_args, client)},
    {'P', 0, "proxy", "URL", "By which clients reach the proxy: https://cache.example:5000",
     offsetof(struct command_args, proxy)},
    {'U', 0, "upstream", "NAME...", "A registry, as docker.io; may be given more than once.",
     offsetof(struct command_args, upstreams)},
    {'K', 0, "ca", "FILE", "Certificates (PEM) of the authority that signed the proxy's.",
     offsetof(struct command_args, ca)},
    {'O', 0, "dir", "DIR",
     "Write the files below this folder; / for the places where the client looks for them.",
     offsetof(struct command_args, dir)},
    {'y', 0, "canary", "CLIENT", "docker, containerd or podman.",
     offsetof(struct command_args, canary)},
    {'L', 0, "layout", "DIR:TAG", "An image in an OCI image layout; or DIR@DIGEST.",
     offsetof(struct command_args, signature.layout)},
    {'k', 0, "key", "FILE", "Signed by this public key (PEM), as cosign.pub.",
     offsetof(struct command_args, signature.key)},
    {'i', 0, "identity", "NAME",
     "Signed by this identity, an e-mail address or URI, as its certificate has it; when, is "
     "proven "
     "by a transparency log or a timestamp.",
     offsetof(struct command_args, signature.identity)},
    {'I', 0, "issuer", "URL", "Who vouches for the identity, as its certificate has it.",
     offsetof(struct command_args, signature.issuer)},
    {'o', 0, "policy", "FILE", "This policy, in place of that of the configuration.",
     offsetof(struct command_args, signature.policy)},
    {'T', 0, "trusted-root", "FILE",
     "Sigstore's trusted_root.json: whose certificates, logs and timestamps are believed.",
     offsetof(struct command_args, signature.trusted_root)},
    {'Y', 0, "type", "TYPE",
     "An attestation of this predicate type, instead of a signature of the image.",
     offsetof(struct command_args, signature.type)},
    {'u', 0, "bundle", "FILE", "The bundle.", offsetof(struct command_args, signature.bundle)},
    {'e', 0, "certificate-identity", "NAME", "As --identity of verify.",
     offsetof(struct command_args, signature.identity)},
    {'E', 0, "certificate-oidc-issuer", "URL", "As --issuer of verify.",
     offsetof(struct command_args, signature.issuer)},
    {'D', 0, "digest", "DIGEST", "The manifest that the reports have to be about.",
     offsetof(struct command_args, scan.digest)},
    {'N', 0, "image", "NAME", "The name by which waivers know the image, without a tag.",
     offsetof(struct command_args, scan.image)},
    {'S', 0, "sbom", "FILE",
     "SPDX 2.3 or CycloneDX: the packages that a scanner has to have seen. For a format that does "
     "not list them, one of the same family: Syft's for Grype.",
     offsetof(struct command_args, scan.sbom)},
    {'W', 0, "waivers", "FILE", "Waivers; see docs/scanning.md.",
     offsetof(struct command_args, scan.waivers)},
    {'V', 0, "vex", "FILE...", "OpenVEX that is believed; may be given more than once.",
     offsetof(struct command_args, scan.vex)},
    {'Z', 0, "static", NULL, "The image is known to have no packages: none has to be shown.",
     offsetof(struct command_args, scan.is_static)},
    {'x', 0, "scanner", "FILE", "Trivy's program, or Grype's: which it is, its name says.",
     offsetof(struct command_args, scan.program)},
    {'Q', 0, "database", "DIR", "Where the scanner has its database: its cache directory.",
     offsetof(struct command_args, scan.database)},
    {'B', 0, "no-blobs", NULL, "Only the journal: all else can be fetched or built again.",
     offsetof(struct command_args, backup.no_blobs)},
    {'f', 0, "force", NULL, "Do it all the same; `restore` moves away what is there.",
     offsetof(struct command_args, backup.force)},
    {'R', 0, "rules", "FILE", "Rules of retention: docs/retention.md.",
     offsetof(struct command_args, retention.rules)},
    {'A', 0, "as-of", "DATE", "As if it were that day: 2026-12-31, or 2026-12-31T04:00:00Z.",
     offsetof(struct command_args, retention.as_of)},
    {'4', 0, "rate", "N", "Images removed a second: 50 unless told; by `lifecycle` 20.",
     offsetof(struct command_args, retention.rate)},
    {'8', 0, "registry", "URL", "Which: https://registry.acme.example",
     offsetof(struct command_args, lifecycle.registry)},
    {'9', 0, "repo", "PATTERN",
     "Repositories, without the host: team/app, or, where it lists them, team/*.",
     offsetof(struct command_args, lifecycle.repo)},
    {'0', 0, "policy", "FILE", "Rules of retention: docs/retention.md.",
     offsetof(struct command_args, lifecycle.policy)},
    {'$', 0, "ca", "FILE", "Certificates (PEM) of the authority that signed the registry's.",
     offsetof(struct command_args, ca)},
    {'7', 0, "team", "LABEL",
     "The label of an image, or annotation, that says whose it is: `team` unless told.",
     offsetof(struct command_args, retention.label)},
    {'M', 0, "now", NULL, "Do it now, and wait until it is done.",
     offsetof(struct command_args, retention.now)},
    {'1', 0, "csv", NULL, "Answer in CSV.", offsetof(struct command_args, retention.csv)},
    {'2', 0, "all", NULL, "Show what stays, too.", offsetof(struct command_args, retention.all)},
    {'H', 0, "head", "FILE...",
     "A head that audit head has printed: the log must contain it. May be given more than once.",
     offsetof(struct command_args, audit.heads)},
    {'g', 0, "since", "TIME", "Not before: 7d, 12h, 30m ago, or 2026-01-31[T12:00:00Z].",
     offsetof(struct command_args, audit.since)},
    {'q', 0, "until", "TIME", "Before that.", offsetof(struct command_args, audit.until)},
    {'G', 0, "image", "PATTERN",
     "Of REPOSITORY or REPOSITORY:TAG, with * and ?: 'docker.io/library/*'.",
     offsetof(struct command_args, audit.image)},
    {'5', 0, "digest", "DIGEST", "About it.", offsetof(struct command_args, audit.digest)},
    {'J', 0, "caller", "NAME", "By whom: a name, or an address without the port.",
     offsetof(struct command_args, audit.caller)},
    {'v', 0, "verdict", "WORD", "allow, deny or pending.",
     offsetof(struct command_args, audit.verdict)},
    {'6', 0, "rule", "NAME", "Decided by this rule.", offsetof(struct command_args, audit.rule)},
    {'z', 0, "act", "NAME", "Administrative acts of this name: reload, purge, start, ...",
     offsetof(struct command_args, audit.act)},
    {'F', 0, "html", "FILE", "Write it there, as HTML; a file that exists is not overwritten.",
     offsetof(struct command_args, audit.html)},
    {'X', 0, "csv", NULL, "As CSV, with a line of names.",
     offsetof(struct command_args, audit.csv)},
    {'3', 0, "reason", "TEXT", "Why; whoever is refused reads it.",
     offsetof(struct command_args, change.reason)},
    {'h', 'h', "help", NULL, "Say what a command does and which options it takes.",
     offsetof(struct command_args, help)},
};
const size_t command_option_count = sizeof command_options / sizeof *command_options;

/* ---- help ---------------------------------------------------------------------------------- */

static bool takes(const struct command *c, const struct command_option *o)
{
    return o->key == 'h' || strchr(c->options, o->key) != NULL;
}

static void put_option(struct pg_buf *out, const struct command_option *o)
{
    char left[NAME_MAX_LEN];

    (void)snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->letter != 0 ? "-" : "",
                   o->letter != 0 ? o->letter : ' ', o->letter != 0 ? ", " : "   ", o->name,
                   o->argument != NULL ? " " : "", o->argument != NULL ? o->argument : "");
    (void)pg_buf_printf(out, "  %-24s %s\n", left, o->doc);
}

static int print_all(void)
{
    struct pg_buf out;

    pg_buf_init(&out, PRINT_BYTES_MAX);
    (void)pg_buf_put(&out, SL("A caching pull-through proxy for container registries.\n\n"
                              "usage: pullgate COMMAND [OPTIONS]\n\n"));
    for (size_t i = 0; i < command_count; i++) {
        (void)pg_buf_printf(&out, "  %-18s %s\n", command_table[i].name, command_table[i].summary);
    }
    (void)pg_buf_put(&out, SL("\npullgate COMMAND --help says more. Exit status: 0 good, 1 found "
                              "something wrong,\n2 could not do it.\n"));
    int rc = print_out(pg_buf_sl(&out));
    pg_buf_free(&out);
    return rc < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
}

static int print_one(const struct command *c)
{
    struct pg_buf out;

    pg_buf_init(&out, PRINT_BYTES_MAX);
    (void)pg_buf_printf(&out, "usage: pullgate %s [OPTIONS]%s%s\n\n%s\n\n", c->name,
                        c->operands != NULL ? " " : "", c->operands != NULL ? c->operands : "",
                        c->summary);
    print_put_wrapped(&out, "", (struct sl){c->doc, strlen(c->doc)});
    (void)pg_buf_put(&out, SL("\n"));
    for (size_t i = 0; i < command_option_count; i++) {
        if (takes(c, &command_options[i])) {
            put_option(&out, &command_options[i]);
        }
    }
    int rc = print_out(pg_buf_sl(&out));
    pg_buf_free(&out);
    return rc < 0 ? COMMAND_CANNOT : COMMAND_GOOD;
}

/* ---- options ------------------------------------------------------------------------------- */

struct walk {
    char **argv;
    int argc, i;
    const struct command *command;
    struct command_args args;
};

static int refuse_option(const struct walk *w, const char *arg)
{
    const char *words[24] = {0};
    size_t n = 0;

    for (size_t i = 0; i < command_option_count; i++) {
        if (takes(w->command, &command_options[i])) {
            PG_CHECK(n < sizeof words / sizeof *words);
            words[n++] = command_options[i].name;
        }
    }
    const char *bare = arg + strspn(arg, "-");
    const char *near = pg_nearest_of((struct sl){bare, strcspn(bare, "=")}, words, n);
    return print_failure("%s has no option %s%s%s%s", w->command->name, arg,
                         near != NULL ? "; did you mean --" : "", near != NULL ? near : "",
                         near != NULL ? "?" : "");
}

/* The option that arg is, and in *value_r what stands behind it in the same word. */
static const struct command_option *match(const struct walk *w, const char *arg,
                                          const char **value_r)
{
    *value_r = NULL;
    for (size_t i = 0; i < command_option_count; i++) {
        const struct command_option *o = &command_options[i];
        size_t n = strlen(o->name);
        if (!takes(w->command, o)) {
            continue; /* another command may have one of this name */
        }
        if (strncmp(arg, "--", 2) == 0 && strncmp(arg + 2, o->name, n) == 0 &&
            (arg[2 + n] == '\0' || arg[2 + n] == '=')) {
            *value_r = arg[2 + n] == '=' ? arg + 3 + n : NULL;
            return o;
        }
        if (arg[0] == '-' && o->letter != 0 && arg[1] == o->letter) {
            *value_r = arg[2] != '\0' ? arg + 2 : NULL;
            return o;
        }
    }
    return NULL;
}

static int take_option(struct walk *w, const char *arg)
{
    const char *value;
    const struct command_option *o = match(w, arg, &value);

    if (o == NULL) {
        return refuse_option(w, arg);
    }
    void *field = (char *)&w->args + o->offset;
    if (o->argument == NULL) {
        if (value != NULL) {
            return print_failure("--%s takes no value", o->name);
        }
        *(bool *)field = true;
        return COMMAND_GOOD;
    }
    if (value == NULL && w->i + 1 < w->argc) {
        value = w->argv[++w->i];
    }
    if (value == NULL || value[0] == '\0') {
        return print_failure("--%s needs a value: %s", o->name, o->argument);
    }
    if (strstr(o->argument, "...") == NULL) {
        *(const char **)field = value;
        return COMMAND_GOOD;
    }
    struct command_list *list = field;
    if (list->n == COMMAND_LIST_MAX) {
        return print_failure("--%s may be given %d times", o->name, COMMAND_LIST_MAX);
    }
    list->items[list->n++] = value;
    return COMMAND_GOOD;
}

/* Operands are gathered at the front of argv, whose words before them are read by now. */
static int run(struct walk *w)
{
    bool literal = false;

    w->args.operands = (const char *const *)w->argv;
    for (; w->i < w->argc; w->i++) {
        const char *arg = w->argv[w->i];
        if (!literal && strcmp(arg, "--") == 0) {
            literal = true;
        } else if (literal || arg[0] != '-' || arg[1] == '\0') {
            if (w->command->operands == NULL) {
                return print_failure("%s takes no argument %s; see pullgate %s --help",
                                     w->command->name, arg, w->command->name);
            }
            w->argv[w->args.noperands++] = w->argv[w->i];
        } else if (take_option(w, arg) != COMMAND_GOOD) {
            return COMMAND_CANNOT;
        }
    }
    return w->args.help ? print_one(w->command) : w->command->run(&w->args);
}

/* ---- commands ------------------------------------------------------------------------------ */

static int refuse_command(const char *name)
{
    const char *words[64];
    size_t n = 0;

    PG_CHECK(command_count <= sizeof words / sizeof *words);
    for (size_t i = 0; i < command_count; i++) {
        words[n++] = command_table[i].name;
    }
    const char *near = pg_nearest_of((struct sl){name, strlen(name)}, words, n);
    if (near != NULL) {
        return print_failure("no command %s; did you mean %s?", name, near);
    }
    return print_failure("no command %s; see pullgate --help", name);
}

/* One word, or two where one is only the first half of a command. */
static const struct command *find(const char *name)
{
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(command_table[i].name, name) == 0) {
            return &command_table[i];
        }
    }
    return NULL;
}

static bool is_first_half(const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i < command_count; i++) {
        if (strncmp(command_table[i].name, word, n) == 0 && command_table[i].name[n] == ' ') {
            return true;
        }
    }
    return false;
}

/* "help", or "help COMMAND". */
static int help(int argc, char **argv)
{
    char name[NAME_MAX_LEN];

    if (argc < 3) {
        return print_all();
    }
    (void)snprintf(name, sizeof name, "%s%s%s", argv[2], argc > 3 ? " " : "",
                   argc > 3 ? argv[3] : "");
    const struct command *c = find(name);
    if (c == NULL && argc == 3 && is_first_half(argv[2])) {
        return print_all();
    }
    return c != NULL ? print_one(c) : refuse_command(name);
}

int command_main(int argc, char **argv)
{
    char name[NAME_MAX_LEN];
    struct walk w = {.argv = argv, .argc = argc, .i = 2, .args.program = argv[0]};

    if (argc < 2) {
        (void)print_all();
        return COMMAND_CANNOT;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        return print_all();
    }
    if (strcmp(argv[1], "help") == 0) {
        return help(argc, argv);
    }
    if (argv[1][0] == '-' && strcmp(argv[1], "--version") != 0) {
        return print_failure("options come after the command, as in: pullgate serve %s", argv[1]);
    }
    const char *first = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
    if (is_first_half(first) && argc > 2) {
        (void)snprintf(name, sizeof name, "%s %s", first, argv[2]);
        w.i = 3;
    } else {
        (void)snprintf(name, sizeof name, "%s", first);
    }
    w.command = find(name);
    if (w.command == NULL) {
        return is_first_half(first) && (argc < 3 || argv[2][0] == '-') ? print_all(),
               COMMAND_CANNOT                                          : refuse_command(name);
    }
    return run(&w);
}
