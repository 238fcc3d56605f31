# SPDX-License-Identifier: Apache-2.0
pg_unit(retention wildcard)
pg_unit(retention semver)
pg_unit(retention cron)
pg_unit(retention ruleset)
pg_unit(retention plan)
