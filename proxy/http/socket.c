/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"

#define PASSED_FIRST 3 /* SD_LISTEN_FDS_START */
#define PASSED_MAX   32
#define OWNER_MAX    64
#define UNIX         "unix:"
#define SYSTEMD      "systemd:"

struct passed {
    int fd; /* -1: taken */
    bool is_inherited;
    struct socket_bound was; /* with is_inherited */
    char name[256];
    char address[SOCKET_BOUND_MAX];
};

static struct passed passed[PASSED_MAX]; /* main's alone */
static size_t npassed;

static int fail_at(struct pg_err *err, const char *address, const char *why)
{
    return pg_fail(err, PG_E_STORE_IO, "cannot listen on %s: %s", address, why);
}

static int fail_bind(struct pg_err *err, const char *address)
{
    switch (errno) {
    case EADDRINUSE:
        return fail_at(
            err, address,
            "the address is in use: another program, or another pullgate, listens there");
    case EACCES:
        return fail_at(
            err, address,
            address[0] == '/'
                ? "not permitted: its directory must be one that this user may write to"
                : "not permitted: choose a port from 1024 on, or let systemd pass a socket");
    case ENOENT:
        return fail_at(err, address, "its directory does not exist: make it, or name another");
    case EADDRNOTAVAIL:
        return fail_at(err, address, "this machine has no such address");
    default:
        return fail_at(err, address, strerrordesc_np(errno));
    }
}

/* ---- TCP ----------------------------------------------------------------------------------- */

static bool is_port(const char *s)
{
    unsigned long port = 0;
    size_t n = 0;

    for (; s[n] >= '0' && s[n] <= '9' && n < 6; n++)
        port = port * 10 + (unsigned long)(s[n] - '0');
    return n > 0 && s[n] == '\0' && port <= 65535;
}

/* Literals only, nothing is asked of a name server. NULL: not so. */
static struct addrinfo *parse_address(const char *address)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    const char *colon = strrchr(address, ':');
    struct addrinfo *list = NULL;
    char host[64];
    size_t n = colon != NULL ? (size_t)(colon - address) : 0;
    bool bracketed = n >= 2 && address[0] == '[' && address[n - 1] == ']';

    if (n == 0 || n >= sizeof(host) || !is_port(colon + 1) ||
        (!bracketed && memchr(address, ':', n) != NULL))
        return NULL;
    (void)snprintf(host, sizeof(host), "%.*s", (int)(bracketed ? n - 2 : n),
                   address + (bracketed ? 1 : 0));
    return getaddrinfo(host, colon + 1, &hints, &list) == 0 ? list : NULL;
}

/* A descriptor, or -1. */
static int open_tcp(const char *address, struct pg_err *err)
{
    struct addrinfo *at = parse_address(address);

    if (at == NULL)
        return fail_at(err, address, "not of the form 127.0.0.1:5000 or [::1]:5000");
    _fd_ int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ||
        bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0) {
        (void)fail_bind(err, address);
        pg_fd_close(&fd);
    }
    freeaddrinfo(at);
    return TAKE_FD(fd);
}

/* "127.0.0.1:5000"; "/path"; "" when it has no name. */
static void name_of(int fd, char text[SOCKET_BOUND_MAX])
{
    union {
        struct sockaddr any;
        struct sockaddr_storage room;
        struct sockaddr_un un;
    } at = {0};
    socklen_t n = sizeof(at);
    char host[64], port[8];

    text[0] = '\0';
    if (getsockname(fd, &at.any, &n) < 0)
        return;
    if (at.any.sa_family == AF_UNIX) {
        (void)snprintf(text, SOCKET_BOUND_MAX, "%.*s", (int)sizeof(at.un.sun_path), at.un.sun_path);
        return;
    }
    if (getnameinfo(&at.any, n, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        (void)snprintf(text, SOCKET_BOUND_MAX, at.any.sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
                       host, port);
}

/* ---- unix ---------------------------------------------------------------------------------- */

/* A socket that a dead process left behind; of a living one, connecting succeeds. */
static void remove_stale(const struct sockaddr_un *at)
{
    struct stat st;

    if (lstat(at->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return;
    _fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 &&
        errno == ECONNREFUSED)
        (void)unlink(at->sun_path);
}

static int find_group(const char *name, gid_t *gid_r, struct pg_err *err)
{
    const struct group *g = getgrnam(name); /* main is alone */

    if (g == NULL)
        return pg_fail(err, PG_E_STORE_IO, "there is no group \"%s\"", name);
    *gid_r = g->gr_gid;
    return 0;
}

int socket_find_owner(const char *owner, uid_t *uid_r, gid_t *gid_r, struct pg_err *err)
{
    const char *colon = strchrnul(owner, ':');
    char user[OWNER_MAX];
    const struct passwd *p;

    *uid_r = (uid_t)-1;
    *gid_r = (gid_t)-1;
    if (colon - owner >= OWNER_MAX)
        return pg_fail(err, PG_E_STORE_IO, "the owner's name is too long");
    (void)snprintf(user, sizeof(user), "%.*s", (int)(colon - owner), owner);
    if (user[0] != '\0') {
        p = getpwnam(user);
        if (p == NULL)
            return pg_fail(err, PG_E_STORE_IO, "there is no user \"%s\"", user);
        *uid_r = p->pw_uid;
    }
    return *colon == ':' ? find_group(colon + 1, gid_r, err) : 0;
}

static int give_away(const char *path, const char *owner, struct pg_err *err)
{
    uid_t uid;
    gid_t gid;

    if (socket_find_owner(owner, &uid, &gid, err) < 0)
        return -1;
    if (lchown(path, uid, gid) < 0)
        return pg_fail(err, PG_E_STORE_IO,
                       "cannot give %s to %s: %s; a user may give it to a group that it is in",
                       path, owner, strerror(errno));
    return 0;
}

/* Mode and owner are right before the first client can connect. */
static int open_unix(const struct socket_want *want, const char *path, struct pg_err *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    mode_t before;
    int r;

    if (strlen(path) >= sizeof(at.sun_path))
        return fail_at(err, path, "the path of a unix socket may not be that long");
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    remove_stale(&at);
    _fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    before = umask((mode_t)(~want->mode & 0777));
    r = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)&at, sizeof(at));
    (void)umask(before);
    if (r < 0)
        return fail_bind(err, path);
    if (want->owner != NULL && give_away(path, want->owner, err) < 0) {
        (void)unlink(path);
        return -1;
    }
    if (listen(fd, SOMAXCONN) < 0)
        return fail_bind(err, path);
    return TAKE_FD(fd);
}

/* ---- passed by systemd --------------------------------------------------------------------- */

static int take_one(struct passed *p, int fd, struct sl name, struct pg_err *err)
{
    int accepts = 0, type = 0;
    socklen_t n = sizeof(int);

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &n) < 0 || accepts != 1 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0 || type != SOCK_STREAM)
        return pg_fail(err, PG_E_STORE_IO,
                       "descriptor %d was passed and is not a listening stream socket: it needs "
                       "ListenStream=, and Accept=no",
                       fd);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
        return pg_fail(err, PG_E_STORE_IO, "descriptor %d: %s", fd, strerror(errno));
    p->fd = fd;
    (void)snprintf(p->name, sizeof(p->name), SL_FMT, SL_ARG(name));
    name_of(fd, p->address);
    return 0;
}

static long number_of(const char *variable)
{
    const char *text = getenv(variable);
    char *end = NULL;
    long n = text != NULL ? strtol(text, &end, 10) : 0;

    return text != NULL && end != text && *end == '\0' ? n : 0;
}

/* The first of the names, which colons separate. */
static struct sl next_name(const char **names)
{
    struct sl name = {*names, strcspn(*names, ":")};

    *names += name.n + ((*names)[name.n] == ':' ? 1 : 0);
    return name;
}

int socket_take_passed(struct pg_err *err)
{
    const char *names = getenv("LISTEN_FDNAMES");
    long n = number_of("LISTEN_PID") == (long)getpid() ? number_of("LISTEN_FDS") : 0;
    int rc = 0;

    if (n > PASSED_MAX)
        return pg_fail(err, PG_E_STORE_IO, "more than %d sockets were passed", PASSED_MAX);
    names = names != NULL ? names : "";
    for (long i = 0; i < n && rc == 0; i++) {
        rc = take_one(&passed[npassed], PASSED_FIRST + (int)i, next_name(&names), err);
        npassed += rc == 0 ? 1 : 0;
    }
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    return rc;
}

int socket_inherit(const struct socket_bound *bound, struct pg_err *err)
{
    int fd = bound->fd;

    if (npassed == PASSED_MAX ||
        take_one(&passed[npassed], fd, (struct sl){bound->asked, strlen(bound->asked)}, err) < 0) {
        pg_fd_close(&fd);
        return err->kind != PG_E_NONE
                   ? -1
                   : pg_fail(err, PG_E_STORE_IO, "more than %d sockets were passed", PASSED_MAX);
    }
    passed[npassed].is_inherited = true;
    passed[npassed].was = *bound;
    npassed++;
    return 0;
}

static struct passed *find_inherited(const char *asked)
{
    for (size_t i = 0; i < npassed; i++) {
        struct passed *p = &passed[i];

        if (p->fd >= 0 && p->is_inherited && strcmp(p->was.asked, asked) == 0)
            return p;
    }
    return NULL;
}

void socket_close_unused(void)
{
    for (size_t i = 0; i < npassed; i++) {
        if (passed[i].fd < 0)
            continue;
        pg_log_say(PG_LOG_WARN, PG_LOG_START,
                   "the socket \"%s\" at %s was passed, and nothing listens on it: it has neither "
                   "an address of the configuration nor the name of one",
                   passed[i].name, passed[i].address);
        pg_fd_close(&passed[i].fd);
    }
    npassed = 0;
}

static struct passed *find_passed(const char *address)
{
    bool by_name = strncmp(address, SYSTEMD, strlen(SYSTEMD)) == 0;
    const char *wanted = by_name ? address + strlen(SYSTEMD) : address;

    for (size_t i = 0; i < npassed; i++) {
        struct passed *p = &passed[i];

        if (p->fd >= 0 && strcmp(by_name ? p->name : p->address, wanted) == 0)
            return p;
    }
    return NULL;
}

/* ---- all ----------------------------------------------------------------------------------- */

int socket_open(const struct socket_want *want, struct socket_bound *bound_r, struct pg_err *err)
{
    const char *address = want->address;
    struct passed *p;

    if (strncmp(address, UNIX, strlen(UNIX)) == 0)
        address += strlen(UNIX);
    *bound_r = (struct socket_bound){.fd = -1};
    (void)snprintf(bound_r->asked, sizeof(bound_r->asked), "%s", want->address);
    p = find_inherited(want->address);
    if (p != NULL) {
        *bound_r = p->was;
        p->fd = -1;
        return 0;
    }
    p = find_passed(address);
    if (p != NULL) {
        bound_r->fd = TAKE_FD(p->fd);
        bound_r->is_passed = true;
    } else if (strncmp(address, SYSTEMD, strlen(SYSTEMD)) == 0) {
        return fail_at(err, address,
                       "no socket of that name was passed; the socket unit needs "
                       "FileDescriptorName= with it, and must be started");
    } else if (address[0] == '/') {
        bound_r->fd = open_unix(want, address, err);
        (void)snprintf(bound_r->path, sizeof(bound_r->path), "%s", address);
    } else {
        bound_r->fd = open_tcp(address, err);
    }
    if (bound_r->fd < 0)
        return -1;
    if (address[0] == '/')
        (void)snprintf(bound_r->address, sizeof(bound_r->address), "%s", want->address);
    else
        name_of(bound_r->fd, bound_r->address);
    return 0;
}
