# The rules of contents.yaml, closed.yaml and keyless.yaml in Rego, over what pullgate tells
# (docs/api/policy-input.schema.json). Names, keys and numbers stand in data.json.
#
#     opa run --server --addr 127.0.0.1:8181 --bundle conf/policies/rego
#     policy: {default: allow, opa: {url: http://127.0.0.1:8181, path: pullgate/decision}}
#
# It is made for pullgate to ask: a document of another form is denied.
package pullgate

import rego.v1

default decision := {"allow": false, "reasons": ["the policy has no answer"]}

decision := {
	"allow": count(deny) == 0,
	"reasons": sort([r | some r in deny]),
}

deny contains "this document is not of a version that the policy knows" if {
	object.get(input, "version", 0) != 1
}

deny contains "nothing is known of what the image says" if not input.content.shape

deny contains "nothing is known of the image" if not input.image.repository

matches(patterns) if {
	some pattern in patterns
	glob.match(pattern, ["/"], input.image.repository)
}

# ---- what no rule speaks of ----------------------------------------------------------------------

deny contains msg if {
	not matches(data.settings.repositories)
	msg := sprintf("%s is not on the list of repositories", [input.image.repository])
}

# ---- contents.yaml -------------------------------------------------------------------------------

# An index runs nowhere: what it lists is asked about one by one.
is_index if input.content.shape == "index"

runs_here if {
	some platform in data.settings.runs_here.platforms
	input.content.platform == platform
}

runs_here if {
	some platform in data.settings.runs_here.platforms
	startswith(input.content.platform, concat("", [platform, "/"]))
}

deny contains msg if {
	matches(data.settings.runs_here.repositories)
	not is_index
	not runs_here
	msg := sprintf("its platform is %s", [object.get(input.content, "platform", "not said")])
}

deny contains msg if {
	secret := input.content.secret
	msg := sprintf("its %s %q looks like %s", [secret.where, secret.name, secret.what])
}

is_settled if {
	age_ns := time.now_ns() - time.parse_rfc3339_ns(input.image.known_since)
	age_ns >= data.settings.settled.hours * 3600000000000
}

deny contains msg if {
	matches(data.settings.settled.repositories)
	not is_settled
	msg := sprintf("it is not known here for %d hours", [data.settings.settled.hours])
}

deny contains msg if {
	matches(data.settings.versioned.repositories)
	input.image.tag in data.settings.versioned.tags
	msg := sprintf("the tag %s does not say which version", [input.image.tag])
}

has_source if {
	label := input.content.labels["org.opencontainers.image.source"]
	glob.match(data.settings.versioned.source, ["/"], label)
}

deny contains "it does not say of which source it is made" if {
	matches(data.settings.versioned.repositories)
	not is_index
	not has_source
}

# ---- closed.yaml ---------------------------------------------------------------------------------

# By a name of data.settings.signers: a key, or an identity of Sigstore's CA. What Sigstore
# signed has to be in a log of certificates and in one of signatures.
signed_by(name) if {
	some s in input.signed
	s.kind == "signature"
	s.by == "key"
	s.key == data.settings.signers[name].key
}

signed_by(name) if {
	some s in input.signed
	s.kind == "signature"
	is_of(s, data.settings.signers[name])
}

is_of(s, signer) if {
	s.by == "identity"
	s.issuer == signer.issuer
	regex.match(signer.subject, s.subject)
	s.certificate_logs > 0
	s.logs > 0
}

has_tag(patterns) if {
	some pattern in patterns
	some tag in names
	glob.match(pattern, [], tag)
}

# Who pulls by digest is held to what is required of its tags.
names := {tag | some tag in input.image.tags} | {input.image.tag | input.image.tag}

binds(rule) if {
	matches(rule.repositories)
	not rule.tags
}

binds(rule) if {
	matches(rule.repositories)
	has_tag(rule.tags)
}

deny contains msg if {
	some rule in data.settings.signed
	binds(rule)
	missing := [name | some name in rule.all_of; not signed_by(name)]
	count(missing) > 0
	msg := sprintf("%s: it is not signed by %s", [rule.name, concat(", ", missing)])
}

deny contains msg if {
	some rule in data.settings.signed
	binds(rule)
	rule.any_of
	count([name | some name in rule.any_of; signed_by(name)]) == 0
	msg := sprintf("%s: it is signed by none of %s", [rule.name, concat(", ", rule.any_of)])
}

# ---- scan results --------------------------------------------------------------------------------

# Each source that has a result has to hold; findings that a waiver or VEX settled do not count.
is_scanned if {
	some scan in input.scans
	scan.status == "complete"
}

deny contains "it was not scanned" if {
	matches(data.settings.scanned.repositories)
	not is_index
	not is_scanned
}

deny contains msg if {
	matches(data.settings.scanned.repositories)
	some scan in input.scans
	some severity in data.settings.scanned.severities
	scan.open[severity] > 0
	msg := sprintf("%s found %d open findings that are %s", [scan.source, scan.open[severity], severity])
}

deny contains msg if {
	matches(data.settings.scanned.repositories)
	some scan in input.scans
	age_ns := time.now_ns() - time.parse_rfc3339_ns(scan.database)
	age_ns > data.settings.scanned.database_hours * 3600000000000
	msg := sprintf("the database of %s is older than %d hours", [scan.source, data.settings.scanned.database_hours])
}

deny contains msg if {
	matches(data.settings.scanned.repositories)
	some scan in input.scans
	some finding in scan.findings
	finding.exploited
	msg := sprintf("%s in %s is exploited", [finding.id, finding.package])
}

# ---- keyless.yaml --------------------------------------------------------------------------------

attested(rule) if {
	some s in input.signed
	s.kind == "attestation"
	s.predicate_type == rule.predicate_type
	is_of(s, data.settings.signers[rule.from])
}

deny contains msg if {
	some rule in data.settings.attested
	matches(rule.repositories)
	not attested(rule)
	msg := sprintf("%s: there is no %s by %s", [rule.name, rule.predicate_type, rule.from])
}
