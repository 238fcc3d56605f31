#compdef pullgate
# Printed by `pullgate completion zsh`.
_pullgate() {
    local -a words1 words2
    local command
    words1=(
        'serve:Serve until SIGTERM.'
        'config:Several commands.'
        'policy:Several commands.'
        'verify:Say who has signed an image, and whether that is what is wanted.'
        'verify-bundle:Verify one Sigstore bundle about one file or digest.'
        'scan:Several commands.'
        'fsck:Check the store, and repair it.'
        'status:Ask a running server how it is.'
        'clientconf:Write the configuration of a client.'
        'doctor:Look whether all is there that a server needs.'
        'backup:Copy the store into an empty directory, while the server works.'
        'restore:Make a backup the store again.'
        'ls:List what is in the store.'
        'purge:Forget tags, digests, repositories or all of an upstream.'
        'prewarm:Fetch images before anybody asks for them.'
        'refresh:Ask upstream now what tags are.'
        'explain:Say why an image may be pulled, or not.'
        'affected:Say which images have a vulnerability or a package, and who pulled them.'
        'gc:Say what the server removes by rules, or let it do so now.'
        'retention:Several commands.'
        'lifecycle:Carry out rules of retention in another registry.'
        'deps:Show what an image needs, and what needs it.'
        'report:Several commands.'
        'audit:Several commands.'
        'revoke:Take something back'
        'unrevoke:Serve again what was revoked.'
        'revocations:List what is revoked.'
        'version:Print the version, and those of the libraries in use.'
        'completion:Print what completes the command line'
        'man:Print the manual page.'
    )
    case $words[2] in
    (config) words2=('check:Read the configuration and say everything that is wrong with it.' 'show:Print the configuration in effect, defaults included.' 'example:Print a configuration file with every option and its default.' 'reference:Print the description of every option, in Markdown.' );;
    (policy) words2=('check:Read a policy and say what it was understood to be.' 'test:Run table tests of a policy.' 'lint:Say what is wrong with a policy that loads.' 'diff:Say what a new policy says otherwise than an old one.' 'replay:Say what a policy would have decided otherwise.' 'import:Make a policy of one of Kubernetes.' );;
    (scan) words2=('image:Scan an image of the store with Trivy or Grype.' 'read:Say what scanners reports say, and whether they count.' );;
    (retention) words2=('plan:Say what rules of retention would remove, and why.' 'apply:Carry out what rules of retention say.' 'lint:Find what rules of retention do against their own words.' 'import:Make rules of retention of another registrys.' );;
    (report) words2=('storage:Say what takes the room, whose it is, how it grows, and until when.' );;
    (audit) words2=('verify:Say whether the audit log is as it was written.' 'head:Print the newest signed head of the audit log, to be kept elsewhere.' 'query:Print entries of the audit log.' 'export:Write entries of the audit log as CSV or JSON lines.' 'report:Write what an auditor asks for, of a span of time, as one file.' );;
    esac
    if (( CURRENT == 2 )); then
        _describe command words1
        return
    fi
    if (( $#words2 && CURRENT == 3 )); then
        _describe command words2
        return
    fi
    command=$words[2]
    (( $#words2 )) && command="$words[2] $words[3]"
    case $command in
    (serve) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--json[Answer in JSON]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' ;;
    (config\ check) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--json[Answer in JSON]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' ;;
    (config\ show) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--json[Answer in JSON]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' ;;
    (config\ example) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' ;;
    (config\ reference) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' ;;
    (policy\ check) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:FILE:_files' ;;
    (policy\ test) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:DIR|FILE...:(DIR FILE...)' ;;
    (policy\ lint) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:FILE:_files' ;;
    (policy\ diff) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:OLD NEW:()' ;;
    (policy\ replay) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--json[Answer in JSON]' \
            '--policy[This policy, in place of that of the configuration.]:FILE:_files' \
            '--since[Not before]:TIME: ' \
            '--until[Before that.]:TIME: ' \
            '--image[Of REPOSITORY or REPOSITORYTAG, with * and ?]:PATTERN: ' \
            '--digest[About it.]:DIGEST: ' \
            '--caller[By whom]:NAME: ' \
            '--verdict[allow, deny or pending.]:WORD: ' \
            '--rule[Decided by this rule.]:NAME: ' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:DIR:()' ;;
    (policy\ import) _arguments \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:FILE:_files' ;;
    (verify) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--control[Ask this control socket, not the configured one.]:SOCKET:_files' \
            '--json[Answer in JSON]' \
            '--layout[An image in an OCI image layout]:DIRTAG: ' \
            '--key[Signed by this public key (PEM), as cosign.pub.]:FILE:_files' \
            '--identity[Signed by this identity, an e-mail address or URI, as its certificate has it]:NAME: ' \
            '--issuer[Who vouches for the identity, as its certificate has it.]:URL: ' \
            '--policy[This policy, in place of that of the configuration.]:FILE:_files' \
            '--trusted-root[Sigstores trusted_root.json]:FILE:_files' \
            '--type[An attestation of this predicate type, instead of a signature of the image.]:TYPE: ' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:IMAGE:()' ;;
    (verify-bundle) _arguments \
            '--key[Signed by this public key (PEM), as cosign.pub.]:FILE:_files' \
            '--trusted-root[Sigstores trusted_root.json]:FILE:_files' \
            '--bundle[The bundle.]:FILE:_files' \
            '--certificate-identity[As --identity of verify.]:NAME: ' \
            '--certificate-oidc-issuer[As --issuer of verify.]:URL: ' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:FILE|DIGEST:(FILE DIGEST)' ;;
    (scan\ image) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--json[Answer in JSON]' \
            '--static[The image is known to have no packages]' \
            '--scanner[Trivys program, or Grypes]:FILE:_files' \
            '--database[Where the scanner has its database]:DIR:_files -/' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:DIGEST:()' ;;
    (scan\ read) _arguments \
            '--json[Answer in JSON]' \
            '--digest[The manifest that the reports have to be about.]:DIGEST: ' \
            '--image[The name by which waivers know the image, without a tag.]:NAME: ' \
            '--sbom[SPDX 2.3 or CycloneDX]:FILE:_files' \
            '--waivers[Waivers]:FILE:_files' \
            '--vex[OpenVEX that is believed]:FILE...: ' \
            '--static[The image is known to have no packages]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:FILE...:()' ;;
    (fsck) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--json[Answer in JSON]' \
            '--deep[Read every blob and compute its digest.]' \
            '--repair[Mend what can be mended.]' \
            '--accept-loss[With --repair]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' ;;
    (status) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--admin[Ask this admin listener, not the configured one.]:ADDRPORT: ' \
            '--control[Ask this control socket, not the configured one.]:SOCKET:_files' \
            '(-w --watch)'{-w,--watch}'[Ask again every two seconds, until it is interrupted.]' \
            '--json[Answer in JSON]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' ;;
    (clientconf) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--for[docker, containerd1 (1.6, 1.7), containerd2, podman (and buildah, skopeo), crio, k3s, buildkit or talos.]:CLIENT: ' \
            '--proxy[By which clients reach the proxy]:URL: ' \
            '--upstream[A registry, as docker.io]:NAME...: ' \
            '--ca[Certificates (PEM) of the authority that signed the proxys.]:FILE:_files' \
            '--dir[Write the files below this folder]:DIR:_files -/' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' ;;
    (doctor) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--admin[Ask this admin listener, not the configured one.]:ADDRPORT: ' \
            '--control[Ask this control socket, not the configured one.]:SOCKET:_files' \
            '--json[Answer in JSON]' \
            '--proxy[By which clients reach the proxy]:URL: ' \
            '--upstream[A registry, as docker.io]:NAME...: ' \
            '--ca[Certificates (PEM) of the authority that signed the proxys.]:FILE:_files' \
            '--canary[docker, containerd or podman.]:CLIENT: ' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' ;;
    (backup) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--json[Answer in JSON]' \
            '--deep[Read every blob and compute its digest.]' \
            '--no-blobs[Only the journal]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:DIR:()' ;;
    (restore) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--json[Answer in JSON]' \
            '--deep[Read every blob and compute its digest.]' \
            '--force[Do it all the same]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:DIR:()' ;;
    (ls) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--control[Ask this control socket, not the configured one.]:SOCKET:_files' \
            '--tags[List tags, as without any of these.]' \
            '--manifests[List manifests.]' \
            '--blobs[List layers, configurations and other blobs.]' \
            '--json[Answer in JSON]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:REF:()' ;;
    (purge) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--control[Ask this control socket, not the configured one.]:SOCKET:_files' \
            '(-n --dry-run)'{-n,--dry-run}'[Say what would be done, and do not do it.]' \
            '--json[Answer in JSON]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:REF...:()' ;;
    (prewarm) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--control[Ask this control socket, not the configured one.]:SOCKET:_files' \
            '--platform[Of images for several platforms, these]:OS/ARCH,...: ' \
            '--json[Answer in JSON]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:LIST:_files' ;;
    (refresh) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--control[Ask this control socket, not the configured one.]:SOCKET:_files' \
            '--json[Answer in JSON]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:REF...:()' ;;
    (explain) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--control[Ask this control socket, not the configured one.]:SOCKET:_files' \
            '--json[Answer in JSON]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:IMAGE:()' ;;
    (affected) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--control[Ask this control socket, not the configured one.]:SOCKET:_files' \
            '--json[Answer in JSON]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:NAME:()' ;;
    (gc) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--control[Ask this control socket, not the configured one.]:SOCKET:_files' \
            '--json[Answer in JSON]' \
            '--now[Do it now, and wait until it is done.]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' ;;
    (retention\ plan) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--json[Answer in JSON]' \
            '--rules[Rules of retention]:FILE:_files' \
            '--as-of[As if it were that day]:DATE: ' \
            '--csv[Answer in CSV.]' \
            '--all[Show what stays, too.]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' ;;
    (retention\ apply) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--control[Ask this control socket, not the configured one.]:SOCKET:_files' \
            '--json[Answer in JSON]' \
            '--force[Do it all the same]' \
            '--rules[Rules of retention]:FILE:_files' \
            '--rate[Images removed a second]:N: ' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' ;;
    (retention\ lint) _arguments \
            '--json[Answer in JSON]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:FILE:_files' ;;
    (retention\ import) _arguments \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:FILE:_files' ;;
    (lifecycle) _arguments \
            '(-n --dry-run)'{-n,--dry-run}'[Say what would be done, and do not do it.]' \
            '--json[Answer in JSON]' \
            '--force[Do it all the same]' \
            '--rate[Images removed a second]:N: ' \
            '--registry[Which]:URL: ' \
            '--repo[Repositories, without the host]:PATTERN: ' \
            '--policy[Rules of retention]:FILE:_files' \
            '--ca[Certificates (PEM) of the authority that signed the registrys.]:FILE:_files' \
            '--csv[Answer in CSV.]' \
            '--all[Show what stays, too.]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' ;;
    (deps) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:IMAGE:()' ;;
    (report\ storage) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--json[Answer in JSON]' \
            '--rules[Rules of retention]:FILE:_files' \
            '--team[The label of an image, or annotation, that says whose it is]:LABEL: ' \
            '--all[Show what stays, too.]' \
            '--html[Write it there, as HTML]:FILE:_files' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' ;;
    (audit\ verify) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--json[Answer in JSON]' \
            '--head[A head that audit head has printed]:FILE...: ' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:DIR:()' ;;
    (audit\ head) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:DIR:()' ;;
    (audit\ query) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--json[Answer in JSON]' \
            '--since[Not before]:TIME: ' \
            '--until[Before that.]:TIME: ' \
            '--image[Of REPOSITORY or REPOSITORYTAG, with * and ?]:PATTERN: ' \
            '--digest[About it.]:DIGEST: ' \
            '--caller[By whom]:NAME: ' \
            '--verdict[allow, deny or pending.]:WORD: ' \
            '--rule[Decided by this rule.]:NAME: ' \
            '--act[Administrative acts of this name]:NAME: ' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:DIR:()' ;;
    (audit\ export) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--json[Answer in JSON]' \
            '--since[Not before]:TIME: ' \
            '--until[Before that.]:TIME: ' \
            '--image[Of REPOSITORY or REPOSITORYTAG, with * and ?]:PATTERN: ' \
            '--digest[About it.]:DIGEST: ' \
            '--caller[By whom]:NAME: ' \
            '--verdict[allow, deny or pending.]:WORD: ' \
            '--rule[Decided by this rule.]:NAME: ' \
            '--act[Administrative acts of this name]:NAME: ' \
            '--csv[As CSV, with a line of names.]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:DIR:()' ;;
    (audit\ report) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--json[Answer in JSON]' \
            '--head[A head that audit head has printed]:FILE...: ' \
            '--since[Not before]:TIME: ' \
            '--until[Before that.]:TIME: ' \
            '--image[Of REPOSITORY or REPOSITORYTAG, with * and ?]:PATTERN: ' \
            '--html[Write it there, as HTML]:FILE:_files' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:DIR:()' ;;
    (revoke) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--control[Ask this control socket, not the configured one.]:SOCKET:_files' \
            '--json[Answer in JSON]' \
            '--reason[Why]:TEXT: ' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:WHAT...:()' ;;
    (unrevoke) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--control[Ask this control socket, not the configured one.]:SOCKET:_files' \
            '--json[Answer in JSON]' \
            '--reason[Why]:TEXT: ' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:WHAT...:()' ;;
    (revocations) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--control[Ask this control socket, not the configured one.]:SOCKET:_files' \
            '--json[Answer in JSON]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' ;;
    (version) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '--json[Answer in JSON]' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' ;;
    (completion) _arguments \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' \
            '*:bash|zsh|fish:(bash zsh fish)' ;;
    (man) _arguments \
            '(-c --config)'{-c,--config}'[The configuration file.]:FILE:_files' \
            '(-h --help)'{-h,--help}'[Say what a command does and which options it takes.]' ;;
    esac
}
_pullgate "$@"
