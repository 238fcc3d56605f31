package pullgate_test

import data.pullgate
import rego.v1

settings := {
	"repositories": ["docker.io/library/*", "ghcr.io/acme/**"],
	"runs_here": {"repositories": ["**"], "platforms": ["linux/amd64", "linux/arm"]},
	"settled": {"repositories": ["docker.io/**"], "hours": 72},
	"versioned": {"repositories": ["ghcr.io/acme/**"], "tags": ["latest"], "source": "https://github.com/acme/**"},
	"signers": {
		"release": {"key": "aa"},
		"workflow": {"issuer": "https://issuer.example", "subject": "^https://github\\.com/acme/.+$"},
	},
	"signed": [{"name": "production", "repositories": ["ghcr.io/acme/**"], "tags": ["v*"], "all_of": ["release"]}],
	"attested": [],
	"scanned": {"repositories": ["docker.io/library/scanned"], "severities": ["critical"], "database_hours": 72},
}

base := {
	"version": 1,
	"image": {
		"registry": "docker.io",
		"repository": "docker.io/library/nginx",
		"tag": "1.27",
		"tags": ["1.27"],
		"digest": "sha256:00",
		"known_since": "2020-01-01T00:00:00Z",
	},
	"content": {
		"shape": "image",
		"types": [],
		"platform": "linux/arm/v7",
		"labels": {},
		"annotations": {},
		"variables": [],
	},
	"evidence": {"state": "complete", "signed": 0, "refused": 0},
	"signed": [],
	"scans": [],
}

changed(patches) := json.patch(base, patches)

ours := [
	{"op": "replace", "path": "image/repository", "value": "ghcr.io/acme/app"},
	{"op": "replace", "path": "image/tag", "value": "v1"},
	{"op": "replace", "path": "image/tags", "value": ["v1"]},
	{"op": "add", "path": "content/labels/org.opencontainers.image.source", "value": "https://github.com/acme/app"},
	{"op": "add", "path": "signed/0", "value": {"kind": "signature", "by": "key", "key": "aa"}},
]

allowed(document) if {
	d := pullgate.decision with input as document with data.settings as settings
	d.allow == true
	d.reasons == []
}

denied(document, part) if {
	d := pullgate.decision with input as document with data.settings as settings
	d.allow == false
	some reason in d.reasons
	contains(reason, part)
}

test_known_image if allowed(base)

test_no_document if denied({}, "version")

test_another_version if denied(changed([{"op": "replace", "path": "version", "value": 2}]), "version")

test_not_listed if {
	denied(changed([{"op": "replace", "path": "image/repository", "value": "quay.io/a/b"}]), "list of repositories")
}

test_platform if {
	denied(changed([{"op": "replace", "path": "content/platform", "value": "linux/s390x"}]), "linux/s390x")
	denied(changed([{"op": "remove", "path": "content/platform"}]), "not said")
	denied(changed([{"op": "remove", "path": "content"}]), "nothing is known")
}

test_index_runs_nowhere if {
	allowed(changed([
		{"op": "replace", "path": "content/shape", "value": "index"},
		{"op": "remove", "path": "content/platform"},
	]))
}

test_secret if {
	secret := {"where": "variable", "name": "TOKEN", "what": "a token"}
	denied(changed([{"op": "add", "path": "content/secret", "value": secret}]), "looks like a token")
}

test_young if {
	now := time.format(time.now_ns())
	denied(changed([{"op": "replace", "path": "image/known_since", "value": now}]), "72 hours")
	denied(changed([{"op": "remove", "path": "image/known_since"}]), "72 hours")
}

test_signed if {
	allowed(changed(ours))
	denied(changed(array.concat(ours, [{"op": "remove", "path": "signed/0"}])), "not signed by release")
	denied(changed(array.concat(ours, [{"op": "replace", "path": "signed/0/key", "value": "bb"}])), "not signed")
	denied(changed(array.concat(ours, [{"op": "replace", "path": "signed/0/kind", "value": "attestation"}])), "not signed")
}

test_by_digest_the_tags_bind if {
	denied(
		changed(array.concat(ours, [
			{"op": "remove", "path": "image/tag"},
			{"op": "remove", "path": "signed/0"},
		])),
		"not signed by release",
	)
}

test_version_and_source if {
	denied(changed(array.concat(ours, [{"op": "replace", "path": "image/tag", "value": "latest"}])), "which version")
	denied(changed(array.concat(ours, [{"op": "replace", "path": "content/labels", "value": {}}])), "which source")
}

identity := {
	"kind": "signature",
	"by": "identity",
	"issuer": "https://issuer.example",
	"subject": "https://github.com/acme/app",
	"logs": 1,
	"certificate_logs": 1,
}

by_workflow := json.patch(settings, [{"op": "replace", "path": "signed/0/all_of", "value": ["workflow"]}])

signed_with(s) := changed(array.concat(ours, [{"op": "replace", "path": "signed/0", "value": s}]))

allows(s) if {
	d := pullgate.decision with input as signed_with(s) with data.settings as by_workflow
	d.allow
}

test_identity if {
	allows(identity)
	not allows(object.union(identity, {"subject": "https://github.com/other/app"}))
	not allows(object.union(identity, {"issuer": "https://issuer.example.org"}))
	not allows(object.union(identity, {"logs": 0}))
	not allows(object.union(identity, {"certificate_logs": 0}))
	not allows(object.union(identity, {"by": "notation"}))
}

counts := {"critical": 0, "high": 2, "medium": 0, "low": 0, "negligible": 0, "unknown": 0}

scanned(patch) := changed([
	{"op": "replace", "path": "image/repository", "value": "docker.io/library/scanned"},
	{"op": "replace", "path": "scans", "value": [object.union(
		{
			"source": "trivy",
			"status": "complete",
			"database": time.format(time.now_ns()),
			"open": counts,
			"findings": [],
		},
		patch,
	)]},
])

test_scanned if {
	allowed(scanned({}))
	denied(scanned({"status": "none"}), "not scanned")
	denied(scanned({"open": {"critical": 3}}), "found 3 open findings that are critical")
	denied(scanned({"database": "2020-01-01T00:00:00Z"}), "older than 72 hours")
	denied(scanned({"findings": [{"id": "CVE-1", "package": "openssl", "exploited": true}]}), "is exploited")
}
