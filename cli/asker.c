/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/asker.h"

int asker_open(struct asker *a, struct pg_err *err)
{
    static const struct stamper_options as_installed = {0};

    *a = (struct asker){0};
    if (spawn_open(1, &a->spawn, err) < 0) {
        return -1;
    }
    if (stamper_open(a->spawn, &as_installed, &a->stamper, err) < 0) {
        asker_close(a);
        return -1;
    }
    spawn_start(a->spawn);
    a->stamp = stamper_stamp(a->stamper);
    return 0;
}

void asker_close(struct asker *a)
{
    spawn_close(a->spawn);
    stamper_free(a->stamper);
}
