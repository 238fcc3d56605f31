/* SPDX-License-Identifier: Apache-2.0 */
/* A file becomes what it says, or every mistake in it is told with its line and column. */
#include "harness/test.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/config.h"

static const char example[] =
    "listen: 127.0.0.1:5000              # or a list; tls: {cert: ..., key: ...} beside it\n"
    "admin: {listen: 127.0.0.1:5001}\n"
    "storage: {path: /var/lib/pullgate, max_size: 100GiB}\n"
    "tags: {ttl: 60s, max_stale: 7d}\n"
    "upstreams:\n"
    "  docker.io: {url: https://registry-1.docker.io, default: true}\n"
    "  mirror.test: {url: http://127.0.0.1:5900, allow_private: true}\n";

static int parse(const char *text, struct config_load *load)
{
    return config_parse((struct sl){text, strlen(text)}, "f", load);
}

static const struct config_upstream *find(const struct config *c, const char *name)
{
    return config_find_upstream(c, (struct sl){name, strlen(name)});
}

TEST(the_example_works)
{
    struct config_load load;

    assert_int_equal(parse(example, &load), 0);
    const struct config *c = &load.config;
    assert_int_equal(c->nlisteners, 1);
    assert_string_equal(c->listeners[0].address, "127.0.0.1:5000");
    assert_int_equal(c->listeners[0].tls.npairs, 0);
    assert_string_equal(c->admin_listen, "127.0.0.1:5001");
    assert_string_equal(c->storage_path, "/var/lib/pullgate");
    assert_true(c->storage_max_size == UINT64_C(100) << 30);
    assert_true(c->tags_max_stale == UINT64_C(7) * 86400000);
    assert_int_equal(c->limits_connections, 10000);
    assert_int_equal(c->nupstreams, 2);
    assert_ptr_equal(config_default_upstream(c), find(c, "docker.io"));
    const struct config_upstream *u = find(c, "mirror.test");
    assert_string_equal(u->upstream_url, "http://127.0.0.1:5900");
    assert_string_equal(u->url_host, "127.0.0.1:5900");
    assert_false(u->url_https);
    assert_true(u->upstream_allow_private);
    assert_int_equal(config_at(&load, "tags", "max_stale").line, 4);
    assert_int_equal(config_at(&load, "tags", "max_stale").col, 29);
    assert_int_equal(config_at(&load, "log", "level").line, 0);
    config_load_free(&load);
}

TEST(nothing_is_a_configuration)
{
    static const char *const empty[] = {"", "# nothing\n", "---\n", "{}"};

    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        struct config_load load;
        assert_int_equal(parse(empty[i], &load), 0);
        assert_string_equal(load.config.listeners[0].address, "127.0.0.1:5000");
        assert_int_equal(load.config.nupstreams, 7);
        assert_string_equal(config_default_upstream(&load.config)->name, "docker.io");
        assert_non_null(find(&load.config, "public.ecr.aws"));
        assert_string_equal(find(&load.config, "index.docker.io")->url_host,
                            "registry-1.docker.io");
        config_load_free(&load);
    }
}

TEST(listed_upstreams_are_all_there_are)
{
    struct config_load load;

    assert_int_equal(parse("upstreams: {Quay.io: {url: https://quay.io}}\n", &load), 1);
    config_load_free(&load);
    assert_int_equal(parse("upstreams: {quay.io: {url: HTTPS://Quay.IO/}}\n", &load), 0);
    assert_int_equal(load.config.nupstreams, 1);
    assert_string_equal(load.config.upstreams[0].upstream_url, "https://quay.io");
    assert_string_equal(load.config.upstreams[0].url_host, "quay.io");
    assert_null(config_default_upstream(&load.config));
    config_load_free(&load);
    assert_int_equal(parse("upstreams: {}\n", &load), 0);
    assert_int_equal(load.config.nupstreams, 0);
    config_load_free(&load);
}

TEST(listeners_have_the_tls_beside_them_or_their_own)
{
    struct config_load load;

    assert_int_equal(parse("listen:\n"
                           "  - 127.0.0.1:5000\n"
                           "  - address: \"[::1]:5443\"\n"
                           "    tls: {cert: /own.pem, key: /own.key}\n"
                           "tls: {cert: /all.pem, key: /all.key}\n",
                           &load),
                     0);
    assert_int_equal(load.config.nlisteners, 2);
    assert_string_equal(load.config.listeners[0].tls.pairs[0].cert, "/all.pem");
    assert_string_equal(load.config.listeners[1].address, "[::1]:5443");
    assert_string_equal(load.config.listeners[1].tls.pairs[0].key, "/own.key");
    config_load_free(&load);
}

TEST(an_upstream_at_several_urls)
{
    struct config_load load;
    const struct config_upstream *u;

    assert_int_equal(parse("upstreams:\n"
                           "  a.test:\n"
                           "    urls:\n"
                           "      - {url: https://Mirror.test:8443/, authoritative: false}\n"
                           "      - {url: https://a.test, authoritative: true}\n"
                           "      - https://b.test\n"
                           "  other.test: {urls: [https://c.test, https://b.test]}\n",
                           &load),
                     0);
    u = find(&load.config, "a.test");
    assert_int_equal(u->nurls, 3);
    assert_string_equal(u->urls[0].text, "https://mirror.test:8443");
    assert_false(u->urls[0].authoritative);
    assert_true(u->urls[1].authoritative);
    assert_false(u->urls[2].authoritative);
    assert_string_equal(u->upstream_url, "https://a.test"); /* it speaks for the whole */
    assert_string_equal(u->url_host, "a.test");
    u = find(&load.config, "other.test");
    assert_true(u->urls[0].authoritative && !u->urls[1].authoritative);
    config_load_free(&load);
}

TEST(N12_an_alias_is_another_name_for_the_same)
{
    struct config_load load;

    assert_int_equal(parse("upstreams:\n"
                           "  b.test: {alias_of: a.test}\n"
                           "  a.test: {url: https://a.test}\n"
                           "  hub.test: {alias_of: docker.io}\n"
                           "  docker.io: {url: https://registry-1.docker.io}\n",
                           &load),
                     0);
    assert_string_equal(find(&load.config, "b.test")->name, "a.test");
    assert_string_equal(find(&load.config, "hub.test")->name, "docker.io");
    assert_string_equal(find(&load.config, "index.docker.io")->name, "docker.io");
    config_load_free(&load);
}

TEST(listeners_of_every_kind)
{
    struct config_load load;
    const struct config_listener *l;

    assert_int_equal(parse("listen:\n"
                           "  - address: unix:/run/pull.sock\n"
                           "    mode: \"0666\"\n"
                           "    owner: \":www\"\n"
                           "    trusted_proxies: [unix, 10.0.0.0/8]\n"
                           "  - unix:/run/other.sock\n"
                           "  - systemd:pull\n"
                           "  - address: 127.0.0.1:5443\n"
                           "    proxy_protocol: [192.0.2.1, \"fd00::/8\"]\n"
                           "    tls: {certs: [{cert: /a, key: /b}, {cert: /c, key: /d}], "
                           "client_ca: /ca}\n"
                           "tls: {cert: /all.pem, key: /all.key, client_ca: /ca, "
                           "client_auth: optional}\n",
                           &load),
                     0);
    l = load.config.listeners;
    assert_int_equal(l[0].mode, 0666);
    assert_string_equal(l[0].owner, ":www");
    assert_true(l[0].trusted_proxies.has_unix && l[0].trusted_proxies.n == 1);
    assert_true(pg_ip_nets_is_empty(&l[0].proxy_protocol));
    assert_int_equal(l[1].mode, 0660);
    assert_int_equal(l[1].tls.npairs, 0); /* the tls of all is not for unix sockets */
    assert_int_equal(l[2].tls.npairs, 1);
    assert_true(l[2].tls.client_ca != NULL && !l[2].tls.client_required);
    assert_int_equal(l[3].tls.npairs, 2);
    assert_string_equal(l[3].tls.pairs[1].key, "/d");
    assert_true(l[3].tls.client_required);
    assert_int_equal(l[3].proxy_protocol.n, 2);
    config_load_free(&load);
}

static const struct mistake {
    const char *text, *said;
} mistakes[] = {
    /* YAML */
    {"listen: [",
     "f:2:1: not YAML: did not find expected node content while parsing a flow node\n"},
    {"a: b: c\n", "f:1:5: not YAML: mapping values are not allowed in this context\n"},
    {"log:\n\tlevel: info\n", "f:2:1: not YAML: a tab; indent with spaces\n"},
    {"log:\n  level: \xff\n", "f:2:10: not UTF-8 text: invalid leading UTF-8 octet\n"},
    {"log: {level: info, level: warn}\n",
     "f:1:20: the key \"level\" stands here twice; the first is at line 1\n"},
    {"storage: {path: /a}\ntags: {ttl: 1s}\nstorage: {path: /b}\n",
     "f:3:1: the key \"storage\" stands here twice; the first is at line 1\n"},
    {"log: &a {level: info}\n", "f:1:6: anchors, aliases and tags are not allowed here\n"},
    {"log: *a\n", "f:1:6: anchors, aliases and tags are not allowed here\n"},
    {"log: {level: !!str info}\n", "f:1:14: anchors, aliases and tags are not allowed here\n"},
    {"log: {level: info}\n---\nlog: {level: warn}\n", "f:2:1: a second document\n"},
    {"log: {<<: {level: info}}\n", "f:1:7: unknown key \"<<\"; known here: format, level\n"},
    {"{[a]: b}\n", "f:1:2: a key must be a word\n"},
    {"log: [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]\n", "f:1:21: nested deeper than 16 levels\n"},
    /* shape */
    {"hello\n", "f:1:1: the file must be a mapping of options to values\n"},
    {"- a\n", "f:1:1: the file must be a mapping of options to values\n"},
    {"tags:\n", "f:1:6: tags must be a mapping of options to values\n"},
    {"tags: 60s\n", "f:1:7: tags must be a mapping of options to values\n"},
    {"tags: {ttl: [60s]}\n", "f:1:13: tags.ttl must be a single value\n"},
    {"tags: {ttl: }\n", "f:1:13: tags.ttl has no value; leave the key out for the default\n"},
    {"threads: ~\n", "f:1:10: threads has no value; leave the key out for the default\n"},
    /* keys */
    {"lisen: 127.0.0.1:5000\n", "f:1:1: unknown key \"lisen\"; did you mean \"listen\"?\n"},
    {"tags:\n  tlt: 60s\n", "f:2:3: unknown key \"tlt\"; did you mean \"ttl\"?\n"},
    {"reserve: 1GiB\n", "f:1:1: unknown key \"reserve\"; it belongs in \"storage\"\n"},
    {"log: {colour: red}\n", "f:1:7: unknown key \"colour\"; known here: format, level\n"},
    {"upstreams:\n  a.test: {url: https://a.test, defualt: true}\n",
     "f:2:33: unknown key \"defualt\"; did you mean \"default\"?\n"},
    {"listen: {adress: 127.0.0.1:1}\n", "f:1:9: listen: address is missing\n"
                                        "f:1:10: unknown key \"adress\"; did you mean "
                                        "\"address\"?\n"},
    /* values */
    {"tags: {ttl: 60}\n", "f:1:13: tags.ttl: \"60\" is not a time; write a number with ms, s, m, h "
                          "or d, such as 60s\n"},
    {"storage: {max_size: 1KiB}\n",
     "f:1:21: storage.max_size: 1KiB is less than the least, 16MiB\n"},
    {"storage: {path: data}\n",
     "f:1:17: storage.path: \"data\" is not an absolute path; it must begin with /\n"},
    {"storage: {path: \"/a\\0b\"}\n",
     "f:1:17: the text has a NUL character, which no value may have\n"},
    {"storage: {path: \"/a\\nb\"}\n",
     "f:1:17: storage.path: the value has a line break or another control character\n"},
    {"threads: -1\n", "f:1:10: threads: \"-1\" is not a number; write digits alone, such as 16\n"},
    {"helpers: {environment: \"HOME AWS_* A=B\"}\n",
     "f:1:24: helpers.environment must be names of variables separated by spaces, such as HOME or "
     "AWS_*; what they hold comes from the environment of pullgate\n"},
    {"helpers: {environment: \"A*B\"}\n",
     "f:1:24: helpers.environment must be names of variables separated by spaces, such as HOME or "
     "AWS_*; what they hold comes from the environment of pullgate\n"},
    {"upstreams: {a.test: {url: https://a.test, proxy: 127.0.0.1:3128}}\n",
     "f:1:50: upstreams.a.test.proxy must be http://host:port\n"},
    {"threads: 65\n", "f:1:10: threads: 65 is more than the most, 64\n"},
    {"upstreams: {a.test: {url: https://a.test, default: yes}}\n",
     "f:1:52: upstreams.a.test.default: \"yes\" is neither true nor false\n"},
    {"log: {level: loud}\ntags: {ttl: 1}\n",
     "f:1:14: log.level: \"loud\" is none of debug, info, warn, error\n"
     "f:2:13: tags.ttl: \"1\" is not a time; write a number with ms, s, m, h or d, such as 60s\n"},
    /* listeners */
    {"listen: localhost:5000\n",
     "f:1:9: listen must be an IP address and a port, such as 127.0.0.1:5000 or \"[::]:5000\", "
     "or unix:/PATH, or systemd:NAME\n"},
    {"admin: {listen: \":5001\"}\n", "f:1:17: admin.listen must be an IP address and a port, such "
                                     "as 127.0.0.1:5000 or \"[::]:5000\"\n"},
    {"listen: []\n", "f:1:9: listen must have from 1 to 16 addresses\n"},
    {"listen: [127.0.0.1:5000, 127.0.0.1:5000]\n",
     "f:1:26: listen: 127.0.0.1:5000 is taken by the listener 127.0.0.1:5000 already\n"},
    {"listen: 0.0.0.0:5001\n",
     "f: admin.listen: 127.0.0.1:5001 is taken by the listener 0.0.0.0:5001 already\n"},
    {"listen: unix:pull.sock\n",
     "f:1:9: listen: unix:pull.sock: must be followed by an absolute path\n"},
    {"listen: \"systemd:\"\n", "f:1:9: listen: systemd:: must be followed by the "
                               "FileDescriptorName of a socket unit\n"},
    {"listen: [unix:/a, unix:/a]\n",
     "f:1:19: listen: unix:/a is taken by the listener unix:/a already\n"},
    {"admin: {listen: unix:/a}\n", "f:1:17: admin.listen must be an IP address and a port, such as "
                                   "127.0.0.1:5000 or \"[::]:5000\"\n"},
    {"listen: {address: 127.0.0.1:1, mode: \"0660\"}\n",
     "f:1:38: mode and owner are for a listener at unix:/PATH\n"},
    {"listen: {address: unix:/a, mode: \"0999\"}\n",
     "f:1:34: mode: \"0999\" is not a mode such as 0660\n"},
    {"listen: {address: 127.0.0.1:1, trusted_proxies: 10.0.0.1}\n",
     "f:1:49: trusted_proxies must be a list of 1 to 256 addresses and networks\n"},
    {"listen: {address: 127.0.0.1:1, proxy_protocol: [10.0.0.1/8]}\n",
     "f:1:49: proxy_protocol: \"10.0.0.1/8\" is no address, no network such as 10.0.0.0/8 (with "
     "nothing behind its prefix), and not the word unix\n"},
    {"tls: {certs: [{cert: /c}]}\n", "f:1:15: tls.certs: key is missing\n"},
    {"tls: {certs: []}\n", "f:1:14: tls.certs must be a list of 1 to 15 {cert, key}\n"},
    {"tls: {cert: /c, key: /k, client_auth: required}\n",
     "f:1:39: tls.client_auth needs client_ca beside it, the authorities of the certificates that "
     "clients show\n"},
    {"tls: {cert: /c, key: /k, client_ca: /a, client_auth: perhaps}\n",
     "f:1:54: tls.client_auth: \"perhaps\" is neither optional nor required\n"},
    {"tls: {cert: /c}\n", "f:1:6: tls.key is missing\n"},
    {"tls: {cert: c, key: /k, ca: /x}\n",
     "f:1:13: tls.cert: \"c\" is not an absolute path; it must begin with /\n"
     "f:1:25: unknown key \"ca\"; known here: cert, key, certs, client_ca, "
     "client_auth\n"},
    /* upstreams */
    {"upstreams: [docker.io]\n", "f:1:12: upstreams must be a mapping of options to values\n"},
    {"upstreams:\n  a.test: https://a.test\n",
     "f:2:11: upstreams.a.test must be a mapping of options to values\n"},
    {"upstreams:\n  a.test:\n",
     "f:2:10: upstreams.a.test must be a mapping of options to values\n"},
    {"upstreams:\n  a.test: {default: true}\n", "f:2:3: upstreams.a.test: url is missing\n"},
    {"upstreams:\n  a.test: {url: a.test}\n",
     "f:2:17: upstreams.a.test.url must begin with https:// or http://\n"},
    {"upstreams:\n  a.test: {url: https://a.test/v2/}\n",
     "f:2:17: upstreams.a.test.url must not have a path; only the host, without /v2\n"},
    {"upstreams:\n  a.test: {url: \"https://canary:secret@a.test\"}\n",
     "f:2:17: upstreams.a.test.url must not hold a user or password; write username and "
     "password_file\n"},
    {"upstreams:\n  a.test: {url: \"https://a.test?x=1\"}\n",
     "f:2:17: upstreams.a.test.url must not have a query or fragment\n"},
    {"upstreams:\n  a.test: {url: \"https://0x7f.1\"}\n",
     "f:2:17: upstreams.a.test.url must have a valid host name or address, and perhaps a port\n"},
    {"upstreams:\n  a.test: {url: http://10.0.0.1}\n",
     "f:2:17: upstreams.a.test.url is at a private address; add allow_private: true if that is "
     "meant\n"},
    {"upstreams:\n  a.test: {url: \"http://[::ffff:127.0.0.1]:80\"}\n",
     "f:2:17: upstreams.a.test.url is at a private address; add allow_private: true if that is "
     "meant\n"},
    {"upstreams:\n  a.test: {url: http://localhost:5900}\n",
     "f:2:17: upstreams.a.test.url is at a private address; add allow_private: true if that is "
     "meant\n"},
    {"upstreams:\n  a.test: {url: http://localhost:5000, allow_private: true}\n",
     "f:2:17: upstreams.a.test.url is our own listener 127.0.0.1:5000\n"},
    {"listen: 0.0.0.0:80\nupstreams:\n  a.test: {url: http://127.0.0.9, allow_private: true}\n",
     "f:3:17: upstreams.a.test.url is our own listener 0.0.0.0:80\n"},
    {"upstreams:\n  a.test: {url: http://127.0.0.1:5001, allow_private: true}\n",
     "f:2:17: upstreams.a.test.url is our own listener 127.0.0.1:5001\n"},
    {"upstreams:\n"
     "  a.test: {url: https://a.test, default: true}\n"
     "  b.test: {url: https://b.test, default: true}\n",
     "f:3:42: upstreams.b.test is a second default; the first is a.test\n"},
    {"upstreams:\n"
     "  a.test: {url: https://a.test}\n"
     "  b.test: {url: https://A.test/}\n",
     "f:3:17: upstreams.b.test and a.test are one registry, a.test; if b.test is only another "
     "name, "
     "write {alias_of: a.test}\n"},
    {"upstreams:\n"
     "  a.test: {url: https://a.test, host: m.test}\n"
     "  b.test: {url: https://b.test, host: M.test}\n",
     "f:3:39: upstreams.b.test.host is the host of a.test already\n"},
    /* several ways to one */
    {"upstreams:\n  a.test: {url: https://a.test, urls: [https://b.test]}\n",
     "f:2:17: upstreams.a.test has both url and urls; write one of them\n"},
    {"upstreams:\n  a.test: {urls: []}\n",
     "f:2:18: upstreams.a.test.urls must be a list of 1 to 8 URLs\n"},
    {"upstreams:\n  a.test: {urls: [https://a.test, https://A.test/]}\n",
     "f:2:35: upstreams.a.test.urls has a.test twice\n"},
    {"upstreams:\n  a.test: {urls: [{url: https://a.test, authoritative: false}, "
     "https://b.test]}\n",
     "f:2:25: upstreams.a.test.urls: one of them must be authoritative, or nobody says what a tag "
     "is\n"},
    {"upstreams:\n  a.test: {urls: [{url: https://a.test, trusted: true}, {}, [x]]}\n",
     "f:2:41: unknown key \"trusted\"; known here: url, authoritative\n"
     "f:2:57: urls: url is missing\n"
     "f:2:61: urls must be a single value\n"},
    {"upstreams:\n  a.test: {urls: [https://a.test, {url: https://b.test/v2, authoritative: "
     "maybe}]}\n",
     "f:2:41: upstreams.a.test.urls must not have a path; only the host, without /v2\n"
     "f:2:75: authoritative: \"maybe\" is neither true nor false\n"},
    {"upstreams:\n  a.test: {url: https://a.test, client_key: /k}\n",
     "f:2:45: upstreams.a.test needs client_cert and client_key, or neither\n"},
    {"upstreams:\n  a.test: {url: http://a.test, client_cert: /c, client_key: /k}\n",
     "f:2:45: upstreams.a.test.client_cert is for https:// alone\n"},
    {"upstreams:\n  a.test: {url: https://a.test, proxy: https://p.test:3128}\n",
     "f:2:40: upstreams.a.test.proxy must be http://host:port\n"},
    {"upstreams:\n  a.test: {url: https://a.test, proxy: http://p.test}\n",
     "f:2:40: upstreams.a.test.proxy must be http://host:port\n"},
    {"upstreams:\n  a.test: {url: https://a.test, proxy: \"http://u:p@p.test:1\"}\n",
     "f:2:40: upstreams.a.test.proxy must not hold a user or password; a proxy that asks for a "
     "login "
     "is not supported\n"},
    {"upstreams:\n  a.test: {url: https://a.test, max_bandwidth: 1KiB}\n",
     "f:2:48: upstreams.a.test.max_bandwidth must be 64KiB or more, or 0\n"},
    /* N12 */
    {"upstreams:\n"
     "  a.test: {urls: [https://a.test, https://m.test]}\n"
     "  b.test: {url: https://m.test}\n",
     "f:3:17: upstreams.b.test and a.test are one registry, m.test; if b.test is only another "
     "name, write {alias_of: a.test}\n"},
    {"upstreams:\n  a.test: {url: https://a.test}\n  b.test: {alias_of: c.test}\n",
     "f:3:22: upstreams.b.test.alias_of must be the name of another upstream that is no alias "
     "itself; there is no such upstream c.test\n"},
    {"upstreams:\n  b.test: {alias_of: b.test}\n",
     "f:2:22: upstreams.b.test.alias_of must be the name of another upstream that is no alias "
     "itself; there is no such upstream b.test\n"},
    {"upstreams:\n  a.test: {url: https://a.test}\n"
     "  b.test: {alias_of: a.test, allow_private: true}\n",
     "f:3:22: upstreams.b.test.alias_of stands alone: all else is that of a.test\n"},
    {"upstreams:\n  index.docker.io: {url: https://registry-1.docker.io}\n",
     "f:2:3: upstreams.index.docker.io is another name of docker.io; write docker.io\n"},
    {"upstreams:\n  A.test: {url: https://a.test}\n",
     "f:2:3: upstreams.A.test: write the name in lower case\n"},
    {"upstreams:\n  a_b/c: {url: https://a.test}\n",
     "f:2:3: upstreams: a key must be the host name of a registry, such as quay.io, and perhaps a "
     "port\n"},
    {"upstreams: {\"a\\e[31m\\u202e.test\": {url: https://a.test}}\nlog: {\"\\a\": 1}\n",
     "f:1:13: upstreams: a key must be the host name of a registry, such as quay.io, and perhaps a "
     "port\n"
     "f:2:7: unknown key \"\\u0007\"; known here: format, level\n"},
    {"upstreams: {\"a\\e[31m.test\": 1}\n",
     "f:1:13: upstreams: a key must be the host name of a registry, such as quay.io, and perhaps a "
     "port\n"
     "f:1:29: upstreams.a\\u001b[31m.test must be a mapping of options to values\n"},
    {"upstreams:\n  library: {url: https://a.test}\n",
     "f:2:3: upstreams.library: the name of a registry has a dot or a port\n"},
    {"upstreams:\n  a.test: {url: https://a.test, realms: \"auth.test https://b.test\"}\n",
     "f:2:41: upstreams.a.test.realms must be host names separated by spaces\n"},
    {"upstreams:\n  a.test: {url: https://a.test, host: \"a.test:80\"}\n",
     "f:2:39: upstreams.a.test.host must be a host name without a port\n"},
    {"upstreams:\n  a.test: {url: https://a.test, username: u}\n",
     "f:2:43: upstreams.a.test.username needs a password_file or password_env beside it\n"},
    {"upstreams:\n  a.test: {url: https://a.test, password_env: P}\n",
     "f:2:47: upstreams.a.test.password_env needs a username beside it\n"},
    {"upstreams:\n  a.test: {url: https://a.test, username: u, password_file: /p, password_env: "
     "P}\n",
     "f:2:79: upstreams.a.test has a password_file and a password_env; one of them is enough\n"},
    {"upstreams:\n  a.test: {url: https://a.test, docker_config: /c, credential_helper: "
     "ecr-login}\n",
     "f:2:71: upstreams.a.test has more than one of username, docker_config and "
     "credential_helper; a login comes from one place\n"},
    {"upstreams:\n  a.test: {url: https://a.test, username: u, password_file: /p, docker_config: "
     "/c}\n",
     "f:2:80: upstreams.a.test has more than one of username, docker_config and "
     "credential_helper; a login comes from one place\n"},
    {"upstreams:\n  a.test: {url: https://a.test, username: \"u:secret\", password_file: /p}\n",
     "f:2:43: upstreams.a.test.username must not have a colon; the password goes into "
     "password_file\n"},
    {"upstreams:\n  a.test: {url: http://a.test, credential_helper: x}\n",
     "f:2:17: upstreams.a.test.url is http://, which would send the password in clear; use "
     "https://\n"},
    {"upstreams:\n  a.test: {url: https://a.test, password_file: /p}\n",
     "f:2:48: upstreams.a.test.password_file needs a username beside it\n"},
    {"upstreams:\n  a.test: {url: http://a.test, username: u, password_file: /p}\n",
     "f:2:17: upstreams.a.test.url is http://, which would send the password in clear; use "
     "https://\n"},
};

TEST(every_mistake_is_told_with_its_line_and_column)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        struct config_load load;
        struct pg_buf said;
        int rc = parse(mistakes[i].text, &load);
        pg_buf_init(&said, 65536);
        config_load_put_problems(&load, &said);
        (void)pg_buf_put(&said, (struct sl){"", 1});
        if (rc != 1 || strcmp(said.p, mistakes[i].said) != 0) {
            print_error("%s", mistakes[i].text);
        }
        assert_string_equal(said.p, mistakes[i].said);
        assert_int_equal(rc, 1);
        pg_buf_free(&said);
        config_load_free(&load);
    }
}

TEST(problems_have_an_end)
{
    char text[65536] = "";
    struct config_load load;
    struct pg_buf said;

    for (int i = 0; i < 1000; i++) {
        size_t n = strlen(text);

        (void)snprintf(text + n, sizeof(text) - n, "unknown_key_%d: 1\n", i);
    }
    pg_buf_init(&said, 65536);
    assert_int_equal(parse(text, &load), 1);
    assert_int_equal(load.nproblems, CONFIG_PROBLEMS_MAX);
    config_load_put_problems(&load, &said);
    (void)pg_buf_put(&said, (struct sl){"", 1});
    assert_non_null(strstr(said.p, "f: more problems than are shown\n"));
    pg_buf_free(&said);
    config_load_free(&load);
}

TEST(too_much_is_refused)
{
    struct config_load load;
    size_t n = PG_TREE_BYTES_MAX + 1;
    char *text = malloc(n);

    memset(text, '#', n);
    assert_int_equal(config_parse((struct sl){text, n}, "f", &load), 1);
    assert_string_equal(load.problems[0].text, "the file is larger than 1024 KiB");
    config_load_free(&load);
    memset(text, ' ', n);
    for (size_t i = 1; i < n; i += 2) {
        text[i] = ',';
        text[i - 1] = 'x';
    }
    text[0] = '[';
    text[1] = 'x';
    assert_int_equal(config_parse((struct sl){text, n - 1}, "f", &load), 1);
    assert_string_equal(load.problems[0].text, "more than 100000 keys and values");
    config_load_free(&load);
    free(text);
}

/* ---- files --------------------------------------------------------------------------------- */

static char dir[] = "/tmp/pg-config-XXXXXX";

static const char *put_file(const char *name, const char *text, mode_t mode)
{
    static char path[4][256];
    static unsigned turn;
    char *p = path[turn++ % 4];

    (void)snprintf(p, 256, "%s/%s", dir, name);
    (void)unlink(p);
    int fd = open(p, O_CREAT | O_WRONLY | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    return p;
}

static void assert_load(const char *file, int want, const char *said)
{
    struct config_load load;
    struct pg_err err = {0};
    int rc = config_load(file, &load, &err);

    assert_int_equal(rc, want);
    if (rc < 0) {
        assert_non_null(strstr(err.msg, said));
    } else if (rc > 0) {
        assert_non_null(strstr(load.problems[0].text, said));
    }
    pg_err_clear(&err);
    config_load_free(&load);
}

TEST(the_file_itself_is_safe_or_refused)
{
    char gone[256];

    assert_load(put_file("good.yaml", example, 0644), 0, "");
    assert_load(put_file("open.yaml", example, 0666), -1, "can be written by others (mode 0666)");
    assert_load(put_file("other.yaml", example, 0602), -1, "run: chmod go-w");
    (void)snprintf(gone, sizeof gone, "%s/gone.yaml", dir);
    assert_load(gone, -1, "No such file");
    assert_load(dir, -1, "is not a regular file");
    assert_load("/dev/null", -1, "is not a regular file");
}

static void assert_upstream_file(const char *option, const char *path, int want, const char *said)
{
    char text[1024];

    (void)snprintf(text, sizeof text,
                   "upstreams:\n  a.test: {url: https://a.test, username: u, password_file: %s/pw, "
                   "%s: %s}\n",
                   dir, option, path);
    if (strcmp(option, "password_file") == 0) {
        (void)snprintf(text, sizeof text,
                       "upstreams:\n  a.test: {url: https://a.test, username: u, %s: %s}\n", option,
                       path);
    }
    assert_load(put_file("u.yaml", text, 0600), want, said);
}

static char cert_pem[2048], key_pem[2048];

static void take_text(BIO *bio, char *to, size_t room)
{
    int n = BIO_read(bio, to, (int)room - 1);

    assert_true(n > 0);
    to[n] = '\0';
    BIO_free(bio);
}

static void make_pems(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    BIO *cert_bio = BIO_new(BIO_s_mem()), *key_bio = BIO_new(BIO_s_mem());

    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), 1), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), -60));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), 3600));
    assert_int_equal(X509_set_pubkey(x, key), 1);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(cert_bio, x), 1);
    assert_int_equal(PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL), 1);
    take_text(cert_bio, cert_pem, sizeof cert_pem);
    take_text(key_bio, key_pem, sizeof key_pem);
    X509_free(x);
    EVP_PKEY_free(key);
}

TEST(files_with_secrets_are_private_or_refused)
{
    assert_upstream_file("password_file", put_file("pw", "secret\n", 0600), 0, "");
    assert_upstream_file("password_file", put_file("pw", "secret\n", 0640), 1,
                         "can be read or written by others (mode 0640); run: chmod 0600");
    assert_upstream_file("password_file", put_file("pw", "secret\n", 0604), 1, "by others");
    assert_upstream_file("password_file", put_file("pw", "", 0600), 1, "is empty");
    assert_upstream_file("password_file", "/nonexistent", 1, "cannot open /nonexistent");
    assert_upstream_file("password_file", dir, 1, "is not a regular file");
    (void)put_file("pw", "secret\n", 0600);
    assert_upstream_file("ca_file", put_file("ca", cert_pem, 0644), 0, "");
    assert_upstream_file("ca_file", put_file("ca", "no PEM", 0644), 1, "holds no certificates");
    assert_upstream_file("ca_file", put_file("ca", cert_pem, 0666), 1, "can be written by others");
}

/* path is of a program or of a config.json. */
static void assert_login(const char *option, const char *path, int want, const char *said)
{
    char text[1024];

    (void)snprintf(text, sizeof text, "upstreams:\n  a.test: {url: https://a.test, %s: %s}\n",
                   option, path);
    assert_load(put_file("u.yaml", text, 0600), want, said);
}

TEST(C16_logins_of_others_are_private_or_refused)
{
    static const char good[] = "{\"auths\":{\"a.test\":{\"auth\":\"dTpzZWNyZXQ=\"}}}";
    static const char other[] = "{\"auths\":{\"b.test\":{\"auth\":\"dTpzZWNyZXQ=\"}}}";
    static const char helped[] = "{\"credHelpers\":{\"a.test\":\"nobody-has-this\"}}";
    static const char twice[] = "upstreams:\n  a.test: {url: https://a.test, username: u, "
                                "password_env: PULLGATE_TEST_UNSET}\n";

    assert_login("docker_config", put_file("dc", good, 0600), 0, "");
    assert_login("docker_config", put_file("dc", good, 0644), 1, "run: chmod 0600");
    assert_login("docker_config", put_file("dc", "{", 0600), 1, "is not proper JSON");
    assert_login("docker_config", put_file("dc", "", 0600), 1, "is empty");
    assert_login("docker_config", put_file("dc", other, 0600), 1, "has no login for a.test");
    assert_login("docker_config", put_file("dc", helped, 0600), 1,
                 "nobody-has-this: the credential helper is in none of /usr/libexec/pullgate");
    assert_login("credential_helper", put_file("h", "#!/bin/sh\n", 0700), 0, "");
    assert_login("credential_helper", put_file("h", "#!/bin/sh\n", 0600), 1,
                 "is not an executable file");
    assert_login("credential_helper", put_file("h", "#!/bin/sh\n", 0722), 1,
                 "can be written by others");
    assert_login("credential_helper", "/nonexistent/h", 1, "is not there");
    assert_login("credential_helper", "../h", 1, "must be an absolute path, or a name");
    assert_load(put_file("u.yaml", twice, 0600), 1,
                "the environment variable PULLGATE_TEST_UNSET is not set");
}

TEST(tls_keys_are_private_or_refused)
{
    char text[1024];
    static const struct {
        mode_t cert, key;
        int want;
    } cases[] = {{0644, 0600, 0}, {0644, 0640, 0}, {0644, 0644, 1}, {0666, 0600, 1}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        (void)put_file("cert", cert_pem, cases[i].cert);
        (void)put_file("key", key_pem, cases[i].key);
        (void)snprintf(text, sizeof text, "tls: {cert: %s/cert, key: %s/key}\n", dir, dir);
        assert_load(put_file("tls.yaml", text, 0600), cases[i].want, "by others");
    }
    (void)put_file("cert", "no PEM", 0644);
    (void)put_file("key", key_pem, 0600);
    assert_load(put_file("tls.yaml", text, 0600), 1, "no certificates could be read");
}

static int make_dir(void **state)
{
    (void)state;
    make_pems();
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **state)
{
    static const char *const names[] = {"good.yaml", "open.yaml", "other.yaml", "u.yaml",  "pw",
                                        "ca",        "cert",      "key",        "tls.yaml"};
    char path[256];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(the_example_works),
        RUN(nothing_is_a_configuration),
        RUN(listed_upstreams_are_all_there_are),
        RUN(listeners_have_the_tls_beside_them_or_their_own),
        RUN(listeners_of_every_kind),
        RUN(an_upstream_at_several_urls),
        RUN(N12_an_alias_is_another_name_for_the_same),
        RUN(every_mistake_is_told_with_its_line_and_column),
        RUN(problems_have_an_end),
        RUN(too_much_is_refused),
        RUN(the_file_itself_is_safe_or_refused),
        RUN(files_with_secrets_are_private_or_refused),
        RUN(C16_logins_of_others_are_private_or_refused),
        RUN(tls_keys_are_private_or_refused),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
