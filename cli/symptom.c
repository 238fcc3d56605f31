/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/symptom.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/size.h"
#include "cache/dir.h"
#include "cli/control.h"
#include "cli/print.h"
#include "cli/version.h"

#define EXPIRY_WARN_DAYS 14
#define INODES_LOW       10000
#define FILES_APART      512 /* descriptors for what is no connection: blobs, upstreams, logs */
#define WAIT_MS          5000L

/* ---- storage ------------------------------------------------------------------------------- */

static const char *name_of_user(uid_t uid, char *out, size_t room)
{
    char text[1024];
    struct passwd pw, *found = NULL;

    if (getpwuid_r(uid, &pw, text, sizeof(text), &found) == 0 && found != NULL) {
        (void)snprintf(out, room, "%s", pw.pw_name);
    } else {
        (void)snprintf(out, room, "user %u", uid);
    }
    return out;
}

/* Who looks may be root, and who serves another: then the owner is told and not judged. */
static bool look_at_directory(struct doctor *d, const char *path, int fd)
{
    char owner[64];
    struct stat st;

    if (fstat(fd, &st) < 0) {
        doctor_say(d, DOCTOR_FAIL, path, "look at the disk", "%s", strerrordesc_np(errno));
        return false;
    }
    (void)name_of_user(st.st_uid, owner, sizeof(owner));
    if ((st.st_mode & 022) != 0) {
        doctor_say(d, DOCTOR_FAIL, path,
                   "chmod go-w it: who can write there decides what is served",
                   "others than its owner may write there (mode %04o)", st.st_mode & 07777);
        return false;
    }
    if (st.st_uid != geteuid() && geteuid() != 0) {
        doctor_say(d, DOCTOR_WARN, path, "ask again as the user that runs pullgate",
                   "it belongs to %s", owner);
        return true;
    }
    doctor_say(d, DOCTOR_OK, path, NULL, "belongs to %s, mode %04o", owner, st.st_mode & 07777);
    return true;
}

static void look_at_space(struct doctor *d, const char *path, int fd)
{
    const struct config *c = d->config;
    struct statvfs fs;
    struct pg_buf text;

    if (fstatvfs(fd, &fs) < 0) {
        doctor_say(d, DOCTOR_FAIL, path, "look at the disk", "%s", strerrordesc_np(errno));
        return;
    }
    uint64_t avail = (uint64_t)fs.f_bavail * fs.f_frsize,
             whole = (uint64_t)fs.f_blocks * fs.f_frsize;
    pg_buf_init(&text, 256);
    pg_size_put(&text, avail);
    (void)pg_buf_put(&text, SL(" are free of "));
    pg_size_put(&text, whole);
    bool is_full = avail <= c->storage_reserve;
    bool is_small = whole < c->storage_max_size;
    doctor_say(d,
               is_full    ? DOCTOR_FAIL
               : is_small ? DOCTOR_WARN
                          : DOCTOR_OK,
               path,
               is_full    ? "make room, or lower storage.reserve"
               : is_small ? "storage.max_size is more than the disk: lower it, so that eviction "
                            "and not storage.reserve decides"
                          : NULL,
               SL_FMT, SL_ARG(pg_buf_sl(&text)));
    pg_buf_free(&text);
    if (fs.f_files > 0 && fs.f_favail < INODES_LOW) {
        doctor_say(d, fs.f_favail == 0 ? DOCTOR_FAIL : DOCTOR_WARN, path,
                   "remove small files, or make the filesystem with more inodes",
                   "%ju inodes are left", (uintmax_t)fs.f_favail);
    }
}

static void look_at_filesystem(struct doctor *d, const char *path, int fd)
{
    const char *name = dir_doubtful_filesystem(fd);

    if (name != NULL) {
        doctor_say(
            d, DOCTOR_WARN, path, "use a local disk: ext4, xfs, btrfs",
            "a filesystem of type %s, where locks and durable writes are not to be relied on",
            name);
    }
}

static int open_directory(struct doctor *d, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0) {
        return fd;
    }
    if (errno == ENOENT) {
        doctor_say(d, DOCTOR_WARN, path, "pullgate makes it at its start, if its user may",
                   "is not there yet");
    } else if (errno == ELOOP || errno == ENOTDIR) {
        doctor_say(d, DOCTOR_FAIL, path, "name the directory itself",
                   "no directory, or a symbolic link to one");
    } else if (errno == EACCES) {
        doctor_say(d, DOCTOR_WARN, path, "ask again as the user that runs pullgate, or root",
                   "may not be looked at by this user");
    } else {
        doctor_say(d, DOCTOR_FAIL, path, "look at the disk", "%s", strerrordesc_np(errno));
    }
    return -1;
}

void symptom_of_storage(struct doctor *d)
{
    const char *path = d->config->storage_path;
    _fd_ int fd = open_directory(d, path);

    if (fd >= 0 && look_at_directory(d, path, fd)) {
        look_at_filesystem(d, path, fd);
        look_at_space(d, path, fd);
    }
}

/* ---- limits -------------------------------------------------------------------------------- */

void symptom_of_limits(struct doctor *d)
{
    uint64_t wanted = d->config->limits_connections + FILES_APART;
    struct rlimit limit = {0};

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < wanted) {
        doctor_say(d, DOCTOR_WARN, "descriptors",
                   "raise it (LimitNOFILE= of the unit, ulimit -Hn), or lower limits.connections",
                   "%ju may be open here, and limits.connections of %ju wants %ju",
                   (uintmax_t)limit.rlim_max, (uintmax_t)d->config->limits_connections,
                   (uintmax_t)wanted);
    } else {
        doctor_say(d, DOCTOR_OK, "descriptors", NULL, "%ju may be open, %ju are wanted",
                   (uintmax_t)limit.rlim_max, (uintmax_t)wanted);
    }
}

/* ---- certificates -------------------------------------------------------------------------- */

static void look_at_certificate(struct doctor *d, const char *path)
{
    FILE *f = fopen(path, "re");
    X509 *cert = f != NULL ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
    int days = 0, seconds = 0;

    if (f != NULL) {
        (void)fclose(f);
    }
    if (cert == NULL) {
        doctor_say(d, DOCTOR_FAIL, path, "name a PEM file that this user can read",
                   "no certificate could be read from it");
        return;
    }
    if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert)) != 1) {
        days = seconds = -1;
    }
    if (days < 0 || seconds < 0) {
        doctor_say(d, DOCTOR_FAIL, path, "renew it; a running server takes the new file over",
                   "has expired %d days ago", -days);
    } else if (days < EXPIRY_WARN_DAYS) {
        doctor_say(d, DOCTOR_WARN, path, "renew it; a running server takes the new file over",
                   "expires in %d days", days);
    } else {
        doctor_say(d, DOCTOR_OK, path, NULL, "expires in %d days", days);
    }
    X509_free(cert);
}

void symptom_of_certificates(struct doctor *d)
{
    for (size_t i = 0; i < d->config->nlisteners; i++) {
        const struct config_tls *tls = &d->config->listeners[i].tls;
        for (size_t k = 0; k < tls->npairs; k++) {
            look_at_certificate(d, tls->pairs[k].cert);
        }
    }
}

/* ---- the policy ---------------------------------------------------------------------------- */

static void look_at_trust(struct doctor *d, const struct trust_told *t)
{
    static const char remedy[] = "renew it: keys, certificates, trusted roots and revocation lists "
                                 "come from files alone; a running server takes them over";
    int64_t now_s = pg_clock_wall_s();
    char when[PG_CLOCK_TEXT_MAX];

    if (t->ends_s == INT64_MAX) {
        return;
    }
    (void)pg_clock_rfc3339(t->ends_s * 1000, when);
    if (t->ends_s <= now_s) {
        doctor_say(d, DOCTOR_FAIL, "trust", remedy,
                   "something that signatures are checked against ended at %.19sZ", when);
    } else if (t->ends_s - now_s < (int64_t)EXPIRY_WARN_DAYS * 86400) {
        doctor_say(d, DOCTOR_WARN, "trust", remedy,
                   "something that signatures are checked against ends at %.19sZ", when);
    } else {
        doctor_say(d, DOCTOR_OK, "trust", NULL, "nothing of it ends before %.19sZ", when);
    }
}

void symptom_of_policy(struct doctor *d)
{
    const struct config_admission *a = &d->config->admission;
    const char *subject = a->policy_file != NULL ? a->policy_file : "in the configuration";
    struct policy_told told;

    if (a->policy == NULL) {
        doctor_say(d, DOCTOR_OK, "", NULL, "there is none: all that is asked for is served");
        return;
    }
    policy_tell(a->policy, &told);
    doctor_say(d, DOCTOR_OK, subject, NULL, "%zu rule%s; what none speaks of is %s", told.nrules,
               print_s(told.nrules), told.default_allows ? "served" : "denied");
    if (told.nobserving > 0) {
        doctor_say(d, DOCTOR_WARN, subject,
                   "look at what they would have denied (`pullgate audit query`), then say `mode: "
                   "enforce`",
                   "%zu rule%s only observe%s, and let all pass", told.nobserving,
                   print_s(told.nobserving), told.nobserving == 1 ? "s" : "");
    }
    look_at_trust(d, a->told);
}

/* ---- the server ---------------------------------------------------------------------------- */

static void judge_answer(struct doctor *d, const json_t *root)
{
    struct sl version = pg_json_str(root, "version");
    const json_t *problem;
    size_t i;

    doctor_say(d, DOCTOR_OK, "", NULL, "version " SL_FMT " is running", SL_ARG(version));
    if (!sl_eq(version, (struct sl){VERSION_TEXT, strlen(VERSION_TEXT)})) {
        doctor_say(d, DOCTOR_WARN, "", "restart it, to run what is installed",
                   "this program is version " VERSION_TEXT);
    }
    json_array_foreach(json_object_get(root, "problems"), i, problem)
    {
        doctor_say(d, DOCTOR_WARN, "", "see `pullgate status`", "it says: %s",
                   json_string_value(problem));
    }
}

void symptom_of_server(struct doctor *d)
{
    const struct control_question q = {"GET", "/api/v1/status", NULL, WAIT_MS};
    struct control_answer a = {0};
    struct pg_err err = {0};
    struct control c;
    _json_ json_t *root = NULL;

    if (control_open(d->args, CONTROL_LOOK, &c) == COMMAND_GOOD) {
        if (!control_try(&c, &q, &a)) {
            doctor_say(d, DOCTOR_WARN, c.socket != NULL ? c.socket : c.address,
                       "start it: pullgate serve", "nothing answers");
        } else if (a.status != 200 ||
                   pg_json_parse(pg_buf_sl(&a.body), PG_E_UPSTREAM_WRONG, &root, &err) < 0) {
            doctor_say(d, DOCTOR_FAIL, c.socket != NULL ? c.socket : c.address,
                       "see which program listens there", "something else than pullgate answers");
        } else {
            judge_answer(d, root);
        }
        control_answer_free(&a);
    }
    pg_err_clear(&err);
    control_close(&c);
}
