# Printed by `pullgate completion bash`.
_pullgate() {
    local cur=${COMP_WORDS[COMP_CWORD]} words=
    COMPREPLY=()
    case "$COMP_CWORD:${COMP_WORDS[1]}" in
    1:*) COMPREPLY=($(compgen -W "serve config policy verify verify-bundle scan fsck status clientconf doctor backup restore ls purge prewarm refresh explain affected gc retention lifecycle deps report audit revoke unrevoke revocations version completion man " -- "$cur")); return ;;
    2:config) COMPREPLY=($(compgen -W "check show example reference " -- "$cur")); return ;;
    2:policy) COMPREPLY=($(compgen -W "check test lint diff replay import " -- "$cur")); return ;;
    2:scan) COMPREPLY=($(compgen -W "image read " -- "$cur")); return ;;
    2:retention) COMPREPLY=($(compgen -W "plan apply lint import " -- "$cur")); return ;;
    2:report) COMPREPLY=($(compgen -W "storage " -- "$cur")); return ;;
    2:audit) COMPREPLY=($(compgen -W "verify head query export report " -- "$cur")); return ;;
    esac
    case "${COMP_WORDS[COMP_CWORD-1]}" in
    -c|--config) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --admin) return ;;
    --control) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --platform) return ;;
    --for) return ;;
    --proxy) return ;;
    --upstream) return ;;
    --ca) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --dir) COMPREPLY=($(compgen -d -- "$cur")); return ;;
    --canary) return ;;
    --layout) return ;;
    --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --identity) return ;;
    --issuer) return ;;
    --policy) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --trusted-root) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --type) return ;;
    --bundle) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --certificate-identity) return ;;
    --certificate-oidc-issuer) return ;;
    --digest) return ;;
    --image) return ;;
    --sbom) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --waivers) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --vex) return ;;
    --scanner) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --database) COMPREPLY=($(compgen -d -- "$cur")); return ;;
    --rules) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --as-of) return ;;
    --rate) return ;;
    --registry) return ;;
    --repo) return ;;
    --policy) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --ca) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --team) return ;;
    --head) return ;;
    --since) return ;;
    --until) return ;;
    --image) return ;;
    --digest) return ;;
    --caller) return ;;
    --verdict) return ;;
    --rule) return ;;
    --act) return ;;
    --html) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --reason) return ;;
    esac
    case "${COMP_WORDS[1]} ${COMP_WORDS[2]}" in
    "serve "*) words="-c --config --json -h --help " ;;
    "config check") words="-c --config --json -h --help " ;;
    "config show") words="-c --config --json -h --help " ;;
    "config example") words="-c --config -h --help " ;;
    "config reference") words="-c --config -h --help " ;;
    "policy check") words="-c --config -h --help "; COMPREPLY=($(compgen -f -- "$cur")) ;;
    "policy test") words="-c --config -h --help DIR FILE..." ;;
    "policy lint") words="-c --config -h --help "; COMPREPLY=($(compgen -f -- "$cur")) ;;
    "policy diff") words="-c --config -h --help " ;;
    "policy replay") words="-c --config --json --policy --since --until --image --digest --caller --verdict --rule -h --help " ;;
    "policy import") words="-h --help "; COMPREPLY=($(compgen -f -- "$cur")) ;;
    "verify "*) words="-c --config --control --json --layout --key --identity --issuer --policy --trusted-root --type -h --help " ;;
    "verify-bundle "*) words="--key --trusted-root --bundle --certificate-identity --certificate-oidc-issuer -h --help FILE DIGEST" ;;
    "scan image") words="-c --config --json --static --scanner --database -h --help " ;;
    "scan read") words="--json --digest --image --sbom --waivers --vex --static -h --help " ;;
    "fsck "*) words="-c --config --json --deep --repair --accept-loss -h --help " ;;
    "status "*) words="-c --config --admin --control -w --watch --json -h --help " ;;
    "clientconf "*) words="-c --config --for --proxy --upstream --ca --dir -h --help " ;;
    "doctor "*) words="-c --config --admin --control --json --proxy --upstream --ca --canary -h --help " ;;
    "backup "*) words="-c --config --json --deep --no-blobs -h --help " ;;
    "restore "*) words="-c --config --json --deep --force -h --help " ;;
    "ls "*) words="-c --config --control --tags --manifests --blobs --json -h --help " ;;
    "purge "*) words="-c --config --control -n --dry-run --json -h --help " ;;
    "prewarm "*) words="-c --config --control --platform --json -h --help "; COMPREPLY=($(compgen -f -- "$cur")) ;;
    "refresh "*) words="-c --config --control --json -h --help " ;;
    "explain "*) words="-c --config --control --json -h --help " ;;
    "affected "*) words="-c --config --control --json -h --help " ;;
    "gc "*) words="-c --config --control --json --now -h --help " ;;
    "retention plan") words="-c --config --json --rules --as-of --csv --all -h --help " ;;
    "retention apply") words="-c --config --control --json --force --rules --rate -h --help " ;;
    "retention lint") words="--json -h --help "; COMPREPLY=($(compgen -f -- "$cur")) ;;
    "retention import") words="-h --help "; COMPREPLY=($(compgen -f -- "$cur")) ;;
    "lifecycle "*) words="-n --dry-run --json --force --rate --registry --repo --policy --ca --csv --all -h --help " ;;
    "deps "*) words="-c --config -h --help " ;;
    "report storage") words="-c --config --json --rules --team --all --html -h --help " ;;
    "audit verify") words="-c --config --json --head -h --help " ;;
    "audit head") words="-c --config -h --help " ;;
    "audit query") words="-c --config --json --since --until --image --digest --caller --verdict --rule --act -h --help " ;;
    "audit export") words="-c --config --json --since --until --image --digest --caller --verdict --rule --act --csv -h --help " ;;
    "audit report") words="-c --config --json --head --since --until --image --html -h --help " ;;
    "revoke "*) words="-c --config --control --json --reason -h --help " ;;
    "unrevoke "*) words="-c --config --control --json --reason -h --help " ;;
    "revocations "*) words="-c --config --control --json -h --help " ;;
    "version "*) words="-c --config --json -h --help " ;;
    "completion "*) words="-h --help bash zsh fish" ;;
    "man "*) words="-c --config -h --help " ;;
    esac
    COMPREPLY+=($(compgen -W "$words" -- "$cur"))
}
complete -o filenames -F _pullgate pullgate
