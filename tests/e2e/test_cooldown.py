# SPDX-License-Identifier: Apache-2.0
"""min_age with on_young: previous: a tag is what it was before, until the new one is old enough. N08, N15.

Hours pass by the clocks of the server alone (pg.Shift).
"""
import datetime, json, os, shutil, time

import pg as stage
from pg import Shift
from test_facts import BASE, REPO, Made, denied, policy, served, start
from test_webhooks import Receiver, hook, revoke, secret
from upstream import Upstream, status

HOUR, TAG = 3600, f"{BASE}/manifests/v1"
WAIT = "min_age: 72h, on_young: previous"


class Scene:
    """A tag that has named one image for 80 hours, all of which a client has seen."""
    def __init__(self, require=WAIT, more="", hours=80, rules="", **args):
        self.shift, self.up = Shift(), Upstream()
        self.old = Made(self.up, "v1", labels={"is": "old"})
        self.pg = start(self.up, policy(require, more=rules), env=self.shift.env, more=more, **args)
        self.pg.get(TAG)                                  # too young yet, and seen
        self.settle(self.old)
        self.wait(hours)
        if hours >= 72:
            self.serves(self.old)

    def wait(self, hours):
        self.shift.by(hours * HOUR)

    def move(self, **labels):
        """The tag is another image upstream from now on."""
        new = Made(self.up, "v1", labels=labels or {"is": "new"}, layer=repr(labels).encode())
        self.wait(1)                                      # past the time that upstream's word holds
        return new

    def settle(self, image):
        """Until it is committed that the tag is this upstream."""
        def is_so():
            rows = json.loads(self.pg.control("GET", "/api/v1/tags?n=100")[1])["tags"]
            said = [datetime.datetime.fromisoformat(r["validated"].replace("Z", "+00:00")).timestamp()
                    for r in rows if r["tag"] == "v1" and r["digest"] == image.digest]
            return said and said[0] > time.time() + self.shift.wall - HOUR / 2
        self.pg.wait_true(is_so, "the tag is not committed")

    def listed(self):
        rows = json.loads(self.pg.control("GET", "/api/v1/tags?n=100")[1])["tags"]
        return next(r for r in rows if r["tag"] == "v1")

    def wait_listed(self, **at):
        """What a pull has shown is noted a moment after its answer."""
        for what, image in at.items():
            self.pg.wait_true(lambda: self.listed()[what] == image.digest, f"{what} is never noted")

    def serves(self, image, held=None, settles=True):
        for method in ["GET", "HEAD"]:
            got = self.pg.get(TAG, method=method)
            assert got.status == 200, (method, got, got.body and got.message())
            assert got.headers["Docker-Content-Digest"] == image.digest, method
            assert got.headers["X-Pullgate-Held"] == (held and held.digest), got.headers
            assert method == "HEAD" or got.body == image.body
        if settles:
            self.settle(held or image)
        served(self.pg, type("Doors", (), {"doors": image.doors[1:]}))

    def stop(self):
        self.pg.stop()
        self.up.die()


def test_N08_a_tag_is_what_it_was_before_until_the_new_one_is_old_enough():
    s = Scene()
    new = s.move()
    s.serves(s.old, held=new)
    denied(s.pg, type("Doors", (), {"doors": new.doors[1:2]}), "for 3 days")
    assert s.pg.metric("pullgate_admission_older_total") == 2
    s.wait_listed(held_at=s.old, digest=new)
    assert "v1 (held)" in s.pg.command("ls")[1]
    s.wait(40)
    s.serves(s.old, held=new)
    s.wait(40)                                            # upstream says it still
    s.serves(new)
    s.stop()


def test_what_leaves_in_a_tags_place_does_not_move_it():
    file, r = secret(), Receiver()
    s = Scene(more=hook(r, file, "tag-moved, revocation"))
    new = s.move()
    s.serves(s.old, held=new)
    s.wait(1)
    s.serves(s.old, held=new)                             # upstream was asked once more whether it has it
    revoke(s.pg, "sha256:" + "0" * 64)
    r.wait_types("tag-moved", "revocation")
    assert [(m["data"]["was"], m["data"]["is"]) for m in r.of("tag-moved")] == [(s.old.digest, new.digest)], r.events
    s.stop()
    r.stop()
    os.unlink(file)


def test_N08_what_was_pulled_by_digest_long_before_is_young_under_the_tag():
    s = Scene()
    evil = Made(s.up, "other", repo=REPO, labels={"is": "evil"})
    s.pg.get(f"{BASE}/manifests/{evil.digest}")
    s.pg.landed(4)
    s.wait(100)
    s.serves(s.old)
    s.up.manifest(REPO, "v1", evil.body)
    s.wait(1)
    s.serves(s.old, held=evil)
    s.stop()


def test_N08_a_digest_that_was_there_for_one_look_grows_no_older():
    s = Scene()
    evil = s.move(is_="evil")
    s.serves(s.old, held=evil)                            # seen once
    s.up.manifest(REPO, "v1", s.old.body)
    s.wait(100)                                           # and nobody looked
    s.serves(s.old)
    s.up.manifest(REPO, "v1", evil.body)
    s.wait(1)
    s.serves(s.old, held=evil)
    s.stop()


def test_N08_what_upstream_deleted_is_not_brought_to_life_again():
    s = Scene()
    new = s.move()
    s.up.on(f"{BASE}/manifests/{s.old.digest}", status(404))
    got = s.pg.get(TAG)
    assert got.status == 403 and "nothing may be pulled either" in got.message(), got

    def asks_no_more():
        n = len(s.up.asked)
        assert s.pg.get(TAG).status == 403
        return not any(s.old.digest in path for _, path, _ in s.up.asked[n:])
    s.pg.wait_true(asks_no_more, "upstream is asked for it over and over")
    s.up.well()
    assert s.pg.get(TAG).status == 403                    # it is not in the tag's past any more
    s.wait(80)
    s.serves(new)
    s.stop()


def test_N08_what_was_revoked_is_nobodys_past():
    s = Scene()
    new = s.move()
    s.serves(s.old, held=new)
    s.pg.command("revoke", s.old.digest, "--reason", "it is bad")
    got = s.pg.get(TAG)
    assert got.status == 403, got
    s.pg.command("unrevoke", s.old.digest)
    s.serves(s.old, held=new)
    s.pg.command("revoke", new.digest, "--reason", "the new one is bad")
    s.serves(s.old, held=new)                             # builds go on
    s.stop()


def test_what_the_tag_was_before_passes_the_whole_policy_now():
    s = Scene(WAIT + ", labels: {deny: {is: old}}", hours=0)
    s.wait(80)
    assert 'it has the label "is"' in s.pg.get(TAG).message()
    s.move()
    got = s.pg.get(TAG)
    assert got.status == 403 and "3 days" in got.message(), got.message()
    s.stop()


def test_on_young_deny_denies_and_two_rules_are_as_strict_as_the_stricter():
    s = Scene("min_age: 72h, on_young: deny")
    s.move()
    assert s.pg.get(TAG).status == 403
    s.stop()
    s = Scene(rules="\n- {name: stricter, match: {repositories: ['**/app']}, require: {min_age: 72h, on_young: deny}}")
    s.move()
    assert s.pg.get(TAG).status == 403
    s.stop()


def test_F_the_past_outlives_kill_and_the_loss_of_the_index():
    s = Scene()
    new = s.move()
    s.serves(s.old, held=new)
    s.pg.kill()
    s.pg.start()
    s.serves(s.old, held=new)
    s.pg.kill()
    shutil.rmtree(s.pg.dir + "/data/index")
    s.pg.start()
    s.pg.recovered()
    s.serves(s.old, held=new)
    s.stop()


def test_a_dead_upstream_ends_no_build():
    s = Scene(more="tags: {max_stale: 30d}")
    new = s.move()
    s.serves(s.old, held=new)
    s.up.die()
    s.wait(100)                                           # nobody said that it is still the new one
    s.serves(s.old, held=new, settles=False)
    s.pg.stop()


def test_N15_nothing_grows_old_by_a_wall_clock_that_jumps():
    s = Scene(more="tags: {max_stale: 3000d}")
    new = s.move()
    s.serves(s.old, held=new)
    for wall in [80 * HOUR, -160 * HOUR, 10 * 365 * 24 * HOUR]:
        s.shift.by(1, wall)
        s.serves(s.old, held=new)
        s.pg.kill()
        s.pg.start()
        s.serves(s.old, held=new)
    s.wait(80)
    s.serves(new)
    s.stop()


# ---- tags that may not move

FIXED = "tags: {immutable: ['v*']}"


def fixed(require=FIXED, **args):
    s = Scene(require, hours=0, **args)
    s.wait(1)
    s.serves(s.old)
    s.wait_listed(fixed_at=s.old)
    return s


def moved(s, new):
    """Said once, with both digests."""
    s.pg.wait_metric("pullgate_tags_moved_total", 1)
    line = s.pg.wait_log("may not move, and upstream moved it")
    assert s.old.digest in str(line) and new.digest in str(line), line


def test_a_denial_that_nothing_older_helps_is_told_and_what_is_explained_is_not():
    file, r, up = secret(), Receiver(), Upstream()
    image = Made(up, "v1")
    pg = start(up, policy(WAIT), more=hook(r, file, "denial, revocation"))
    assert pg.command("explain", f"{REPO}:v1")[0] == 1
    assert [pg.get(TAG).status for _ in range(2)] == [403, 403]
    revoke(pg, image.digest)
    r.wait_types("denial", "denial", "revocation")
    assert [e["data"].get("rule") for e in r.of("denial")] == ["facts", "facts"], r.events
    pg.stop()
    r.stop()
    os.unlink(file)


def test_a_tag_that_may_not_move_is_held_where_it_was_and_that_is_said():
    s = fixed()
    new = s.move()
    s.serves(s.old, held=new)
    moved(s, new)
    s.serves(s.old, held=new)
    assert s.pg.metric("pullgate_tags_moved_total") == 1
    s.wait_listed(fixed_at=s.old, held_at=s.old)
    s.wait(1000)
    s.serves(s.old, held=new)                             # it never becomes old enough
    assert s.pg.get(f"{BASE}/manifests/{new.digest}").status == 200
    other = Made(s.up, "latest", labels={"is": "other"})
    assert s.pg.get(f"{BASE}/manifests/latest").body == other.body
    again = Made(s.up, "latest", labels={"is": "another"})
    s.wait(1)
    assert s.pg.get(f"{BASE}/manifests/latest").body == again.body
    s.stop()


def test_a_tag_that_went_and_comes_back_as_another_has_moved():
    s = fixed()
    del s.up.manifests[REPO, "v1"]
    s.wait(1)
    assert s.pg.get(TAG).status == 404
    s.pg.wait_true(lambda: not json.loads(s.pg.control("GET", "/api/v1/tags?n=100")[1])["tags"], "the tag stays")
    new = s.move()
    s.serves(s.old, held=new)
    moved(s, new)
    s.stop()


def test_on_moved_deny_says_both_digests():
    s = fixed("tags: {immutable: ['v*'], on_moved: deny}")
    new = s.move()
    got = s.pg.get(TAG)
    assert got.status == 403 and s.old.digest in got.message() and new.digest in got.message(), got
    s.up.manifest(REPO, "v1", s.old.body)                 # it was a mistake
    s.wait(1)
    s.serves(s.old)
    s.stop()


def test_N06_what_a_tag_may_not_move_from_outlives_kill_and_the_loss_of_the_index():
    s = fixed()
    new = s.move()
    s.serves(s.old, held=new)
    s.pg.kill()
    shutil.rmtree(s.pg.dir + "/data/index")
    s.pg.start()
    s.pg.recovered()
    s.serves(s.old, held=new)
    s.up.on(TAG, status(404), times=2)                    # gone for a while, and back
    s.wait(1)
    s.pg.get(TAG)
    s.wait(1)
    s.serves(s.old, held=new)
    s.stop()


def test_an_operator_lets_a_tag_move_by_forgetting_what_it_was():
    s = fixed()
    new = s.move()
    s.serves(s.old, held=new)
    assert s.pg.command("purge", "origin.test/library/app:v1")[0] == 0
    s.serves(new)
    s.wait_listed(fixed_at=new)
    newer = s.move(very="new")
    s.serves(new, held=newer)
    s.stop()


if __name__ == "__main__":
    stage.main(globals())
