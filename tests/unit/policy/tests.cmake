# SPDX-License-Identifier: Apache-2.0
pg_unit(policy match)
pg_unit(policy pattern)
pg_unit(policy parse)
pg_unit(policy policy)
pg_unit(policy containers)
pg_unit(policy explain)
